/* What the files of `retort bench` share. */
#ifndef RT_CLI_BENCH_H
#define RT_CLI_BENCH_H

#include <stdbool.h>

#include "ops/roof.h"

/* Changes with anything that changes what a standard run computes, so that results of one name can
 * be compared. */
#define BENCH_WORKLOAD "retort bench 1"

#define BENCH_CHANNELS 3 /* of the images */
#define BENCH_CLASSES 6
#define BENCH_ALPHA 0.1f /* of the distillation: the hard loss's share */
#define BENCH_TEMPERATURE 4

struct bench_settings {
    const char *teacher, *student; /* networks */
    int batch, patch;              /* images a step; their width and height */
    int steps;                     /* timed ones, of which the median counts */
    enum rt_conv conv;
    enum rt_math math;
};

/* What all launches under one label took in one step. */
struct bench_operation {
    char label[96];
    long launches;
    double seconds; /* of the device's time; the median */
    double share;   /* of the step's */
    struct rt_cost cost;
};

/* One measured case. */
struct bench_result {
    const char *name;
    double seconds; /* of a step; the median */
    struct rt_cost cost;
    size_t peak_device_bytes;
    struct bench_operation *operations; /* the longest first */
    size_t count;
};

enum { BENCH_CASES = 5 };

/* All that is known at the end. */
struct bench_report {
    struct bench_settings settings;
    bool standard; /* the settings are those that BENCH_WORKLOAD stands for */
    const struct rt_device_info *device;
    struct rt_roof roof;
    size_t peak_resident_bytes; /* of the process, while it ran the cases */
    struct bench_result results[BENCH_CASES];
};

/* Runs inference and training of both networks, and distillation, on random data: the steps are
 * timed first and profiled after. `results` are zero before, and are to be finished whatever
 * happens. Errors: those of the model and the device. */
rt_status bench_run(struct rt_device *device, const struct bench_settings *settings,
                    struct bench_result results[BENCH_CASES]);
void bench_finish(struct bench_result results[BENCH_CASES]);

/* Prints to stdout: tables with the operations that take longest, or JSON with all.
 * Errors: MEMORY. */
void bench_print(const struct bench_report *report);
rt_status bench_print_json(const struct bench_report *report);

#endif
