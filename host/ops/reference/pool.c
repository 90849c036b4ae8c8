#include "ops/reference.h"

#include <math.h>

static double value(const struct rt_reference *r, int n, int c, int i, int j)
{
    const struct rt_pool *pool = r->attributes;
    const struct rt_shape s = r->x_shape[0];
    const bool usual = rt_pool_halves(pool), max = pool->mode == RT_POOL_MAX;
    const int kernel = usual ? 2 : pool->kernel, stride = usual ? 2 : pool->stride;
    double largest = -INFINITY, sum = 0;
    for (int u = 0; u < kernel; u++)
        for (int v = 0; v < kernel; v++) {
            const int y = i * stride - pool->pad + u, x = j * stride - pool->pad + v;
            if (y < 0 || x < 0 || y >= s.h || x >= s.w)
                continue;
            largest = fmax(largest, r->x[0][rt_element(s, n, c, y, x)]);
            sum += r->x[0][rt_element(s, n, c, y, x)];
        }
    return max ? largest : sum / (kernel * kernel);
}

void rt_reference_pool(struct rt_reference *r, const struct rt_tile *tile)
{
    rt_reference_each(r, tile, value);
}
