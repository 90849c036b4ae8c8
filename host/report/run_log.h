/* The log of a run: RUN/log.csv. */
#ifndef RT_REPORT_RUN_LOG_H
#define RT_REPORT_RUN_LOG_H

#include <stddef.h>

#include "base/error.h"

struct rt_run_epoch {
    double epoch, train_loss, val_loss, val_accuracy, val_mean_iou, seconds, images_per_second,
        peak_device_bytes;
};

/* The rows in *rows, released by free(). Errors: IO, FORMAT (the line that is not what it should
 * be), MEMORY. */
rt_status rt_run_log_read(const char *path, struct rt_run_epoch **rows, size_t *count);

#endif
