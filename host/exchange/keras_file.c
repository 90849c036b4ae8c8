#include "exchange/keras_file.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "exchange/hdf5.h"

/* --- layers --------------------------------------------------------------------------------- */

static void finish_layer(struct rt_keras_layer *layer)
{
    for (size_t i = 0; i < layer->count; i++) {
        free(layer->weights[i].name);
        free(layer->weights[i].data);
    }
    free(layer->weights);
    free(layer->name);
}

void rt_keras_finish(struct rt_keras_file *file)
{
    for (size_t i = 0; i < file->count; i++)
        finish_layer(&file->layers[i]);
    free(file->layers);
    free(file->config);
    free(file->info);
    *file = (struct rt_keras_file){0};
}

const struct rt_keras_layer *rt_keras_find(const struct rt_keras_file *file, const char *name)
{
    for (size_t i = 0; i < file->count; i++)
        if (strcmp(file->layers[i].name, name) == 0)
            return &file->layers[i];
    return NULL;
}

/* Adds a layer with these weights of a group. */
static rt_status add_layer(struct rt_keras_file *file, const struct rt_hdf5 *h, hid_t group,
                           const char *name, const struct rt_texts *weights)
{
    rt_status status = RT_OK;
    if (weights->count == 0)
        return RT_OK;
    RT_TRY(rt_grow(&file->layers, &file->capacity, file->count + 1, sizeof *file->layers));
    struct rt_keras_layer *layer = &file->layers[file->count];
    RT_TRY(rt_copy_text(&layer->name, name));
    file->count++; /* from here on rt_keras_finish releases it */
    RT_TRY(rt_grow(&layer->weights, &layer->capacity, weights->count, sizeof *layer->weights));
    for (size_t i = 0; i < weights->count; i++) {
        RT_TRY(rt_hdf5_floats(h, group, weights->items[i], &layer->weights[i]));
        layer->count++;
    }
end:
    return status < 0 ? rt_fail_context(status, "layer %s: ", name) : status;
}

/* --- `.h5`: attributes name the layers and their weights ----------------------------------------
 */

static rt_status read_named(struct rt_keras_file *file, const struct rt_hdf5 *h, hid_t root,
                            const struct rt_texts *layers)
{
    rt_status status = RT_OK;
    for (size_t i = 0; i < layers->count; i++) {
        const char *name = layers->items[i];
        struct rt_texts weights = {0};
        hid_t group = rt_hdf5_group(h, root, name);
        if (group < 0)
            return rt_fail(RT_ERROR_FORMAT, "cannot read %s: it lists a layer %s that it lacks",
                           h->path, name);
        status = rt_hdf5_texts(h, group, "weight_names", &weights);
        if (status == RT_OK)
            status = add_layer(file, h, group, name, &weights);
        rt_texts_finish(&weights);
        H5Oclose(group);
        if (status < 0)
            break;
    }
    return status;
}

/* --- `.weights.h5`: layers/NAME/vars/N -------------------------------------------------------- */

/* The number at the end of "conv2d_12", 0 of "conv2d"; *length is that of what stands before. */
static unsigned long number_of(const char *name, size_t *length)
{
    const char *end = name + strlen(name), *digits = end;
    while (digits > name && digits[-1] >= '0' && digits[-1] <= '9')
        digits--;
    bool numbered = digits > name + 1 && digits[-1] == '_' && *digits && end - digits < 10;
    *length = (size_t)((numbered ? digits - 1 : end) - name);
    return numbered ? strtoul(digits, NULL, 10) : 0;
}

/* The order in which Keras numbered the layers of a kind: conv2d, conv2d_1, ... conv2d_10. */
static int by_number(const void *a, const void *b)
{
    const char *p = *(char *const *)a, *q = *(char *const *)b;
    size_t p_length, q_length;
    unsigned long p_number = number_of(p, &p_length), q_number = number_of(q, &q_length);
    int order = strncmp(p, q, p_length < q_length ? p_length : q_length);
    if (order != 0)
        return order;
    if (p_length != q_length)
        return p_length < q_length ? -1 : 1;
    return (p_number > q_number) - (p_number < q_number);
}

static rt_status read_layer(struct rt_keras_file *file, const struct rt_hdf5 *h, hid_t layers,
                            const char *name)
{
    rt_status status = RT_OK;
    struct rt_texts weights = {0};
    hid_t layer = rt_hdf5_group(h, layers, name), variables = -1, inner = -1;
    if (layer < 0)
        return RT_OK; /* something else that lies there */
    inner = rt_hdf5_group(h, layer, "layers");
    variables = rt_hdf5_group(h, layer, "vars");
    if (inner >= 0)
        status = rt_fail(RT_ERROR_UNSUPPORTED,
                         "cannot import %s: its layer %s is a model itself; only U-Nets of plain "
                         "layers can be imported",
                         h->path, name);
    if (status == RT_OK && variables >= 0)
        status = rt_hdf5_members(h, variables, &weights);
    if (status == RT_OK && weights.count > 0) {
        qsort(weights.items, weights.count, sizeof *weights.items, by_number);
        status = add_layer(file, h, variables, name, &weights);
    }
    rt_texts_finish(&weights);
    if (inner >= 0)
        H5Oclose(inner);
    if (variables >= 0)
        H5Oclose(variables);
    H5Oclose(layer);
    return status;
}

static rt_status read_numbered(struct rt_keras_file *file, const struct rt_hdf5 *h, hid_t layers)
{
    rt_status status = RT_OK;
    struct rt_texts names = {0};
    RT_TRY(rt_hdf5_members(h, layers, &names));
    if (names.count > 1)
        qsort(names.items, names.count, sizeof *names.items, by_number);
    for (size_t i = 0; i < names.count; i++)
        RT_TRY(read_layer(file, h, layers, names.items[i]));
end:
    rt_texts_finish(&names);
    return status;
}

/* --- both ----------------------------------------------------------------------------------- */

/* A text of the root; NULL where it is not there. */
static rt_status read_text(const struct rt_hdf5 *h, const char *name, char **text)
{
    struct rt_texts texts;
    rt_status status = rt_hdf5_texts(h, h->file, name, &texts);
    if (status == RT_OK && texts.count > 0) {
        *text = texts.items[0];
        texts.items[0] = NULL;
    }
    rt_texts_finish(&texts);
    return status;
}

static rt_status read_layers(struct rt_keras_file *file, const struct rt_hdf5 *h)
{
    /* where the layers lie: whole models, Keras 3, its first versions */
    static const char *const places[] = {"layers", "_layer_checkpoint_dependencies"};
    rt_status status = RT_OK;
    struct rt_texts layers = {0};
    hid_t whole = rt_hdf5_group(h, h->file, "model_weights"), group = -1;
    hid_t root = whole >= 0 ? whole : h->file;
    RT_TRY(rt_hdf5_texts(h, root, "layer_names", &layers));
    if (layers.count > 0) {
        status = read_named(file, h, root, &layers);
        goto end;
    }
    for (size_t i = 0; group < 0 && i < RT_COUNT(places); i++)
        group = rt_hdf5_group(h, h->file, places[i]);
    if (group < 0)
        RT_TRY(rt_fail(RT_ERROR_FORMAT,
                       "%s is HDF5, but not as Keras writes it: it has neither the attribute "
                       "layer_names nor a group layers",
                       h->path));
    status = read_numbered(file, h, group);
end:
    rt_texts_finish(&layers);
    if (whole >= 0)
        H5Oclose(whole);
    if (group >= 0)
        H5Oclose(group);
    return status;
}

rt_status rt_keras_read(struct rt_keras_file *file, const char *path)
{
    rt_status status = RT_OK;
    struct rt_hdf5 h;
    *file = (struct rt_keras_file){0};
    RT_TRY(rt_hdf5_open(&h, path));
    RT_TRY(read_text(&h, "model_config", &file->config));
    RT_TRY(read_text(&h, "retort", &file->info));
    status = read_layers(file, &h);
end:
    rt_hdf5_close(&h);
    if (status < 0)
        rt_keras_finish(file);
    return status;
}
