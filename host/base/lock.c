#include "base/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"

/* Whether the path still leads to the open file: its last holder may have removed it since. */
static bool is_at(int file, const char *path)
{
    struct stat here, there;
    return fstat(file, &here) == 0 && stat(path, &there) == 0 && here.st_dev == there.st_dev &&
           here.st_ino == there.st_ino;
}

/* flock, which a signal may end early. */
static int lock_file(int file, int how)
{
    int result;
    do
        result = flock(file, how);
    while (result != 0 && errno == EINTR);
    return result;
}

/* One try; what to do when the lock cannot be had. */
static rt_status take(struct rt_lock *lock, const char *what, int how)
{
    lock->file = open(lock->path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0666);
    if (lock->file < 0)
        return rt_fail(RT_ERROR_IO, "cannot write %s: %s", lock->path, strerror(errno));
    lock->held = true;
    if (lock_file(lock->file, how) == 0)
        return RT_OK;
    if (errno != EWOULDBLOCK) {
        rt_warn("%s cannot be locked (%s): see that no other process writes to it", what,
                strerror(errno));
        return RT_OK;
    }
    close(lock->file);
    lock->held = false;
    return rt_fail(RT_ERROR_IO,
                   "cannot write to %s: another process writes to it; wait for its end or choose "
                   "another folder",
                   what);
}

/* Of what is locked by the file at lock->path. */
static rt_status lock_at_path(struct rt_lock *lock, const char *what, int how)
{
    rt_status status = RT_OK;
    RT_TRY(take(lock, what, how));
    while (!is_at(lock->file, lock->path)) {
        close(lock->file);
        lock->held = false;
        RT_TRY(take(lock, what, how));
    }
end:
    return status;
}

rt_status rt_lock_folder(struct rt_lock *lock, const char *folder)
{
    rt_status status = RT_OK;
    if (lock->held)
        return RT_OK;
    RT_TRY(rt_path_join(&lock->path, folder, ".lock"));
    status = lock_at_path(lock, folder, LOCK_EX | LOCK_NB);
end:
    if (status < 0)
        rt_lock_finish(lock);
    return status;
}

rt_status rt_lock_wait(struct rt_lock *lock, const char *path)
{
    rt_status status = RT_OK;
    if (lock->held)
        return RT_OK;
    RT_TRY(rt_copy_text(&lock->path, path));
    status = lock_at_path(lock, path, LOCK_EX);
end:
    if (status < 0)
        rt_lock_finish(lock);
    return status;
}

void rt_lock_finish(struct rt_lock *lock)
{
    if (lock->held) {
        if (is_at(lock->file, lock->path))
            unlink(lock->path);
        close(lock->file);
    }
    free(lock->path);
    *lock = (struct rt_lock){0};
}
