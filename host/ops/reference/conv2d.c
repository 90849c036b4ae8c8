#include "ops/reference.h"

#include <math.h>

/* y = act(bias + sum of w * x) */
static double value(const struct rt_reference *r, int n, int o, int i, int j)
{
    const struct rt_conv2d *a = r->attributes;
    const struct rt_shape in = r->x_shape[0], filter = r->parameters[0].shape;
    const int pad = a->kernel / 2;
    const int first =
        o / (a->channels / rt_conv2d_groups(a)) * filter.c; /* channel that it reads */
    double sum = a->bias ? r->p[1][o] : 0;
    for (int c = 0; c < filter.c; c++)
        for (int u = 0; u < a->kernel; u++)
            for (int v = 0; v < a->kernel; v++)
                sum += rt_value_at(r->p[0], filter, o, c, u, v) *
                       rt_value_at(r->x[0], in, n, first + c, i * a->stride + u - pad,
                                   j * a->stride + v - pad);
    return rt_reference_activation(r, &a->activation, sum, n, o, i, j);
}

void rt_reference_conv2d(struct rt_reference *r, const struct rt_tile *tile)
{
    rt_reference_each(r, tile, value);
}

/* The element of dz that (y, x) of the input reaches through one of the filter's weights. */
static double reached(const struct rt_reference *r, const double *dz, int o, int y, int x)
{
    const int stride = ((const struct rt_conv2d *)r->attributes)->stride;
    return y % stride == 0 && x % stride == 0
               ? rt_value_at(dz, r->y_shape, 0, o, y / stride, x / stride)
               : 0;
}

double rt_reference_conv2d_data(const struct rt_reference *r, const double *dz,
                                struct rt_shape place, double *magnitude)
{
    const struct rt_conv2d *a = r->attributes;
    const struct rt_shape filter = r->parameters[0].shape;
    const int pad = a->kernel / 2, outputs = a->channels / rt_conv2d_groups(a);
    const int c = place.c % filter.c, first = place.c / filter.c * outputs; /* that reads it */
    double sum = 0;
    *magnitude = 0;
    for (int o = first; o < first + outputs; o++)
        for (int u = 0; u < a->kernel; u++)
            for (int v = 0; v < a->kernel; v++) {
                const double term = rt_value_at(r->p[0], filter, o, c, u, v) *
                                    reached(r, dz, o, place.h + pad - u, place.w + pad - v);
                sum += term;
                *magnitude += fabs(term);
            }
    return sum;
}

double rt_reference_conv2d_parameter(const struct rt_reference *r, const double *dz,
                                     struct rt_shape place, double *magnitude)
{
    const struct rt_conv2d *a = r->attributes;
    const struct rt_shape out = r->y_shape;
    const int pad = a->kernel / 2;
    double sum = 0;
    *magnitude = 0;
    for (int n = 0; n < out.n; n++)
        for (int i = 0; i < out.h; i++)
            for (int j = 0; j < out.w; j++) {
                const double term =
                    rt_value_at(dz, out, n, 0, i, j) * rt_value_at(r->x[0], r->x_shape[0], n, 0,
                                                                   i * a->stride + place.h - pad,
                                                                   j * a->stride + place.w - pad);
                sum += term;
                *magnitude += fabs(term);
            }
    return sum;
}
