/* What the readers of single operators share; see onnx_read.h. A node that is not supported is
 * added to the problems, and its output stays nothing, so that all of them are found. */
#ifndef RT_EXCHANGE_ONNX_NODES_H
#define RT_EXCHANGE_ONNX_NODES_H

#include "exchange/onnx_read.h"

/* An image as an operation takes or gives it. */
struct rt_onnx_image {
    int node, level;
    struct rt_shape shape;
};

/* The constant that is input `i`; NULL: there is none. */
const struct rt_onnx_constant *rt_onnx_numbers_in(const struct rt_onnx_reading *r,
                                                  const Onnx__NodeProto *node, size_t i);

/* The image that is input `i`; not *ready: that is a problem, or comes from one. Errors: MEMORY. */
rt_status rt_onnx_image_in(struct rt_onnx_reading *r, const Onnx__NodeProto *node, size_t i,
                           struct rt_onnx_image *image, bool *ready);

/* Adds an operation of ours, which sets y's node and shape; not *added: that is a problem. */
rt_status rt_onnx_add_op(struct rt_onnx_reading *r, const Onnx__NodeProto *node,
                         const struct rt_op *op, const void *attributes,
                         const struct rt_onnx_image *x, struct rt_onnx_image *y, bool *added);

/* The numbers of the next parameter; without a constant all are `value`. To be called for each
 * parameter of an operation that was added, in their order. Errors: MEMORY. */
rt_status rt_onnx_add_source(struct rt_onnx_reading *r, const struct rt_onnx_constant *constant,
                             float value);

/* Whether nothing but a ReLU reads the value; then *y becomes that one's, which is done with. */
bool rt_onnx_relu_follows(struct rt_onnx_reading *r, const struct rt_onnx_value **y);

/* Makes a value that image. */
void rt_onnx_give(struct rt_onnx_value *value, const struct rt_onnx_image *image);

/* onnx_windows.c */
rt_status rt_onnx_conv(struct rt_onnx_reading *r, const Onnx__NodeProto *node);
rt_status rt_onnx_conv_transpose(struct rt_onnx_reading *r, const Onnx__NodeProto *node);
rt_status rt_onnx_resize(struct rt_onnx_reading *r, const Onnx__NodeProto *node);
rt_status rt_onnx_pool(struct rt_onnx_reading *r, const Onnx__NodeProto *node);

#endif
