#include "cli/commands.h"

#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/word.h"
#include "cli/options.h"

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
    {"completion", "write what completes commands in a shell", run_completion},
    {"help", "explain a command", run_help},
    {"manual", NULL, run_manual},
    {"check-usage", NULL, run_check_usage},
};

const struct command *command_next(const struct command *command)
{
    const struct command *const end = commands + RT_COUNT(commands);
    for (command = command ? command + 1 : commands; command < end; command++)
        if (command->summary)
            return command;
    return NULL;
}

rt_status command_find(const char *name, const struct command **command)
{
    const char *names[RT_COUNT(commands) + 1] = {[RT_COUNT(commands)] = "--version"};
    char meant[RT_WORD_MEANT];
    for (size_t i = 0; i < RT_COUNT(commands); i++) {
        *command = &commands[i];
        if (strcmp(name, commands[i].name) == 0)
            return RT_OK;
        if (commands[i].summary)
            names[i] = commands[i].name;
    }
    *command = NULL;
    rt_word_meant(meant, "", rt_word_closest(name, names, RT_COUNT(names), sizeof *names));
    return rt_fail(RT_ERROR_ARGUMENT, "there is no command '%s'%s", name,
                   *meant ? meant : "; see retort help");
}

rt_status run_check_usage(int argc, char **argv)
{
    const struct command *command = NULL;
    if (argc < 2)
        return rt_fail(RT_ERROR_ARGUMENT, "which command line is to be checked?");
    rt_status status = command_find(argv[1], &command);
    if (status < 0)
        return status;
    command_line_hook.parse_only = true;
    status = command->run(argc - 1, argv + 1);
    return status == RT_ERROR_INTERRUPTED ? RT_OK : status;
}
