/* state.safetensors: all that a run needs to go on, in one file. The weights are in it too, so
 * that they and the optimiser's moments are of the same step wherever a run was killed; the other
 * files are for the reader and are written anew from here on. */
#ifndef RT_LEARN_STATE_H
#define RT_LEARN_STATE_H

#include "model/model.h"

/* How far a run has come, and what it must remember. */
struct rt_place {
    size_t train_patches; /* of the data: it must not have changed */
    int epoch, step;      /* whole epochs, and steps of the one under way */
    double loss_sum;      /* of the epoch under way: loss * patches of each step, */
    uint64_t patches;     /* their number, */
    double train_seconds; /* and the time the steps took */
    double seconds;       /* of all whole epochs */
    double best_mean_iou;
    int best_epoch; /* from 1; 0: none yet */
    size_t peak_device_bytes;
};

/* moments: `count` slabs as long as the trained parameters. Errors: IO, DEVICE, MEMORY. */
rt_status rt_state_write(const char *path, const struct rt_place *place,
                         const struct rt_model *model, struct rt_buffer *const *moments, int count);

/* Errors: IO, FORMAT (truncated, of another network or optimiser), DEVICE, MEMORY. */
rt_status rt_state_read(const char *path, struct rt_place *place, struct rt_model *model,
                        struct rt_buffer *const *moments, int count);

/* The place as a state's metadata tell it; text may be NULL, path is for the message. Errors:
 * FORMAT. */
rt_status rt_place_read(struct rt_place *place, const char *text, const char *path);

#endif
