#include "ops/reference.h"

/* y = act(bias + sum of w * x) */
static double value(const struct rt_reference *r, int n, int o, int i, int j)
{
    const struct rt_conv2d *a = r->attributes;
    const struct rt_shape in = r->x_shape[0], filter = r->parameters[0].shape;
    const int pad = a->kernel / 2;
    double sum = a->bias ? r->p[1][o] : 0;
    for (int c = 0; c < in.c; c++)
        for (int u = 0; u < a->kernel; u++)
            for (int v = 0; v < a->kernel; v++)
                sum += rt_value_at(r->p[0], filter, o, c, u, v) *
                       rt_value_at(r->x[0], in, n, c, i * a->stride + u - pad,
                                   j * a->stride + v - pad);
    return rt_reference_activation(r, &a->activation, sum, n, o, i, j);
}

void rt_reference_conv2d(struct rt_reference *r, const struct rt_tile *tile)
{
    rt_reference_each(r, tile, value);
}
