/* The subcommands: their table, and one function each, which reads its own options, with argv[0]
 * its name, and prints its result. */
#ifndef RT_CLI_COMMANDS_H
#define RT_CLI_COMMANDS_H

#include "retort/status.h"

struct command {
    const char *name, *summary; /* without a summary: not for users */
    rt_status (*run)(int argc, char **argv);
};

/* The first command for users, or the one after `command`; NULL at the end. */
const struct command *command_next(const struct command *command);

/* The command of this name, for users or not. Errors: ARGUMENT, saying which is spelt like it. */
rt_status command_find(const char *name, const struct command **command);

rt_status run_bench(int argc, char **argv);
/* Writes what completes a command line in a shell. */
rt_status run_completion(int argc, char **argv);
rt_status run_data(int argc, char **argv);
rt_status run_demo(int argc, char **argv);
rt_status run_devices(int argc, char **argv);
rt_status run_distill(int argc, char **argv);
rt_status run_doctor(int argc, char **argv);
/* What run_doctor starts for each check; no command for users. */
rt_status run_doctor_check(int argc, char **argv);
rt_status run_eval(int argc, char **argv);
rt_status run_export(int argc, char **argv);
rt_status run_import(int argc, char **argv);
rt_status run_help(int argc, char **argv);
/* Writes a page for man, as the build asks for it; no command for users. */
rt_status run_manual(int argc, char **argv);
/* Whether a command line is understood, without doing what it says; no command for users. */
rt_status run_check_usage(int argc, char **argv);
rt_status run_predict(int argc, char **argv);
rt_status run_report(int argc, char **argv);
rt_status run_train(int argc, char **argv);
rt_status run_tune(int argc, char **argv);
/* What run_tune starts for each candidate; no command for users. */
rt_status run_tune_candidate(int argc, char **argv);

#endif
