/* From an ONNX file to a model: a U-Net of ours, or a network that is run as it is. */
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "exchange/onnx.h"
#include "exchange/onnx_read.h"
#include "model/unet.h"

/* --- what the file tells beside its graph --------------------------------------------------- */

struct told {
    struct rt_model_info info; /* of the file that retort wrote; or, of what follows, the parts */
    bool by_retort, patch, names, colours, scaling;
};

static const char *text_of(const Onnx__ModelProto *proto, const char *key)
{
    for (size_t i = 0; i < proto->n_metadata_props; i++)
        if (proto->metadata_props[i]->key && strcmp(proto->metadata_props[i]->key, key) == 0)
            return proto->metadata_props[i]->value;
    return NULL;
}

static json_t *json_of(const Onnx__ModelProto *proto, const char *key)
{
    const char *text = text_of(proto, key);
    return text ? json_loads(text, JSON_DECODE_ANY, NULL) : NULL;
}

static void read_names(struct told *told, const json_t *names)
{
    struct rt_palette *palette = &told->info.palette;
    const int count = (int)json_object_size(names);
    told->names = count >= 2 && count <= RT_CLASSES_MAX;
    for (int i = 0; told->names && i < count; i++) {
        char key[16];
        snprintf(key, sizeof key, "%d", i);
        const char *name = json_string_value(json_object_get(names, key));
        told->names = name && *name &&
                      (size_t)snprintf(palette->classes[i].name, sizeof palette->classes[i].name,
                                       "%s", name) < sizeof palette->classes[i].name;
    }
    palette->count = count;
    palette->unlabeled = -1;
}

static void read_colours(struct told *told, const json_t *colours)
{
    struct rt_palette *palette = &told->info.palette;
    told->colours = told->names && (int)json_object_size(colours) == palette->count;
    for (int i = 0; told->colours && i < palette->count; i++) {
        char key[16], end;
        unsigned rgb[3];
        snprintf(key, sizeof key, "%d", i);
        const char *text = json_string_value(json_object_get(colours, key));
        told->colours = text && sscanf(text, "#%2x%2x%2x%c", &rgb[0], &rgb[1], &rgb[2], &end) == 3;
        for (int c = 0; told->colours && c < 3; c++)
            palette->classes[i].rgb[c] = (uint8_t)rgb[c];
    }
}

/* Deepness: of bytes / 255. */
static void read_scaling(struct told *told, const json_t *mean, const json_t *deviation)
{
    struct rt_scaling *s = &told->info.scaling;
    told->scaling = json_array_size(mean) == 3 && json_array_size(deviation) == 3;
    for (size_t i = 0; told->scaling && i < 3; i++) {
        s->mean[i] = 255 * (float)json_number_value(json_array_get(mean, i));
        s->deviation[i] = 255 * (float)json_number_value(json_array_get(deviation, i));
        told->scaling = isfinite(s->mean[i]) && isfinite(s->deviation[i]) && s->deviation[i] > 0;
    }
}

/* What retort writes, or for QGIS's plug-in Deepness. */
static void read_told(struct told *told, const Onnx__ModelProto *proto)
{
    const char *text = text_of(proto, RT_MODEL_INFO_KEY);
    *told = (struct told){.by_retort = false};
    if (text && rt_model_info_read(&told->info, text) == RT_OK) {
        told->by_retort = told->patch = told->names = told->colours = told->scaling = true;
        return;
    }
    told->info = (struct rt_model_info){.channels = 3};
    json_t *names = json_of(proto, "class_names"), *colours = json_of(proto, "class_colors"),
           *mean = json_of(proto, "standardization_mean"),
           *deviation = json_of(proto, "standardization_std"), *tile = json_of(proto, "tiles_size");
    read_names(told, names);
    read_colours(told, colours);
    read_scaling(told, mean, deviation);
    told->patch = json_integer_value(tile) > 0 && json_integer_value(tile) <= 1 << 14;
    told->info.patch = told->patch ? (int)json_integer_value(tile) : 0;
    snprintf(told->info.palette.name, sizeof told->info.palette.name, "onnx");
    json_decref(names);
    json_decref(colours);
    json_decref(mean);
    json_decref(deviation);
    json_decref(tile);
}

/* --- the scaling ---------------------------------------------------------------------------- */

static bool is_near(const struct rt_scaling *a, const struct rt_scaling *b)
{
    bool near = a->mode == b->mode;
    for (int i = 0; near && a->mode == RT_SCALING_DATA && i < 3; i++)
        near = fabsf(a->mean[i] - b->mean[i]) <= 1e-3f &&
               fabsf(a->deviation[i] - b->deviation[i]) <= 1e-3f;
    return near;
}

/* How bytes are scaled, of what the file takes and its first nodes do. Of a file of retort's what
 * it tells, without a rounding. *known false: nothing tells. */
static rt_status find_scaling(const struct rt_onnx_reading *r, const struct told *told,
                              const struct rt_import_options *options, struct rt_scaling *scaling,
                              bool *known)
{
    struct rt_scaling base = {.mode = RT_SCALING_DATA, .deviation = {255, 255, 255}};
    *known = options->scaling || told->scaling;
    if (options->scaling)
        base = *options->scaling;
    else if (told->scaling && !told->by_retort)
        base = told->info.scaling;
    rt_status status = rt_onnx_scaling(r, &base, scaling);
    if (status == RT_OK && told->by_retort && !options->scaling &&
        is_near(scaling, &told->info.scaling))
        *scaling = told->info.scaling;
    return status;
}

/* --- a network that is run as it is --------------------------------------------------------- */

/* Convolutions of the input take its channels the other way round. */
static rt_status turn_channels(const struct rt_onnx_reading *r, float *values)
{
    size_t count;
    const struct rt_graph_parameter *parameters = rt_graph_parameters(r->graph, &count);
    for (size_t i = 1; i < rt_graph_node_count(r->graph); i++) {
        const struct rt_graph_node node = rt_graph_node(r->graph, i);
        if (node.inputs[0] != 0 && (node.op->inputs < 2 || node.inputs[1] != 0))
            continue;
        if (node.op != &rt_op_conv2d)
            return rt_fail(RT_ERROR_UNSUPPORTED,
                           "%s cannot take its channels as BGR: more than convolutions read them",
                           r->path);
        const struct rt_graph_parameter *p = &parameters[node.first_parameter];
        if (p->parameter.shape.c != 3)
            return rt_fail(RT_ERROR_UNSUPPORTED,
                           "%s cannot take its channels as BGR: the node %s reads them in groups",
                           r->path, node.name);
        const size_t plane = (size_t)p->parameter.shape.h * (size_t)p->parameter.shape.w;
        for (size_t o = 0; o < (size_t)p->parameter.shape.n; o++)
            for (size_t k = 0; k < plane; k++) {
                float *red = values + p->offset + o * 3 * plane + k, *blue = red + 2 * plane;
                const float first = *red;
                *red = *blue;
                *blue = first;
            }
    }
    return RT_OK;
}

static rt_status check_finite(const struct rt_onnx_reading *r, const float *values, size_t total)
{
    for (size_t i = 0; i < total; i++)
        if (!isfinite(values[i]))
            return rt_fail(
                RT_ERROR_FORMAT,
                "%s holds weights that are not finite: the training that wrote it failed", r->path);
    return RT_OK;
}

static rt_status adopt(struct rt_model **model, struct rt_onnx_reading *r,
                       const struct rt_model_info *info, enum rt_channel_order order)
{
    size_t trained, total, count;
    const struct rt_graph_parameter *parameters = rt_graph_parameters(r->graph, &count);
    float *values = NULL;
    rt_status status = RT_OK;
    rt_graph_slab_sizes(r->graph, &trained, &total);
    RT_TRY(rt_alloc(&values, total, sizeof *values));
    for (size_t i = 0; i < count; i++)
        rt_onnx_parameter_floats(r, i, rt_shape_size(parameters[i].parameter.shape),
                                 values + parameters[i].offset);
    RT_TRY(check_finite(r, values, total));
    if (order == RT_CHANNELS_BGR)
        RT_TRY(turn_channels(r, values));
    RT_TRY(rt_model_adopt(model, r->device, info, r->graph, r->levels, values));
    r->graph = NULL; /* it is the model's now */
    rt_info("%s is no U-Net of retort's: it is run as it is, %zu operations", r->path,
            rt_graph_node_count(rt_model_graph(*model)) - 1);
end:
    free(values);
    return status;
}

/* --- the whole ------------------------------------------------------------------------------ */

/* Whether two specifications are of one network but for dropout, which no graph has. */
static bool same_network(const char *a, const char *b)
{
    struct rt_unet unets[2];
    char texts[2][96];
    if (rt_unet_parse(&unets[0], a) < 0 || rt_unet_parse(&unets[1], b) < 0)
        return false;
    for (int i = 0; i < 2; i++) {
        unets[i].dropout = -1;
        rt_unet_format(&unets[i], texts[i], sizeof texts[i]);
    }
    return strcmp(texts[0], texts[1]) == 0;
}

/* Of a network of ours its specification, else "onnx:NAME". A file of retort's tells the dropout,
 * which no graph has. */
static rt_status name_network(const struct rt_onnx_reading *r, const struct rt_onnx_unet *unet,
                              const struct told *told, const struct rt_import_options *options,
                              char name[96])
{
    char *stem = NULL;
    rt_status status = RT_OK;
    if (unet->found)
        snprintf(name, 96, "%s",
                 options->network ? options->network
                 : told->by_retort && same_network(told->info.network, unet->network)
                     ? told->info.network
                     : unet->network);
    else {
        RT_TRY(rt_path_stem(&stem, r->path));
        snprintf(name, 96, "onnx:%.80s", stem);
    }
end:
    free(stem);
    return status;
}

static rt_status describe(struct rt_model_info *info, const struct rt_onnx_reading *r,
                          const struct rt_onnx_unet *unet, const struct told *told,
                          const struct rt_import_options *options)
{
    struct rt_import_options asked = *options;
    struct rt_scaling scaling;
    char name[96];
    bool known;
    rt_status status = RT_OK;
    RT_TRY(name_network(r, unet, told, options, name));
    RT_TRY(find_scaling(r, told, options, &scaling, &known));
    const bool fits = told->names && told->info.palette.count == r->output->shape.c;
    const struct rt_import_found found = {
        .network = name,
        .classes = r->output->shape.c,
        .patch = told->patch ? told->info.patch : r->side,
        .scaling = known ? &scaling : NULL,
        .palette = fits && told->colours ? &told->info.palette : NULL,
    };
    asked.scaling = NULL; /* it is part of what was found */
    RT_TRY(rt_import_describe(info, r->path, &found, &asked));
    for (int i = 0; fits && !told->colours && !options->palette && i < found.classes; i++)
        memcpy(info->palette.classes[i].name, told->info.palette.classes[i].name,
               sizeof info->palette.classes[i].name);
end:
    return status;
}

rt_status rt_onnx_read(struct rt_onnx_reading *r, struct rt_onnx_unet *unet,
                       struct rt_model_info *info, const Onnx__ModelProto *proto,
                       const struct rt_import_options *options)
{
    struct told *told = NULL;
    rt_status status = RT_OK;
    RT_TRY(rt_alloc(&told, 1, sizeof *told));
    RT_TRY(rt_onnx_nodes(r));
    RT_TRY(rt_onnx_unet_find(unet, r));
    read_told(told, proto);
    status = describe(info, r, unet, told, options);
end:
    free(told);
    return status;
}

static rt_status import(struct rt_model **model, struct rt_onnx_reading *r,
                        const Onnx__ModelProto *proto, const struct rt_import_options *options)
{
    struct rt_onnx_unet unet = {.found = false};
    struct rt_model_info *info = NULL;
    rt_status status = RT_OK;
    if (options->map)
        return rt_fail(RT_ERROR_ARGUMENT,
                       "a map of names is for weights alone: %s holds its network, too", r->path);
    RT_TRY(rt_alloc(&info, 1, sizeof *info));
    RT_TRY(rt_onnx_read(r, &unet, info, proto, options));
    if (unet.found)
        status = rt_import_build(model, r->device, r->path, info, options->order, unet.entries,
                                 unet.count);
    else
        status = adopt(model, r, info, options->order);
end:
    rt_onnx_unet_finish(&unet);
    free(info);
    return status;
}

rt_status rt_onnx_import(struct rt_model **model, struct rt_device *device, const char *path,
                         const struct rt_import_options *options)
{
    struct rt_onnx_reading r = {.path = path};
    Onnx__ModelProto *proto = NULL;
    rt_status status = RT_OK;
    RT_TRY(rt_onnx_file_read(&proto, path));
    RT_TRY(rt_onnx_reading_init(&r, device, path, proto));
    status = import(model, &r, proto, options);
end:
    rt_onnx_reading_finish(&r);
    if (proto)
        onnx__model_proto__free_unpacked(proto, NULL);
    return status;
}
