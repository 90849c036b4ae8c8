#include "learn/teachers.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "learn/batch.h"
#include "retort/exchange.h"

static bool same_scaling(const struct rt_scaling *a, const struct rt_scaling *b)
{
    return a->mode == b->mode && (a->mode != RT_SCALING_DATA ||
                                  (memcmp(a->mean, b->mean, sizeof a->mean) == 0 &&
                                   memcmp(a->deviation, b->deviation, sizeof a->deviation) == 0));
}

static bool same_view(const struct rt_raster_view *a, const struct rt_raster_view *b)
{
    bool same = a->ranged == b->ranged;
    for (int c = 0; c < 3; c++)
        same = same && a->bands[c] == b->bands[c] && a->low[c] == b->low[c] &&
               a->high[c] == b->high[c];
    return same;
}

static rt_status check_teacher(const struct rt_teachers *teachers, int index,
                               const struct rt_train_options *options,
                               const struct rt_material *material)
{
    const char *path = options->teachers[index];
    struct rt_model *model = teachers->models[index];
    const struct rt_model_info *info = rt_model_describe(model);
    const struct rt_model_info *first = rt_model_describe(teachers->models[0]);
    rt_status status = rt_material_name_classes(material, model, path);
    if (status < 0)
        return status;
    if (info->patch != options->data.patch)
        return rt_fail(RT_ERROR_ARGUMENT,
                       "the teacher %s was trained on patches of %d pixels: distil with the same, "
                       "not %d",
                       path, info->patch, options->data.patch);
    if (!same_scaling(&info->scaling, &first->scaling) || !same_view(&info->view, &first->view))
        return rt_fail(RT_ERROR_ARGUMENT,
                       "the teachers %s and %s scale their images differently: teachers that are "
                       "averaged must come from the same data and split",
                       options->teachers[0], path);
    return RT_OK;
}

rt_status rt_teachers_init(struct rt_teachers *teachers, struct rt_device *device,
                           const struct rt_train_options *options,
                           const struct rt_material *material)
{
    rt_status status = RT_OK;
    int count = options->teacher_count;
    const struct rt_import_options foreign = {.scaling = options->teacher_scaling,
                                              .order = options->teacher_channels,
                                              .patch_else = options->data.patch};
    *teachers = (struct rt_teachers){.count = count};
    RT_TRY(rt_alloc(&teachers->models, (size_t)count, sizeof *teachers->models));
    RT_TRY(rt_alloc(&teachers->logits, (size_t)count, sizeof *teachers->logits));
    for (int i = 0; i < count; i++) {
        RT_TRY(rt_model_open(&teachers->models[i], device, options->teachers[i], &foreign));
        RT_TRY(check_teacher(teachers, i, options, material));
    }
end:
    if (status < 0)
        rt_teachers_finish(teachers);
    return status;
}

rt_status rt_teachers_plan(struct rt_teachers *teachers, int batch)
{
    rt_status status = RT_OK;
    for (int i = 0; i < teachers->count; i++) {
        int patch = rt_model_describe(teachers->models[i])->patch;
        RT_TRY(rt_model_plan(teachers->models[i], batch, patch, patch, RT_PLAN_FORWARD));
    }
end:
    return status;
}

void rt_teachers_finish(struct rt_teachers *teachers)
{
    for (int i = 0; teachers->models && i < teachers->count; i++)
        rt_model_destroy(teachers->models[i]);
    free(teachers->models);
    free(teachers->logits);
    *teachers = (struct rt_teachers){0};
}

rt_status rt_teachers_run(struct rt_teachers *teachers, const struct rt_batch *batch)
{
    rt_status status = RT_OK;
    for (int i = 0; i < teachers->count; i++) {
        RT_TRY(rt_batch_upload_images(batch, teachers->models[i]));
        RT_TRY(
            rt_model_forward(teachers->models[i], batch->count, false, 0, 0, &teachers->logits[i]));
    }
end:
    return status;
}
