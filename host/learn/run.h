/* A run that is under way: everything that training holds. */
#ifndef RT_LEARN_RUN_H
#define RT_LEARN_RUN_H

#include "learn/judge.h"
#include "learn/run_folder.h"
#include "learn/state.h"
#include "learn/teachers.h"
#include "ops/loss.h"
#include "ops/optimizer.h"

/* How a step goes through the network. */
struct rt_way {
    int together;      /* patches that the device looks at together: the batch, or fewer */
    enum rt_plan plan; /* the student's: RT_PLAN_TRAINING or RT_PLAN_RECOMPUTING */
};

/* Only `place` and what lies on the device change from step to step. */
struct rt_run {
    struct rt_device *device;
    const struct rt_train_options *options;
    struct rt_run_folder folder;
    struct rt_material material;
    int batch, steps; /* patches a step, steps an epoch */
    struct rt_way way;
    struct rt_teachers teachers;
    struct rt_model *student; /* the network that is trained, with teachers or without */
    struct rt_buffer *moments[2];
    struct rt_buffer *gradient_sums; /* over the parts of a step; NULL where it has but one,
                                      * and in exact math */
    struct rt_loss_state *loss;
    struct rt_buffer *labels; /* of one batch */
    struct rt_loader *loader;
    struct rt_judge *judge;
    struct rt_verdict *verdict; /* the judge's last */
    struct rt_metrics *metrics; /* and what follows from it */
    struct rt_place place;
};

/* Opens and creates all of it, and takes the place of a run that is to be resumed. Whatever is
 * wrong with the options shows here, before a file is written. Errors: those of rt_train. */
rt_status rt_run_init(struct rt_run *run, struct rt_device *device,
                      const struct rt_train_options *options);
void rt_run_finish(struct rt_run *run);

/* What the run is judged by: the hard part of what it minimises. */
struct rt_loss rt_run_judged_loss(const struct rt_run *run);

#endif
