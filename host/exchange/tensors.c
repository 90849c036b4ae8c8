#include "exchange/tensors.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "model/model.h"
#include "model/unet.h"

#define PROBLEMS_SHOWN 24

/* --- the list ------------------------------------------------------------------------------- */

rt_status rt_import_add(struct rt_import_tensors *tensors, const char *origin, const char *name,
                        const struct rt_safetensors_entry *entry, float *owned)
{
    rt_status status = RT_OK;
    struct rt_import_tensor tensor = {.dimensions = entry->dimensions, .owned = owned};
    tensor.data = owned ? owned : entry->data;
    memcpy(tensor.shape, entry->shape, sizeof tensor.shape);
    RT_TRY(rt_copy_text(&tensor.origin, origin));
    if (name)
        RT_TRY(rt_copy_text(&tensor.name, name));
    RT_TRY(
        rt_grow(&tensors->items, &tensors->capacity, tensors->count + 1, sizeof *tensors->items));
    tensors->items[tensors->count++] = tensor;
    return RT_OK;
end:
    free(tensor.origin);
    free(tensor.name);
    free(owned);
    return status;
}

static void drop(struct rt_import_tensor *tensor)
{
    free(tensor->origin);
    free(tensor->name);
    free(tensor->owned);
}

void rt_import_tensors_finish(struct rt_import_tensors *tensors)
{
    for (size_t i = 0; i < tensors->count; i++)
        drop(&tensors->items[i]);
    free(tensors->items);
    *tensors = (struct rt_import_tensors){0};
}

struct rt_import_tensor *rt_import_find(const struct rt_import_tensors *tensors, const char *name)
{
    for (size_t i = 0; i < tensors->count; i++)
        if (tensors->items[i].name && strcmp(tensors->items[i].name, name) == 0)
            return &tensors->items[i];
    return NULL;
}

const char *rt_import_shape(char text[RT_SHAPE_TEXT], const size_t *shape, int dimensions)
{
    snprintf(text, RT_SHAPE_TEXT, "one number");
    for (int i = 0, length = 0; i < dimensions && length < RT_SHAPE_TEXT; i++)
        length += snprintf(text + length, (size_t)(RT_SHAPE_TEXT - length), "%s%zu", i ? "x" : "",
                           shape[i]);
    return text;
}

/* --- problems ------------------------------------------------------------------------------- */

void rt_problem(struct rt_problems *problems, const char *format, ...)
{
    size_t length = strlen(problems->text);
    if (problems->count++ >= PROBLEMS_SHOWN)
        return;
    va_list arguments;
    va_start(arguments, format);
    memcpy(problems->text + length, "\n  ", 4);
    /* a line's share, so that a long one does not push out the others */
    vsnprintf(problems->text + length + 3, sizeof problems->text / PROBLEMS_SHOWN - 4, format,
              arguments);
    va_end(arguments);
}

rt_status rt_problems_fail(const struct rt_problems *problems, const char *path, const char *what)
{
    if (problems->count == 0)
        return RT_OK;
    int more = problems->count - PROBLEMS_SHOWN;
    if (more > 0)
        return rt_fail(RT_ERROR_UNSUPPORTED, "cannot import %s%s:%s\n  and %d more", path, what,
                       problems->text, more);
    return rt_fail(RT_ERROR_UNSUPPORTED, "cannot import %s%s:%s", path, what, problems->text);
}

/* --- what is known of a network by its tensors ------------------------------------------------ */

bool rt_import_recognise(const struct rt_import_tensors *tensors, struct rt_unet *unet)
{
    char name[32];
    const struct rt_import_tensor *first = rt_import_find(tensors, "down.0.0.weight");
    const struct rt_import_tensor *up = rt_import_find(tensors, "up.0.weight");
    if (!first || !up || first->dimensions != 4 || up->dimensions != 4 || first->shape[0] < 1 ||
        first->shape[0] > 1024)
        return false;
    *unet = (struct rt_unet){.width = (int)first->shape[0], .dropout = -1};
    for (;; unet->depth++) {
        snprintf(name, sizeof name, "down.%d.0.weight", unet->depth + 1);
        if (unet->depth > 8 || !rt_import_find(tensors, name))
            break;
    }
    if (rt_import_find(tensors, "down.0.1.running_mean"))
        unet->norm = RT_UNET_BATCH_NORM;
    if (up->shape[2] != 2)
        unet->up = RT_UNET_NEAREST;
    return unet->depth >= 1 && unet->depth <= 8;
}

/* --- conventions ---------------------------------------------------------------------------- */

/* A copy of the tensor's floats in its place, to be changed. Errors: MEMORY. */
static rt_status own(struct rt_import_tensor *tensor)
{
    rt_status status = RT_OK;
    size_t size = 1;
    float *copy = NULL;
    if (tensor->owned)
        return RT_OK;
    for (int i = 0; i < tensor->dimensions; i++)
        size *= tensor->shape[i]; /* which is in memory, and so does not overflow */
    RT_TRY(rt_alloc(&copy, size, sizeof *copy));
    memcpy(copy, tensor->data, size * sizeof *copy);
    tensor->owned = copy;
    tensor->data = copy;
end:
    return status;
}

/* The convolution of "dec.2.0.bias" is normalised by dec.2.1, that of "dec.2.4.bias" by dec.2.5. */
static struct rt_import_tensor *mean_after(const struct rt_import_tensors *tensors,
                                           const char *bias)
{
    char part[5], name[64];
    int level, number, length = 0;
    if (sscanf(bias, "%4[a-z].%d.%d.bias%n", part, &level, &number, &length) != 3 || length == 0 ||
        bias[length] || number % 4 != 0)
        return NULL;
    snprintf(name, sizeof name, "%s.%d.%d.running_mean", part, level, number + 1);
    return rt_import_find(tensors, name);
}

rt_status rt_import_fold_biases(struct rt_import_tensors *tensors)
{
    rt_status status = RT_OK;
    for (size_t i = 0; i < tensors->count;) {
        struct rt_import_tensor *bias = &tensors->items[i];
        struct rt_import_tensor *mean = bias->name ? mean_after(tensors, bias->name) : NULL;
        if (!mean || bias->dimensions != 1 || mean->dimensions != 1 ||
            bias->shape[0] != mean->shape[0]) {
            i++;
            continue;
        }
        RT_TRY(own(mean));
        for (size_t k = 0; k < bias->shape[0]; k++)
            mean->owned[k] -= bias->data[k];
        drop(bias);
        tensors->count--;
        memmove(bias, bias + 1, (tensors->count - i) * sizeof *bias);
    }
end:
    return status;
}

rt_status rt_import_skip_last(struct rt_import_tensors *tensors, unsigned levels)
{
    rt_status status = RT_OK;
    float *half = NULL;
    for (int level = 0; level < 16; level++) {
        char name[32];
        snprintf(name, sizeof name, "dec.%d.0.weight", level);
        struct rt_import_tensor *tensor = rt_import_find(tensors, name);
        if (!(levels >> level & 1) || !tensor || tensor->dimensions != 4 ||
            tensor->shape[1] % 2 != 0)
            continue;
        RT_TRY(own(tensor));
        const size_t size = tensor->shape[1] / 2 * tensor->shape[2] * tensor->shape[3];
        free(half);
        RT_TRY(rt_alloc(&half, size, sizeof *half));
        for (size_t k = 0; k < tensor->shape[0]; k++) {
            float *filter = tensor->owned + 2 * k * size;
            memcpy(half, filter, size * sizeof *half);
            memcpy(filter, filter + size, size * sizeof *half);
            memcpy(filter + size, half, size * sizeof *half);
        }
    }
end:
    free(half);
    return status;
}

/* --- the model ------------------------------------------------------------------------------ */

static bool same_shape(const struct rt_import_tensor *tensor,
                       const struct rt_safetensors_entry *wanted)
{
    return tensor->dimensions == wanted->dimensions &&
           memcmp(tensor->shape, wanted->shape,
                  (size_t)wanted->dimensions * sizeof *wanted->shape) == 0;
}

static const struct rt_safetensors_entry *find_wanted(const struct rt_model_tensors *wanted,
                                                      const char *name)
{
    for (size_t i = 0; name && i < wanted->count; i++)
        if (strcmp(wanted->entries[i].name, name) == 0)
            return &wanted->entries[i];
    return NULL;
}

static void compare(const struct rt_import_tensors *tensors, const struct rt_model_tensors *wanted,
                    struct rt_problems *problems)
{
    char shape[RT_SHAPE_TEXT], other[RT_SHAPE_TEXT];
    for (size_t i = 0; i < tensors->count; i++) {
        const struct rt_import_tensor *tensor = &tensors->items[i];
        const struct rt_safetensors_entry *to = find_wanted(wanted, tensor->name);
        const bool renamed = tensor->name && strcmp(tensor->name, tensor->origin) != 0;
        rt_import_shape(shape, tensor->shape, tensor->dimensions);
        if (!to)
            rt_problem(problems, "%s (%s) has no place in it%s%s", tensor->origin, shape,
                       renamed ? " as " : "", renamed ? tensor->name : "");
        else if (rt_import_find(tensors, tensor->name) != tensor)
            rt_problem(problems, "%s and %s are both %s",
                       rt_import_find(tensors, tensor->name)->origin, tensor->origin, to->name);
        else if (!same_shape(tensor, to))
            rt_problem(problems, "%s is %s, but %s%shas to be %s", tensor->origin, shape,
                       renamed ? to->name : "it", renamed ? " " : " ",
                       rt_import_shape(other, to->shape, to->dimensions));
    }
    for (size_t i = 0; i < wanted->count; i++)
        if (!rt_import_find(tensors, wanted->entries[i].name))
            rt_problem(
                problems, "nothing is %s (%s)", wanted->entries[i].name,
                rt_import_shape(shape, wanted->entries[i].shape, wanted->entries[i].dimensions));
}

rt_status rt_import_finish(struct rt_model **model, struct rt_device *device, const char *path,
                           const struct rt_model_info *info, enum rt_channel_order order,
                           const struct rt_import_tensors *tensors, struct rt_problems *problems)
{
    rt_status status = RT_OK;
    struct rt_model_tensors wanted = {0};
    struct rt_safetensors_entry *entries = NULL;
    char what[128];
    RT_TRY(rt_model_tensors_list(device, info, &wanted));
    compare(tensors, &wanted, problems);
    snprintf(what, sizeof what, " as %s with %d classes", info->network, info->palette.count);
    RT_TRY(rt_problems_fail(problems, path, what));
    RT_TRY(rt_alloc(&entries, tensors->count, sizeof *entries));
    for (size_t i = 0; i < tensors->count; i++) {
        const struct rt_import_tensor *tensor = &tensors->items[i];
        entries[i].name = tensor->name;
        entries[i].dimensions = tensor->dimensions;
        memcpy(entries[i].shape, tensor->shape, sizeof tensor->shape);
        entries[i].data = tensor->data;
    }
    status = rt_import_build(model, device, path, info, order, entries, tensors->count);
end:
    rt_model_tensors_finish(&wanted);
    free(entries);
    return status;
}
