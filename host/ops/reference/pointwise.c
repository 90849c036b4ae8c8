#include "ops/reference.h"

#include <math.h>

static double value(const struct rt_reference *r, int n, int c, int i, int j)
{
    const struct rt_pointwise *a = r->attributes;
    const double x = r->x[0][rt_element(r->x_shape[0], n, c, i, j)], low = (double)a->low;
    if (a->function == RT_POINTWISE_SIGMOID)
        return 1 / (1 + exp(-x));
    if (a->function == RT_POINTWISE_LEAKY)
        return x < 0 ? low * x : x;
    return fmin(fmax(x, low), (double)a->high);
}

void rt_reference_pointwise(struct rt_reference *r, const struct rt_tile *tile)
{
    rt_reference_each(r, tile, value);
}
