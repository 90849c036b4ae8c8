#include <stdio.h>

#include "ops/activation.h"
#include "ops/share.h"
#include "ops/reference.h"

/* The tiles of cl/conv_transpose2d.cl. */
#define TILE 2
#define TILE_BACK 8
#define TILE_IN 4
#define CHUNKS 32         /* that the gradient by the weights is summed in, at most */
#define CHUNK_PIXELS 1024 /* of a chunk, at least, so that summing the chunks costs little */

static rt_status infer(const void *attributes, const struct rt_shape *x, struct rt_shape *y)
{
    const struct rt_conv_transpose2d *a = attributes;
    if (a->channels < 1)
        return rt_fail(RT_ERROR_ARGUMENT, "a transposed convolution has at least one channel");
    *y = (struct rt_shape){x->n, a->channels, 2 * x->h, 2 * x->w};
    return RT_OK;
}

static int parameters(const void *attributes, const struct rt_shape *x,
                      struct rt_parameter *parameters)
{
    const struct rt_conv_transpose2d *a = attributes;
    parameters[0] = (struct rt_parameter){
        .name = "weight", .shape = {x->c, a->channels, 2, 2}, .fan_in = x->c, .trained = true};
    parameters[1] =
        (struct rt_parameter){.name = "bias", .shape = {1, a->channels, 1, 1}, .trained = true};
    return 2;
}

static size_t chunk_rows(struct rt_shape x)
{
    size_t rows = rt_ceil_div((size_t)x.n * (size_t)x.h, CHUNKS);
    size_t least = rt_ceil_div(CHUNK_PIXELS, (size_t)x.w);
    return rows > least ? rows : least;
}

static size_t scratch(const struct rt_device *device, const void *attributes,
                      const struct rt_shape *x, enum rt_direction direction)
{
    const struct rt_conv_transpose2d *a = attributes;
    (void)device;
    if (direction == RT_FORWARD)
        return 0;
    return CHUNKS * ((size_t)x->c * (size_t)a->channels * 4 + (size_t)a->channels);
}

/* Vectors of pixels that a work-item takes in forward. */
static int blocks_of(const struct rt_device *device)
{
    return rt_device_is_cpu(device) ? 2 : 1;
}

struct tiling {
    char options[64];
    size_t global[3];
};

/* Tiles of channels and blocks of vectors of pixels. As in conv2d: on a CPU neighbouring work-items
 * share the input, on a GPU they read along it. */
static struct tiling tiling_of(const struct rt_device *device, int channels, int tile,
                               struct rt_shape x, int blocks)
{
    const int first = rt_device_is_cpu(device);
    size_t tiles = rt_ceil_div((size_t)channels, (size_t)tile);
    size_t vectors =
        rt_ceil_div((size_t)x.w, (size_t)rt_device_vector(device)) * (size_t)x.h * (size_t)x.n;
    size_t pixels = rt_ceil_div(vectors, (size_t)blocks);
    struct tiling t = {.global = {first ? tiles : pixels, first ? pixels : tiles, 1}};
    snprintf(t.options, sizeof t.options, "-DCHANNELS_FIRST=%d -DBLOCKS=%d -DTILE_BACK=%d", first,
             blocks_of(device), TILE_BACK);
    return t;
}

static rt_status forward(const struct rt_op_call *call)
{
    const struct rt_shape in = call->x[0].shape, out = call->y.shape;
    const struct tiling t = tiling_of(call->device, out.c, TILE, in, blocks_of(call->device));
    return RT_LAUNCH(call->device, "conv_transpose2d.cl", "conv_transpose2d_forward", t.options,
                     (t.global[0], t.global[1], t.global[2]), RT_TENSOR(call->x[0]),
                     RT_TENSOR(call->y), rt_buffer_argument(call->p[0].buffer),
                     rt_ulong(call->p[0].offset), rt_buffer_argument(call->p[1].buffer),
                     rt_ulong(call->p[1].offset), rt_int(in.c), rt_int(out.c), rt_int(in.n),
                     rt_int(in.h), rt_int(in.w));
}

static rt_status backward_data(const struct rt_op_call *call)
{
    const struct rt_shape in = call->dx[0].shape, out = call->dy.shape;
    const struct tiling t = tiling_of(call->device, in.c, TILE_BACK, in, 1);
    return RT_LAUNCH(call->device, "conv_transpose2d.cl", "conv_transpose2d_backward_data",
                     t.options, (t.global[0], t.global[1], t.global[2]), RT_TENSOR(call->dy),
                     RT_TENSOR(call->dx[0]), rt_buffer_argument(call->p[0].buffer),
                     rt_ulong(call->p[0].offset), rt_int(in.c), rt_int(out.c), rt_int(in.n),
                     rt_int(in.h), rt_int(in.w), rt_int(call->dx_add[0]));
}

static rt_status backward_weights(const struct rt_op_call *call)
{
    const struct rt_shape in = call->x[0].shape, out = call->dy.shape;
    size_t rows = chunk_rows(in), chunks = rt_ceil_div((size_t)in.n * (size_t)in.h, rows);
    size_t tiles = (size_t)out.c * rt_ceil_div((size_t)in.c, TILE_IN);
    size_t count = (size_t)in.c * (size_t)out.c * 4;
    struct rt_tensor bias = call->scratch;
    bias.offset += chunks * count;
    rt_status status = RT_OK;
    RT_TRY(RT_LAUNCH(call->device, "conv_transpose2d.cl", "conv_transpose2d_backward_weights",
                     tiling_of(call->device, 1, 1, in, 1).options, (tiles, chunks, 1),
                     RT_TENSOR(call->x[0]), RT_TENSOR(call->dy),
                     rt_buffer_argument(call->scratch.buffer), rt_ulong(call->scratch.offset),
                     rt_ulong(bias.offset), rt_int(in.c), rt_int(out.c), rt_int(in.n), rt_int(in.h),
                     rt_int(in.w), rt_int((int)rows)));
    RT_TRY(rt_sum_chunks(call->device, &call->scratch, &call->dp[0], count, chunks));
    status = rt_sum_chunks(call->device, &bias, &call->dp[1], (size_t)out.c, chunks);
end:
    return status;
}

static rt_status backward(const struct rt_op_call *call)
{
    rt_status status = RT_OK;
    RT_TRY(backward_weights(call));
    if (call->dx[0].buffer)
        status = backward_data(call);
end:
    return status;
}

static struct rt_cost cost(const void *attributes, const struct rt_shape *x,
                           enum rt_direction direction)
{
    const struct rt_conv_transpose2d *a = attributes;
    double in = (double)rt_shape_size(*x);
    double out = 4 * in / x->c * a->channels;
    double passes = direction == RT_BACKWARD ? 2 : 1;
    return (struct rt_cost){.flops = passes * 2 * out * x->c, .bytes = passes * 4 * (in + out)};
}

const struct rt_op rt_op_conv_transpose2d = {
    .name = "conv_transpose2d",
    .attributes_size = sizeof(struct rt_conv_transpose2d),
    .inputs = 1,
    .backward_reads_x = true,
    .infer = infer,
    .parameters = parameters,
    .scratch = scratch,
    .forward = forward,
    .backward = backward,
    .cost = cost,
    .reference = rt_reference_conv_transpose2d,
};
