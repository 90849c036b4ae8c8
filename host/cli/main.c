/* retort: trains U-Nets on satellite images and distils them, on any OpenCL device. */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/word.h"
#include "cli/commands.h"
#include "cli/terminal.h"
#include "retort/version.h"

static void print_usage(void)
{
    const struct command *command = NULL;
    fprintf(stderr, "usage: retort COMMAND [--option VALUE ...]\n\n");
    while ((command = command_next(command)))
        fprintf(stderr, "  %-10s  %s\n", command->name, command->summary);
    fprintf(stderr, "\nretort help COMMAND explains one.\n");
}

/* What stands where a command should. */
static rt_status fail_option(const char *option)
{
    static const char *const options[] = {"--version", "--help", NULL};
    const char *closest = rt_word_closest_of(option, options);
    if (closest)
        return rt_fail(RT_ERROR_ARGUMENT, "there is no option %s; did you mean %s?", option,
                       closest);
    return rt_fail(RT_ERROR_ARGUMENT,
                   "the command comes first, then its options: retort COMMAND %s; see retort help",
                   option);
}

static rt_status run(int argc, char **argv)
{
    const struct command *command;
    if (argc < 2) {
        print_usage();
        return rt_fail(RT_ERROR_ARGUMENT, "which command?");
    }
    if (strcmp(argv[1], "--version") == 0) {
        puts("retort " RT_VERSION);
        return RT_OK;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)
        return run_help(1, (char *[]){"help", NULL});
    if (argv[1][0] == '-')
        return fail_option(argv[1]);
    rt_status status = command_find(argv[1], &command);
    return status < 0 ? status : command->run(argc - 1, argv + 1);
}

/* Output that could not be written, as on a full disk, is a failure whatever else went well. */
static void close_output(void)
{
    bool failed = ferror(stdout);
    if (fclose(stdout) != 0 || failed) {
        perror("retort: cannot write the output");
        _exit(EXIT_FAILURE);
    }
}

static int exit_status(rt_status status)
{
    switch (status) {
    case RT_OK:
        return 0;
    case RT_ERROR_ARGUMENT:
        return 2;
    case RT_ERROR_INTERRUPTED:
        return 130; /* as a shell reports SIGINT */
    default:
        return 1;
    }
}

int main(int argc, char **argv)
{
    atexit(close_output);
    terminal_start();
    rt_status status = run(argc, argv);
    if (status != RT_OK)
        terminal_fail(rt_error_message());
    return exit_status(status);
}
