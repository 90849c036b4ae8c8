#include "ops/reference.h"

static double value(const struct rt_reference *r, int n, int o, int i, int j)
{
    const struct rt_shape in = r->x_shape[0], filter = r->parameters[0].shape;
    double sum = r->p[1][o];
    for (int c = 0; c < in.c; c++)
        sum += rt_value_at(r->p[0], filter, c, o, i % 2, j % 2) *
               rt_value_at(r->x[0], in, n, c, i / 2, j / 2);
    return sum;
}

void rt_reference_conv_transpose2d(struct rt_reference *r, const struct rt_tile *tile)
{
    rt_reference_each(r, tile, value);
}
