/* Other programs, run as child processes. */
#ifndef RT_BASE_CHILD_H
#define RT_BASE_CHILD_H

#include <stdbool.h>

#include "base/error.h"

/* The path of the program that runs, released by free(). Errors: IO, MEMORY. */
rt_status rt_program_path(char **path);

/* Runs the program arguments[0], a path, with these arguments (NULL ends them), without a shell,
 * and waits for its end. *output (released by free()) is what it wrote to its standard output, up
 * to 64 KiB, with a zero byte after it. Its standard error goes where this process's goes, or, with
 * `quiet`, nowhere. After `seconds` it is killed.
 * Errors: IO (it cannot be started, was ended by a signal, took too long, or its exit status was
 * not 0: the message says which, and does not name the program), MEMORY. */
rt_status rt_child_run(const char *const *arguments, double seconds, bool quiet, char **output);

#endif
