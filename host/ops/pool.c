#include <stdio.h>

#include "ops/op.h"
#include "ops/share.h"
#include "ops/reference.h"

#define OPTIONS_BYTES 64

static const char *options(const struct rt_pool *pool, char *text)
{
    const int max = pool->mode == RT_POOL_MAX;
    if (rt_pool_halves(pool))
        snprintf(text, OPTIONS_BYTES, "-DMAX=%d", max);
    else
        snprintf(text, OPTIONS_BYTES, "-DMAX=%d -DKERNEL=%d -DSTRIDE=%d -DPAD=%d", max,
                 pool->kernel, pool->stride, pool->pad);
    return text;
}

static rt_status infer_windows(const struct rt_pool *pool, const struct rt_shape *x,
                               struct rt_shape *y)
{
    const int k = pool->kernel, s = pool->stride, pad = pool->pad;
    if (k < 1 || s < 1 || pad < 0 || 2 * pad > k)
        return rt_fail(RT_ERROR_ARGUMENT,
                       "windows to pool have a side and a stride of at least 1, and begin at most "
                       "half a side before the image: not %d, %d and %d",
                       k, s, pad);
    if (x->h + 2 * pad < k || x->w + 2 * pad < k)
        return rt_fail(RT_ERROR_ARGUMENT,
                       "cannot pool %d x %d pixels: a window has %d x %d, of which %d may lie "
                       "outside on each side",
                       x->w, x->h, k, k, pad);
    *y = (struct rt_shape){x->n, x->c, (x->h + 2 * pad - k) / s + 1, (x->w + 2 * pad - k) / s + 1};
    return RT_OK;
}

static rt_status infer(const void *attributes, const struct rt_shape *x, struct rt_shape *y)
{
    if (!rt_pool_halves(attributes))
        return infer_windows(attributes, x, y);
    if (x->h < 2 || x->w < 2)
        return rt_fail(RT_ERROR_ARGUMENT, "cannot pool %d x %d pixels: at least 2 x 2 are needed",
                       x->w, x->h);
    *y = (struct rt_shape){x->n, x->c, x->h / 2, x->w / 2};
    return RT_OK;
}

/* What a pixel counts for in a mean. */
static float share_of(const struct rt_pool *pool)
{
    return 1 / (float)(pool->kernel * pool->kernel);
}

static rt_status forward(const struct rt_op_call *call)
{
    const struct rt_pool *pool = call->attributes;
    const struct rt_shape s = call->x[0].shape, y = call->y.shape;
    const struct rt_share share = rt_share(call->device, (size_t)y.w, (size_t)y.c * (size_t)y.h);
    char text[OPTIONS_BYTES];
    if (!rt_pool_halves(pool))
        return RT_LAUNCH(call->device, "pool_window.cl", "pool_window_forward", options(pool, text),
                         (y.h, y.c, y.n), RT_TENSOR(call->x[0]), RT_TENSOR(call->y), rt_int(s.c),
                         rt_int(s.h), rt_int(s.w), rt_int(y.h), rt_int(y.w),
                         rt_float(share_of(pool)));
    return RT_LAUNCH(call->device, "pool.cl", "pool_forward", options(pool, text),
                     (share.across, share.down, s.n), RT_TENSOR(call->x[0]), RT_TENSOR(call->y),
                     rt_int(s.c), rt_int(s.h), rt_int(s.w), rt_int(share.columns),
                     rt_int(share.rows));
}

static rt_status backward(const struct rt_op_call *call)
{
    const struct rt_pool *pool = call->attributes;
    const struct rt_shape s = call->dx[0].shape, y = call->dy.shape;
    const struct rt_share share =
        rt_share(call->device, ((size_t)s.w + 1) / 2, (size_t)s.c * (((size_t)s.h + 1) / 2));
    char text[OPTIONS_BYTES];
    if (!rt_pool_halves(pool))
        return RT_LAUNCH(call->device, "pool_window.cl", "pool_window_backward",
                         options(pool, text), (s.h, s.c, s.n), RT_TENSOR(call->x[0]),
                         RT_TENSOR(call->dy), RT_TENSOR(call->dx[0]), rt_int(s.c), rt_int(s.h),
                         rt_int(s.w), rt_int(y.h), rt_int(y.w), rt_float(share_of(pool)),
                         rt_int(call->dx_add[0]));
    return RT_LAUNCH(call->device, "pool.cl", "pool_backward", options(pool, text),
                     (share.across, share.down, s.n), RT_TENSOR(call->x[0]), RT_TENSOR(call->dy),
                     RT_TENSOR(call->dx[0]), rt_int(s.c), rt_int(s.h), rt_int(s.w),
                     rt_int(call->dx_add[0]), rt_int(share.columns), rt_int(share.rows));
}

/* A maximum is a comparison less than a window has pixels, either way; a mean a sum less, and a
 * product. */
static struct rt_cost cost(const void *attributes, const struct rt_shape *x,
                           enum rt_direction direction)
{
    const struct rt_pool *pool = attributes;
    struct rt_shape y;
    if (infer(attributes, x, &y) < 0)
        return (struct rt_cost){0};
    const double in = (double)rt_shape_size(*x), out = (double)rt_shape_size(y);
    const double pixels = rt_pool_halves(pool) ? 4 : (double)pool->kernel * pool->kernel;
    const bool max = pool->mode == RT_POOL_MAX;
    if (direction == RT_FORWARD)
        return (struct rt_cost){.flops = (pixels - max) * out, .bytes = 4 * (in + out)};
    return (struct rt_cost){.flops = (max ? pixels - 1 : pixels / 4) * out,
                            .bytes = 4 * (max ? 2 * in : in) + 4 * out};
}

const struct rt_op rt_op_pool = {
    .name = "pool",
    .attributes_size = sizeof(struct rt_pool),
    .inputs = 1,
    .backward_reads_x = true,
    .infer = infer,
    .forward = forward,
    .backward = backward,
    .cost = cost,
    .reference = rt_reference_pool,
};
