#include <stdio.h>

#include "ops/conv2d.h"
#include "ops/tiled.h"

#define KERNEL_MAX 7 /* a row of a larger filter's gradients would not stay in registers */

static bool supports(const struct rt_device *device, const struct rt_conv2d *a, struct rt_shape x,
                     enum rt_conv2d_part part)
{
    (void)x;
    if (part == RT_CONV2D_BACKWARD_WEIGHTS && rt_device_is_exact(device))
        return false; /* it has an order of its own */
    return a->stride == 1 && a->kernel <= KERNEL_MAX && rt_conv2d_groups(a) == 1;
}

static rt_status forward(const struct rt_op_call *call)
{
    const struct rt_conv2d *a = call->attributes;
    const int taps = a->kernel * a->kernel;
    return rt_tiled_convolve(
        call, &call->x[0], &call->y,
        &(struct rt_tiled_convolution){.kernel = a->kernel,
                                       .out_step = taps * call->x[0].shape.c,
                                       .in_step = taps,
                                       .bias = call->p[1],
                                       .relu = a->activation.relu,
                                       .dropout = rt_dropout_of(call, &a->activation)});
}

static rt_status backward_data(const struct rt_op_call *call)
{
    const struct rt_conv2d *a = call->attributes;
    const int taps = a->kernel * a->kernel;
    return rt_tiled_convolve(call, &call->dy, &call->dx[0],
                             &(struct rt_tiled_convolution){.kernel = a->kernel,
                                                            .out_step = taps,
                                                            .in_step = taps * call->dx[0].shape.c,
                                                            .turn = 1,
                                                            .add = call->dx_add[0]});
}

static struct rt_tiled_weights weights_of(const struct rt_conv2d *a)
{
    return (struct rt_tiled_weights){.kernel = a->kernel, .channels = (size_t)a->channels};
}

static size_t scratch(const struct rt_device *device, const struct rt_conv2d *a, struct rt_shape x,
                      enum rt_conv2d_part part)
{
    const struct rt_tiled_weights weights = weights_of(a);
    return part == RT_CONV2D_BACKWARD_WEIGHTS ? rt_tiled_weights_scratch(device, &weights, x) : 0;
}

static rt_status backward_weights(const struct rt_op_call *call)
{
    const struct rt_tiled_weights weights = weights_of(call->attributes);
    return rt_tiled_weights(call, &weights);
}

const struct rt_conv2d_variant rt_conv2d_tiled = {
    .name = "tiled",
    .supports = supports,
    .scratch = scratch,
    .run = {[RT_CONV2D_FORWARD] = forward,
            [RT_CONV2D_BACKWARD_DATA] = backward_data,
            [RT_CONV2D_BACKWARD_WEIGHTS] = backward_weights},
};
