/* The subcommands. Each reads its own options, with argv[0] its name, and prints its result. */
#ifndef RT_CLI_COMMANDS_H
#define RT_CLI_COMMANDS_H

#include "retort/status.h"

rt_status run_bench(int argc, char **argv);
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
rt_status run_predict(int argc, char **argv);
rt_status run_report(int argc, char **argv);
rt_status run_train(int argc, char **argv);
rt_status run_tune(int argc, char **argv);
/* What run_tune starts for each candidate; no command for users. */
rt_status run_tune_candidate(int argc, char **argv);

#endif
