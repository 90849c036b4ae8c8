/* retort doctor: what its files share. */
#ifndef RT_CLI_DOCTOR_H
#define RT_CLI_DOCTOR_H

#include <jansson.h>

#include "device/choices.h"
#include "device/limits.h"
#include "device/memory_trial.h"
#include "ops/certify.h"

#define DOCTOR_SETTINGS 3

/* What kernels are built for; 0: what suits the device. */
struct doctor_setting {
    int vector, group;
};

/* How a check went. */
struct doctor_row {
    const struct rt_check *check;
    enum doctor_result { DOCTOR_RIGHT, DOCTOR_WRONG, DOCTOR_NOT_RUN } result;
    struct rt_verified verified;
    double seconds, build_seconds; /* the latter: what the first of two turns took longer */
    char why[1024];                /* what is wrong, or why it is not run */
};

struct doctor {
    struct rt_device *device;
    const char *only; /* what the checks' names begin with; NULL: all */
    struct rt_limit limits[RT_LIMITS];
    struct doctor_setting settings[DOCTOR_SETTINGS]; /* the last is what holds */
    int setting_count;
    struct doctor_row *rows; /* as many as there are checks, for each setting that was tried */
    size_t checks;
    struct rt_memory_trial memory;
    char memory_problem[512]; /* "": none */
    enum doctor_verdict { DOCTOR_FIT, DOCTOR_REPLACED, DOCTOR_UNFIT } verdict;
    char why[512]; /* of a verdict that is not DOCTOR_FIT */
};

/* Whether a check, or what it is of, was asked for. */
bool doctor_wants(const struct doctor *doctor, const char *what);

/* The rows of a setting; of the last one where `setting` is -1. */
struct doctor_row *doctor_rows(const struct doctor *doctor, int setting);

/* --- doctor_checks.c: each in a child process ---------------------------------------------- */

/* Goes through all checks with doctor's last setting. Errors: MEMORY, IO (no process can be
 * started), INTERRUPTED. What is wrong with the device is none. */
rt_status doctor_run_checks(struct doctor *doctor);
rt_status doctor_run_memory(struct doctor *doctor);

/* --- doctor_report.c ------------------------------------------------------------------------ */

void doctor_print_device(const struct doctor *doctor);
void doctor_print_row(const struct doctor_row *row);
void doctor_print_memory(const struct doctor *doctor);
void doctor_print_verdict(const struct doctor *doctor);
rt_status doctor_write(const struct doctor *doctor, const char *path);

#endif
