/* The ways to compute a convolution: each a struct of functions. */
#ifndef RT_OPS_CONV2D_H
#define RT_OPS_CONV2D_H

#include "ops/activation.h"

struct rt_conv2d_variant {
    const char *name;
    bool (*supports)(const struct rt_conv2d *attributes);
    /* Floats of scratch that any of the three needs. */
    size_t (*scratch)(const struct rt_device *device, const struct rt_conv2d *attributes,
                      struct rt_shape x);
    /* y from x, weights, bias, with the activation. */
    rt_status (*forward)(const struct rt_op_call *call);
    /* dx and dw from dy, the gradient before the activation. */
    rt_status (*backward_data)(const struct rt_op_call *call);
    rt_status (*backward_weights)(const struct rt_op_call *call);
};

extern const struct rt_conv2d_variant rt_conv2d_direct, /* register tiles; stride 1 */
    rt_conv2d_plain,                                    /* any stride */
    rt_conv2d_gemm;                                     /* products of matrices; any stride */

#endif
