#include <stdio.h>

#include "ops/conv2d.h"
#include "ops/share.h"

/* The register tiles of cl/conv2d.cl. 4 x 4 vectors of sums leave room in 32 registers for the
 * input rows and a weight; 4 outputs x 2 inputs x 3 columns do so for the weights' gradients. */
#define ROWS 4
#define TILE 4
#define TILE_IN 2

/* The rows that a work-item sums for the weights' gradients should stay in a CPU core's
 * second-level cache, yet be enough to make the final sum over lanes cheap. */
#define CHUNK_BYTES ((size_t)1 << 20)
#define PARTIAL_BYTES ((size_t)2 << 20) /* the most scratch that chunks may take */

/* In exact mode it is the most for several images; the order does not depend on it. */
#define EXACT_PARTIAL_BYTES ((size_t)8 << 20)

static bool supports(const struct rt_device *device, const struct rt_conv2d *attributes,
                     struct rt_shape x, enum rt_conv2d_part part)
{
    (void)device;
    (void)x;
    (void)part;
    return attributes->stride == 1 && rt_conv2d_groups(attributes) == 1;
}

static size_t weights_of(const struct rt_conv2d *a, struct rt_shape x)
{
    return (size_t)a->channels * (size_t)x.c * (size_t)(a->kernel * a->kernel);
}

/* How the rows that a gradient by the weights sums over are cut: a span of them, the batch's or in
 * exact mode an image's, into chunks. */
struct cut {
    int images; /* of a pass */
    size_t span, rows;
    int chunks; /* of a span */
};

static struct cut cut_batch(const struct rt_conv2d *a, struct rt_shape x)
{
    size_t rows = (size_t)x.n * (size_t)x.h;
    size_t row_bytes = (size_t)(x.c + a->channels) * (size_t)x.w * sizeof(float);
    size_t weight_bytes = weights_of(a, x) * sizeof(float);
    size_t chunk = CHUNK_BYTES / row_bytes;
    size_t fewest =
        rt_ceil_div(rows, PARTIAL_BYTES / weight_bytes ? PARTIAL_BYTES / weight_bytes : 1);
    chunk = chunk < fewest ? fewest : chunk;
    chunk = chunk < rows ? chunk : rows;
    return (struct cut){x.n, rows, chunk, (int)rt_ceil_div(rows, chunk)};
}

static struct cut cut_images(const struct rt_conv2d *a, struct rt_shape x)
{
    struct cut cut = {.span = (size_t)x.h, .rows = (size_t)rt_conv2d_chunk_rows(a, x)};
    cut.chunks = (int)rt_ceil_div(cut.span, cut.rows);
    size_t most = EXACT_PARTIAL_BYTES / (sizeof(float) * weights_of(a, x) * (size_t)cut.chunks);
    cut.images = most < 1 ? 1 : most < (size_t)x.n ? (int)most : x.n;
    return cut;
}

static size_t scratch(const struct rt_device *device, const struct rt_conv2d *a, struct rt_shape x,
                      enum rt_conv2d_part part)
{
    if (part != RT_CONV2D_BACKWARD_WEIGHTS)
        return 0;
    if (!rt_device_is_exact(device))
        return (size_t)cut_batch(a, x).chunks * weights_of(a, x);
    const struct cut cut = cut_images(a, x);
    return (size_t)cut.images * (size_t)cut.chunks * weights_of(a, x);
}

/* Neighbouring work-items of a GPU should read neighbouring columns. On a CPU they share the input
 * rows in the first-level cache when they differ in channels; small planes stay in the second level
 * as a whole, and there it is the weights that are worth sharing. */
static bool channels_first(const struct rt_device *device, struct rt_shape out)
{
    return rt_device_is_cpu(device) && out.h * out.w >= 1024;
}

struct tiling {
    char options[96];
    size_t global[3];
};

static struct tiling tiling_of(const struct rt_op_call *call, struct rt_shape out)
{
    const struct rt_conv2d *a = call->attributes;
    bool first = channels_first(call->device, out);
    struct tiling t;
    snprintf(t.options, sizeof t.options, "-DKERNEL=%d -DROWS=%d -DTILE=%d -DCHANNELS_FIRST=%d",
             a->kernel, ROWS, TILE, first);
    size_t channels = rt_ceil_div((size_t)out.c, TILE), rows = rt_ceil_div((size_t)out.h, ROWS);
    size_t columns = rt_ceil_div((size_t)out.w, (size_t)rt_device_vector(call->device));
    t.global[0] = first ? channels : columns;
    t.global[1] = first ? columns : rows;
    t.global[2] = (first ? rows : channels) * (size_t)out.n;
    return t;
}

static rt_status forward(const struct rt_op_call *call)
{
    const struct rt_conv2d *a = call->attributes;
    const struct rt_shape in = call->x[0].shape, out = call->y.shape;
    struct tiling t = tiling_of(call, out);
    struct rt_dropout dropout = rt_dropout_of(call, &a->activation);
    return RT_LAUNCH(call->device, "conv2d.cl", "conv2d_forward", t.options,
                     (t.global[0], t.global[1], t.global[2]), RT_TENSOR(call->x[0]),
                     RT_TENSOR(call->y), rt_buffer_argument(call->p[0].buffer),
                     rt_ulong(call->p[0].offset), rt_buffer_argument(call->p[1].buffer),
                     rt_ulong(call->p[1].offset), rt_int(in.c), rt_int(out.c), rt_int(in.h),
                     rt_int(in.w), rt_int(a->activation.relu), RT_DROPOUT(dropout));
}

static rt_status backward_data(const struct rt_op_call *call)
{
    const struct rt_shape in = call->dx[0].shape, out = call->dy.shape;
    struct tiling t = tiling_of(call, in);
    return RT_LAUNCH(call->device, "conv2d.cl", "conv2d_backward_data", t.options,
                     (t.global[0], t.global[1], t.global[2]), RT_TENSOR(call->dy),
                     RT_TENSOR(call->dx[0]), rt_buffer_argument(call->p[0].buffer),
                     rt_ulong(call->p[0].offset), rt_int(in.c), rt_int(out.c), rt_int(in.h),
                     rt_int(in.w), rt_int(call->dx_add[0]));
}

/* The sums of the chunks of x's and dy's images, to `sums`. */
static rt_status sum_rows(const struct rt_op_call *call, const struct rt_tensor *x,
                          const struct rt_tensor *dy, struct cut cut, const struct rt_tensor *sums)
{
    const struct rt_conv2d *a = call->attributes;
    const struct rt_shape in = x->shape, out = dy->shape;
    const bool exact = rt_device_is_exact(call->device);
    /* 16 lanes are too many registers for a GPU's work-item with more than one filter. */
    const bool one = exact && !rt_device_is_cpu(call->device);
    const size_t tile = one ? 1 : TILE, tile_in = one ? 1 : TILE_IN;
    const size_t tiles = rt_ceil_div((size_t)out.c, tile) * rt_ceil_div((size_t)in.c, tile_in);
    const size_t chunks = rt_ceil_div((size_t)in.n * (size_t)in.h, cut.span) * (size_t)cut.chunks;
    char options[96];
    snprintf(options, sizeof options, "-DKERNEL=%d -DTILE=%zu -DTILE_IN=%zu%s", a->kernel, tile,
             tile_in, exact ? " -DVEC=16" : "");
    return RT_LAUNCH(call->device, "conv2d.cl", "conv2d_backward_weights", options,
                     (tiles * (size_t)a->kernel, chunks, 1), RT_TENSOR(*x), RT_TENSOR(*dy),
                     rt_buffer_argument(sums->buffer), rt_ulong(sums->offset), rt_int(in.c),
                     rt_int(out.c), rt_int(in.n), rt_int(in.h), rt_int(in.w), rt_int((int)cut.span),
                     rt_int((int)cut.rows));
}

static rt_status exact_weights(const struct rt_op_call *call)
{
    const struct rt_shape in = call->x[0].shape;
    const struct cut cut = cut_images(call->attributes, in);
    const size_t count = weights_of(call->attributes, in);
    rt_status status = RT_OK;
    for (int first = 0; first < in.n; first += cut.images) {
        const int n = in.n - first < cut.images ? in.n - first : cut.images;
        const struct rt_tensor x = rt_tensor_images(call->x[0], first, n),
                               dy = rt_tensor_images(call->dy, first, n);
        RT_TRY(sum_rows(call, &x, &dy, cut, &call->scratch));
        RT_TRY(rt_add_chunks(call->device, &call->scratch, &call->dp[0], count,
                             (size_t)(n * cut.chunks), first > 0 || call->dp_add));
    }
end:
    return status;
}

static rt_status backward_weights(const struct rt_op_call *call)
{
    if (rt_device_is_exact(call->device))
        return exact_weights(call);
    const struct rt_shape in = call->x[0].shape;
    const struct cut cut = cut_batch(call->attributes, in);
    const struct rt_tensor *sums = cut.chunks > 1 ? &call->scratch : &call->dp[0];
    rt_status status = sum_rows(call, &call->x[0], &call->dy, cut, sums);
    if (status == RT_OK && cut.chunks > 1)
        status = rt_sum_chunks(call->device, &call->scratch, &call->dp[0],
                               weights_of(call->attributes, in), (size_t)cut.chunks);
    return status;
}

const struct rt_conv2d_variant rt_conv2d_direct = {
    .name = "direct",
    .supports = supports,
    .scratch = scratch,
    .run = {[RT_CONV2D_FORWARD] = forward,
            [RT_CONV2D_BACKWARD_DATA] = backward_data,
            [RT_CONV2D_BACKWARD_WEIGHTS] = backward_weights},
};
