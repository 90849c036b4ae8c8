#include <stdio.h>

#include "ops/conv2d.h"
#include "ops/share.h"

/* As in cl/conv2d_winograd.cl. 8 x 2 sums leave room in 32 registers for inputs and a filter. */
#define PLACES 36
#define OUT 8
#define BLOCKS_MAX 2
#define SEGMENTS 4 /* of a vector of tiles */

static size_t local_bytes(const struct rt_device *device, int in_channels, int blocks)
{
    return sizeof(float) * PLACES * (size_t)in_channels * (size_t)blocks *
           (size_t)rt_device_vector(device);
}

/* Vectors of tiles of a work-item: as many as local memory has room for; 0 where it has none. */
static int blocks_for(const struct rt_device *device, int in_channels)
{
    int blocks = BLOCKS_MAX;
    while (blocks > 0 &&
           local_bytes(device, in_channels, blocks) > rt_device_describe(device)->local_bytes)
        blocks--;
    return blocks;
}

/* What the part sums over. */
static int in_channels_of(const struct rt_conv2d *a, struct rt_shape x, enum rt_conv2d_part part)
{
    return part == RT_CONV2D_FORWARD ? x.c : a->channels;
}

static bool supports(const struct rt_device *device, const struct rt_conv2d *a, struct rt_shape x,
                     enum rt_conv2d_part part)
{
    return part != RT_CONV2D_BACKWARD_WEIGHTS && a->kernel == 3 && a->stride == 1 &&
           rt_device_is_cpu(device) && rt_device_vector(device) >= 4 &&
           blocks_for(device, in_channels_of(a, x, part)) > 0;
}

/* The transformed filters. */
static size_t scratch(const struct rt_device *device, const struct rt_conv2d *a, struct rt_shape x,
                      enum rt_conv2d_part part)
{
    (void)device;
    int in = in_channels_of(a, x, part), out = x.c + a->channels - in;
    return PLACES * (size_t)in * rt_ceil_div((size_t)out, OUT) * OUT;
}

/* How the channels of both sides lie in the weights. */
struct filters {
    int out_step, in_step, turn;
};

static rt_status transform_filters(const struct rt_op_call *call, const char *options,
                                   struct filters f, int in_channels, int out_channels)
{
    return RT_LAUNCH(call->device, "conv2d_winograd.cl", "winograd_filters", options,
                     (in_channels, rt_ceil_div((size_t)out_channels, OUT) * OUT, 1),
                     rt_buffer_argument(call->p[0].buffer), rt_ulong(call->p[0].offset),
                     rt_buffer_argument(call->scratch.buffer), rt_ulong(call->scratch.offset),
                     rt_int(in_channels), rt_int(out_channels), rt_int(f.out_step),
                     rt_int(f.in_step), rt_int(f.turn));
}

/* OUT channels at a time: how often a work-item does so. All of them, unless that leaves compute
 * units idle. */
static size_t groups_for(const struct rt_device *device, size_t items, int out_channels)
{
    size_t groups = rt_ceil_div((size_t)out_channels, OUT);
    size_t wanted = rt_ceil_div(4 * (size_t)rt_device_describe(device)->units, items);
    return rt_ceil_div(groups, wanted < groups ? wanted : groups);
}

/* What follows the sum. */
struct epilogue {
    struct rt_tensor bias; /* without a buffer: none */
    int relu, add;
    struct rt_dropout dropout;
};

static rt_status convolve(const struct rt_op_call *call, const struct rt_tensor *x,
                          const struct rt_tensor *y, struct filters f, struct epilogue e)
{
    const struct rt_shape in = x->shape, out = y->shape;
    const size_t vector = (size_t)rt_device_vector(call->device);
    const int blocks = blocks_for(call->device, in.c);
    const size_t segments =
        (size_t)in.n * rt_ceil_div((size_t)in.h, 4) * rt_ceil_div((size_t)in.w, vector);
    const size_t items = rt_ceil_div(segments, SEGMENTS * (size_t)blocks);
    const size_t groups = groups_for(call->device, items, out.c);
    char options[64];
    snprintf(options, sizeof options, "-DOUT=%d -DBLOCKS=%d", OUT, blocks);
    rt_status status = transform_filters(call, options, f, in.c, out.c);
    if (status < 0)
        return status;
    const struct rt_argument arguments[] = {RT_TENSOR(*x),
                                            RT_TENSOR(*y),
                                            rt_buffer_argument(call->scratch.buffer),
                                            rt_ulong(call->scratch.offset),
                                            rt_buffer_argument(e.bias.buffer),
                                            rt_ulong(e.bias.offset),
                                            rt_int(in.c),
                                            rt_int(out.c),
                                            rt_int(in.n),
                                            rt_int(in.h),
                                            rt_int(in.w),
                                            rt_int((int)groups),
                                            rt_int(e.relu),
                                            RT_DROPOUT(e.dropout),
                                            rt_int(e.add),
                                            rt_local(local_bytes(call->device, in.c, blocks))};
    return rt_device_launch(
        call->device,
        &(struct rt_launch){.file = "conv2d_winograd.cl",
                            .kernel = "winograd_convolve",
                            .options = options,
                            .global = {items, rt_ceil_div((size_t)out.c, groups * OUT), 1},
                            .local = {1, 1, 1}, /* local memory is a work-item's own */
                            .arguments = arguments,
                            .count = sizeof arguments / sizeof *arguments});
}

static rt_status forward(const struct rt_op_call *call)
{
    const struct rt_conv2d *a = call->attributes;
    return convolve(call, &call->x[0], &call->y, (struct filters){9 * call->x[0].shape.c, 9, 0},
                    (struct epilogue){.bias = call->p[1],
                                      .relu = a->activation.relu,
                                      .dropout = rt_dropout_of(call, &a->activation)});
}

static rt_status backward_data(const struct rt_op_call *call)
{
    return convolve(call, &call->dy, &call->dx[0], (struct filters){9, 9 * call->dx[0].shape.c, 1},
                    (struct epilogue){.add = call->dx_add[0]});
}

const struct rt_conv2d_variant rt_conv2d_winograd = {
    .name = "winograd",
    .supports = supports,
    .scratch = scratch,
    .run = {[RT_CONV2D_FORWARD] = forward, [RT_CONV2D_BACKWARD_DATA] = backward_data},
    .least_channels = 16,
};
