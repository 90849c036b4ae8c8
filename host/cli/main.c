/* retort: trains U-Nets on satellite images and distils them, on any OpenCL device. */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/memory.h"
#include "cli/commands.h"
#include "cli/options.h"
#include "cli/terminal.h"
#include "retort/version.h"

struct command {
    const char *name, *summary; /* without a summary: not for users */
    rt_status (*run)(int argc, char **argv);
};

static rt_status run_help(int argc, char **argv);

static const struct command commands[] = {
    {"demo", "run the whole chain in some minutes", run_demo},
    {"devices", "show the OpenCL devices", run_devices},
    {"doctor", "certify a device: kernels, limits, memory", run_doctor},
    {"doctor-check", NULL, run_doctor_check},
    {"data", "tell what a data set holds", run_data},
    {"train", "train a network", run_train},
    {"distill", "train a small network to answer as larger ones do", run_distill},
    {"eval", "judge weights: metrics, curves, panels", run_eval},
    {"predict", "segment images", run_predict},
    {"import", "make a model of one of Keras, PyTorch or ONNX", run_import},
    {"export", "write a model for ONNX, PyTorch or Keras", run_export},
    {"report", "write one page about some runs", run_report},
    {"bench", "time inference, training and distillation", run_bench},
    {"tune", "find the fastest kernels for this device", run_tune},
    {"tune-candidate", NULL, run_tune_candidate},
    {"help", "explain a command", run_help},
};

static const struct command *find_command(const char *name)
{
    for (size_t i = 0; i < RT_COUNT(commands); i++)
        if (strcmp(name, commands[i].name) == 0)
            return &commands[i];
    return NULL;
}

static void print_usage(FILE *stream)
{
    fprintf(stream, "usage: retort COMMAND [--option VALUE ...]\n\n"
                    "Trains U-Nets on satellite images and distils them into small ones, on any\n"
                    "OpenCL device.\n\n");
    for (size_t i = 0; i < RT_COUNT(commands); i++)
        if (commands[i].summary)
            fprintf(stream, "  %-9s %s\n", commands[i].name, commands[i].summary);
    fprintf(stream, "\nretort help COMMAND explains one; retort --version tells the version.\n");
}

static rt_status fail_unknown(const char *name)
{
    const char *closest =
        closest_word(name, &commands[0].name, RT_COUNT(commands), sizeof commands[0]);
    return rt_fail(RT_ERROR_ARGUMENT, "there is no command '%s'%s%s%s; see retort help", name,
                   closest ? "; did you mean " : "", closest ? closest : "", closest ? "?" : "");
}

static rt_status run_help(int argc, char **argv)
{
    const struct command *command = argc > 1 ? find_command(argv[1]) : NULL;
    if (command && command->run != run_help)
        return command->run(2, (char *[]){argv[1], "--help", NULL});
    if (argc > 1 && !command)
        return fail_unknown(argv[1]);
    print_usage(stdout);
    return RT_OK;
}

static rt_status run(int argc, char **argv)
{
    if (argc < 2) {
        print_usage(stderr);
        return rt_fail(RT_ERROR_ARGUMENT, "which command?");
    }
    if (strcmp(argv[1], "--version") == 0) {
        puts("retort " RT_VERSION);
        return RT_OK;
    }
    if (strcmp(argv[1], "--help") == 0)
        return run_help(1, argv);
    const struct command *command = find_command(argv[1]);
    return command ? command->run(argc - 1, argv + 1) : fail_unknown(argv[1]);
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
