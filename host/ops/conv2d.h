/* The ways to compute a convolution: each a struct of functions. */
#ifndef RT_OPS_CONV2D_H
#define RT_OPS_CONV2D_H

#include "ops/activation.h"

enum rt_conv2d_part {
    RT_CONV2D_FORWARD,          /* y from x, weights, bias, with the activation */
    RT_CONV2D_BACKWARD_DATA,    /* dx from dy, the gradient before the activation */
    RT_CONV2D_BACKWARD_WEIGHTS, /* dw from x and dy */
    RT_CONV2D_PARTS
};

struct rt_conv2d_variant {
    const char *name;
    /* Whether it can do this part on this device for inputs of this shape. */
    bool (*supports)(const struct rt_device *device, const struct rt_conv2d *attributes,
                     struct rt_shape x, enum rt_conv2d_part part);
    /* Floats of scratch that the part needs; NULL: none. */
    size_t (*scratch)(const struct rt_device *device, const struct rt_conv2d *attributes,
                      struct rt_shape x, enum rt_conv2d_part part);
    /* As in rt_op, for the part; NULL: nothing. */
    rt_status (*reserve)(struct rt_device *device, const struct rt_conv2d *attributes,
                         struct rt_shape x, enum rt_conv2d_part part);
    rt_status (*run[RT_CONV2D_PARTS])(const struct rt_op_call *call);
    int least_filters[RT_CONV2D_PARTS]; /* channels in times out, from which on it is worth it */
};

extern const struct rt_conv2d_variant rt_conv2d_direct, /* register tiles; stride 1 */
    rt_conv2d_plain,                                    /* any stride */
    rt_conv2d_gemm,                                     /* products of matrices; any stride */
    rt_conv2d_winograd,                                 /* F(4x4, 3x3) in local memory; on CPUs */
    rt_conv2d_tiled; /* tiles in local memory, shared by a work-group; stride 1 */

#endif
