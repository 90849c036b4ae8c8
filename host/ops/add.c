#include "ops/op.h"
#include "ops/share.h"
#include "ops/reference.h"

static rt_status infer(const void *attributes, const struct rt_shape *x, struct rt_shape *y)
{
    (void)attributes;
    if (x[0].n != x[1].n || x[0].c != x[1].c || x[0].h != x[1].h || x[0].w != x[1].w)
        return rt_fail(RT_ERROR_ARGUMENT,
                       "cannot add %d images of %d channels and %d x %d pixels to %d of %d and "
                       "%d x %d",
                       x[1].n, x[1].c, x[1].w, x[1].h, x[0].n, x[0].c, x[0].w, x[0].h);
    *y = x[0];
    return RT_OK;
}

static rt_status forward(const struct rt_op_call *call)
{
    const struct rt_add *a = call->attributes;
    const struct rt_shape s = call->y.shape;
    const size_t size = (size_t)s.h * (size_t)s.w;
    const struct rt_share share = rt_share(call->device, size, (size_t)s.c);
    return RT_LAUNCH(call->device, "add.cl", "add_forward", NULL, (share.across, share.down, s.n),
                     RT_TENSOR(call->x[0]), RT_TENSOR(call->x[1]), RT_TENSOR(call->y), rt_int(s.c),
                     rt_int((int)size), rt_int(a->relu), rt_int(share.columns), rt_int(share.rows));
}

static rt_status backward(const struct rt_op_call *call)
{
    const struct rt_add *a = call->attributes;
    const struct rt_shape s = call->dy.shape;
    const size_t size = (size_t)s.h * (size_t)s.w;
    const struct rt_share share = rt_share(call->device, size, (size_t)s.c);
    rt_status status = RT_OK;
    for (int i = 0; i < 2; i++)
        if (call->dx[i].buffer)
            RT_TRY(RT_LAUNCH(call->device, "add.cl", "add_backward", NULL,
                             (share.across, share.down, s.n), RT_TENSOR(call->y),
                             RT_TENSOR(call->dy), RT_TENSOR(call->dx[i]), rt_int(s.c),
                             rt_int((int)size), rt_int(a->relu), rt_int(call->dx_add[i]),
                             rt_int(share.columns), rt_int(share.rows)));
end:
    return status;
}

/* Backward each of the two gradients reads dy, and with ReLU y. */
static struct rt_cost cost(const void *attributes, const struct rt_shape *x,
                           enum rt_direction direction)
{
    const struct rt_add *a = attributes;
    const double size = (double)rt_shape_size(x[0]), relu = a->relu;
    if (direction == RT_FORWARD)
        return (struct rt_cost){.flops = (1 + relu) * size, .bytes = 12 * size};
    return (struct rt_cost){.flops = 2 * relu * size, .bytes = 2 * (8 + 4 * relu) * size};
}

const struct rt_op rt_op_add = {
    .name = "add",
    .attributes_size = sizeof(struct rt_add),
    .inputs = 2,
    .backward_reads_y = true,
    .infer = infer,
    .forward = forward,
    .backward = backward,
    .cost = cost,
    .reference = rt_reference_add,
};
