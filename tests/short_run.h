/* A run that takes a fraction of a second, and its files. Each function ends the test where it
 * fails. */
#ifndef RT_TESTS_SHORT_RUN_H
#define RT_TESTS_SHORT_RUN_H

#include <stdbool.h>
#include <stddef.h>

#include "retort/learn.h"

/* One epoch of one step. `data` is of write_short_data. */
struct rt_train_options short_run(const char *data, const char *out);

/* Four patches of two classes, as files in a new folder below this one; released by free(). */
char *write_short_data(const char *folder);

/* The content of a run's files. */
enum run_file { CONFIG, LOG, EVENTS, BEST, LAST, STATE, RUN_FILES };
extern const char *const run_file_names[RUN_FILES];

struct kept_run {
    char *bytes[RUN_FILES];
    size_t sizes[RUN_FILES];
};

void keep_run(struct kept_run *kept, const char *run);
void put_back_run(const struct kept_run *kept, const char *run);
void forget_run(struct kept_run *kept);

/* Whether the file in the run's folder is as it was kept. */
bool run_holds(const struct kept_run *kept, const char *run, enum run_file file);

#endif
