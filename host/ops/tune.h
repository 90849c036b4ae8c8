/* Finding the fastest variant of an operation, each tried by a process of its own, so that a driver
 * that crashes, does not build a kernel or never ends costs one candidate. */
#ifndef RT_OPS_TUNE_H
#define RT_OPS_TUNE_H

#include "device/choices.h"

/* What a candidate's results may differ from the reference, as a share of its largest magnitude;
 * the tests of operations allow as much. */
#define RT_TUNE_TOLERANCE 2e-5

/* How a candidate is tried: the program command[0], a path, is started with these arguments (NULL
 * ends them; RT_TUNER_ARGUMENTS at most), then --key KEY --batch N --variant NAME --seed N
 * --best SECONDS, the time of the best so far or 0, and answers with the line that rt_tune_answer
 * makes. */
struct rt_tuner {
    const char *const *command;
    int batch;
    double seconds;           /* it is killed after so many */
    bool quiet;               /* its standard error goes nowhere */
    double deadline;          /* by rt_clock_seconds; what is not chosen by then is not. 0: none */
    bool (*stop)(void *user); /* asked now and then, with NULL: true is as the deadline. Or NULL */
};

#define RT_TUNER_ARGUMENTS 8

/* Tries the variants of these names (at most RT_CHOICE_VARIANTS). *choice gets those that were
 * right, the fastest first; that one was right on other data, too. A warning tells of each other.
 * choice->count is 0 where none is left, or not all could be compared before the end.
 * Errors: MEMORY. */
rt_status rt_tune(const struct rt_tuner *tuner, const char *key, const char *const *names,
                  int count, struct rt_choice *choice);

/* A line of JSON, {"seconds": S, "error": E} or, for a status below 0, {"problem": MESSAGE};
 * released by free(), NULL where memory is short. */
char *rt_tune_answer(rt_status status, const struct rt_choice_variant *measured);

#endif
