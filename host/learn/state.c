#include "learn/state.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/memory.h"
#include "model/safetensors.h"

#define PLACE_KEY "place"
#define SLABS_MAX 3

static const char *const slab_names[SLABS_MAX] = {"weights", "moments.0", "moments.1"};

/* What is saved: the values with the states among them, and the moments. */
struct slab {
    struct rt_buffer *buffer;
    size_t count; /* floats */
};

static int list_slabs(const struct rt_model *model, struct rt_buffer *const *moments, int count,
                      struct slab *slabs)
{
    const struct rt_model_slabs all = rt_model_slabs(model);
    slabs[0] = (struct slab){all.values, all.total};
    for (int i = 0; i < count; i++)
        slabs[1 + i] = (struct slab){moments[i], all.trained};
    return 1 + count;
}

/* %a: every bit of a double. */
#define PLACE_FORMAT(integer, size, real, count)                                                   \
    "patches %" size " epoch %" integer " step %" integer " loss %" real " over %" count           \
    " train_seconds %" real " seconds %" real " best %" real " in %" integer " peak %" size

static rt_status write_place(const struct rt_place *place, char **text)
{
    return rt_format(text, PLACE_FORMAT("d", "zu", "a", PRIu64), place->train_patches, place->epoch,
                     place->step, place->loss_sum, place->patches, place->train_seconds,
                     place->seconds, place->best_mean_iou, place->best_epoch,
                     place->peak_device_bytes);
}

rt_status rt_place_read(struct rt_place *place, const char *text, const char *path)
{
    if (text &&
        sscanf(text, PLACE_FORMAT("d", "zu", "la", SCNu64), &place->train_patches, &place->epoch,
               &place->step, &place->loss_sum, &place->patches, &place->train_seconds,
               &place->seconds, &place->best_mean_iou, &place->best_epoch,
               &place->peak_device_bytes) == 10 &&
        place->epoch >= 0 && place->step >= 0 && isfinite(place->loss_sum) &&
        isfinite(place->train_seconds) && isfinite(place->seconds) && place->best_epoch >= 0 &&
        place->best_epoch <= place->epoch)
        return RT_OK;
    return rt_fail(RT_ERROR_FORMAT, "%s does not tell a run's place", path);
}

rt_status rt_state_write(const char *path, const struct rt_place *place,
                         const struct rt_model *model, struct rt_buffer *const *moments, int count)
{
    rt_status status = RT_OK;
    struct slab slabs[SLABS_MAX];
    struct rt_safetensors_entry entries[SLABS_MAX];
    float *values[SLABS_MAX] = {NULL};
    char *text = NULL;
    int slab_count = list_slabs(model, moments, count, slabs);
    for (int i = 0; i < slab_count; i++) {
        RT_TRY(rt_alloc(&values[i], slabs[i].count, sizeof(float)));
        RT_TRY(rt_buffer_read(slabs[i].buffer, 0, slabs[i].count * sizeof(float), values[i]));
        entries[i] = (struct rt_safetensors_entry){
            .name = slab_names[i], .dimensions = 1, .shape = {slabs[i].count}, .data = values[i]};
    }
    RT_TRY(write_place(place, &text));
    const struct rt_safetensors_text note = {PLACE_KEY, text};
    status = rt_safetensors_write(path, entries, (size_t)slab_count, &note, 1);
end:
    for (int i = 0; i < SLABS_MAX; i++)
        free(values[i]);
    free(text);
    return status;
}

rt_status rt_state_read(const char *path, struct rt_place *place, struct rt_model *model,
                        struct rt_buffer *const *moments, int count)
{
    rt_status status = RT_OK;
    struct slab slabs[SLABS_MAX];
    struct rt_safetensors file;
    int slab_count = list_slabs(model, moments, count, slabs);
    status = rt_safetensors_read(&file, path);
    if (status < 0)
        return status;
    RT_TRY(rt_place_read(place, rt_safetensors_text(&file, PLACE_KEY), path));
    for (int i = 0; i < slab_count; i++) {
        const struct rt_safetensors_entry *entry = rt_safetensors_find(&file, slab_names[i]);
        if (!entry || entry->dimensions != 1 || entry->shape[0] != slabs[i].count) {
            status = rt_fail(RT_ERROR_FORMAT,
                             "%s is the state of another network or optimiser: it lacks %s of %zu "
                             "numbers",
                             path, slab_names[i], slabs[i].count);
            goto end;
        }
        RT_TRY(rt_buffer_write(slabs[i].buffer, 0, slabs[i].count * sizeof(float), entry->data));
    }
end:
    rt_safetensors_finish(&file);
    return status;
}
