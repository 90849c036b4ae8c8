#include "ops/op.h"
#include "ops/share.h"
#include "ops/reference.h"

static rt_status infer(const void *attributes, const struct rt_shape *x, struct rt_shape *y)
{
    (void)attributes;
    if (x[0].n != x[1].n || x[0].h != x[1].h || x[0].w != x[1].w)
        return rt_fail(RT_ERROR_ARGUMENT,
                       "cannot concatenate %d images of %d x %d pixels with %d of %d x %d", x[0].n,
                       x[0].w, x[0].h, x[1].n, x[1].w, x[1].h);
    *y = (struct rt_shape){x[0].n, x[0].c + x[1].c, x[0].h, x[0].w};
    return RT_OK;
}

/* The channels of a concatenation that its input number `i` of this shape has: a view. */
static struct rt_tensor part(struct rt_tensor whole, struct rt_shape shape, int i)
{
    if (i == 1)
        whole.offset += (size_t)(whole.shape.c - shape.c) * whole.plane;
    whole.shape = shape;
    return whole;
}

static rt_status copy(struct rt_device *device, struct rt_tensor from, struct rt_tensor to,
                      bool add)
{
    const struct rt_shape s = to.shape;
    const size_t size = (size_t)s.h * (size_t)s.w;
    const struct rt_share share = rt_share(device, size, (size_t)s.c);
    if (from.buffer == to.buffer && from.offset == to.offset)
        return RT_OK; /* the plan laid one over the other */
    return RT_LAUNCH(device, "concat.cl", "concat_copy", NULL, (share.across, share.down, s.n),
                     RT_TENSOR(from), RT_TENSOR(to), rt_int(s.c), rt_int((int)size), rt_int(add),
                     rt_int(share.columns), rt_int(share.rows));
}

static rt_status forward(const struct rt_op_call *call)
{
    rt_status status = RT_OK;
    for (int i = 0; i < 2; i++)
        RT_TRY(copy(call->device, call->x[i], part(call->y, call->x[i].shape, i), false));
end:
    return status;
}

static rt_status backward(const struct rt_op_call *call)
{
    rt_status status = RT_OK;
    for (int i = 0; i < 2; i++)
        if (call->dx[i].buffer)
            RT_TRY(copy(call->device, part(call->dy, call->dx[i].shape, i), call->dx[i],
                        call->dx_add[i]));
end:
    return status;
}

static struct rt_cost cost(const void *attributes, const struct rt_shape *x,
                           enum rt_direction direction)
{
    (void)attributes;
    (void)direction;
    return (struct rt_cost){.bytes =
                                8 * ((double)rt_shape_size(x[0]) + (double)rt_shape_size(x[1]))};
}

const struct rt_op rt_op_concat = {
    .name = "concat",
    .inputs = 2,
    .identity = true,
    .infer = infer,
    .forward = forward,
    .backward = backward,
    .cost = cost,
    .reference = rt_reference_concat,
};
