#include "ops/activation.h"

#include <math.h>
#include <stdio.h>

#include "base/random.h"
#include "ops/share.h"

#define CHUNK 4096 /* as in cl/activation.cl */

/* More chunks than these are summed up in two passes, of about as many work-items in a row each:
 * one alone would leave a GPU waiting for memory. Exact math has an order of its own. */
#define CHUNKS_AT_ONCE 32

#define OPTIONS_BYTES 32

struct rt_dropout rt_dropout_of(const struct rt_op_call *call,
                                const struct rt_activation *activation)
{
    struct rt_dropout dropout = {.scale = 1};
    if (!call->training || activation->dropout <= 0)
        return dropout;
    uint32_t words[4];
    rt_philox(call->seed, (uint32_t[4]){call->node, 0, 0, 0x64726f70}, words);
    dropout.threshold = (uint32_t)lrintf(activation->dropout * 65536);
    dropout.scale = 65536.0f / (float)(65536 - dropout.threshold);
    dropout.key = words[0] | (uint64_t)words[1] << 32;
    dropout.step = call->step;
    dropout.image = call->image;
    return dropout;
}

static size_t chunks_of(struct rt_shape y)
{
    return ((size_t)y.h * (size_t)y.w + CHUNK - 1) / CHUNK;
}

size_t rt_activation_scratch(struct rt_shape y)
{
    return (size_t)y.n * (size_t)y.c * chunks_of(y);
}

/* The work-items that share a chunk, and the options that say so: as many as the device likes and
 * the built kernel can have. */
static rt_status items_of(struct rt_device *device, char options[OPTIONS_BYTES], size_t *items)
{
    rt_status status = RT_OK;
    /* In exact mode a group has no more than the 256 lanes that its sums have. */
    const size_t lanes = 256 / (size_t)rt_device_vector(device);
    *items = (size_t)rt_device_group(device);
    if (rt_device_is_exact(device) && *items > lanes)
        *items = lanes;
    for (;; *items /= 2) {
        size_t most = 1;
        snprintf(options, OPTIONS_BYTES, "-DITEMS=%zu", *items);
        RT_TRY(
            rt_device_kernel_items(device, "activation.cl", "activation_backward", options, &most));
        if (*items == 1 || *items <= most)
            break;
    }
end:
    return status;
}

/* Of `chunks` chunks that lie `step` floats apart, every `each` of them become one. */
static rt_status sum_groups(struct rt_device *device, const struct rt_tensor *from,
                            const struct rt_tensor *to, size_t count, size_t chunks, size_t step,
                            size_t each, bool add)
{
    const size_t vector = (size_t)rt_device_vector(device);
    return RT_LAUNCH(device, "reduce.cl", "sum_chunks", NULL,
                     (rt_ceil_div(count, vector), rt_ceil_div(chunks, each), 1),
                     rt_buffer_argument(from->buffer), rt_ulong(from->offset),
                     rt_buffer_argument(to->buffer), rt_ulong(to->offset), rt_int((int)count),
                     rt_int((int)chunks), rt_ulong(step), rt_int((int)each), rt_int(add));
}

rt_status rt_add_chunks(struct rt_device *device, const struct rt_tensor *from,
                        const struct rt_tensor *to, size_t count, size_t chunks, bool add)
{
    rt_status status = RT_OK;
    size_t step = count, each = 1;
    if (chunks > CHUNKS_AT_ONCE && !rt_device_is_exact(device)) {
        while (each * each < chunks)
            each *= 2;
        RT_TRY(sum_groups(device, from, from, count, chunks, step, each, false));
        chunks = rt_ceil_div(chunks, each);
        step *= each;
    }
    status = sum_groups(device, from, to, count, chunks, step, chunks, add);
end:
    return status;
}

rt_status rt_activation_backward(const struct rt_op_call *call,
                                 const struct rt_activation *activation,
                                 const struct rt_tensor *dbias)
{
    rt_status status = RT_OK;
    const struct rt_shape s = call->dy.shape;
    struct rt_dropout dropout = rt_dropout_of(call, activation);
    struct rt_tensor partial = dbias->buffer ? call->scratch : RT_TENSOR_NONE;
    size_t chunks = chunks_of(s), items;
    char options[OPTIONS_BYTES];
    if (!activation->relu && !dbias->buffer)
        return RT_OK;
    RT_TRY(items_of(call->device, options, &items));
    const struct rt_argument arguments[] = {RT_TENSOR(call->dy),
                                            RT_TENSOR(call->y),
                                            rt_buffer_argument(partial.buffer),
                                            rt_ulong(partial.offset),
                                            rt_int(s.c),
                                            rt_int(s.n),
                                            rt_int(s.h * s.w),
                                            rt_int(activation->relu),
                                            rt_float(dropout.scale)};
    RT_TRY(rt_device_launch(
        call->device, &(struct rt_launch){.file = "activation.cl",
                                          .kernel = "activation_backward",
                                          .options = options,
                                          .global = {chunks * items, (size_t)s.c, (size_t)s.n},
                                          .local = {items, 1, 1},
                                          .arguments = arguments,
                                          .count = sizeof arguments / sizeof *arguments}));
    if (dbias->buffer)
        status = rt_add_chunks(call->device, &partial, dbias, (size_t)s.c, (size_t)s.n * chunks,
                               call->dp_add);
end:
    return status;
}

rt_status rt_sum_chunks(struct rt_device *device, const struct rt_tensor *from,
                        const struct rt_tensor *to, size_t count, size_t chunks)
{
    return rt_add_chunks(device, from, to, count, chunks, false);
}
