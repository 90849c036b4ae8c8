#include "ops/tiled.h"

#include <stdio.h>
#include <string.h>

size_t rt_tile_fit(size_t count, size_t most)
{
    size_t size = 1;
    while (size < count && size * 2 <= most)
        size *= 2;
    return size;
}

rt_status rt_tile_group_choose(struct rt_device *device, const struct rt_tile_request *request,
                               int kernel, struct rt_shape in, struct rt_shape out,
                               struct rt_tile_group *group)
{
    rt_status status = RT_OK;
    size_t items = (size_t)rt_device_group(device), limit = rt_device_describe(device)->group_size;
    for (size_t i = 1; items > 1 && i < request->times && items * 2 <= limit; i *= 2)
        items *= 2;
    for (;; items /= 2) {
        size_t most = 1;
        *group = request->make(device, kernel, in, out, items);
        strcat(group->options, request->options);
        if (items > 1 && group->local_bytes > rt_device_describe(device)->local_bytes)
            continue;
        RT_TRY(
            rt_device_kernel_items(device, request->file, request->kernel, group->options, &most));
        if (items == 1 || group->local[0] * group->local[1] * group->local[2] <= most)
            break;
    }
end:
    return status;
}

/* --- convolutions ---------------------------------------------------------------------------- */

/* As in cl/conv2d_tiled.cl: the outputs of a work-item. */
#define ROWS 4
#define CHANNELS 8

/* Local memory of a group, if the device has more, else half of it: one group alone would wait for
 * what it loads; and the input channels that it takes at a time, at most. */
#define LOCAL_BYTES ((size_t)32 << 10)
#define SLAB_MAX 8
#define ALIGNMENT (4 * sizeof(float)) /* of the filters, behind the inputs */

static size_t slab_bytes(const size_t local[3], size_t kernel)
{
    size_t columns = local[0] + kernel - 1, pitch = columns + (local[0] / 4 + 64 - columns) % 8;
    size_t in = (ROWS * local[1] + kernel - 1) * pitch;
    return sizeof(float) * (in + kernel * kernel * (CHANNELS * local[2] + 4));
}

static struct rt_tile_group convolve_group(const struct rt_device *device, int kernel,
                                           struct rt_shape in, struct rt_shape out, size_t items)
{
    const size_t *sizes = rt_device_describe(device)->group_sizes;
    const size_t bytes_of_device = rt_device_describe(device)->local_bytes;
    const size_t room = bytes_of_device > LOCAL_BYTES ? LOCAL_BYTES : bytes_of_device / 2;
    const size_t rows = rt_ceil_div((size_t)out.h, ROWS);
    const size_t across = rt_tile_fit((size_t)out.w, rt_smaller(rt_smaller(16, items), sizes[0]));
    items /= across;
    size_t down = rt_tile_fit(rows, rt_smaller(rt_smaller(2, items), sizes[1]));
    const size_t deep =
        rt_tile_fit(rt_ceil_div((size_t)out.c, CHANNELS), rt_smaller(items / down, sizes[2]));
    down = rt_tile_fit(rows, rt_smaller(items / deep, sizes[1]));
    struct rt_tile_group g = {.local = {across, down, deep}};
    const size_t bytes = slab_bytes(g.local, (size_t)kernel);
    const size_t slab = rt_tile_fit((size_t)in.c, rt_smaller(SLAB_MAX, (room - ALIGNMENT) / bytes));
    g.local_bytes = slab * bytes + ALIGNMENT;
    snprintf(g.options, sizeof g.options,
             "-DVEC=1 -DKERNEL=%d -DACROSS=%zu -DDOWN=%zu -DDEEP=%zu -DSLAB=%zu", kernel, across,
             down, deep, slab);
    return g;
}

/* A tensor whose 2x2 blocks of pixels count as four channels of one. */
static struct rt_shape blocks_of(struct rt_shape s)
{
    return (struct rt_shape){s.n, 4 * s.c, s.h / 2, s.w / 2};
}

rt_status rt_tiled_convolve(const struct rt_op_call *call, const struct rt_tensor *x,
                            const struct rt_tensor *y, const struct rt_tiled_convolution *c)
{
    const struct rt_tile_request request = {.file = "conv2d_tiled.cl",
                                            .kernel = "tiled_convolve",
                                            .options = c->spread   ? " -DSPREAD=1"
                                                       : c->gather ? " -DGATHER=1"
                                                                   : "",
                                            .times = 4,
                                            .make = convolve_group};
    const struct rt_shape in = c->gather ? blocks_of(x->shape) : x->shape;
    const struct rt_shape out = c->spread ? blocks_of(y->shape) : y->shape;
    struct rt_tile_group g;
    rt_status status = rt_tile_group_choose(call->device, &request, c->kernel, in, out, &g);
    if (status < 0)
        return status;
    const size_t tiles = rt_ceil_div((size_t)out.c, CHANNELS * g.local[2]) * g.local[2];
    const struct rt_argument arguments[] = {RT_TENSOR(*x),
                                            RT_TENSOR(*y),
                                            rt_buffer_argument(call->p[0].buffer),
                                            rt_ulong(call->p[0].offset),
                                            rt_buffer_argument(c->bias.buffer),
                                            rt_ulong(c->bias.offset),
                                            rt_int(in.c),
                                            rt_int(out.c),
                                            rt_int(in.h),
                                            rt_int(in.w),
                                            rt_int((int)tiles),
                                            rt_int(c->out_step),
                                            rt_int(c->in_step),
                                            rt_int(c->turn),
                                            rt_int(c->relu),
                                            RT_DROPOUT(c->dropout),
                                            rt_int(c->add)};
    return rt_device_launch(
        call->device,
        &(struct rt_launch){
            .file = request.file,
            .kernel = request.kernel,
            .options = g.options,
            .global = {(size_t)out.w, rt_ceil_div((size_t)out.h, ROWS), tiles * (size_t)out.n},
            .local = {g.local[0], g.local[1], g.local[2]},
            .arguments = arguments,
            .count = sizeof arguments / sizeof *arguments});
}
