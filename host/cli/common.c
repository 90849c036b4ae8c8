#include "cli/common.h"

#include "base/memory.h"
#include "cli/terminal.h"

void add_general_options(struct command_line *line)
{
    static bool help; /* command_line_parse answers it before any value is read */
    const struct option options[] = {
        OPTION_HEADING("General"),
        OPTION(OPTION_FLAG, "verbose", &terminal_verbose, .help = "say more"),
        OPTION(OPTION_FLAG, "help", &help, .help = "explain the command"),
    };
    command_line_add(line, options, RT_COUNT(options));
}

static const char *const conv_names[] = {"auto", "direct", "gemm", NULL}; /* enum rt_conv */

void add_device_options(struct command_line *line, struct device_choice *choice)
{
    const struct option options[] = {
        OPTION_HEADING("Device"),
        OPTION(OPTION_TEXT, "device", &choice->which, .argument = "DEVICE",
               .help = "an index, platform:device, gpu, cpu or part of a name; see retort devices"),
        OPTION(OPTION_CHOICE, "conv", &choice->conv, .choices = conv_names,
               .help = "how convolutions are computed"),
    };
    command_line_add(line, options, RT_COUNT(options));
    add_general_options(line);
}

rt_status open_device(struct rt_device **device, const struct device_choice *choice)
{
    rt_status status = rt_device_open(device, choice->which);
    if (status == RT_OK)
        rt_device_set_conv(*device, choice->conv);
    return status;
}
