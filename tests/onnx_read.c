/* ONNX files that are not what they should be: a network of one convolution, and what is wrong with
 * each copy of it. */
#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "exchange/onnx_read.h"

#define CLASSES 2

/* Everything that the messages of the network point to. */
struct network {
    Onnx__ModelProto model;
    Onnx__OperatorSetIdProto opset, *opsets[1];
    Onnx__GraphProto graph;
    Onnx__NodeProto nodes[2], *node_list[2];
    Onnx__AttributeProto attribute, *attributes[1];
    Onnx__TensorProto weights, *tensors[1];
    Onnx__ValueInfoProto input, output, *inputs[1], *outputs[1];
    Onnx__TypeProto type;
    Onnx__TypeProto__Tensor tensor_type;
    Onnx__TensorShapeProto shape;
    Onnx__TensorShapeProto__Dimension dims[5], *dim_list[5];
    char *conv_inputs[2], *relu_inputs[1], *conv_outputs[1], *relu_outputs[1];
    int64_t weight_dims[4], pads[4];
    float numbers[CLASSES * 3];
};

static void describe_input(struct network *n)
{
    static const int64_t sides[] = {1, 3, 8, 8, 1};
    n->type = (Onnx__TypeProto)ONNX__TYPE_PROTO__INIT;
    n->tensor_type = (Onnx__TypeProto__Tensor)ONNX__TYPE_PROTO__TENSOR__INIT;
    n->shape = (Onnx__TensorShapeProto)ONNX__TENSOR_SHAPE_PROTO__INIT;
    for (int i = 0; i < 5; i++) {
        n->dims[i] = (Onnx__TensorShapeProto__Dimension)ONNX__TENSOR_SHAPE_PROTO__DIMENSION__INIT;
        n->dims[i].value_case = ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE;
        n->dims[i].dim_value = sides[i];
        n->dim_list[i] = &n->dims[i];
    }
    n->shape.n_dim = 4;
    n->shape.dim = n->dim_list;
    n->tensor_type.has_elem_type = true;
    n->tensor_type.elem_type = ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT;
    n->tensor_type.shape = &n->shape;
    n->type.value_case = ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE;
    n->type.tensor_type = &n->tensor_type;
    n->input.name = "x";
    n->input.type = &n->type;
    n->output.name = "y";
}

static void describe_weights(struct network *n)
{
    n->weights = (Onnx__TensorProto)ONNX__TENSOR_PROTO__INIT;
    memcpy(n->weight_dims, (int64_t[]){CLASSES, 3, 1, 1}, sizeof n->weight_dims);
    n->weights.name = "w";
    n->weights.n_dims = 4;
    n->weights.dims = n->weight_dims;
    n->weights.has_data_type = true;
    n->weights.data_type = ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT;
    n->weights.n_float_data = CLASSES * 3;
    n->weights.float_data = n->numbers;
    n->tensors[0] = &n->weights;
}

static void describe_nodes(struct network *n)
{
    for (int i = 0; i < 2; i++) {
        n->nodes[i] = (Onnx__NodeProto)ONNX__NODE_PROTO__INIT;
        n->node_list[i] = &n->nodes[i];
    }
    n->attribute = (Onnx__AttributeProto)ONNX__ATTRIBUTE_PROTO__INIT;
    n->attribute.name = "pads";
    n->attribute.n_ints = 4;
    n->attribute.ints = n->pads;
    n->attributes[0] = &n->attribute;
    n->conv_inputs[0] = "x";
    n->conv_inputs[1] = "w";
    n->conv_outputs[0] = n->relu_inputs[0] = "middle";
    n->relu_outputs[0] = "y";
    n->nodes[0].op_type = "Conv";
    n->nodes[0].n_input = 2;
    n->nodes[0].input = n->conv_inputs;
    n->nodes[0].n_output = n->nodes[1].n_output = n->nodes[1].n_input = 1;
    n->nodes[0].output = n->conv_outputs;
    n->nodes[0].n_attribute = 1;
    n->nodes[0].attribute = n->attributes;
    n->nodes[1].op_type = "Relu";
    n->nodes[1].input = n->relu_inputs;
    n->nodes[1].output = n->relu_outputs;
}

static void network_init(struct network *n)
{
    *n = (struct network){.numbers = {1, 2, 3, 4, 5, 6}};
    n->model = (Onnx__ModelProto)ONNX__MODEL_PROTO__INIT;
    n->opset = (Onnx__OperatorSetIdProto)ONNX__OPERATOR_SET_ID_PROTO__INIT;
    n->graph = (Onnx__GraphProto)ONNX__GRAPH_PROTO__INIT;
    n->input = n->output = (Onnx__ValueInfoProto)ONNX__VALUE_INFO_PROTO__INIT;
    describe_input(n);
    describe_weights(n);
    describe_nodes(n);
    n->opset.has_version = n->model.has_ir_version = true;
    n->opset.version = 13;
    n->model.ir_version = 7;
    n->opsets[0] = &n->opset;
    n->model.n_opset_import = n->graph.n_initializer = n->graph.n_input = n->graph.n_output = 1;
    n->model.opset_import = n->opsets;
    n->model.graph = &n->graph;
    n->graph.n_node = 2;
    n->graph.node = n->node_list;
    n->graph.initializer = n->tensors;
    n->inputs[0] = &n->input;
    n->outputs[0] = &n->output;
    n->graph.input = n->inputs;
    n->graph.output = n->outputs;
}

static uint8_t *pack(const struct network *n, size_t *size)
{
    *size = onnx__model_proto__get_packed_size(&n->model);
    uint8_t *bytes = malloc(*size);
    assert_non_null(bytes);
    onnx__model_proto__pack(&n->model, bytes);
    return bytes;
}

static rt_status read_bytes(const uint8_t *bytes, size_t size)
{
    static struct rt_model_info info;
    static const struct rt_scaling unit = {.deviation = {255, 255, 255}};
    const struct rt_import_options options = {.scaling = &unit};
    struct rt_onnx_reading r = {.path = "net.onnx"};
    struct rt_onnx_unet unet = {.found = false};
    Onnx__ModelProto *proto = NULL;
    rt_status status = RT_OK;
    RT_TRY(rt_onnx_file_parse(&proto, "net.onnx", bytes, size));
    RT_TRY(rt_onnx_reading_init(&r, NULL, "net.onnx", proto));
    status = rt_onnx_read(&r, &unet, &info, proto, &options);
end:
    rt_onnx_unet_finish(&unet);
    rt_onnx_reading_finish(&r);
    if (proto)
        onnx__model_proto__free_unpacked(proto, NULL);
    return status;
}

static rt_status read_network(const struct network *n)
{
    size_t size;
    uint8_t *bytes = pack(n, &size);
    rt_status status = read_bytes(bytes, size);
    free(bytes);
    return status;
}

static void the_whole_one_is_read(void **state)
{
    (void)state;
    struct network n;
    network_init(&n);
    assert_ok(read_network(&n));
}

static void every_truncation_is_refused(void **state)
{
    (void)state;
    struct network n;
    size_t size;
    network_init(&n);
    uint8_t *bytes = pack(&n, &size);
    for (size_t length = 0; length < size; length++) {
        uint8_t *part = malloc(length + 1); /* so that a sanitizer sees what is read beyond */
        assert_non_null(part);
        memcpy(part, bytes, length);
        const rt_status status = read_bytes(part, length);
        if (status != RT_ERROR_FORMAT && status != RT_ERROR_UNSUPPORTED)
            fail_msg("%zu of %zu bytes are taken for a network", length, size);
        free(part);
    }
    free(bytes);
}

/* Puts a field that holds all from *at to the end before it. */
static void wrap(uint8_t **at, const uint8_t *end, uint8_t tag)
{
    uint8_t head[12];
    size_t size = (size_t)(end - *at), length = 0;
    head[length++] = tag;
    for (; size > 127; size >>= 7)
        head[length++] = (uint8_t)(size | 128);
    head[length++] = (uint8_t)size;
    *at -= length;
    memcpy(*at, head, length);
}

/* A graph within an attribute within a node within a graph, and so on. */
static void depths_are_refused(void **state)
{
    (void)state;
    const size_t room = 1 << 20;
    uint8_t *bytes = malloc(room), *end = bytes + room, *at = end;
    assert_non_null(bytes);
    for (int i = 0; i < 60000; i++)
        wrap(&at, end, i % 3 == 0 ? 0x32 : i % 3 == 1 ? 0x2a : 0x0a);
    wrap(&at, end, 0x3a);
    assert_fails(read_bytes(at, (size_t)(end - at)), RT_ERROR_FORMAT, "damaged or cut off");
    free(bytes);
}

static void go_round(struct network *n)
{
    n->conv_inputs[0] = "y";
}

static void read_nothing(struct network *n)
{
    n->relu_inputs[0] = "nowhere";
}

static void read_later(struct network *n)
{
    n->node_list[0] = &n->nodes[1];
    n->node_list[1] = &n->nodes[0];
}

static void give_twice(struct network *n)
{
    n->conv_outputs[0] = "y";
}

static void make_huge(struct network *n)
{
    for (int i = 0; i < 4; i++)
        n->weight_dims[i] = INT64_MAX;
}

static void make_large(struct network *n)
{
    n->weight_dims[0] = 1 << 30;
}

static void make_negative(struct network *n)
{
    n->weight_dims[1] = -3;
}

static void make_flat(struct network *n)
{
    n->weights.n_dims = 2;
}

static void make_odd(struct network *n)
{
    n->weight_dims[0] = 3;
    n->weight_dims[1] = 2;
}

static void give_text(struct network *n)
{
    n->weights.data_type = ONNX__TENSOR_PROTO__DATA_TYPE__STRING;
}

static void lie_elsewhere(struct network *n)
{
    n->weights.has_data_location = true;
    n->weights.data_location = ONNX__TENSOR_PROTO__DATA_LOCATION__EXTERNAL;
}

static void have_five_axes(struct network *n)
{
    n->shape.n_dim = 5;
}

static void have_four_channels(struct network *n)
{
    n->dims[1].dim_value = 4;
}

static void have_huge_images(struct network *n)
{
    n->dims[2].dim_value = INT64_MAX;
}

static void pad_much(struct network *n)
{
    for (int i = 0; i < 4; i++)
        n->pads[i] = INT64_MAX;
}

static void use_the_future(struct network *n)
{
    n->opset.version = 1000;
}

static void have_no_operator(struct network *n)
{
    n->nodes[0].op_type = NULL;
}

static void have_no_output(struct network *n)
{
    n->graph.n_output = 0;
}

static void name_escapes(struct network *n)
{
    n->nodes[0].op_type = "\033[31mRed";
}

static void each_damage_is_named(void **state)
{
    (void)state;
    static const struct {
        void (*damage)(struct network *n);
        rt_status status;
        const char *message;
    } cases[] = {
        {go_round, RT_ERROR_UNSUPPORTED, "its output does not depend on an input"},
        {read_nothing, RT_ERROR_UNSUPPORTED, "its output does not depend on an input"},
        {read_later, RT_ERROR_FORMAT, "takes 'middle', which no node before it gives"},
        {give_twice, RT_ERROR_FORMAT, "two of its nodes give the value 'y'"},
        {make_huge, RT_ERROR_FORMAT, "the tensor 'w' has not as many numbers as its shape"},
        {make_large, RT_ERROR_FORMAT, "the tensor 'w' has not as many numbers as its shape"},
        {make_negative, RT_ERROR_FORMAT, "the tensor 'w' has not as many numbers as its shape"},
        {make_flat, RT_ERROR_UNSUPPORTED, "its filters or its bias are no constants that fit"},
        {make_odd, RT_ERROR_UNSUPPORTED, "its filters are for 2 channels, its input has 3"},
        {give_text, RT_ERROR_UNSUPPORTED, "has numbers of ONNX's kind 8"},
        {lie_elsewhere, RT_ERROR_UNSUPPORTED, "keeps the tensor 'w' in another file"},
        {have_five_axes, RT_ERROR_UNSUPPORTED, "its input has not four dimensions"},
        {have_four_channels, RT_ERROR_UNSUPPORTED, "its input has not 3 channels"},
        {have_huge_images, RT_ERROR_UNSUPPORTED, "its input is too large"},
        {pad_much, RT_ERROR_UNSUPPORTED, "Conv 'middle': pads differ from side to side"},
        {use_the_future, RT_ERROR_UNSUPPORTED, "uses version 1000 of ONNX's operators"},
        {have_no_operator, RT_ERROR_FORMAT, "a node has no operator"},
        {have_no_output, RT_ERROR_FORMAT, "its graph has no output"},
        {name_escapes, RT_ERROR_UNSUPPORTED, "?[31mRed"},
    };
    for (size_t i = 0; i < RT_COUNT(cases); i++) {
        struct network n;
        network_init(&n);
        cases[i].damage(&n);
        assert_fails(read_network(&n), cases[i].status, cases[i].message);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_whole_one_is_read),
        cmocka_unit_test(every_truncation_is_refused),
        cmocka_unit_test(depths_are_refused),
        cmocka_unit_test(each_damage_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
