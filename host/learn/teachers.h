/* The teachers of a distillation. */
#ifndef RT_LEARN_TEACHERS_H
#define RT_LEARN_TEACHERS_H

#include "learn/recipe.h"
#include "model/model.h"

struct rt_teachers {
    int count; /* 0: plain training */
    struct rt_model **models;
    struct rt_tensor *logits; /* [count], each [n, classes, h, w] of the last run */
};

/* Opens the teachers of the options, be they retort's or other programs'. All must have the data's
 * classes and patch size, and one rule of scaling, because they look at the same pixels. Errors:
 * ARGUMENT (naming the file and what differs), those of rt_model_open. */
rt_status rt_teachers_init(struct rt_teachers *teachers, struct rt_device *device,
                           const struct rt_train_options *options,
                           const struct rt_material *material);

/* Plans them, forward only, for batches of `batch` patches. Errors: those of rt_model_plan. */
rt_status rt_teachers_plan(struct rt_teachers *teachers, int batch);
void rt_teachers_finish(struct rt_teachers *teachers);

/* Queues the forward passes, as in use: no dropout, running statistics. Errors: DEVICE. */
rt_status rt_teachers_run(struct rt_teachers *teachers, const struct rt_batch *batch);

#endif
