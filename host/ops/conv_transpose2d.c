#include <stdio.h>

#include "ops/conv2d.h"
#include "ops/reference.h"
#include "ops/tiled.h"

/* The tiles of cl/conv_transpose2d.cl. */
#define TILE 2
#define TILE_BACK 8
#define TILE_IN 4
#define CHUNKS 32         /* that the gradient by the weights is summed in, at most */
#define CHUNK_PIXELS 1024 /* of a chunk, at least, so that summing the chunks costs little */

/* In exact mode an image has chunks of its own, of about so many pixels; and several images' sums
 * take at most so many bytes, which has no say in the order. */
#define EXACT_CHUNK_PIXELS 4096
#define EXACT_PARTIAL_BYTES ((size_t)8 << 20)

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

/* How the rows that a gradient by the weights sums over are cut: a span of them, the batch's or in
 * exact mode an image's, into chunks. */
struct cut {
    int images; /* of a pass */
    size_t span, rows;
    int chunks; /* of a span */
};

/* The sums of a chunk. */
static size_t sums_of(const struct rt_conv_transpose2d *a, struct rt_shape x)
{
    return (size_t)x.c * (size_t)a->channels * 4 + (size_t)a->channels;
}

static struct cut cut_batch(struct rt_shape x)
{
    const size_t all = (size_t)x.n * (size_t)x.h;
    size_t rows = rt_ceil_div(all, CHUNKS), least = rt_ceil_div(CHUNK_PIXELS, (size_t)x.w);
    rows = rows > least ? rows : least;
    return (struct cut){x.n, all, rows, (int)rt_ceil_div(all, rows)};
}

static struct cut cut_images(const struct rt_conv_transpose2d *a, struct rt_shape x)
{
    const size_t rows = rt_ceil_div(EXACT_CHUNK_PIXELS, (size_t)x.w), span = (size_t)x.h;
    struct cut cut = {.span = span, .rows = rows, .chunks = (int)rt_ceil_div(span, rows)};
    const size_t most = EXACT_PARTIAL_BYTES / (sizeof(float) * sums_of(a, x) * (size_t)cut.chunks);
    cut.images = most < 1 ? 1 : most < (size_t)x.n ? (int)most : x.n;
    return cut;
}

/* Whether work-groups share tiles in a part, as they do in convolutions. In exact math the gradient
 * by the weights has an order of its own. */
static bool is_tiled(const struct rt_device *device, enum rt_conv2d_part part)
{
    return rt_device_group(device) > 1 &&
           !rt_device_avoids(device, rt_conv2d_part_name(part), rt_conv2d_tiled.name) &&
           !(part == RT_CONV2D_BACKWARD_WEIGHTS && rt_device_is_exact(device));
}

static struct rt_tiled_weights tiled_of(const struct rt_conv_transpose2d *a)
{
    return (struct rt_tiled_weights){
        .kernel = 1, .channels = (size_t)a->channels, .transposed = true};
}

static size_t scratch(const struct rt_device *device, const void *attributes,
                      const struct rt_shape *x, enum rt_direction direction)
{
    const struct rt_conv_transpose2d *a = attributes;
    if (direction == RT_FORWARD)
        return 0;
    if (is_tiled(device, RT_CONV2D_BACKWARD_WEIGHTS)) {
        const struct rt_tiled_weights weights = tiled_of(a);
        const size_t floats = rt_tiled_weights_scratch(device, &weights, *x);
        const size_t bias =
            rt_activation_scratch((struct rt_shape){x->n, a->channels, 2 * x->h, 2 * x->w});
        return floats > bias ? floats : bias;
    }
    if (!rt_device_is_exact(device))
        return CHUNKS * sums_of(a, *x);
    const struct cut cut = cut_images(a, *x);
    return (size_t)cut.images * (size_t)cut.chunks * sums_of(a, *x);
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
    if (is_tiled(call->device, RT_CONV2D_FORWARD))
        return rt_tiled_convolve(call, &call->x[0], &call->y,
                                 &(struct rt_tiled_convolution){.kernel = 1,
                                                                .spread = true,
                                                                .out_step = 1,
                                                                .in_step = 4 * out.c,
                                                                .bias = call->p[1]});
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
    if (is_tiled(call->device, RT_CONV2D_BACKWARD_DATA))
        return rt_tiled_convolve(call, &call->dy, &call->dx[0],
                                 &(struct rt_tiled_convolution){.kernel = 1,
                                                                .gather = true,
                                                                .out_step = 4 * out.c,
                                                                .in_step = 1,
                                                                .add = call->dx_add[0]});
    const struct tiling t = tiling_of(call->device, in.c, TILE_BACK, in, 1);
    return RT_LAUNCH(call->device, "conv_transpose2d.cl", "conv_transpose2d_backward_data",
                     t.options, (t.global[0], t.global[1], t.global[2]), RT_TENSOR(call->dy),
                     RT_TENSOR(call->dx[0]), rt_buffer_argument(call->p[0].buffer),
                     rt_ulong(call->p[0].offset), rt_int(in.c), rt_int(out.c), rt_int(in.n),
                     rt_int(in.h), rt_int(in.w), rt_int(call->dx_add[0]));
}

/* The sums of the chunks of x's and dy's images, to scratch: the filters', then from `bias` on the
 * biases'. */
static rt_status sum_rows(const struct rt_op_call *call, const struct rt_tensor *x,
                          const struct rt_tensor *dy, struct cut cut, size_t *bias)
{
    const struct rt_shape in = x->shape, out = dy->shape;
    const bool exact = rt_device_is_exact(call->device);
    /* 16 lanes are too many registers for a GPU's work-item with more than one filter. */
    const size_t tile_in = exact && !rt_device_is_cpu(call->device) ? 1 : TILE_IN;
    const size_t chunks = rt_ceil_div((size_t)in.n * (size_t)in.h, cut.span) * (size_t)cut.chunks;
    char options[96];
    snprintf(options, sizeof options, "%s -DTILE_IN=%zu%s",
             tiling_of(call->device, 1, 1, in, 1).options, tile_in, exact ? " -DVEC=16" : "");
    *bias = call->scratch.offset + chunks * (size_t)in.c * (size_t)out.c * 4;
    return RT_LAUNCH(call->device, "conv_transpose2d.cl", "conv_transpose2d_backward_weights",
                     options, ((size_t)out.c * rt_ceil_div((size_t)in.c, tile_in), chunks, 1),
                     RT_TENSOR(*x), RT_TENSOR(*dy), rt_buffer_argument(call->scratch.buffer),
                     rt_ulong(call->scratch.offset), rt_ulong(*bias), rt_int(in.c), rt_int(out.c),
                     rt_int(in.n), rt_int(in.h), rt_int(in.w), rt_int((int)cut.span),
                     rt_int((int)cut.rows));
}

/* Image after image. The 16 sums of a chunk's are those of a work-item's lanes, as in the gradient
 * by the weights of a direct convolution, and a bias's likewise: of a pair of rows of dy, the even
 * and the odd pixel of the upper, then those of the lower one, are added up first. */
static rt_status exact_weights(const struct rt_op_call *call)
{
    const struct rt_shape in = call->x[0].shape, out = call->dy.shape;
    const struct cut cut = cut_images(call->attributes, in);
    struct rt_tensor bias = call->scratch;
    rt_status status = RT_OK;
    for (int first = 0; first < in.n; first += cut.images) {
        const int n = in.n - first < cut.images ? in.n - first : cut.images;
        const bool add = first > 0 || call->dp_add;
        const struct rt_tensor x = rt_tensor_images(call->x[0], first, n),
                               dy = rt_tensor_images(call->dy, first, n);
        RT_TRY(sum_rows(call, &x, &dy, cut, &bias.offset));
        const size_t chunks = (size_t)(n * cut.chunks);
        RT_TRY(rt_add_chunks(call->device, &call->scratch, &call->dp[0],
                             (size_t)in.c * (size_t)out.c * 4, chunks, add));
        RT_TRY(rt_add_chunks(call->device, &bias, &call->dp[1], (size_t)out.c, chunks, add));
    }
end:
    return status;
}

static rt_status tiled_weights(const struct rt_op_call *call)
{
    static const struct rt_activation none = {.relu = false};
    const struct rt_tiled_weights weights = tiled_of(call->attributes);
    rt_status status = RT_OK;
    RT_TRY(rt_tiled_weights(call, &weights));
    status = rt_activation_backward(call, &none, &call->dp[1]);
end:
    return status;
}

static rt_status backward_weights(const struct rt_op_call *call)
{
    if (rt_device_is_exact(call->device))
        return exact_weights(call);
    if (is_tiled(call->device, RT_CONV2D_BACKWARD_WEIGHTS))
        return tiled_weights(call);
    const struct rt_shape in = call->x[0].shape, out = call->dy.shape;
    const struct cut cut = cut_batch(in);
    struct rt_tensor bias = call->scratch;
    rt_status status = RT_OK;
    RT_TRY(sum_rows(call, &call->x[0], &call->dy, cut, &bias.offset));
    RT_TRY(rt_sum_chunks(call->device, &call->scratch, &call->dp[0],
                         (size_t)in.c * (size_t)out.c * 4, (size_t)cut.chunks));
    status = rt_sum_chunks(call->device, &bias, &call->dp[1], (size_t)out.c, (size_t)cut.chunks);
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
