#include <stdio.h>

#include "ops/conv2d.h"
#include "ops/share.h"

/* Of a work-item of forward: cl/conv2d_plain.cl. */
#define ROWS 4
#define TILE 4

static bool supports(const struct rt_device *device, const struct rt_conv2d *attributes,
                     struct rt_shape x, enum rt_conv2d_part part)
{
    (void)device;
    (void)attributes;
    (void)x;
    (void)part;
    return true;
}

/* Channels that read the same ones. */
static int tile_of(const struct rt_conv2d *a)
{
    return a->channels / rt_conv2d_groups(a) % TILE == 0 ? TILE : 1;
}

#define OPTIONS_BYTES 64

static const char *options(const struct rt_conv2d *a, char *text)
{
    snprintf(text, OPTIONS_BYTES, "-DKERNEL=%d -DSTRIDE=%d -DTILE=%d", a->kernel, a->stride,
             tile_of(a));
    return text;
}

static rt_status forward(const struct rt_op_call *call)
{
    const struct rt_conv2d *a = call->attributes;
    const struct rt_shape in = call->x[0].shape, out = call->y.shape;
    char text[OPTIONS_BYTES];
    struct rt_dropout dropout = rt_dropout_of(call, &a->activation);
    const int groups = rt_conv2d_groups(a);
    const size_t rows = rt_ceil_div((size_t)out.h, ROWS);
    const struct rt_share share = rt_share(call->device, (size_t)out.w, rows);
    return RT_LAUNCH(
        call->device, "conv2d_plain.cl", "conv2d_plain_forward", options(a, text),
        (share.across, rows, (size_t)(out.c / tile_of(a)) * (size_t)out.n), RT_TENSOR(call->x[0]),
        RT_TENSOR(call->y), rt_buffer_argument(call->p[0].buffer), rt_ulong(call->p[0].offset),
        rt_buffer_argument(call->p[1].buffer), rt_ulong(call->p[1].offset), rt_int(in.c / groups),
        rt_int(out.c / groups), rt_int(out.c), rt_int(in.h), rt_int(in.w), rt_int(out.h),
        rt_int(out.w), rt_int(share.columns), rt_int(a->activation.relu), RT_DROPOUT(dropout));
}

static rt_status backward_data(const struct rt_op_call *call)
{
    const struct rt_shape in = call->x[0].shape, out = call->dy.shape;
    const int groups = rt_conv2d_groups(call->attributes);
    char text[OPTIONS_BYTES];
    return RT_LAUNCH(call->device, "conv2d_plain.cl", "conv2d_plain_backward_data",
                     options(call->attributes, text), (in.h, in.c, in.n), RT_TENSOR(call->dy),
                     RT_TENSOR(call->dx[0]), rt_buffer_argument(call->p[0].buffer),
                     rt_ulong(call->p[0].offset), rt_int(in.c / groups), rt_int(out.c / groups),
                     rt_int(in.c), rt_int(in.h), rt_int(in.w), rt_int(out.h), rt_int(out.w),
                     rt_int(call->dx_add[0]));
}

static rt_status backward_weights(const struct rt_op_call *call)
{
    const struct rt_conv2d *a = call->attributes;
    const struct rt_shape in = call->x[0].shape, out = call->dy.shape;
    const int groups = rt_conv2d_groups(call->attributes);
    char text[OPTIONS_BYTES];
    return RT_LAUNCH(
        call->device, "conv2d_plain.cl", "conv2d_plain_backward_weights", options(a, text),
        (a->kernel * a->kernel, in.c / groups, out.c), RT_TENSOR(call->x[0]), RT_TENSOR(call->dy),
        rt_buffer_argument(call->dp[0].buffer), rt_ulong(call->dp[0].offset), rt_int(in.c / groups),
        rt_int(out.c / groups), rt_int(out.c), rt_int(in.n), rt_int(in.h), rt_int(in.w),
        rt_int(out.h), rt_int(out.w), rt_int(call->dp_add));
}

const struct rt_conv2d_variant rt_conv2d_plain = {
    .name = "plain",
    .supports = supports,
    .run = {[RT_CONV2D_FORWARD] = forward,
            [RT_CONV2D_BACKWARD_DATA] = backward_data,
            [RT_CONV2D_BACKWARD_WEIGHTS] = backward_weights},
};
