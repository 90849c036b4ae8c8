#include <stdio.h>

#include "ops/conv2d.h"
#include "ops/share.h"

/* As in cl/conv2d_winograd.cl. */
#define PLACES 36
#define WIDE 2
#define LINE_FLOATS 16 /* between the filters of two places */
#define TILE 4         /* rows and columns of outputs */
#define SEGMENTS 4     /* of a vector of tiles */

/* What a work-item multiplies at a time. 16 sums leave room in 32 registers for the factors. */
struct block {
    int vectors; /* of tiles; 0: local memory has no room for one */
    int outs;    /* output channels */
};
static const struct block wide = {4, 4}, narrow = {2, 8}, narrowest = {1, 8};

/* The transformed inputs of so wide a block stay in a core's own cache; others are read from
 * further away, and each of them for more output channels. */
#define WIDE_BYTES ((size_t)320 << 10)

static size_t local_bytes(const struct rt_device *device, int in_channels, int vectors)
{
    return sizeof(float) * PLACES * ((size_t)in_channels * (size_t)vectors + 1) *
           (size_t)rt_device_vector(device);
}

static struct block block_for(const struct rt_device *device, int in_channels)
{
    const size_t room = rt_device_describe(device)->local_bytes;
    if (local_bytes(device, in_channels, wide.vectors) <= (room < WIDE_BYTES ? room : WIDE_BYTES))
        return wide;
    if (local_bytes(device, in_channels, narrow.vectors) <= room)
        return narrow;
    return local_bytes(device, in_channels, narrowest.vectors) <= room ? narrowest
                                                                       : (struct block){0};
}

/* What the part sums over. */
static int in_channels_of(const struct rt_conv2d *a, struct rt_shape x, enum rt_conv2d_part part)
{
    return part == RT_CONV2D_FORWARD ? x.c : a->channels;
}

/* --- how the gradients by the weights are shared out --------------------------------------- */

/* Partial sums of at most this many bytes, in at most so many work-items a channel group; both
 * stated, so that the sums' order does not depend on the device's compute units. */
#define PARTIAL_BYTES ((size_t)8 << 20)
#define ITEMS_MAX 16
#define EXACT_PARTIAL_BYTES ((size_t)10 << 20) /* has no say in the order */
#define OUTS_MAX 64                            /* output channels of a work-item */
#define WEIGHT_OUTS 8                          /* of them at a time */
#define WEIGHT_BLOCKS_MAX 4
#define OUTS_MIN 16 /* where an item has all images, so that all compute units have work */

struct weights_share {
    int images;         /* of a pass */
    int span, segments; /* of tiles: each item has so many, which lie within one span */
    int spans, items;   /* of a pass, for a group of output channels; and items of a span */
    int blocks;         /* vectors of tiles at a time; 0: local memory has no room */
    int outs;           /* output channels of a work-item */
    int padded;         /* of all work-items */
    int lanes;          /* input channels, rounded up to whole vectors */
    int wide;           /* vectors of them at a time */
    bool at_once;       /* an item has all images, each of which fills `blocks` vectors or less */
};

static size_t weights_local_bytes(const struct rt_device *device, const struct weights_share *s)
{
    size_t vector = (size_t)rt_device_vector(device), tiles = (size_t)s->blocks * vector;
    return sizeof(float) * PLACES *
           (tiles * (size_t)s->lanes + tiles * (size_t)s->outs + vector * vector);
}

/* Segments in an image. */
static size_t segments_of(const struct rt_device *device, struct rt_shape x)
{
    return rt_ceil_div((size_t)x.h, TILE) *
           rt_ceil_div((size_t)x.w, (size_t)rt_device_vector(device));
}

/* Vectors of tiles in a batch of images. */
static size_t vectors_of(const struct rt_device *device, struct rt_shape x)
{
    return rt_ceil_div((size_t)x.n * segments_of(device, x), SEGMENTS);
}

static size_t partial_floats(const struct weights_share *s)
{
    return PLACES * (size_t)s->padded * (size_t)s->lanes;
}

/* The whole batch in one span. */
static void share_batch(struct weights_share *s, const struct rt_device *device, struct rt_shape x)
{
    const size_t vectors = vectors_of(device, x);
    size_t room = rt_device_describe(device)->buffer_bytes / 4;
    room = room < PARTIAL_BYTES ? room : PARTIAL_BYTES; /* less only on the smallest devices */
    size_t most = room / (sizeof(float) * partial_floats(s));
    most = most < 1 ? 1 : most > ITEMS_MAX ? ITEMS_MAX : most;
    const size_t each = rt_ceil_div(vectors, most);
    s->images = x.n;
    s->span = (int)((size_t)x.n * segments_of(device, x));
    s->spans = 1;
    s->segments = (int)(SEGMENTS * each);
    s->items = (int)rt_ceil_div(vectors, each);
}

/* A span an image, an item some of its rows of tiles; as many images as scratch has room for. */
static void share_images(struct weights_share *s, const struct rt_device *device, struct rt_shape x)
{
    const size_t columns = rt_ceil_div((size_t)x.w, (size_t)rt_device_vector(device));
    s->span = (int)segments_of(device, x);
    s->segments = (int)(columns * (size_t)rt_conv2d_chunk_tile_rows(x));
    s->items = (int)rt_ceil_div((size_t)s->span, (size_t)s->segments);
    const size_t most =
        EXACT_PARTIAL_BYTES / (sizeof(float) * partial_floats(s) * (size_t)s->items);
    s->images = most < 1 ? 1 : most < (size_t)x.n ? (int)most : x.n;
    s->spans = s->images;
}

/* `groups` groups of output channels, or more. */
static void share_channels(struct weights_share *s, int channels, size_t groups)
{
    const size_t least = rt_ceil_div((size_t)channels, OUTS_MAX);
    groups = groups > least ? groups : least;
    s->outs = (int)(rt_ceil_div(rt_ceil_div((size_t)channels, groups), WEIGHT_OUTS) * WEIGHT_OUTS);
    s->padded = (int)groups * s->outs;
}

/* As many vectors of tiles at a time as local memory has room for. */
static void fit_blocks(struct weights_share *s, const struct rt_device *device)
{
    s->blocks = (int)rt_ceil_div((size_t)s->segments, SEGMENTS);
    s->blocks = s->blocks < WEIGHT_BLOCKS_MAX ? s->blocks : WEIGHT_BLOCKS_MAX;
    while (s->blocks > 0 &&
           weights_local_bytes(device, s) > rt_device_describe(device)->local_bytes)
        s->blocks--;
}

/* Whether all images can go to the items at once, as then they do. */
static bool share_at_once(struct weights_share *s, const struct rt_device *device, int channels)
{
    const size_t most = rt_ceil_div((size_t)channels, OUTS_MIN);
    const size_t units = (size_t)rt_device_describe(device)->units;
    struct weights_share tried = *s;
    share_channels(&tried, channels, units < most ? units : most);
    fit_blocks(&tried, device);
    tried.at_once = tried.items == 1 && tried.segments <= SEGMENTS * tried.blocks;
    if (tried.at_once)
        *s = tried;
    return tried.at_once;
}

static struct weights_share share_weights(const struct rt_device *device, const struct rt_conv2d *a,
                                          struct rt_shape x)
{
    const size_t vector = (size_t)rt_device_vector(device),
                 lanes = rt_ceil_div((size_t)x.c, vector);
    struct weights_share s = {.wide = lanes % WIDE == 0 ? WIDE : 1, .lanes = (int)(lanes * vector)};
    share_channels(&s, a->channels, 1);
    if (!rt_device_is_exact(device))
        share_batch(&s, device, x);
    else {
        share_images(&s, device, x);
        if (share_at_once(&s, device, a->channels))
            return s;
    }
    fit_blocks(&s, device);
    return s;
}

/* --- the variant ---------------------------------------------------------------------------- */

static bool supports(const struct rt_device *device, const struct rt_conv2d *a, struct rt_shape x,
                     enum rt_conv2d_part part)
{
    if (a->kernel != 3 || a->stride != 1 || rt_conv2d_groups(a) > 1 || !rt_device_is_cpu(device) ||
        rt_device_vector(device) < 4)
        return false;
    if (part == RT_CONV2D_BACKWARD_WEIGHTS)
        return share_weights(device, a, x).blocks > 0;
    return block_for(device, in_channels_of(a, x, part)).vectors > 0;
}

/* The transformed filters, or the partial sums of their gradients. */
static size_t scratch(const struct rt_device *device, const struct rt_conv2d *a, struct rt_shape x,
                      enum rt_conv2d_part part)
{
    if (part == RT_CONV2D_BACKWARD_WEIGHTS) {
        struct weights_share s = share_weights(device, a, x);
        if (s.at_once)
            return 9 * (size_t)s.padded * (size_t)s.lanes;
        return (size_t)s.spans * (size_t)s.items * partial_floats(&s);
    }
    int in = in_channels_of(a, x, part), out = x.c + a->channels - in;
    const size_t outs = (size_t)block_for(device, in).outs;
    return rt_ceil_div((size_t)out, outs) * PLACES * ((size_t)in * outs + LINE_FLOATS);
}

/* How the channels of both sides lie in the weights. */
struct filters {
    int out_step, in_step, turn;
};

static rt_status transform_filters(const struct rt_op_call *call, const char *options,
                                   struct filters f, struct block block, int in_channels,
                                   int out_channels)
{
    return RT_LAUNCH(call->device, "conv2d_winograd.cl", "winograd_filters", options,
                     (in_channels, rt_ceil_div((size_t)out_channels, (size_t)block.outs), 1),
                     rt_buffer_argument(call->p[0].buffer), rt_ulong(call->p[0].offset),
                     rt_buffer_argument(call->scratch.buffer), rt_ulong(call->scratch.offset),
                     rt_int(in_channels), rt_int(out_channels), rt_int(f.out_step),
                     rt_int(f.in_step), rt_int(f.turn));
}

/* A block's output channels at a time: how often a work-item does so. All of them, unless that
 * leaves compute units idle. */
static size_t groups_for(const struct rt_device *device, struct block block, size_t items,
                         int out_channels)
{
    size_t groups = rt_ceil_div((size_t)out_channels, (size_t)block.outs);
    size_t wanted = rt_ceil_div(4 * (size_t)rt_device_describe(device)->units, items);
    return rt_ceil_div(groups, wanted < groups ? wanted : groups);
}

/* What follows the sum. */
struct epilogue {
    struct rt_tensor bias, pooled; /* without a buffer: none */
    int relu, add;
    struct rt_dropout dropout;
};

static rt_status convolve(const struct rt_op_call *call, const struct rt_tensor *x,
                          const struct rt_tensor *y, struct filters f, struct epilogue e)
{
    const struct rt_shape in = x->shape, out = y->shape;
    const struct block block = block_for(call->device, in.c);
    const size_t items = rt_ceil_div(vectors_of(call->device, in), (size_t)block.vectors);
    const size_t groups = groups_for(call->device, block, items, out.c);
    char options[64];
    snprintf(options, sizeof options, "-DOUT=%d -DBLOCKS=%d", block.outs, block.vectors);
    rt_status status = transform_filters(call, options, f, block, in.c, out.c);
    if (status < 0)
        return status;
    const struct rt_argument arguments[] = {
        RT_TENSOR(*x),
        RT_TENSOR(*y),
        RT_TENSOR(e.pooled),
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
        rt_local(local_bytes(call->device, in.c, block.vectors))};
    return rt_device_launch(
        call->device,
        &(struct rt_launch){
            .file = "conv2d_winograd.cl",
            .kernel = "winograd_convolve",
            .options = options,
            .global = {items, rt_ceil_div((size_t)out.c, groups * (size_t)block.outs), 1},
            .local = {1, 1, 1}, /* local memory is a work-item's own */
            .arguments = arguments,
            .count = sizeof arguments / sizeof *arguments});
}

static rt_status forward(const struct rt_op_call *call)
{
    const struct rt_conv2d *a = call->attributes;
    return convolve(call, &call->x[0], &call->y, (struct filters){9 * call->x[0].shape.c, 9, 0},
                    (struct epilogue){.bias = call->p[1],
                                      .pooled = call->pooled,
                                      .relu = a->activation.relu,
                                      .dropout = rt_dropout_of(call, &a->activation)});
}

static rt_status backward_data(const struct rt_op_call *call)
{
    return convolve(call, &call->dy, &call->dx[0], (struct filters){9, 9 * call->dx[0].shape.c, 1},
                    (struct epilogue){.add = call->dx_add[0]});
}

/* `n` images from number `first` on. */
static rt_status add_weights(const struct rt_op_call *call, const struct weights_share *s,
                             int first, int n)
{
    const struct rt_tensor x = rt_tensor_images(call->x[0], first, n),
                           dy = rt_tensor_images(call->dy, first, n);
    const size_t vector = (size_t)rt_device_vector(call->device);
    const size_t tiles = (size_t)s->blocks * vector, bytes = sizeof(float) * PLACES;
    const int spans = s->spans == 1 ? 1 : n;
    char options[64];
    snprintf(options, sizeof options, "-DOUT=%d -DWIDE=%d", WEIGHT_OUTS, s->wide);
    const struct rt_argument arguments[] = {RT_TENSOR(x),
                                            RT_TENSOR(dy),
                                            rt_buffer_argument(call->scratch.buffer),
                                            rt_ulong(call->scratch.offset),
                                            rt_int(x.shape.c),
                                            rt_int(dy.shape.c),
                                            rt_int(n),
                                            rt_int(x.shape.h),
                                            rt_int(x.shape.w),
                                            rt_int(s->span),
                                            rt_int(s->segments),
                                            rt_int(s->blocks),
                                            rt_int(s->outs),
                                            rt_int(s->padded),
                                            rt_int(s->lanes),
                                            rt_local(bytes * tiles * (size_t)s->lanes),
                                            rt_local(bytes * tiles * (size_t)s->outs),
                                            rt_local(bytes * vector * vector)};
    rt_status status = rt_device_launch(
        call->device, &(struct rt_launch){.file = "conv2d_winograd_weights.cl",
                                          .kernel = "winograd_weights",
                                          .options = options,
                                          .global = {(size_t)spans * (size_t)s->items,
                                                     (size_t)(s->padded / s->outs), 1},
                                          .local = {1, 1, 1},
                                          .arguments = arguments,
                                          .count = sizeof arguments / sizeof *arguments});
    if (status < 0)
        return status;
    return RT_LAUNCH(call->device, "conv2d_winograd_weights.cl", "winograd_finish_weights", options,
                     ((size_t)s->lanes / vector, dy.shape.c, 1),
                     rt_buffer_argument(call->scratch.buffer), rt_ulong(call->scratch.offset),
                     rt_buffer_argument(call->dp[0].buffer), rt_ulong(call->dp[0].offset),
                     rt_int(spans), rt_int(s->items), rt_int(s->padded), rt_int(s->lanes),
                     rt_int(x.shape.c), rt_int(dy.shape.c), rt_int(first > 0 || call->dp_add));
}

static rt_status add_at_once(const struct rt_op_call *call, const struct weights_share *s)
{
    const struct rt_shape in = call->x[0].shape;
    const size_t vector = (size_t)rt_device_vector(call->device);
    const size_t tiles = (size_t)s->blocks * vector, bytes = sizeof(float) * PLACES;
    char options[64];
    snprintf(options, sizeof options, "-DOUT=%d -DWIDE=%d", WEIGHT_OUTS, s->wide);
    const struct rt_argument arguments[] = {RT_TENSOR(call->x[0]),
                                            RT_TENSOR(call->dy),
                                            rt_buffer_argument(call->scratch.buffer),
                                            rt_ulong(call->scratch.offset),
                                            rt_buffer_argument(call->dp[0].buffer),
                                            rt_ulong(call->dp[0].offset),
                                            rt_int(in.c),
                                            rt_int(call->dy.shape.c),
                                            rt_int(in.n),
                                            rt_int(in.h),
                                            rt_int(in.w),
                                            rt_int(s->span),
                                            rt_int(s->blocks),
                                            rt_int(s->outs),
                                            rt_int(s->padded),
                                            rt_int(s->lanes),
                                            rt_int(call->dp_add),
                                            rt_local(bytes * tiles * (size_t)s->lanes),
                                            rt_local(bytes * tiles * (size_t)s->outs),
                                            rt_local(bytes * vector * vector)};
    return rt_device_launch(call->device,
                            &(struct rt_launch){.file = "conv2d_winograd_weights.cl",
                                                .kernel = "winograd_weights_at_once",
                                                .options = options,
                                                .global = {(size_t)(s->padded / s->outs), 1, 1},
                                                .local = {1, 1, 1},
                                                .arguments = arguments,
                                                .count = sizeof arguments / sizeof *arguments});
}

static rt_status backward_weights(const struct rt_op_call *call)
{
    const struct rt_shape in = call->x[0].shape;
    const struct weights_share s = share_weights(call->device, call->attributes, in);
    rt_status status = RT_OK;
    if (s.at_once)
        return add_at_once(call, &s);
    for (int first = 0; first < in.n && status == RT_OK; first += s.images)
        status = add_weights(call, &s, first, in.n - first < s.images ? in.n - first : s.images);
    return status;
}

const struct rt_conv2d_variant rt_conv2d_winograd = {
    .name = "winograd",
    .supports = supports,
    .scratch = scratch,
    .pools = true,
    .run = {[RT_CONV2D_FORWARD] = forward,
            [RT_CONV2D_BACKWARD_DATA] = backward_data,
            [RT_CONV2D_BACKWARD_WEIGHTS] = backward_weights},
    .least_filters = {3 * 4, 4 * 4, 16 * 16},
};
