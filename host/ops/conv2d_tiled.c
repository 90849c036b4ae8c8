#include <stdio.h>

#include "ops/conv2d.h"
#include "ops/share.h"

#define KERNEL_MAX 7 /* a row of a larger filter's gradients would not stay in registers */

static bool supports(const struct rt_device *device, const struct rt_conv2d *a, struct rt_shape x,
                     enum rt_conv2d_part part)
{
    (void)x;
    if (part == RT_CONV2D_BACKWARD_WEIGHTS && rt_device_is_exact(device))
        return false; /* it has an order of its own */
    return a->stride == 1 && a->kernel <= KERNEL_MAX && rt_conv2d_groups(a) == 1;
}

/* --- work-groups ---------------------------------------------------------------------------- */

/* How many work-items a group has in each dimension, what it holds in local memory, and the options
 * that say so. */
struct group {
    size_t across, down, deep;
    size_t local_bytes;
    char options[128];
};

/* The group that a kernel of this file should have for a job, with so many work-items at most. */
struct group_request {
    const char *file, *kernel;
    struct group (*make)(const struct rt_device *device, int kernel, struct rt_shape in,
                         struct rt_shape out, size_t items);
};

/* The largest power of two up to `most` (at least 1), but none above what holds `count`. */
static size_t fit(size_t count, size_t most)
{
    size_t size = 1;
    while (size < count && size * 2 <= most)
        size *= 2;
    return size;
}

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* The largest group for which local memory has room and the built kernel has registers. */
static rt_status choose_group(struct rt_device *device, const struct group_request *request,
                              int kernel, struct rt_shape in, struct rt_shape out,
                              struct group *group)
{
    rt_status status = RT_OK;
    for (size_t items = (size_t)rt_device_group(device);; items /= 2) {
        size_t most = 1;
        *group = request->make(device, kernel, in, out, items);
        if (items > 1 && group->local_bytes > rt_device_describe(device)->local_bytes)
            continue;
        RT_TRY(
            rt_device_kernel_items(device, request->file, request->kernel, group->options, &most));
        if (items == 1 || group->across * group->down * group->deep <= most)
            break;
    }
end:
    return status;
}

/* --- forward and backward by data ------------------------------------------------------------ */

/* As in cl/conv2d_tiled.cl: the outputs of a work-item. */
#define ROWS 4
#define CHANNELS 8

/* Local memory of a group, so that a compute unit has room for several; and the input channels that
 * it takes at a time, at most. */
#define LOCAL_BYTES ((size_t)8 << 10)
#define SLAB_MAX 8

static size_t slab_bytes(const struct group *g, size_t kernel)
{
    size_t columns = g->across + kernel - 1, pitch = columns + (g->across / 4 + 64 - columns) % 8;
    size_t in = (ROWS * g->down + kernel - 1) * pitch;
    return sizeof(float) * (in + kernel * kernel * (CHANNELS * g->deep + 4));
}

static struct group convolve_group(const struct rt_device *device, int kernel, struct rt_shape in,
                                   struct rt_shape out, size_t items)
{
    const size_t *sizes = rt_device_describe(device)->group_sizes;
    const size_t room = smaller(LOCAL_BYTES, rt_device_describe(device)->local_bytes);
    const size_t rows = rt_ceil_div((size_t)out.h, ROWS);
    struct group g = {.across = fit((size_t)out.w, smaller(smaller(16, items), sizes[0]))};
    items /= g.across;
    g.down = fit(rows, smaller(smaller(2, items), sizes[1]));
    g.deep = fit(rt_ceil_div((size_t)out.c, CHANNELS), smaller(items / g.down, sizes[2]));
    g.down = fit(rows, smaller(items / g.deep, sizes[1]));
    const size_t bytes = slab_bytes(&g, (size_t)kernel);
    const size_t slab = fit((size_t)in.c, smaller(SLAB_MAX, room / bytes));
    g.local_bytes = slab * bytes;
    snprintf(g.options, sizeof g.options,
             "-DVEC=1 -DKERNEL=%d -DACROSS=%zu -DDOWN=%zu -DDEEP=%zu -DSLAB=%zu", kernel, g.across,
             g.down, g.deep, slab);
    return g;
}

/* How the channels of both sides lie in the weights; and what follows the sum. */
struct job {
    int out_step, in_step, turn;
    struct rt_tensor bias; /* without a buffer: none */
    int relu, add;
    struct rt_dropout dropout;
};

static rt_status convolve(const struct rt_op_call *call, const struct rt_tensor *x,
                          const struct rt_tensor *y, const struct job *job)
{
    static const struct group_request request = {"conv2d_tiled.cl", "tiled_convolve",
                                                 convolve_group};
    const struct rt_conv2d *a = call->attributes;
    const struct rt_shape in = x->shape, out = y->shape;
    struct group g;
    rt_status status = choose_group(call->device, &request, a->kernel, in, out, &g);
    if (status < 0)
        return status;
    const size_t tiles = rt_ceil_div((size_t)out.c, CHANNELS * g.deep) * g.deep;
    const struct rt_argument arguments[] = {RT_TENSOR(*x),
                                            RT_TENSOR(*y),
                                            rt_buffer_argument(call->p[0].buffer),
                                            rt_ulong(call->p[0].offset),
                                            rt_buffer_argument(job->bias.buffer),
                                            rt_ulong(job->bias.offset),
                                            rt_int(in.c),
                                            rt_int(out.c),
                                            rt_int(in.h),
                                            rt_int(in.w),
                                            rt_int((int)tiles),
                                            rt_int(job->out_step),
                                            rt_int(job->in_step),
                                            rt_int(job->turn),
                                            rt_int(job->relu),
                                            RT_DROPOUT(job->dropout),
                                            rt_int(job->add)};
    return rt_device_launch(
        call->device,
        &(struct rt_launch){
            .file = request.file,
            .kernel = request.kernel,
            .options = g.options,
            .global = {(size_t)out.w, rt_ceil_div((size_t)out.h, ROWS), tiles * (size_t)out.n},
            .local = {g.across, g.down, g.deep},
            .arguments = arguments,
            .count = sizeof arguments / sizeof *arguments});
}

static rt_status forward(const struct rt_op_call *call)
{
    const struct rt_conv2d *a = call->attributes;
    const int taps = a->kernel * a->kernel;
    return convolve(call, &call->x[0], &call->y,
                    &(struct job){.out_step = taps * call->x[0].shape.c,
                                  .in_step = taps,
                                  .bias = call->p[1],
                                  .relu = a->activation.relu,
                                  .dropout = rt_dropout_of(call, &a->activation)});
}

static rt_status backward_data(const struct rt_op_call *call)
{
    const struct rt_conv2d *a = call->attributes;
    const int taps = a->kernel * a->kernel;
    return convolve(call, &call->dy, &call->dx[0],
                    &(struct job){.out_step = taps,
                                  .in_step = taps * call->dx[0].shape.c,
                                  .turn = 1,
                                  .add = call->dx_add[0]});
}

/* --- backward by weights --------------------------------------------------------------------- */

/* As in cl/conv2d_tiled_weights.cl: the places of a step. */
#define STEP 32
#define COLUMNS_MIN 8
#define DEEP_MAX 4

#define WEIGHTS_LOCAL_BYTES ((size_t)16 << 10) /* of a group, if it can */

/* Partial sums, in floats: those of about a thousand groups, which fill a large GPU; in at most so
 * many chunks, because what sums these up does so one after the other. Both are stated, so that the
 * order of a sum does not depend on the device. */
#define PARTIAL_FLOATS ((size_t)3 << 20)
#define CHUNKS_MAX 256

/* Filter rows of a work-item, so that the larger filters' sums stay in registers. */
static size_t rows_each(int kernel)
{
    return kernel == 1 ? 4 : kernel == 3 ? 2 : 1;
}

/* Columns of a step; the rest of it is rows. */
static size_t columns_for(struct rt_shape in)
{
    size_t columns = fit((size_t)in.w, STEP);
    return columns < COLUMNS_MIN ? COLUMNS_MIN : columns;
}

static struct group weights_group(const struct rt_device *device, int kernel, struct rt_shape in,
                                  struct rt_shape out, size_t items)
{
    const size_t *sizes = rt_device_describe(device)->group_sizes;
    const size_t each = rows_each(kernel), columns = columns_for(in);
    const size_t pitch = (STEP / columns * (columns + (size_t)kernel - 1)) | 1;
    struct group g = {.down = 1};
    g.deep = fit(rt_ceil_div((size_t)out.c, CHANNELS), smaller(smaller(DEEP_MAX, items), sizes[1]));
    g.across = fit(rt_ceil_div((size_t)(in.c * kernel), each), smaller(items / g.deep, sizes[0]));
    for (;; g.across /= 2) {
        g.local_bytes = sizeof(float) * (each * g.across * pitch + STEP * (CHANNELS * g.deep + 4));
        if (g.across == 1 || g.local_bytes <= WEIGHTS_LOCAL_BYTES)
            break;
    }
    snprintf(g.options, sizeof g.options,
             "-DVEC=1 -DKERNEL=%d -DACROSS=%zu -DDEEP=%zu -DEACH=%zu -DCOLUMNS=%zu", kernel,
             g.across, g.deep, each, columns);
    return g;
}

/* How the batch is cut: an image into `bands` bands of rows, all images' into `chunks` chunks of
 * `each`. */
struct cut {
    size_t bands, each, chunks;
};

static size_t weights_of(const struct rt_conv2d *a, struct rt_shape x)
{
    return (size_t)a->channels * (size_t)x.c * (size_t)(a->kernel * a->kernel);
}

static struct cut cut_batch(const struct rt_device *device, const struct rt_conv2d *a,
                            struct rt_shape x)
{
    struct cut cut = {.bands = rt_ceil_div((size_t)x.h, STEP / columns_for(x))};
    /* Less only on the smallest devices. */
    size_t room = smaller(PARTIAL_FLOATS, rt_device_describe(device)->buffer_bytes / 16);
    size_t all = (size_t)x.n * cut.bands, most = smaller(room / weights_of(a, x), CHUNKS_MAX);
    cut.each = rt_ceil_div(all, most ? most : 1);
    cut.chunks = rt_ceil_div(all, cut.each);
    return cut;
}

static size_t scratch(const struct rt_device *device, const struct rt_conv2d *a, struct rt_shape x,
                      enum rt_conv2d_part part)
{
    const size_t chunks = part == RT_CONV2D_BACKWARD_WEIGHTS ? cut_batch(device, a, x).chunks : 0;
    return chunks > 1 ? chunks * weights_of(a, x) : 0;
}

static rt_status backward_weights(const struct rt_op_call *call)
{
    static const struct group_request request = {"conv2d_tiled_weights.cl", "tiled_weights",
                                                 weights_group};
    const struct rt_conv2d *a = call->attributes;
    const struct rt_shape in = call->x[0].shape, out = call->dy.shape;
    const struct cut cut = cut_batch(call->device, a, in);
    const struct rt_tensor *sums = cut.chunks > 1 ? &call->scratch : &call->dp[0];
    struct group g;
    rt_status status = RT_OK;
    RT_TRY(choose_group(call->device, &request, a->kernel, in, out, &g));
    const struct rt_argument arguments[] = {
        RT_TENSOR(call->x[0]),  RT_TENSOR(call->dy),  rt_buffer_argument(sums->buffer),
        rt_ulong(sums->offset), rt_int(in.c),         rt_int(out.c),
        rt_int(in.n),           rt_int(in.h),         rt_int(in.w),
        rt_int((int)cut.bands), rt_int((int)cut.each)};
    RT_TRY(rt_device_launch(
        call->device, &(struct rt_launch){
                          .file = request.file,
                          .kernel = request.kernel,
                          .options = g.options,
                          .global = {rt_ceil_div((size_t)(in.c * a->kernel), rows_each(a->kernel)),
                                     rt_ceil_div((size_t)out.c, CHANNELS), cut.chunks},
                          .local = {g.across, g.deep, 1},
                          .arguments = arguments,
                          .count = sizeof arguments / sizeof *arguments}));
    if (cut.chunks > 1)
        status = rt_sum_chunks(call->device, &call->scratch, &call->dp[0], weights_of(a, in),
                               cut.chunks);
end:
    return status;
}

const struct rt_conv2d_variant rt_conv2d_tiled = {
    .name = "tiled",
    .supports = supports,
    .scratch = scratch,
    .run = {[RT_CONV2D_FORWARD] = forward,
            [RT_CONV2D_BACKWARD_DATA] = backward_data,
            [RT_CONV2D_BACKWARD_WEIGHTS] = backward_weights},
};
