/* Judging a model on patches with known classes. */
#ifndef RT_LEARN_JUDGE_H
#define RT_LEARN_JUDGE_H

#include "base/error.h"
#include "learn/recipe.h"
#include "model/model.h"
#include "ops/metrics.h"

struct rt_judge; /* a loader over the judged patches, and the counters on the device */

struct rt_judge_options {
    struct rt_device *device;
    struct rt_model *model; /* these three must outlive the judge */
    const struct rt_material *material;
    int batch;
    const struct rt_loss *loss; /* without a soft part; NULL: no loss is computed */
    bool curves;                /* count histograms too, which takes longer */
};

/* Plans the model for inference. Errors: those of rt_model_plan and rt_loader_create. */
rt_status rt_judge_create(struct rt_judge **judge, const struct rt_judge_options *options);
void rt_judge_destroy(struct rt_judge *judge);

struct rt_verdict {
    size_t patches;
    double loss;    /* mean over the patches; 0 without a loss */
    double seconds; /* of the forward passes alone */
    uint64_t confusion[RT_CLASSES_MAX * RT_CLASSES_MAX];        /* [truth * classes + prediction] */
    uint64_t histogram[RT_CLASSES_MAX * 2 * RT_HISTOGRAM_BINS]; /* as rt_histogram_add; curves */
};

/* The device memory that a judge with such a loss takes beside its model's plan. */
size_t rt_judge_bytes(const struct rt_model *model, int batch, const struct rt_loss *loss,
                      bool curves);

/* Looks at every judged patch once, with the model as in use. Errors: those of rt_dataset_load,
 * DEVICE. */
rt_status rt_judge_run(struct rt_judge *judge, struct rt_verdict *verdict);

#endif
