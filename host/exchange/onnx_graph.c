#include "exchange/onnx_graph.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

rt_status rt_onnx_graph_init(struct rt_onnx_graph *graph, size_t nodes, size_t tensors)
{
    rt_status status = RT_OK;
    *graph = (struct rt_onnx_graph){.proto = ONNX__GRAPH_PROTO__INIT};
    RT_TRY(rt_alloc(&graph->nodes, nodes, sizeof *graph->nodes));
    RT_TRY(rt_alloc(&graph->tensors, tensors, sizeof *graph->tensors));
    RT_TRY(rt_alloc(&graph->proto.node, nodes, sizeof *graph->proto.node));
    RT_TRY(rt_alloc(&graph->proto.initializer, tensors, sizeof *graph->proto.initializer));
    graph->inputs[0] = &graph->input.proto;
    graph->outputs[0] = &graph->output.proto;
    graph->proto.n_input = graph->proto.n_output = 1;
    graph->proto.input = graph->inputs;
    graph->proto.output = graph->outputs;
end:
    return status;
}

void rt_onnx_graph_finish(struct rt_onnx_graph *graph)
{
    free(graph->nodes);
    free(graph->tensors);
    free(graph->proto.node);
    free(graph->proto.initializer);
    *graph = (struct rt_onnx_graph){.proto = ONNX__GRAPH_PROTO__INIT};
}

/* --- nodes ---------------------------------------------------------------------------------- */

struct rt_onnx_node *rt_onnx_add(struct rt_onnx_graph *graph, const char *kind, const char *name)
{
    const size_t index = graph->proto.n_node++;
    struct rt_onnx_node *node = &graph->nodes[index];
    *node = (struct rt_onnx_node){.proto = ONNX__NODE_PROTO__INIT, .output = node->name};
    snprintf(node->name, sizeof node->name, "%s", name);
    node->proto.name = node->name;
    node->proto.op_type = (char *)kind;
    node->proto.input = node->inputs;
    node->proto.n_output = 1;
    node->proto.output = &node->output;
    node->proto.attribute = node->list;
    graph->proto.node[index] = &node->proto;
    return node;
}

void rt_onnx_input(struct rt_onnx_node *node, const char *value)
{
    node->inputs[node->proto.n_input++] = (char *)value;
}

static Onnx__AttributeProto *add_attribute(struct rt_onnx_node *node, const char *name,
                                           Onnx__AttributeProto__AttributeType type)
{
    const size_t index = node->proto.n_attribute++;
    Onnx__AttributeProto *attribute = &node->attributes[index];
    *attribute = (Onnx__AttributeProto)ONNX__ATTRIBUTE_PROTO__INIT;
    attribute->name = (char *)name;
    attribute->has_type = true;
    attribute->type = type;
    node->list[index] = attribute;
    return attribute;
}

void rt_onnx_number(struct rt_onnx_node *node, const char *name, int64_t number)
{
    Onnx__AttributeProto *attribute =
        add_attribute(node, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INT);
    attribute->has_i = true;
    attribute->i = number;
}

void rt_onnx_float(struct rt_onnx_node *node, const char *name, float number)
{
    Onnx__AttributeProto *attribute =
        add_attribute(node, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOAT);
    attribute->has_f = true;
    attribute->f = number;
}

void rt_onnx_text(struct rt_onnx_node *node, const char *name, const char *text)
{
    Onnx__AttributeProto *attribute =
        add_attribute(node, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__STRING);
    attribute->has_s = true;
    attribute->s = (ProtobufCBinaryData){strlen(text), (uint8_t *)text};
}

void rt_onnx_numbers(struct rt_onnx_node *node, const char *name, size_t count,
                     const int64_t *numbers)
{
    int64_t *copy = node->numbers[node->proto.n_attribute];
    Onnx__AttributeProto *attribute =
        add_attribute(node, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INTS);
    memcpy(copy, numbers, count * sizeof *copy);
    attribute->n_ints = count;
    attribute->ints = copy;
}

/* --- tensors -------------------------------------------------------------------------------- */

void rt_onnx_add_tensor(struct rt_onnx_graph *graph, const char *name, const float *floats,
                        int dimensions, const size_t *shape)
{
    const size_t index = graph->proto.n_initializer++;
    struct rt_onnx_tensor *tensor = &graph->tensors[index];
    size_t size = sizeof *floats;
    tensor->proto = (Onnx__TensorProto)ONNX__TENSOR_PROTO__INIT;
    for (int i = 0; i < dimensions; i++) {
        tensor->dims[i] = (int64_t)shape[i];
        size *= shape[i];
    }
    tensor->proto.name = (char *)name;
    tensor->proto.n_dims = (size_t)dimensions;
    tensor->proto.dims = tensor->dims;
    tensor->proto.has_data_type = true;
    tensor->proto.data_type = ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT;
    tensor->proto.has_raw_data = true;
    tensor->proto.raw_data = (ProtobufCBinaryData){size, (void *)floats};
    graph->proto.initializer[index] = &tensor->proto;
}

void rt_onnx_little_endian(float *floats, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        uint32_t word;
        unsigned char bytes[4];
        memcpy(&word, &floats[i], sizeof word);
        for (int k = 0; k < 4; k++)
            bytes[k] = (unsigned char)(word >> 8 * k);
        memcpy(&floats[i], bytes, sizeof bytes);
    }
}

/* --- what goes in and comes out ------------------------------------------------------------- */

static void set_size(Onnx__TensorShapeProto__Dimension *dimension, int size)
{
    dimension->value_case = ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE;
    dimension->dim_value = size;
}

void rt_onnx_describe(struct rt_onnx_images *images, const char *name, const char *about,
                      int channels, int side)
{
    static const char *const free_sizes[] = {"batch", NULL, "height", "width"};
    *images = (struct rt_onnx_images){
        .proto = ONNX__VALUE_INFO_PROTO__INIT,
        .type = ONNX__TYPE_PROTO__INIT,
        .tensor = ONNX__TYPE_PROTO__TENSOR__INIT,
        .shape = ONNX__TENSOR_SHAPE_PROTO__INIT,
    };
    for (int i = 0; i < 4; i++) {
        images->dims[i] =
            (Onnx__TensorShapeProto__Dimension)ONNX__TENSOR_SHAPE_PROTO__DIMENSION__INIT;
        images->list[i] = &images->dims[i];
        if (i == 1) {
            set_size(&images->dims[i], channels);
        } else if (i > 1 && side > 0) {
            set_size(&images->dims[i], side);
        } else {
            images->dims[i].value_case = ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_PARAM;
            images->dims[i].dim_param = (char *)free_sizes[i];
        }
    }
    images->shape.n_dim = 4;
    images->shape.dim = images->list;
    images->tensor.has_elem_type = true;
    images->tensor.elem_type = ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT;
    images->tensor.shape = &images->shape;
    images->type.value_case = ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE;
    images->type.tensor_type = &images->tensor;
    images->proto.name = (char *)name;
    images->proto.doc_string = (char *)about;
    images->proto.type = &images->type;
}
