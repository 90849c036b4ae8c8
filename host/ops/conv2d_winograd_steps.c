#include <stdio.h>

#include "ops/conv2d.h"
#include "ops/share.h"

/* The steps: transforms (cl/conv2d_winograd_steps.cl) of filters, or gradients, and of inputs, for
 * as many tiles as scratch memory has room for; products (cl/products.cl); the transform back. With
 * a tile's `size` rows and columns of outputs there are (size + 2)^2 places. */

/* Transformed tiles at a time: so many bytes, which a large GPU's cache holds, while the products
 * still fill it. Stated, so that the order of a sum does not depend on the device; less only on the
 * smallest. */
#define TILES_BYTES ((size_t)32 << 20)
#define TILES_LEAST 64

/* The sums of gradients are cut into chunks of at least so many tiles, in at most so many chunks
 * and bytes: enough to fill a large GPU with groups. */
#define CHUNK_LEAST 64
#define CHUNKS_MAX 64
#define PARTIAL_BYTES ((size_t)12 << 20)

static bool supports(const struct rt_device *device, const struct rt_conv2d *a, struct rt_shape x,
                     enum rt_conv2d_part part)
{
    (void)device;
    (void)x;
    (void)part;
    return a->kernel == 3 && a->stride == 1 && rt_conv2d_groups(a) == 1;
}

/* --- what lies in scratch -------------------------------------------------------------------- */

/* filters[place][in][out], or chunks of their gradients [chunk][place][out][in]; then
 * inputs[place][in][tile] and outputs[place][out][tile], or the latter's gradients. */
struct layout {
    int size;
    size_t places, tiles; /* tiles in all */
    size_t together;      /* tiles at a time */
    size_t chunks, each;  /* of so many tiles, of those at a time */
    size_t filters;       /* floats of a chunk */
    size_t inputs, outputs, end;
};

static struct layout layout_of(const struct rt_device *device, const struct rt_conv2d *a,
                               struct rt_shape x, enum rt_conv2d_part part, int size)
{
    const size_t in = (size_t)x.c, out = (size_t)a->channels, edge = (size_t)size;
    const size_t room = rt_device_describe(device)->buffer_bytes / 16;
    struct layout l = {.size = size, .places = (edge + 2) * (edge + 2), .chunks = 1};
    l.tiles = (size_t)x.n * rt_ceil_div((size_t)x.h, edge) * rt_ceil_div((size_t)x.w, edge);
    l.filters = l.places * in * out;
    const size_t tile_bytes = sizeof(float) * l.places * (in + out);
    l.together = rt_smaller(TILES_BYTES, room) / tile_bytes / TILES_LEAST * TILES_LEAST;
    l.together = rt_smaller(rt_larger(l.together, TILES_LEAST), l.tiles);
    if (part == RT_CONV2D_BACKWARD_WEIGHTS)
        l.chunks = rt_smaller(rt_smaller(PARTIAL_BYTES, room) / (sizeof(float) * l.filters),
                              rt_smaller(CHUNKS_MAX, rt_ceil_div(l.together, CHUNK_LEAST)));
    l.each = rt_ceil_div(l.together, rt_larger(l.chunks, 1));
    l.chunks = rt_ceil_div(l.together, l.each);
    const bool turned = part == RT_CONV2D_BACKWARD_DATA; /* whose inputs are the gradients */
    l.inputs = l.chunks * l.filters;
    l.outputs = l.inputs + l.places * l.together * (turned ? out : in);
    l.end = l.outputs + l.places * l.together * (turned ? in : out);
    return l;
}

static size_t scratch(const struct rt_device *device, const struct rt_conv2d *a, struct rt_shape x,
                      enum rt_conv2d_part part, int size)
{
    return layout_of(device, a, x, part, size).end;
}

/* The tiles from `first` on that are transformed together. */
static size_t tiles_from(const struct layout *l, size_t first)
{
    return rt_smaller(l->together, l->tiles - first);
}

/* --- the products ---------------------------------------------------------------------------- */

/* As in cl/products.cl. */
#define ROWS 8
#define SLAB 8
#define DEEP_MAX 4
#define LOCAL_BYTES ((size_t)16 << 10) /* of a group, if it can */

struct group {
    size_t across, deep, columns; /* columns of a work-item */
    char options[80];
};

/* Factors in scratch, by their place there in floats, and of what shape they are. */
struct product {
    size_t a, b, to;
    size_t height, width, depth, each;
    bool transposed, add;
};

static size_t local_bytes(const struct group *g, size_t across, size_t vector)
{
    return sizeof(float) * SLAB * (across * g->columns + vector + ROWS * g->deep + 4);
}

/* The group for a product with so many work-items at most, that local memory has room for. */
static struct group make_group(const struct rt_device *device, const struct product *p,
                               size_t items)
{
    const struct rt_device_info *info = rt_device_describe(device);
    const size_t room = rt_smaller(LOCAL_BYTES, info->local_bytes);
    const size_t vector = rt_larger((size_t)rt_device_vector(device), 4);
    struct group g = {1, 1, vector == 8 ? vector : 2 * vector, {0}};
    while (g.deep * ROWS < p->height && g.deep < DEEP_MAX && g.deep * 2 <= items &&
           g.deep * 2 <= info->group_sizes[1])
        g.deep *= 2;
    while (g.across * g.columns < p->width && g.across * g.deep * 2 <= items &&
           g.across * 2 <= info->group_sizes[0] && local_bytes(&g, 2 * g.across, vector) <= room)
        g.across *= 2;
    snprintf(g.options, sizeof g.options, "-DVEC=%zu -DACROSS=%zu -DDEEP=%zu -DTRANSPOSED=%d",
             vector, g.across, g.deep, p->transposed);
    return g;
}

/* The products of all places, for tiles of which there may be fewer than the group is made for. */
static rt_status multiply(const struct rt_op_call *call, const struct layout *l,
                          const struct product *p, const struct product *largest)
{
    struct group g;
    rt_status status = RT_OK;
    for (size_t items = (size_t)rt_device_group(call->device);; items /= 2) {
        size_t most = 1;
        g = make_group(call->device, largest, items);
        RT_TRY(rt_device_kernel_items(call->device, "products.cl", "products", g.options, &most));
        if (items == 1 || g.across * g.deep <= most)
            break;
    }
    const struct rt_tensor *s = &call->scratch;
    const struct rt_argument arguments[] = {
        rt_buffer_argument(s->buffer), rt_ulong(s->offset + p->a),    rt_buffer_argument(s->buffer),
        rt_ulong(s->offset + p->b),    rt_buffer_argument(s->buffer), rt_ulong(s->offset + p->to),
        rt_int((int)p->height),        rt_int((int)p->width),         rt_int((int)p->depth),
        rt_int((int)l->places),        rt_int((int)p->each),          rt_int(p->add)};
    status = rt_device_launch(
        call->device, &(struct rt_launch){.file = "products.cl",
                                          .kernel = "products",
                                          .options = g.options,
                                          .global = {rt_ceil_div(p->width, g.columns),
                                                     rt_ceil_div(p->height, ROWS),
                                                     l->places * rt_ceil_div(p->depth, p->each)},
                                          .local = {g.across, g.deep, 1},
                                          .arguments = arguments,
                                          .count = sizeof arguments / sizeof *arguments});
end:
    return status;
}

/* --- the transforms -------------------------------------------------------------------------- */

#define OPTIONS_BYTES 32

static const char *options(const struct layout *l, char text[OPTIONS_BYTES])
{
    snprintf(text, OPTIONS_BYTES, "-DVEC=1 -DTILE=%d", l->size);
    return text;
}

/* `kernel` of a tensor's tiles, to a place in scratch. */
static rt_status transform_tiles(const struct rt_op_call *call, const struct layout *l,
                                 const char *kernel, const struct rt_tensor *from, size_t to,
                                 size_t first)
{
    char text[OPTIONS_BYTES];
    const struct rt_shape s = from->shape;
    const size_t tiles = tiles_from(l, first);
    return RT_LAUNCH(call->device, "conv2d_winograd_steps.cl", kernel, options(l, text),
                     (tiles, s.c, 1), RT_TENSOR(*from), rt_buffer_argument(call->scratch.buffer),
                     rt_ulong(call->scratch.offset + to), rt_int(s.c), rt_int(s.h), rt_int(s.w),
                     rt_int((int)first), rt_int((int)tiles));
}

/* How the channels of both sides lie in the weights; and what follows the sum. */
struct job {
    enum rt_conv2d_part part;
    int out_step, in_step, turn;
    struct rt_tensor bias, pooled; /* without a buffer: none */
    int relu, add;
    struct rt_dropout dropout;
};

static rt_status transform_outputs(const struct rt_op_call *call, const struct layout *l,
                                   const struct rt_tensor *y, const struct job *job, size_t first)
{
    char text[OPTIONS_BYTES];
    const struct rt_shape out = y->shape;
    const size_t tiles = tiles_from(l, first);
    return RT_LAUNCH(
        call->device, "conv2d_winograd_steps.cl", "transform_outputs", options(l, text),
        (tiles, rt_ceil_div((size_t)out.c, 4), 1), rt_buffer_argument(call->scratch.buffer),
        rt_ulong(call->scratch.offset + l->outputs), RT_TENSOR(*y), RT_TENSOR(job->pooled),
        rt_buffer_argument(job->bias.buffer), rt_ulong(job->bias.offset), rt_int(out.c),
        rt_int(out.h), rt_int(out.w), rt_int((int)first), rt_int((int)tiles), rt_int(job->relu),
        RT_DROPOUT(job->dropout), rt_int(job->add));
}

/* --- the parts ------------------------------------------------------------------------------- */

static rt_status convolve(const struct rt_op_call *call, const struct rt_tensor *x,
                          const struct rt_tensor *y, const struct job *job, int size)
{
    const struct layout l =
        layout_of(call->device, call->attributes, call->x[0].shape, job->part, size);
    const size_t in = (size_t)x->shape.c, out = (size_t)y->shape.c;
    const struct product largest = {0, l.inputs, l.outputs, out, l.together, in, in, false, false};
    char text[OPTIONS_BYTES];
    rt_status status = RT_OK;
    RT_TRY(RT_LAUNCH(call->device, "conv2d_winograd_steps.cl", "transform_filters",
                     options(&l, text), (out, in, 1), rt_buffer_argument(call->p[0].buffer),
                     rt_ulong(call->p[0].offset), rt_buffer_argument(call->scratch.buffer),
                     rt_ulong(call->scratch.offset), rt_int((int)in), rt_int((int)out),
                     rt_int(job->out_step), rt_int(job->in_step), rt_int(job->turn)));
    for (size_t first = 0; first < l.tiles; first += l.together) {
        struct product product = largest;
        product.width = tiles_from(&l, first);
        RT_TRY(transform_tiles(call, &l, "transform_inputs", x, l.inputs, first));
        RT_TRY(multiply(call, &l, &product, &largest));
        RT_TRY(transform_outputs(call, &l, y, job, first));
    }
end:
    return status;
}

static rt_status forward(const struct rt_op_call *call, int size)
{
    const struct rt_conv2d *a = call->attributes;
    return convolve(call, &call->x[0], &call->y,
                    &(struct job){.part = RT_CONV2D_FORWARD,
                                  .out_step = 9 * call->x[0].shape.c,
                                  .in_step = 9,
                                  .bias = call->p[1],
                                  .pooled = call->pooled,
                                  .relu = a->activation.relu,
                                  .dropout = rt_dropout_of(call, &a->activation)},
                    size);
}

static rt_status backward_data(const struct rt_op_call *call, int size)
{
    return convolve(call, &call->dy, &call->dx[0],
                    &(struct job){.part = RT_CONV2D_BACKWARD_DATA,
                                  .out_step = 9,
                                  .in_step = 9 * call->dx[0].shape.c,
                                  .turn = 1,
                                  .add = call->dx_add[0]},
                    size);
}

static rt_status backward_weights(const struct rt_op_call *call, int size)
{
    const struct rt_tensor *x = &call->x[0], *dy = &call->dy;
    const size_t in = (size_t)x->shape.c, out = (size_t)dy->shape.c;
    const struct layout l =
        layout_of(call->device, call->attributes, x->shape, RT_CONV2D_BACKWARD_WEIGHTS, size);
    const struct product largest = {l.outputs,  l.inputs, 0,    out,  in,
                                    l.together, l.each,   true, false};
    char text[OPTIONS_BYTES];
    rt_status status = RT_OK;
    for (size_t first = 0; first < l.tiles; first += l.together) {
        struct product product = largest;
        product.depth = tiles_from(&l, first);
        product.add = first > 0;
        RT_TRY(transform_tiles(call, &l, "transform_inputs", x, l.inputs, first));
        RT_TRY(transform_tiles(call, &l, "transform_gradients", dy, l.outputs, first));
        RT_TRY(multiply(call, &l, &product, &largest));
    }
    status = RT_LAUNCH(call->device, "conv2d_winograd_steps.cl", "transform_weights",
                       options(&l, text), (in, out, 1), rt_buffer_argument(call->scratch.buffer),
                       rt_ulong(call->scratch.offset), rt_buffer_argument(call->dp[0].buffer),
                       rt_ulong(call->dp[0].offset), rt_int((int)in), rt_int((int)out),
                       rt_int((int)l.chunks));
end:
    return status;
}

/* --- the variants ---------------------------------------------------------------------------- */

/* The least filters are of F(4x4, 3x3) on an NVIDIA H200: from 2048 on it takes no longer than
 * tiles, from 4096 on two thirds; sums over all tiles of a batch gain from 4096 on. */
#define VARIANT(SIZE)                                                                              \
    static size_t scratch##SIZE(const struct rt_device *device, const struct rt_conv2d *a,         \
                                struct rt_shape x, enum rt_conv2d_part part)                       \
    {                                                                                              \
        return scratch(device, a, x, part, SIZE);                                                  \
    }                                                                                              \
    static rt_status forward##SIZE(const struct rt_op_call *call)                                  \
    {                                                                                              \
        return forward(call, SIZE);                                                                \
    }                                                                                              \
    static rt_status backward_data##SIZE(const struct rt_op_call *call)                            \
    {                                                                                              \
        return backward_data(call, SIZE);                                                          \
    }                                                                                              \
    static rt_status backward_weights##SIZE(const struct rt_op_call *call)                         \
    {                                                                                              \
        return backward_weights(call, SIZE);                                                       \
    }                                                                                              \
    const struct rt_conv2d_variant rt_conv2d_winograd##SIZE = {                                    \
        .name = "winograd" #SIZE,                                                                  \
        .supports = supports,                                                                      \
        .scratch = scratch##SIZE,                                                                  \
        .pools = true,                                                                             \
        .better = &rt_conv2d_winograd, /* on CPUs: 6 to 40 times */                                \
        .least_filters = {2048, 2048, 4096},                                                       \
        .run = {[RT_CONV2D_FORWARD] = forward##SIZE,                                               \
                [RT_CONV2D_BACKWARD_DATA] = backward_data##SIZE,                                   \
                [RT_CONV2D_BACKWARD_WEIGHTS] = backward_weights##SIZE},                            \
    };

VARIANT(2)
VARIANT(4)
