/* The folder that a run writes: which files, and whether it may. */
#ifndef RT_LEARN_RUN_FOLDER_H
#define RT_LEARN_RUN_FOLDER_H

#include "base/error.h"
#include "base/lock.h"
#include "retort/learn.h"

/* The paths of a run's files, and the right to write them. */
struct rt_run_folder {
    char *config, *log, *events, *best, *last, *state;
    struct rt_lock lock;
};

rt_status rt_run_folder_init(struct rt_run_folder *folder, const char *path);
void rt_run_folder_finish(struct rt_run_folder *folder);

/* Whether a run with these options may write to the folder; locks it where it exists, and changes
 * nothing else in it. A run that is there may be resumed, with the options it began with, or
 * replaced by force; files under our names that are not of a run are left alone in any case.
 * Errors: ARGUMENT (what is there, or not there, and what to do), IO (another process writes to
 * it), FORMAT, MEMORY. */
rt_status rt_run_folder_check(struct rt_run_folder *folder, const struct rt_train_options *options,
                              const struct rt_device *device);

/* Makes the folder, which is locked from here on, removes the run that is to be replaced (its six
 * files, nothing else) and what killed processes have left of writing these files, and writes
 * config.json. Errors: those of rt_run_folder_check. */
rt_status rt_run_folder_begin(struct rt_run_folder *folder, const struct rt_train_options *options,
                              const struct rt_device *device);

/* A line of log.csv, and with the time of day one of log.jsonl. */
struct rt_epoch_row {
    int epoch; /* from 1 */
    double train_loss, val_loss, val_accuracy, val_mean_iou;
    double seconds, images_per_second;
    size_t peak_device_bytes;
};

/* Writes log.csv and then log.jsonl anew, their earlier epochs followed by this row: an epoch that
 * is trained again after a resume replaces its row. To be called before the run's state is saved:
 * of a process that is killed between the two files, the resumed run writes the epoch again.
 * Errors: IO, FORMAT (larger than a log can be), MEMORY. */
rt_status rt_run_folder_log(const struct rt_run_folder *folder, const struct rt_epoch_row *row);

#endif
