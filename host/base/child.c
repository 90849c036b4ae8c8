#include "base/child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#ifdef __APPLE__
#include <mach-o/dyld.h>
#endif

#include "base/memory.h"
#include "base/process.h"

#define OUTPUT_BYTES ((size_t)1 << 16)
#define PATH_BYTES 4096
#define NAP_MICROSECONDS 2000

extern char **environ;

rt_status rt_program_path(char **path)
{
    rt_status status = rt_alloc(path, PATH_BYTES, 1);
    if (status < 0)
        return status;
#ifdef __APPLE__
    uint32_t size = PATH_BYTES;
    bool found = _NSGetExecutablePath(*path, &size) == 0;
#else
    bool found = readlink("/proc/self/exe", *path, PATH_BYTES - 1) > 0;
#endif
    if (found)
        return RT_OK;
    free(*path);
    *path = NULL;
    return rt_fail(RT_ERROR_IO, "cannot find out which program this is: %s", strerror(errno));
}

static rt_status fail_start(int code)
{
    return rt_fail(RT_ERROR_IO, "a child process cannot be started: %s", strerror(code));
}

/* Starts the child with `to` for its standard output. */
static rt_status start(const char *const *arguments, int to, bool quiet, pid_t *child)
{
    posix_spawn_file_actions_t actions;
    int code = posix_spawn_file_actions_init(&actions);
    if (code != 0)
        return fail_start(code);
    code = posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    if (code == 0)
        code = posix_spawn_file_actions_adddup2(&actions, to, STDOUT_FILENO);
    if (code == 0 && quiet)
        code = posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    if (code == 0)
        code = posix_spawn(child, arguments[0], &actions, NULL, (char *const *)arguments, environ);
    posix_spawn_file_actions_destroy(&actions);
    return code == 0 ? RT_OK : fail_start(code);
}

/* Reads until the child closes its output; false when the time is up. */
static bool read_output(int from, double deadline, char *output)
{
    size_t length = 0;
    for (;;) {
        struct pollfd wait = {.fd = from, .events = POLLIN};
        double left = deadline - rt_clock_seconds();
        if (left <= 0)
            return false;
        if (poll(&wait, 1, (int)(1000 * (left < 3600 ? left : 3600)) + 1) <= 0)
            continue;
        char surplus[512];
        const bool full = length == OUTPUT_BYTES;
        ssize_t got = full ? read(from, surplus, sizeof surplus)
                           : read(from, output + length, OUTPUT_BYTES - length);
        if (got == 0 || (got < 0 && errno != EINTR))
            return true;
        if (got > 0 && !full)
            length += (size_t)got;
    }
}

/* Waits for the child's end, and brings it about when the time is up. */
static bool wait_for(pid_t child, double deadline, bool in_time, int *result)
{
    while (in_time && waitpid(child, result, WNOHANG) == 0) {
        usleep(NAP_MICROSECONDS);
        in_time = rt_clock_seconds() < deadline;
    }
    if (!in_time) {
        kill(child, SIGKILL);
        while (waitpid(child, result, 0) < 0 && errno == EINTR)
            ;
    }
    return in_time;
}

rt_status rt_child_run(const char *const *arguments, double seconds, bool quiet, char **output)
{
    rt_status status = RT_OK;
    int ends[2] = {-1, -1}, result = 0;
    const double deadline = rt_clock_seconds() + seconds;
    pid_t child;
    RT_TRY(rt_alloc(output, OUTPUT_BYTES + 1, 1));
    if (pipe(ends) != 0)
        RT_TRY(fail_start(errno));
    for (int i = 0; i < 2; i++)
        fcntl(ends[i], F_SETFD, FD_CLOEXEC);
    RT_TRY(start(arguments, ends[1], quiet, &child));
    close(ends[1]);
    ends[1] = -1;
    if (!wait_for(child, deadline, read_output(ends[0], deadline, *output), &result))
        status = rt_fail(RT_ERROR_IO, "it did not end within %g seconds", seconds);
    else if (WIFSIGNALED(result))
        status = rt_fail(RT_ERROR_IO, "it was ended by signal %d (%s)", WTERMSIG(result),
                         strsignal(WTERMSIG(result)));
    else if (WEXITSTATUS(result) != 0)
        status = rt_fail(RT_ERROR_IO, "its exit status was %d", WEXITSTATUS(result));
end:
    for (int i = 0; i < 2; i++)
        if (ends[i] >= 0)
            close(ends[i]);
    if (status < 0) {
        free(*output);
        *output = NULL;
    }
    return status;
}
