#include "exchange/keras_unet.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

#define KERAS_EPSILON 1e-3  /* of Keras' BatchNormalization, unless told otherwise */
#define RETORT_EPSILON 1e-5 /* of retort's, as PyTorch's */

/* --- weights alone -------------------------------------------------------------------------- */

static bool is_kernel(const struct rt_keras_layer *layer)
{
    return layer->count <= 2 && layer->weights[0].dimensions == 4;
}

static bool is_transposed(const struct rt_keras_layer *layer)
{
    return is_kernel(layer) && layer->weights[0].shape[0] == 2;
}

static bool is_norm(const struct rt_keras_layer *layer)
{
    return layer->count >= 2 && layer->count <= 4 && layer->weights[0].dimensions == 1;
}

/* The layers of a kind in their order, each taken once. */
struct queue {
    const struct rt_keras_file *file;
    bool (*fits)(const struct rt_keras_layer *layer);
    size_t next;
};

static const char *take(struct queue *queue)
{
    while (queue->next < queue->file->count) {
        const struct rt_keras_layer *layer = &queue->file->layers[queue->next++];
        if (queue->fits(layer))
            return layer->name;
    }
    return "";
}

static bool is_conv(const struct rt_keras_layer *layer)
{
    return is_kernel(layer) && !is_transposed(layer);
}

struct guess {
    struct rt_keras_unet *k;
    double epsilon; /* of normalisations */
    struct queue convs, transposes, norms;
};

static void add_part(struct guess *g, enum rt_keras_kind kind, const char *format, int level,
                     int number)
{
    struct queue *queues[] = {&g->convs, &g->transposes, &g->norms};
    struct rt_keras_part *part = &g->k->parts[g->k->count++];
    *part =
        (struct rt_keras_part){.kind = kind, .layer = take(queues[kind]), .epsilon = g->epsilon};
    int length = snprintf(part->name, sizeof part->name, "%s", format);
    if (level >= 0)
        length += snprintf(part->name + length, sizeof part->name - (size_t)length, ".%d", level);
    if (number >= 0)
        snprintf(part->name + length, sizeof part->name - (size_t)length, ".%d", number);
}

static void add_block(struct guess *g, const char *part, int level)
{
    const bool norm = g->k->unet.norm == RT_UNET_BATCH_NORM;
    for (int i = 0; i < 2; i++) {
        const int number = i * (norm ? 4 : 3);
        add_part(g, RT_KERAS_CONV, part, level, number);
        if (norm)
            add_part(g, RT_KERAS_NORM, part, level, number + 1);
    }
}

static void name_layers(const struct rt_keras_file *file, struct rt_problems *problems)
{
    for (size_t i = 0; i < file->count; i++) {
        char shape[RT_SHAPE_TEXT];
        const struct rt_keras_layer *layer = &file->layers[i];
        rt_problem(problems, "%s (%s%s)", layer->name,
                   rt_import_shape(shape, layer->weights[0].shape, layer->weights[0].dimensions),
                   layer->count > 1 ? ", and more" : "");
    }
}

rt_status rt_keras_guess(struct rt_keras_unet *k, const struct rt_keras_file *file,
                         const char *path)
{
    int convs = 0, transposes = 0, norms = 0, others = 0;
    struct rt_problems problems = {0};
    *k = (struct rt_keras_unet){.unet = {.dropout = -1}};
    for (size_t i = 0; i < file->count; i++) {
        const struct rt_keras_layer *layer = &file->layers[i];
        convs += is_conv(layer);
        transposes += is_transposed(layer);
        norms += is_norm(layer);
        others += !is_kernel(layer) && !is_norm(layer);
    }
    const int depth = transposes ? transposes : (convs - 3) / 5;
    const int wanted = (transposes ? 4 : 5) * depth + 3;
    if (others || depth < 1 || depth > RT_KERAS_LEVELS || convs != wanted ||
        (norms && norms != 4 * depth + 2)) {
        name_layers(file, &problems);
        return rt_problems_fail(
            &problems, path,
            ": a U-Net like retort's of depth D has 4 D + 3 convolutions and D transposed ones of "
            "2x2, or 5 D + 3 convolutions, and 4 D + 2 normalisations or none. The layers are");
    }
    k->unet.depth = depth;
    k->unet.norm = norms ? RT_UNET_BATCH_NORM : RT_UNET_NO_NORM;
    k->unet.up = transposes ? RT_UNET_TRANSPOSE : RT_UNET_NEAREST;
    k->up_is_told = transposes > 0;
    struct guess g = {.k = k,
                      .epsilon = file->info ? RETORT_EPSILON : KERAS_EPSILON,
                      .convs = {file, is_conv, 0},
                      .transposes = {file, is_transposed, 0},
                      .norms = {file, is_norm, 0}};
    for (int level = 0; level <= depth; level++)
        add_block(&g, "down", level);
    for (int level = depth - 1; level >= 0; level--) {
        add_part(&g, transposes ? RT_KERAS_TRANSPOSE : RT_KERAS_CONV, "up", level, -1);
        add_block(&g, "dec", level);
    }
    add_part(&g, RT_KERAS_CONV, "head", -1, -1);
    return RT_OK;
}

/* --- weights as PyTorch has them ----------------------------------------------------------------
 */

struct conversion {
    const struct rt_keras_part *part;
    const struct rt_keras_layer *layer;
    struct rt_import_tensors *tensors;
};

/* Adds NAME.word with these floats, which it takes over. */
static rt_status add(const struct conversion *c, size_t weight, const char *word,
                     const struct rt_safetensors_entry *shape, float *owned)
{
    rt_status status = RT_OK;
    char name[64];
    char *origin = NULL;
    snprintf(name, sizeof name, "%s.%s", c->part->name, word);
    RT_TRY(
        rt_format(&origin, "layer %s, weight %s", c->layer->name, c->layer->weights[weight].name));
    status = rt_import_add(c->tensors, origin, name, shape, owned);
    owned = NULL;
end:
    free(origin);
    free(owned);
    return status;
}

/* [height, width, a, b] as [b, a, height, width]: Keras' filters are [.., in, out] and PyTorch's
 * [out, in, ..]; of transposed convolutions [.., out, in] and [in, out, ..]. */
static rt_status add_kernel(const struct conversion *c)
{
    const struct rt_keras_weight *weight = &c->layer->weights[0];
    const size_t *s = weight->shape, window = s[0] * s[1];
    const struct rt_safetensors_entry shape = {.dimensions = 4, .shape = {s[3], s[2], s[0], s[1]}};
    float *turned;
    rt_status status = rt_alloc(&turned, window * s[2] * s[3], sizeof *turned);
    if (status < 0)
        return status;
    for (size_t k = 0; k < window; k++)
        for (size_t a = 0; a < s[2]; a++)
            for (size_t b = 0; b < s[3]; b++)
                turned[(b * s[2] + a) * window + k] = weight->data[(k * s[2] + a) * s[3] + b];
    return add(c, 0, "weight", &shape, turned);
}

/* A vector, each number plus `more`. */
static rt_status add_vector(const struct conversion *c, size_t index, const char *word, double more)
{
    const struct rt_keras_weight *weight = &c->layer->weights[index];
    const struct rt_safetensors_entry shape = {.dimensions = 1, .shape = {weight->shape[0]}};
    float *copy;
    rt_status status = rt_alloc(&copy, weight->shape[0], sizeof *copy);
    if (status < 0)
        return status;
    for (size_t i = 0; i < weight->shape[0]; i++)
        copy[i] = (float)((double)weight->data[i] + more);
    return add(c, index, word, &shape, copy);
}

static rt_status add_constant(const struct conversion *c, const char *word, size_t count,
                              float value)
{
    const struct rt_safetensors_entry shape = {.dimensions = 1, .shape = {count}};
    float *values;
    rt_status status = rt_alloc(&values, count, sizeof *values);
    if (status < 0)
        return status;
    for (size_t i = 0; i < count; i++)
        values[i] = value;
    return add(c, 0, word, &shape, values);
}

static rt_status convert_conv(const struct conversion *c, struct rt_problems *problems)
{
    rt_status status = RT_OK;
    const struct rt_keras_layer *layer = c->layer;
    if (!is_kernel(layer) || (layer->count == 2 && layer->weights[1].dimensions != 1)) {
        rt_problem(problems, "layer %s is no convolution with a kernel and a bias at most",
                   layer->name);
        return RT_OK;
    }
    RT_TRY(add_kernel(c));
    if (layer->count == 2)
        status = add_vector(c, 1, "bias", 0);
    else
        status = add_constant(c, "bias",
                              layer->weights[0].shape[c->part->kind == RT_KERAS_CONV ? 3 : 2], 0);
end:
    return status;
}

/* gamma and beta (or neither), mean, variance. The variance takes what Keras' epsilon is more than
 * retort's, so that outside training both are the same. */
static rt_status convert_norm(const struct conversion *c, struct rt_problems *problems)
{
    rt_status status = RT_OK;
    const struct rt_keras_layer *layer = c->layer;
    const size_t count = layer->count, mean = count - 2;
    bool vectors = count == 4 || count == 2;
    for (size_t i = 0; i < count; i++)
        vectors = vectors && layer->weights[i].dimensions == 1;
    if (!vectors) {
        rt_problem(problems,
                   "layer %s is no normalisation with gamma, beta, mean and variance: it has %zu "
                   "weights",
                   layer->name, count);
        return RT_OK;
    }
    if (count == 4) {
        RT_TRY(add_vector(c, 0, "weight", 0));
        RT_TRY(add_vector(c, 1, "bias", 0));
    } else {
        RT_TRY(add_constant(c, "weight", layer->weights[0].shape[0], 1));
        RT_TRY(add_constant(c, "bias", layer->weights[0].shape[0], 0));
    }
    RT_TRY(add_vector(c, mean, "running_mean", 0));
    status = add_vector(c, mean + 1, "running_var", c->part->epsilon - RETORT_EPSILON);
end:
    return status;
}

static void name_unused(const struct rt_keras_unet *k, const struct rt_keras_file *file,
                        struct rt_problems *problems)
{
    for (size_t i = 0; i < file->count; i++) {
        char shape[RT_SHAPE_TEXT];
        const struct rt_keras_layer *layer = &file->layers[i];
        int part = 0;
        while (part < k->count && strcmp(k->parts[part].layer, layer->name) != 0)
            part++;
        if (part == k->count)
            rt_problem(
                problems, "layer %s (%s) has no place in the network", layer->name,
                rt_import_shape(shape, layer->weights[0].shape, layer->weights[0].dimensions));
    }
}

rt_status rt_keras_convert(const struct rt_keras_unet *k, const struct rt_keras_file *file,
                           struct rt_import_tensors *tensors, struct rt_problems *problems)
{
    rt_status status = RT_OK;
    for (int i = 0; i < k->count; i++) {
        const struct rt_keras_part *part = &k->parts[i];
        const struct conversion c = {part, rt_keras_find(file, part->layer), tensors};
        if (!c.layer) {
            rt_problem(problems, "layer %s has no weights in the file", part->layer);
            continue;
        }
        RT_TRY(part->kind == RT_KERAS_NORM ? convert_norm(&c, problems)
                                           : convert_conv(&c, problems));
    }
    name_unused(k, file, problems);
end:
    return status;
}
