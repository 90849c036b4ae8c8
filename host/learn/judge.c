#include "learn/judge.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/process.h"
#include "learn/batch.h"
#include "ops/loss.h"

struct rt_judge {
    struct rt_device *device;
    struct rt_model *model;
    int classes, patch;
    struct rt_loader *loader;
    struct rt_loss_state *loss; /* may be NULL */
    struct rt_buffer *labels;
    struct rt_buffer *confusion,
        *histogram; /* uint32 counters of one batch; histogram may be NULL */
};

static size_t confusion_count(int classes)
{
    return (size_t)(classes * classes);
}

static size_t histogram_count(int classes)
{
    return (size_t)classes * 2 * RT_HISTOGRAM_BINS;
}

static size_t label_bytes(int batch, int patch)
{
    return (size_t)batch * (size_t)patch * (size_t)patch;
}

size_t rt_judge_bytes(const struct rt_model *model, int batch, const struct rt_loss *loss,
                      bool curves)
{
    const struct rt_model_info *info = rt_model_describe(model);
    const int classes = info->palette.count;
    size_t counters = confusion_count(classes) + (curves ? histogram_count(classes) : 0);
    return label_bytes(batch, info->patch) + counters * sizeof(uint32_t) +
           (loss ? rt_loss_bytes(loss, classes) : 0);
}

rt_status rt_judge_create(struct rt_judge **out, const struct rt_judge_options *options)
{
    rt_status status = rt_alloc(out, 1, sizeof **out);
    if (status < 0)
        return status;
    struct rt_judge *judge = *out;
    const struct rt_model_info *info = rt_model_describe(options->model);
    const struct rt_loader_options loader = {
        .dataset = options->material->dataset,
        .patches = &options->material->judged,
        .size = info->patch,
        .batch = options->batch,
        .scaling = info->scaling,
    };
    judge->device = options->device;
    judge->model = options->model;
    judge->classes = info->palette.count;
    judge->patch = info->patch;
    RT_TRY(rt_model_plan(judge->model, options->batch, info->patch, info->patch, RT_PLAN_FORWARD));
    RT_TRY(rt_loader_create(&judge->loader, &loader));
    if (options->loss)
        RT_TRY(rt_loss_create(&judge->loss, judge->device, options->loss, judge->classes));
    RT_TRY(
        rt_buffer_create(&judge->labels, judge->device, label_bytes(options->batch, info->patch)));
    RT_TRY(rt_buffer_create(&judge->confusion, judge->device,
                            confusion_count(judge->classes) * sizeof(uint32_t)));
    if (options->curves)
        RT_TRY(rt_buffer_create(&judge->histogram, judge->device,
                                histogram_count(judge->classes) * sizeof(uint32_t)));
end:
    if (status < 0) {
        rt_judge_destroy(judge);
        *out = NULL;
    }
    return status;
}

void rt_judge_destroy(struct rt_judge *judge)
{
    if (!judge)
        return;
    rt_loader_destroy(judge->loader);
    rt_loss_destroy(judge->loss);
    rt_buffer_destroy(judge->labels);
    rt_buffer_destroy(judge->confusion);
    rt_buffer_destroy(judge->histogram);
    free(judge);
}

/* Adds the counters of one batch to the sums: 32 bits of them would overflow over a large set. */
static rt_status collect(struct rt_buffer *counters, size_t count, uint64_t *sums)
{
    uint32_t counts[RT_CLASSES_MAX * 2 * RT_HISTOGRAM_BINS];
    rt_status status = rt_buffer_read(counters, 0, count * sizeof *counts, counts);
    for (size_t i = 0; i < count && status == RT_OK; i++)
        sums[i] += counts[i];
    return status;
}

static rt_status judge_batch(struct rt_judge *judge, const struct rt_batch *batch,
                             struct rt_verdict *verdict)
{
    rt_status status = RT_OK;
    struct rt_tensor logits;
    struct rt_loss_values values = {0};
    size_t cells = confusion_count(judge->classes), bins = histogram_count(judge->classes);
    RT_TRY(rt_batch_upload_images(batch, judge->model));
    RT_TRY(rt_batch_upload_labels(batch, judge->patch, judge->labels));
    RT_TRY(rt_device_finish(judge->device));
    double started = rt_clock_seconds();
    RT_TRY(rt_model_forward(judge->model, batch->count, false, 0, 0, &logits));
    RT_TRY(rt_device_finish(judge->device));
    verdict->seconds += rt_clock_seconds() - started;

    RT_TRY(rt_buffer_fill(judge->confusion, 0, cells * sizeof(uint32_t), 0));
    if (judge->loss)
        RT_TRY(rt_loss_run(judge->loss, &logits, judge->labels, NULL, 0, &RT_TENSOR_NONE,
                           judge->confusion));
    else
        RT_TRY(rt_confusion_add(judge->device, &logits, judge->labels, judge->confusion));
    RT_TRY(collect(judge->confusion, cells, verdict->confusion));
    if (judge->histogram) {
        RT_TRY(rt_buffer_fill(judge->histogram, 0, bins * sizeof(uint32_t), 0));
        RT_TRY(rt_histogram_add(judge->device, &logits, judge->labels, judge->histogram));
        RT_TRY(collect(judge->histogram, bins, verdict->histogram));
    }
    if (judge->loss)
        RT_TRY(rt_loss_read(judge->loss, &values));
    verdict->loss += values.total * batch->count;
    verdict->patches += (size_t)batch->count;
end:
    return status;
}

rt_status rt_judge_run(struct rt_judge *judge, struct rt_verdict *verdict)
{
    rt_status status = RT_OK;
    struct rt_batch batch;
    memset(verdict, 0, sizeof *verdict);
    RT_TRY(rt_loader_start(judge->loader, 0));
    for (;;) {
        RT_TRY(rt_loader_next(judge->loader, &batch));
        if (batch.count == 0)
            break;
        RT_TRY(judge_batch(judge, &batch, verdict));
    }
    verdict->loss /= (double)verdict->patches;
end:
    return status;
}
