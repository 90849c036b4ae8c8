#include "ops/reference.h"

#include <math.h>

static double value(const struct rt_reference *r, int n, int c, int i, int j)
{
    const struct rt_pool *pool = r->attributes;
    const double *upper = r->x[0] + rt_element(r->x_shape[0], n, c, 2 * i, 2 * j),
                 *lower = upper + r->x_shape[0].w;
    if (pool->mode == RT_POOL_MAX)
        return fmax(fmax(upper[0], upper[1]), fmax(lower[0], lower[1]));
    return (upper[0] + upper[1] + lower[0] + lower[1]) / 4;
}

void rt_reference_pool(struct rt_reference *r, const struct rt_tile *tile)
{
    rt_reference_each(r, tile, value);
}
