#include "ops/op.h"
#include "ops/share.h"
#include "ops/reference.h"

static const char *options(const void *attributes)
{
    const struct rt_pool *pool = attributes;
    return pool->mode == RT_POOL_MAX ? "-DMAX=1" : "-DMAX=0";
}

static rt_status infer(const void *attributes, const struct rt_shape *x, struct rt_shape *y)
{
    (void)attributes;
    if (x->h < 2 || x->w < 2)
        return rt_fail(RT_ERROR_ARGUMENT, "cannot pool %d x %d pixels: at least 2 x 2 are needed",
                       x->w, x->h);
    *y = (struct rt_shape){x->n, x->c, x->h / 2, x->w / 2};
    return RT_OK;
}

static rt_status forward(const struct rt_op_call *call)
{
    const struct rt_shape s = call->x[0].shape, y = call->y.shape;
    const struct rt_share share = rt_share(call->device, (size_t)y.w, (size_t)y.c * (size_t)y.h);
    return RT_LAUNCH(call->device, "pool.cl", "pool_forward", options(call->attributes),
                     (share.across, share.down, s.n), RT_TENSOR(call->x[0]), RT_TENSOR(call->y),
                     rt_int(s.c), rt_int(s.h), rt_int(s.w), rt_int(share.columns),
                     rt_int(share.rows));
}

static rt_status backward(const struct rt_op_call *call)
{
    const struct rt_shape s = call->dx[0].shape;
    const struct rt_share share =
        rt_share(call->device, ((size_t)s.w + 1) / 2, (size_t)s.c * (((size_t)s.h + 1) / 2));
    return RT_LAUNCH(call->device, "pool.cl", "pool_backward", options(call->attributes),
                     (share.across, share.down, s.n), RT_TENSOR(call->x[0]), RT_TENSOR(call->dy),
                     RT_TENSOR(call->dx[0]), rt_int(s.c), rt_int(s.h), rt_int(s.w),
                     rt_int(call->dx_add[0]), rt_int(share.columns), rt_int(share.rows));
}

/* A maximum is three comparisons a window either way, a mean three sums and a product. */
static struct rt_cost cost(const void *attributes, const struct rt_shape *x,
                           enum rt_direction direction)
{
    const struct rt_pool *pool = attributes;
    const double in = (double)rt_shape_size(*x), out = in / 4;
    const bool max = pool->mode == RT_POOL_MAX;
    if (direction == RT_FORWARD)
        return (struct rt_cost){.flops = (max ? 3 : 4) * out, .bytes = 4 * (in + out)};
    return (struct rt_cost){.flops = (max ? 3 : 1) * out,
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
