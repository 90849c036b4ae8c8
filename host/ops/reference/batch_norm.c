#include "ops/reference.h"

#include <math.h>

/* Mean and variance of channel c over the batch; the running ones move as PyTorch's do. */
static void statistics(struct rt_reference *r, int c, double *mean, double *variance)
{
    const struct rt_batch_norm *a = r->attributes;
    const struct rt_shape s = r->x_shape[0];
    const double count = (double)s.n * s.h * s.w;
    *mean = r->p[2][c];
    *variance = r->p[3][c];
    if (!r->training)
        return;
    double sum = 0, squares = 0;
    for (int n = 0; n < s.n; n++)
        for (int i = 0; i < s.h * s.w; i++)
            sum += rt_value_at(r->x[0], s, n, c, i / s.w, i % s.w);
    *mean = sum / count;
    for (int n = 0; n < s.n; n++)
        for (int i = 0; i < s.h * s.w; i++)
            squares += pow(rt_value_at(r->x[0], s, n, c, i / s.w, i % s.w) - *mean, 2);
    *variance = squares / count;
    r->p[2][c] += (double)a->momentum * (*mean - r->p[2][c]);
    r->p[3][c] += (double)a->momentum * (squares / fmax(count - 1, 1) - r->p[3][c]);
}

void rt_reference_batch_norm(struct rt_reference *r, const struct rt_tile *tile)
{
    const struct rt_batch_norm *a = r->attributes;
    const struct rt_shape s = r->y_shape, from = tile->first, size = tile->size;
    for (int c = from.c; c < from.c + size.c; c++) {
        double mean, variance;
        statistics(r, c, &mean, &variance);
        for (int n = from.n; n < from.n + size.n; n++)
            for (int i = from.h; i < from.h + size.h; i++)
                for (int j = from.w; j < from.w + size.w; j++) {
                    const size_t place = rt_element(s, n, c, i, j);
                    const double x = (r->x[0][place] - mean) / sqrt(variance + (double)a->epsilon);
                    r->y[place] = rt_reference_activation(r, &a->activation,
                                                          r->p[0][c] * x + r->p[1][c], n, c, i, j);
                }
    }
}
