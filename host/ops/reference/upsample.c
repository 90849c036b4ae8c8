#include "ops/reference.h"

/* The pixel, that of the nearest edge where it lies outside the plane. */
static double clamped(const struct rt_reference *r, int n, int c, int y, int x)
{
    const struct rt_shape s = r->x_shape[0];
    y = y < 0 ? 0 : y < s.h ? y : s.h - 1;
    x = x < 0 ? 0 : x < s.w ? x : s.w - 1;
    return r->x[0][rt_element(s, n, c, y, x)];
}

/* Pixel i of y lies at (i + 1/2) / 2 - 1/2 = `first` + `share` in x. */
static void place(int i, int *first, double *share)
{
    *first = (i + 1) / 2 - 1;
    *share = i % 2 ? 0.25 : 0.75;
}

static double value(const struct rt_reference *r, int n, int c, int i, int j)
{
    const struct rt_upsample *upsample = r->attributes;
    int y, x;
    double dy, dx;
    if (upsample->mode == RT_UPSAMPLE_NEAREST)
        return clamped(r, n, c, i / 2, j / 2);
    place(i, &y, &dy);
    place(j, &x, &dx);
    return (1 - dy) * (1 - dx) * clamped(r, n, c, y, x) +
           (1 - dy) * dx * clamped(r, n, c, y, x + 1) + dy * (1 - dx) * clamped(r, n, c, y + 1, x) +
           dy * dx * clamped(r, n, c, y + 1, x + 1);
}

void rt_reference_upsample(struct rt_reference *r, const struct rt_tile *tile)
{
    rt_reference_each(r, tile, value);
}
