#include <stdio.h>

#include "ops/op.h"
#include "ops/share.h"
#include "ops/reference.h"

#define OPTIONS_BYTES 24

static const char *options(const struct rt_pointwise *a, char *text)
{
    snprintf(text, OPTIONS_BYTES, "-DFUNCTION=%d", (int)a->function);
    return text;
}

static rt_status infer(const void *attributes, const struct rt_shape *x, struct rt_shape *y)
{
    const struct rt_pointwise *a = attributes;
    if (a->function == RT_POINTWISE_LEAKY && !(a->low > 0))
        return rt_fail(RT_ERROR_ARGUMENT, "a leaky ReLU has a slope above 0, not %g",
                       (double)a->low);
    if (a->function == RT_POINTWISE_CLIP && !(a->low < a->high))
        return rt_fail(RT_ERROR_ARGUMENT, "nothing lies within %g and %g", (double)a->low,
                       (double)a->high);
    *y = *x;
    return RT_OK;
}

static rt_status forward(const struct rt_op_call *call)
{
    const struct rt_pointwise *a = call->attributes;
    const struct rt_shape s = call->y.shape;
    const size_t size = (size_t)s.h * (size_t)s.w;
    const struct rt_share share = rt_share(call->device, size, (size_t)s.c);
    char text[OPTIONS_BYTES];
    return RT_LAUNCH(call->device, "pointwise.cl", "pointwise_forward", options(a, text),
                     (share.across, share.down, s.n), RT_TENSOR(call->x[0]), RT_TENSOR(call->y),
                     rt_int(s.c), rt_int((int)size), rt_float(a->low), rt_float(a->high),
                     rt_int(share.columns), rt_int(share.rows));
}

static rt_status backward(const struct rt_op_call *call)
{
    const struct rt_pointwise *a = call->attributes;
    const struct rt_shape s = call->dy.shape;
    const size_t size = (size_t)s.h * (size_t)s.w;
    const struct rt_share share = rt_share(call->device, size, (size_t)s.c);
    char text[OPTIONS_BYTES];
    if (!call->dx[0].buffer)
        return RT_OK;
    return RT_LAUNCH(call->device, "pointwise.cl", "pointwise_backward", options(a, text),
                     (share.across, share.down, s.n), RT_TENSOR(call->y), RT_TENSOR(call->dy),
                     RT_TENSOR(call->dx[0]), rt_int(s.c), rt_int((int)size), rt_float(a->low),
                     rt_float(a->high), rt_int(call->dx_add[0]), rt_int(share.columns),
                     rt_int(share.rows));
}

/* An exponential counts as one FLOP. */
static struct rt_cost cost(const void *attributes, const struct rt_shape *x,
                           enum rt_direction direction)
{
    const struct rt_pointwise *a = attributes;
    const double size = (double)rt_shape_size(*x);
    const bool forward = direction == RT_FORWARD;
    return (struct rt_cost){.flops = (a->function == RT_POINTWISE_SIGMOID ? 4 : 2) * size,
                            .bytes = (forward ? 8 : 12) * size};
}

const struct rt_op rt_op_pointwise = {
    .name = "pointwise",
    .attributes_size = sizeof(struct rt_pointwise),
    .inputs = 1,
    .backward_reads_y = true,
    .infer = infer,
    .forward = forward,
    .backward = backward,
    .cost = cost,
    .reference = rt_reference_pointwise,
};
