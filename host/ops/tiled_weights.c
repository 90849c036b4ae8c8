#include <stdio.h>

#include "ops/activation.h"
#include "ops/tiled.h"

/* As in cl/conv2d_tiled_weights.cl: a work-item's output channels and columns, and the places of a
 * step, unless there are many splits. */
#define CHANNELS 8
#define RUN 4
#define STEP ((size_t)32)
#define COLUMNS_MIN 8
#define DEEP_MAX 4

/* Work-items that a group should have: where the filters are too few for them, each step's sums are
 * split. Stated, as the next are, so that the order of a sum does not depend on the device. */
#define ITEMS 128
#define SPLITS_MAX 16

#define LOCAL_BYTES ((size_t)16 << 10) /* of a group, if it can */
#define ALIGNMENT (4 * sizeof(float))  /* of the gradients, behind the inputs */

/* Partial sums, in floats: those of about a thousand groups, which fill a large GPU; and how many
 * there are of a filter, at most. */
#define PARTIAL_FLOATS ((size_t)3 << 20)
#define CHUNKS_MAX 1024
#define PARTS_MAX 4096

/* Outputs that count as channels: with their taps, if transposed. */
static struct rt_shape outputs_of(const struct rt_tiled_weights *w, struct rt_shape x)
{
    x.c = (int)(w->transposed ? 4 * w->channels : w->channels);
    return x;
}

/* Filter rows of a work-item, so that the larger filters' sums stay in registers. */
static size_t rows_each(int kernel)
{
    return kernel == 1 ? 4 : kernel == 3 ? 2 : 1;
}

/* What is stated for filters between channels of these shapes. */
struct plan {
    size_t across, deep; /* work-items of the group that all filters would fill */
    size_t splits;
    size_t step, columns; /* places of a step, and its columns; the rest of it is rows */
};

/* The size of parts, `most` or less, that share `count` evenly. */
static size_t even_parts(size_t count, size_t most)
{
    return rt_ceil_div(count, rt_ceil_div(count, most));
}

static struct plan plan_for(int kernel, struct rt_shape in, struct rt_shape out)
{
    struct plan p = {.splits = 1};
    p.deep = rt_tile_fit(rt_ceil_div((size_t)out.c, CHANNELS), DEEP_MAX);
    p.across = even_parts(rt_ceil_div((size_t)(in.c * kernel), rows_each(kernel)), ITEMS / p.deep);
    while (p.across * p.deep * p.splits * 2 <= ITEMS && p.splits < SPLITS_MAX)
        p.splits *= 2;
    p.step = rt_larger(STEP, RUN * p.splits);
    p.columns = rt_larger(rt_tile_fit((size_t)in.w, p.step), COLUMNS_MIN);
    return p;
}

static struct rt_tile_group make_group(const struct rt_device *device, int kernel,
                                       struct rt_shape in, struct rt_shape out, size_t items)
{
    const size_t *sizes = rt_device_describe(device)->group_sizes;
    const struct plan p = plan_for(kernel, in, out);
    const size_t each = rows_each(kernel);
    const size_t pitch = (p.step / p.columns * (p.columns + (size_t)kernel - 1)) | 1;
    size_t deep = rt_tile_fit(p.deep, rt_smaller(items, sizes[1]));
    size_t across = even_parts(p.across, rt_smaller(items / deep, sizes[0])), bytes;
    for (;; across = rt_ceil_div(across, 2)) {
        bytes =
            sizeof(float) * (each * across * pitch + p.step * (CHANNELS * deep + 4)) + ALIGNMENT;
        if (across == 1 || bytes <= LOCAL_BYTES)
            break;
    }
    const size_t split = rt_tile_fit(p.splits, rt_smaller(items / (deep * across), sizes[2]));
    struct rt_tile_group g = {.local = {across, deep, split}, .local_bytes = bytes};
    snprintf(g.options, sizeof g.options,
             "-DVEC=1 -DKERNEL=%d -DACROSS=%zu -DDEEP=%zu -DEACH=%zu -DCOLUMNS=%zu -DSPLITS=%zu "
             "-DSPLIT=%zu",
             kernel, across, deep, each, p.columns, p.splits, split);
    return g;
}

/* How the batch is cut: an image into `bands` bands of rows, all images' into `chunks` chunks of
 * `each`, of which every one leaves `splits` sums. */
struct cut {
    size_t bands, each, chunks, parts;
    size_t filters; /* floats */
};

static struct cut cut_batch(const struct rt_device *device, const struct rt_tiled_weights *w,
                            struct rt_shape x)
{
    const struct rt_shape out = outputs_of(w, x);
    const struct plan p = plan_for(w->kernel, x, out);
    struct cut cut = {.bands = rt_ceil_div((size_t)x.h, p.step / p.columns),
                      .filters = (size_t)out.c * (size_t)x.c * (size_t)(w->kernel * w->kernel)};
    /* Less only on the smallest devices. */
    const size_t room = rt_smaller(PARTIAL_FLOATS, rt_device_describe(device)->buffer_bytes / 16);
    const size_t all = (size_t)x.n * cut.bands;
    const size_t most =
        rt_smaller(rt_smaller(room / (cut.filters * p.splits), PARTS_MAX / p.splits), CHUNKS_MAX);
    cut.each = rt_ceil_div(all, rt_larger(most, 1));
    cut.chunks = rt_ceil_div(all, cut.each);
    cut.parts = cut.chunks * p.splits;
    return cut;
}

size_t rt_tiled_weights_scratch(const struct rt_device *device,
                                const struct rt_tiled_weights *weights, struct rt_shape x)
{
    const struct cut cut = cut_batch(device, weights, x);
    return cut.parts > 1 ? cut.parts * cut.filters : 0;
}

rt_status rt_tiled_weights(const struct rt_op_call *call, const struct rt_tiled_weights *weights)
{
    const struct rt_tile_request request = {.file = "conv2d_tiled_weights.cl",
                                            .kernel = "tiled_weights",
                                            .options = weights->transposed ? " -DTRANSPOSED=1" : "",
                                            .times = 2,
                                            .make = make_group};
    const struct rt_shape in = call->x[0].shape, out = outputs_of(weights, in);
    const struct cut cut = cut_batch(call->device, weights, in);
    const struct rt_tensor *sums = cut.parts > 1 ? &call->scratch : &call->dp[0];
    const int kernel = weights->kernel, filter = kernel * kernel;
    struct rt_tile_group g;
    rt_status status = RT_OK;
    RT_TRY(rt_tile_group_choose(call->device, &request, kernel, in, out, &g));
    const struct rt_argument arguments[] = {RT_TENSOR(call->x[0]),
                                            RT_TENSOR(call->dy),
                                            rt_buffer_argument(sums->buffer),
                                            rt_ulong(sums->offset),
                                            rt_int(in.c),
                                            rt_int(out.c),
                                            rt_int(in.n),
                                            rt_int(in.h),
                                            rt_int(in.w),
                                            rt_int((int)cut.bands),
                                            rt_int((int)cut.each),
                                            rt_int(weights->transposed ? out.c : kernel),
                                            rt_int(weights->transposed ? 1 : in.c * filter)};
    RT_TRY(rt_device_launch(
        call->device, &(struct rt_launch){
                          .file = request.file,
                          .kernel = request.kernel,
                          .options = g.options,
                          .global = {rt_ceil_div((size_t)(in.c * kernel), rows_each(kernel)),
                                     rt_ceil_div((size_t)out.c, CHANNELS), cut.chunks * g.local[2]},
                          .local = {g.local[0], g.local[1], g.local[2]},
                          .arguments = arguments,
                          .count = sizeof arguments / sizeof *arguments}));
    if (cut.parts > 1)
        status = rt_sum_chunks(call->device, &call->scratch, &call->dp[0], cut.filters, cut.parts);
end:
    return status;
}
