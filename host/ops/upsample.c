#include "ops/op.h"
#include "ops/share.h"
#include "ops/reference.h"

static const char *options(const struct rt_upsample *upsample)
{
    return upsample->mode == RT_UPSAMPLE_BILINEAR ? "-DBILINEAR=1" : "-DBILINEAR=0";
}

static rt_status infer(const void *attributes, const struct rt_shape *x, struct rt_shape *y)
{
    (void)attributes;
    *y = (struct rt_shape){x->n, x->c, 2 * x->h, 2 * x->w};
    return RT_OK;
}

static rt_status forward(const struct rt_op_call *call)
{
    const struct rt_shape s = call->x[0].shape;
    const struct rt_share share = rt_share(call->device, (size_t)s.w, (size_t)s.c * (size_t)s.h);
    return RT_LAUNCH(call->device, "upsample.cl", "upsample_forward", options(call->attributes),
                     (share.across, share.down, s.n), RT_TENSOR(call->x[0]), RT_TENSOR(call->y),
                     rt_int(s.c), rt_int(s.h), rt_int(s.w), rt_int(share.columns),
                     rt_int(share.rows));
}

static rt_status backward(const struct rt_op_call *call)
{
    const struct rt_shape s = call->dx[0].shape;
    const struct rt_share share = rt_share(call->device, (size_t)s.w, (size_t)s.c * (size_t)s.h);
    return RT_LAUNCH(call->device, "upsample.cl", "upsample_backward", options(call->attributes),
                     (share.across, share.down, s.n), RT_TENSOR(call->dy), RT_TENSOR(call->dx[0]),
                     rt_int(s.c), rt_int(s.h), rt_int(s.w), rt_int(call->dx_add[0]),
                     rt_int(share.columns), rt_int(share.rows));
}

/* Bilinear: a pixel of y is a mean of two means, each a product and a multiply-add (3 FLOPs), and
 * two pixels of a row share the vertical ones. Backward takes the same steps the other way and
 * three sums a pixel of x, as nearest does alone. */
static struct rt_cost cost(const void *attributes, const struct rt_shape *x,
                           enum rt_direction direction)
{
    const struct rt_upsample *upsample = attributes;
    const double in = (double)rt_shape_size(*x), out = 4 * in;
    const double mixing = upsample->mode == RT_UPSAMPLE_BILINEAR ? 4.5 * out : 0;
    return (struct rt_cost){.flops = direction == RT_FORWARD ? mixing : mixing + 3 * in,
                            .bytes = 4 * (in + out)};
}

const struct rt_op rt_op_upsample = {
    .name = "upsample",
    .attributes_size = sizeof(struct rt_upsample),
    .inputs = 1,
    .infer = infer,
    .forward = forward,
    .backward = backward,
    .cost = cost,
    .reference = rt_reference_upsample,
};
