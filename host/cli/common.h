/* What several subcommands share: options, and the steps from a file to a result. */
#ifndef RT_CLI_COMMON_H
#define RT_CLI_COMMON_H

#include "cli/options.h"
#include "retort/retort.h"

/* --verbose and --help. */
void add_general_options(struct command_line *line);

struct device_choice {
    const char *which;
    enum rt_conv conv;
};

/* --device, --conv and the general options. */
void add_device_options(struct command_line *line, struct device_choice *choice);
rt_status open_device(struct rt_device **device, const struct device_choice *choice);

#endif
