/* Building the messages of an ONNX graph. A graph's size is stated first, so that nothing that is
 * added can fail. Names are kept by reference unless told otherwise. */
#ifndef RT_EXCHANGE_ONNX_GRAPH_H
#define RT_EXCHANGE_ONNX_GRAPH_H

#include <stdint.h>

#include "base/error.h"
#include "onnx.pb-c.h"

#define RT_ONNX_NAME 64 /* bytes of a node's name */
#define RT_ONNX_INPUTS 5
#define RT_ONNX_ATTRIBUTES 3

/* A node. It has one output, named like itself. */
struct rt_onnx_node {
    Onnx__NodeProto proto;
    char name[RT_ONNX_NAME];
    char *inputs[RT_ONNX_INPUTS], *output;
    Onnx__AttributeProto attributes[RT_ONNX_ATTRIBUTES], *list[RT_ONNX_ATTRIBUTES];
    int64_t numbers[RT_ONNX_ATTRIBUTES][4];
};

/* An initialiser: floats that come with the graph. */
struct rt_onnx_tensor {
    Onnx__TensorProto proto;
    int64_t dims[4];
};

/* An input or output of the graph: images, [batch, channels, height, width]. */
struct rt_onnx_images {
    Onnx__ValueInfoProto proto;
    Onnx__TypeProto type;
    Onnx__TypeProto__Tensor tensor;
    Onnx__TensorShapeProto shape;
    Onnx__TensorShapeProto__Dimension dims[4], *list[4];
};

struct rt_onnx_graph {
    Onnx__GraphProto proto;
    struct rt_onnx_node *nodes;
    struct rt_onnx_tensor *tensors;
    struct rt_onnx_images input, output;
    Onnx__ValueInfoProto *inputs[1], *outputs[1];
};

/* An empty graph with room for so many. Release with rt_onnx_graph_finish, whatever the result.
 * Errors: MEMORY. */
rt_status rt_onnx_graph_init(struct rt_onnx_graph *graph, size_t nodes, size_t tensors);
void rt_onnx_graph_finish(struct rt_onnx_graph *graph);

/* Adds a node of this operator, without inputs and attributes. The name is copied, and shortened
 * where it is too long. */
struct rt_onnx_node *rt_onnx_add(struct rt_onnx_graph *graph, const char *kind, const char *name);

/* Gives a node its next input, or attribute. */
void rt_onnx_input(struct rt_onnx_node *node, const char *value);
void rt_onnx_number(struct rt_onnx_node *node, const char *name, int64_t number);
void rt_onnx_float(struct rt_onnx_node *node, const char *name, float number);
void rt_onnx_text(struct rt_onnx_node *node, const char *name, const char *text);
/* Copies up to 4 numbers. */
void rt_onnx_numbers(struct rt_onnx_node *node, const char *name, size_t count,
                     const int64_t *numbers);

/* Adds an initialiser of up to 4 dimensions. The floats, which must be little-endian (see
 * rt_onnx_little_endian), are read when the file is written. */
void rt_onnx_add_tensor(struct rt_onnx_graph *graph, const char *name, const float *floats,
                        int dimensions, const size_t *shape);

/* Turns floats in place into what files hold; does nothing on most machines. */
void rt_onnx_little_endian(float *floats, size_t count);

/* States what the graph takes or gives: images of so many channels, and of any height and width
 * where `side` is 0. */
void rt_onnx_describe(struct rt_onnx_images *images, const char *name, const char *about,
                      int channels, int side);

#endif
