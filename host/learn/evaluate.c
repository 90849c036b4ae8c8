#include <stdlib.h>

#include "base/memory.h"
#include "learn/judge.h"
#include "learn/metrics.h"

static uint64_t sum(const uint64_t *values, size_t count)
{
    uint64_t total = 0;
    for (size_t i = 0; i < count; i++)
        total += values[i];
    return total;
}

/* One pass over whatever the input holds, so that no kernel is compiled while time is taken. */
static rt_status warm_up(struct rt_model *model, int batch)
{
    struct rt_tensor logits;
    return rt_model_forward(model, batch, false, 0, 0, &logits);
}

rt_status rt_evaluate(struct rt_model *model, const struct rt_data_recipe *recipe, int batch,
                      struct rt_metrics *metrics)
{
    rt_status status = RT_OK;
    struct rt_device *device = rt_model_device(model);
    const struct rt_model_info *info = rt_model_describe(model);
    const struct rt_palette *palette = &info->palette;
    size_t classes = (size_t)palette->count, pixels = (size_t)info->patch * (size_t)info->patch;
    struct rt_material material = {0};
    struct rt_judge *judge = NULL;
    struct rt_verdict *verdict = NULL;
    rt_device_reset_peak(device);
    RT_TRY(rt_alloc(&verdict, 1, sizeof *verdict));
    RT_TRY(rt_material_open(&material, recipe, info->patch));
    RT_TRY(rt_material_name_classes(&material, model, "the model"));
    rt_material_look(&material, recipe, info);
    if ((size_t)batch > material.judged.count)
        batch = (int)material.judged.count;
    RT_TRY(rt_judge_create(&judge, &(struct rt_judge_options){.device = device,
                                                              .model = model,
                                                              .material = &material,
                                                              .batch = batch,
                                                              .curves = true}));
    RT_TRY(warm_up(model, batch));
    RT_TRY(rt_judge_run(judge, verdict));

    rt_metrics_from(metrics, palette->count, palette->unlabeled, verdict->confusion,
                    verdict->histogram);
    metrics->ignored = verdict->patches * pixels - sum(verdict->confusion, classes * classes);
    metrics->patches = verdict->patches;
    metrics->parameters = rt_model_parameters(model);
    metrics->bytes = metrics->parameters * sizeof(float);
    metrics->milliseconds_per_image = 1e3 * verdict->seconds / (double)verdict->patches;
    metrics->peak_device_bytes = rt_device_peak_bytes(device);
end:
    rt_judge_destroy(judge);
    rt_material_close(&material);
    free(verdict);
    return status;
}
