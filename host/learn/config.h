/* config.json: the options that a run was started with. */
#ifndef RT_LEARN_CONFIG_H
#define RT_LEARN_CONFIG_H

#include <stdbool.h>

#include "base/error.h"
#include "retort/learn.h"

/* Whether the file is one that rt_config_write wrote; not so where there is none.
 * Errors: IO (it cannot be read), MEMORY. */
rt_status rt_config_is_ours(const char *path, bool *ours);

/* Writes what decides over the run's result, and the device's name for the reader.
 * Errors: IO, MEMORY. */
rt_status rt_config_write(const char *path, const struct rt_train_options *options,
                          const char *device, enum rt_math math);

/* A run can go on only as it began. Errors: ARGUMENT, naming the first option that differs, but a
 * constant learning rate allows more epochs; IO, FORMAT, MEMORY. */
rt_status rt_config_expect(const char *path, const struct rt_train_options *options,
                           const char *device, enum rt_math math);

#endif
