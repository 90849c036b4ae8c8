#include <stdio.h>

#include "ops/conv2d.h"

static bool supports(const struct rt_device *device, const struct rt_conv2d *attributes,
                     struct rt_shape x, enum rt_conv2d_part part)
{
    (void)device;
    (void)attributes;
    (void)x;
    (void)part;
    return true;
}

#define OPTIONS_BYTES 64

static const char *options(const struct rt_conv2d *a, char *text)
{
    snprintf(text, OPTIONS_BYTES, "-DKERNEL=%d -DSTRIDE=%d", a->kernel, a->stride);
    return text;
}

static rt_status forward(const struct rt_op_call *call)
{
    const struct rt_conv2d *a = call->attributes;
    const struct rt_shape in = call->x[0].shape, out = call->y.shape;
    char text[OPTIONS_BYTES];
    struct rt_dropout dropout = rt_dropout_of(call, &a->activation);
    return RT_LAUNCH(call->device, "conv2d_plain.cl", "conv2d_plain_forward", options(a, text),
                     (out.h, out.c, out.n), RT_TENSOR(call->x[0]), RT_TENSOR(call->y),
                     rt_buffer_argument(call->p[0].buffer), rt_ulong(call->p[0].offset),
                     rt_buffer_argument(call->p[1].buffer), rt_ulong(call->p[1].offset),
                     rt_int(in.c), rt_int(out.c), rt_int(in.h), rt_int(in.w), rt_int(out.h),
                     rt_int(out.w), rt_int(a->activation.relu), RT_DROPOUT(dropout));
}

static rt_status backward_data(const struct rt_op_call *call)
{
    const struct rt_shape in = call->x[0].shape, out = call->dy.shape;
    char text[OPTIONS_BYTES];
    return RT_LAUNCH(call->device, "conv2d_plain.cl", "conv2d_plain_backward_data",
                     options(call->attributes, text), (in.h, in.c, in.n), RT_TENSOR(call->dy),
                     RT_TENSOR(call->dx[0]), rt_buffer_argument(call->p[0].buffer),
                     rt_ulong(call->p[0].offset), rt_int(in.c), rt_int(out.c), rt_int(in.h),
                     rt_int(in.w), rt_int(out.h), rt_int(out.w), rt_int(call->dx_add[0]));
}

static rt_status backward_weights(const struct rt_op_call *call)
{
    const struct rt_conv2d *a = call->attributes;
    const struct rt_shape in = call->x[0].shape, out = call->dy.shape;
    char text[OPTIONS_BYTES];
    return RT_LAUNCH(call->device, "conv2d_plain.cl", "conv2d_plain_backward_weights",
                     options(a, text), (a->kernel * a->kernel, in.c, out.c), RT_TENSOR(call->x[0]),
                     RT_TENSOR(call->dy), rt_buffer_argument(call->dp[0].buffer),
                     rt_ulong(call->dp[0].offset), rt_int(in.c), rt_int(out.c), rt_int(in.n),
                     rt_int(in.h), rt_int(in.w), rt_int(out.h), rt_int(out.w),
                     rt_int(call->dp_add));
}

const struct rt_conv2d_variant rt_conv2d_plain = {
    .name = "plain",
    .supports = supports,
    .run = {[RT_CONV2D_FORWARD] = forward,
            [RT_CONV2D_BACKWARD_DATA] = backward_data,
            [RT_CONV2D_BACKWARD_WEIGHTS] = backward_weights},
};
