/* retort's networks as ONNX graphs: a node for each of their operations, with dropout, which does
 * nothing outside training, left out. Normalisations are written as such: what reads the file finds
 * the network's own tensors under their names, and runtimes fold them into the convolutions. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/size.h"
#include "exchange/onnx.h"
#include "exchange/onnx_graph.h"
#include "exchange/onnx_metadata.h"
#include "model/model.h"
#include "retort/version.h"

/* The first version of the operators in which all that is used here has its present form, and the
 * version of the file format of those days: the older, the more programs can read it. */
#define OPSET 13
#define IR_VERSION 7

#define NODES_MORE 8 /* the scaling of the input, the softmax */
#define TENSORS_MORE 4
#define FILE_BYTES_MAX ((size_t)INT32_MAX) /* what a protocol buffer may take */
#define MESSAGES_BYTES ((size_t)1 << 20)   /* more than all but the tensors take */

struct writer {
    struct rt_onnx_graph graph;
    const struct rt_graph_parameter *parameters;
    const char **values; /* of each node of the model's graph: what its output is called */
    float mean[3], deviation[3], least, scales[4]; /* constants, little-endian */
};

/* --- operations ----------------------------------------------------------------------------- */

/* A node for an operation, with that one's inputs and then its parameters. */
static struct rt_onnx_node *add(struct writer *w, const char *kind,
                                const struct rt_graph_node *from)
{
    struct rt_onnx_node *node = rt_onnx_add(&w->graph, kind, from->name);
    for (int i = 0; i < from->op->inputs; i++)
        rt_onnx_input(node, w->values[from->inputs[i]]);
    for (int i = 0; i < from->parameters; i++)
        rt_onnx_input(node, w->parameters[from->first_parameter + (size_t)i].name);
    return node;
}

/* Returns what the output of the node and of the ReLU after it, if any, is called. */
static const char *activate(struct writer *w, const struct rt_activation *activation,
                            const struct rt_onnx_node *node)
{
    char name[RT_ONNX_NAME];
    if (!activation->relu)
        return node->name;
    snprintf(name, sizeof name, "%.*s.relu", (int)sizeof name - 6, node->name);
    struct rt_onnx_node *relu = rt_onnx_add(&w->graph, "Relu", name);
    rt_onnx_input(relu, node->name);
    return relu->name;
}

static void set_window(struct rt_onnx_node *node, int size, int stride)
{
    rt_onnx_numbers(node, "kernel_shape", 2, (int64_t[]){size, size});
    rt_onnx_numbers(node, "strides", 2, (int64_t[]){stride, stride});
}

static const char *write_conv2d(struct writer *w, const struct rt_graph_node *from)
{
    const struct rt_conv2d *conv = from->attributes;
    const int pad = (conv->kernel - 1) / 2;
    struct rt_onnx_node *node = add(w, "Conv", from);
    set_window(node, conv->kernel, conv->stride);
    rt_onnx_numbers(node, "pads", 4, (int64_t[]){pad, pad, pad, pad});
    return activate(w, &conv->activation, node);
}

static const char *write_conv_transpose2d(struct writer *w, const struct rt_graph_node *from)
{
    struct rt_onnx_node *node = add(w, "ConvTranspose", from);
    set_window(node, 2, 2);
    return node->name;
}

/* The parameters have ONNX's order: scale, bias, mean, variance. */
static const char *write_batch_norm(struct writer *w, const struct rt_graph_node *from)
{
    const struct rt_batch_norm *norm = from->attributes;
    struct rt_onnx_node *node = add(w, "BatchNormalization", from);
    rt_onnx_float(node, "epsilon", norm->epsilon);
    return activate(w, &norm->activation, node);
}

static const char *write_pool(struct writer *w, const struct rt_graph_node *from)
{
    const struct rt_pool *pool = from->attributes;
    struct rt_onnx_node *node = add(w, pool->mode == RT_POOL_MAX ? "MaxPool" : "AveragePool", from);
    set_window(node, 2, 2);
    return node->name;
}

/* Each pixel twice, or between pixel centres: as PyTorch writes both. */
static const char *write_upsample(struct writer *w, const struct rt_graph_node *from)
{
    const struct rt_upsample *upsample = from->attributes;
    const bool nearest = upsample->mode == RT_UPSAMPLE_NEAREST;
    static const size_t shape = 4;
    struct rt_onnx_node *node = add(w, "Resize", from);
    rt_onnx_input(node, ""); /* no region of interest */
    rt_onnx_input(node, "twice");
    rt_onnx_text(node, "mode", nearest ? "nearest" : "linear");
    rt_onnx_text(node, "coordinate_transformation_mode", nearest ? "asymmetric" : "half_pixel");
    if (nearest)
        rt_onnx_text(node, "nearest_mode", "floor");
    if (w->scales[0] == 0) { /* the first one */
        memcpy(w->scales, (float[]){1, 1, 2, 2}, sizeof w->scales);
        rt_onnx_little_endian(w->scales, 4);
        rt_onnx_add_tensor(&w->graph, "twice", w->scales, 1, &shape);
    }
    return node->name;
}

static const char *write_concat(struct writer *w, const struct rt_graph_node *from)
{
    struct rt_onnx_node *node = add(w, "Concat", from);
    rt_onnx_number(node, "axis", 1);
    return node->name;
}

/* How each operation is written; returns what its output is called. */
static const struct {
    const struct rt_op *op;
    const char *(*write)(struct writer *w, const struct rt_graph_node *from);
} operations[] = {
    {&rt_op_conv2d, write_conv2d},         {&rt_op_conv_transpose2d, write_conv_transpose2d},
    {&rt_op_batch_norm, write_batch_norm}, {&rt_op_pool, write_pool},
    {&rt_op_upsample, write_upsample},     {&rt_op_concat, write_concat},
};

static rt_status write_node(struct writer *w, const struct rt_graph_node *from, const char **value)
{
    for (size_t i = 0; i < RT_COUNT(operations); i++)
        if (operations[i].op == from->op) {
            *value = operations[i].write(w, from);
            return RT_OK;
        }
    return rt_fail(RT_ERROR_UNSUPPORTED, "the operation %s, of the node %s, cannot be written",
                   from->op->name, from->name);
}

/* --- the scaling of the input --------------------------------------------------------------- */

/* A node on one or two values. */
static const char *combine(struct writer *w, const char *kind, const char *name, const char *first,
                           const char *second)
{
    struct rt_onnx_node *node = rt_onnx_add(&w->graph, kind, name);
    rt_onnx_input(node, first);
    if (second)
        rt_onnx_input(node, second);
    return node->name;
}

static const char *reduce(struct writer *w, const char *kind, const char *name)
{
    struct rt_onnx_node *node = rt_onnx_add(&w->graph, kind, name);
    rt_onnx_input(node, RT_ONNX_INPUT);
    rt_onnx_numbers(node, "axes", 2, (int64_t[]){2, 3});
    return node->name;
}

/* From images of 0..1 to what the network was trained on; returns what the result is called. */
static const char *write_scaling(struct writer *w, const struct rt_scaling *scaling)
{
    static const size_t shape[] = {1, 3, 1, 1};
    const char *shift = "scaling.mean", *divisor = "scaling.deviation";
    if (scaling->mode == RT_SCALING_PATCH) {
        w->least = 1e-6f; /* for flat images: less than the smallest step of 8 or 16 bits */
        rt_onnx_little_endian(&w->least, 1);
        rt_onnx_add_tensor(&w->graph, "scaling.least", &w->least, 0, NULL);
        shift = reduce(w, "ReduceMin", "scaling.low");
        const char *high = reduce(w, "ReduceMax", "scaling.high");
        const char *range = combine(w, "Sub", "scaling.range", high, shift);
        divisor = combine(w, "Max", "scaling.divisor", range, "scaling.least");
    } else {
        for (int i = 0; i < 3; i++) {
            w->mean[i] = scaling->mean[i] / 255;
            w->deviation[i] = scaling->deviation[i] / 255;
        }
        rt_onnx_little_endian(w->mean, 3);
        rt_onnx_little_endian(w->deviation, 3);
        rt_onnx_add_tensor(&w->graph, shift, w->mean, 4, shape);
        rt_onnx_add_tensor(&w->graph, divisor, w->deviation, 4, shape);
    }
    const char *shifted = combine(w, "Sub", "scaling.shifted", RT_ONNX_INPUT, shift);
    return combine(w, "Div", "scaling.scaled", shifted, divisor);
}

/* --- the whole ------------------------------------------------------------------------------ */

static rt_status write_graph(struct writer *w, const struct rt_model *model,
                             const struct rt_export_options *options)
{
    const struct rt_model_info *info = rt_model_describe(model);
    const struct rt_graph *graph = rt_model_graph(model);
    const size_t count = rt_graph_node_count(graph);
    rt_status status = RT_OK;
    w->values[0] = write_scaling(w, &info->scaling);
    for (size_t i = 1; i < count; i++) {
        const struct rt_graph_node node = rt_graph_node(graph, i);
        RT_TRY(write_node(w, &node, &w->values[i]));
    }
    struct rt_onnx_node *last = &w->graph.nodes[w->graph.proto.n_node - 1];
    if (!options->logits) {
        const char *logits = w->values[count - 1];
        last = rt_onnx_add(&w->graph, "Softmax", "softmax");
        rt_onnx_input(last, logits);
        rt_onnx_number(last, "axis", 1);
    }
    const char *output = options->logits ? "logits" : "probabilities";
    last->output = (char *)output;
    w->graph.proto.name = (char *)info->network;
    rt_onnx_describe(&w->graph.input, RT_ONNX_INPUT, "RGB, from 0 to 1 (bytes / 255)",
                     info->channels, options->tile);
    rt_onnx_describe(&w->graph.output, output, "a plane a class, as in the metadata class_names",
                     info->palette.count, options->tile);
end:
    return status;
}

static rt_status write_file(struct writer *w, struct rt_onnx_metadata *metadata, const char *path)
{
    Onnx__OperatorSetIdProto opset = ONNX__OPERATOR_SET_ID_PROTO__INIT, *opsets[] = {&opset};
    Onnx__ModelProto proto = ONNX__MODEL_PROTO__INIT;
    rt_status status = RT_OK;
    uint8_t *bytes = NULL;
    opset.domain = "";
    opset.has_version = proto.has_ir_version = true;
    opset.version = OPSET;
    proto.ir_version = IR_VERSION;
    proto.n_opset_import = 1;
    proto.opset_import = opsets;
    proto.producer_name = "retort";
    proto.producer_version = RT_VERSION;
    proto.doc_string = metadata->about;
    proto.n_metadata_props = metadata->count;
    proto.metadata_props = metadata->list;
    proto.graph = &w->graph.proto;
    const size_t size = onnx__model_proto__get_packed_size(&proto);
    RT_TRY(rt_alloc(&bytes, size, 1));
    onnx__model_proto__pack(&proto, bytes);
    status = rt_file_write(path, bytes, size);
end:
    free(bytes);
    return status;
}

/* A node is up to two of ONNX's; the scaling and the softmax are at most NODES_MORE. */
static rt_status prepare(struct writer *w, const struct rt_model *model,
                         struct rt_model_tensors *tensors)
{
    const size_t nodes = rt_graph_node_count(rt_model_graph(model));
    rt_status status = RT_OK;
    RT_TRY(rt_alloc(&w->values, nodes, sizeof *w->values));
    RT_TRY(rt_model_tensors_read(model, tensors));
    RT_TRY(rt_onnx_graph_init(&w->graph, 2 * nodes + NODES_MORE, tensors->count + TENSORS_MORE));
    for (size_t i = 0; i < tensors->count; i++) {
        const struct rt_safetensors_entry *entry = &tensors->entries[i];
        const size_t size = rt_shape_size(w->parameters[i].parameter.shape);
        rt_onnx_little_endian(tensors->values + (entry->data - tensors->values), size);
        rt_onnx_add_tensor(&w->graph, entry->name, entry->data, entry->dimensions, entry->shape);
    }
end:
    return status;
}

/* Whether the file will be one that programs can read. */
static rt_status check(const struct rt_model *model, const char *path,
                       const struct rt_export_options *options)
{
    size_t trained, floats;
    char size[RT_SIZE_TEXT];
    rt_graph_slab_sizes(rt_model_graph(model), &trained, &floats);
    if (floats > (FILE_BYTES_MAX - MESSAGES_BYTES) / sizeof(float))
        return rt_fail(RT_ERROR_UNSUPPORTED,
                       "cannot write %s: an ONNX file holds at most 2 GiB, and the tensors of %s "
                       "take %s",
                       path, rt_model_describe(model)->network,
                       rt_size_text(size, floats * sizeof(float)));
    return options->tile > 0 ? rt_model_check_sides(model, options->tile, options->tile) : RT_OK;
}

rt_status rt_onnx_export(const struct rt_model *model, const char *path,
                         const struct rt_export_options *options)
{
    rt_status status = RT_OK;
    struct writer w = {.graph = {.proto = ONNX__GRAPH_PROTO__INIT}};
    struct rt_model_tensors tensors = {0};
    struct rt_onnx_metadata metadata = {0};
    size_t count;
    w.parameters = rt_graph_parameters(rt_model_graph(model), &count);
    RT_TRY(check(model, path, options));
    RT_TRY(rt_onnx_metadata_init(&metadata, model, options));
    RT_TRY(prepare(&w, model, &tensors));
    RT_TRY(write_graph(&w, model, options));
    status = write_file(&w, &metadata, path);
end:
    rt_onnx_graph_finish(&w.graph);
    rt_onnx_metadata_finish(&metadata);
    rt_model_tensors_finish(&tensors);
    free(w.values);
    return status;
}
