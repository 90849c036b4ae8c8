/* What the kernels are judged by: every operation on the host in double, straight from its
 * definition. The tests, `retort doctor` and a run's check of itself all compare with these. */
#ifndef RT_OPS_REFERENCE_H
#define RT_OPS_REFERENCE_H

#include "ops/op.h"

/* A forward call whose tensors are contiguous arrays [n, c, h, w]. */
struct rt_reference {
    const void *attributes;
    struct rt_shape x_shape[RT_OP_INPUTS], y_shape;
    struct rt_parameter parameters[RT_OP_PARAMETERS];
    double *x[RT_OP_INPUTS], *p[RT_OP_PARAMETERS]; /* p: states are written, too, in training */
    double *y;
    bool training;
    uint64_t seed;
    uint32_t node, step, image;
    int channel; /* the number of the first one, where only some are looked at */
};

/* Some elements of y: so many in each dimension from the first on. */
struct rt_tile {
    struct rt_shape first, size;
};

/* All of y. */
static inline struct rt_tile rt_tile_whole(struct rt_shape shape)
{
    return (struct rt_tile){{0, 0, 0, 0}, shape};
}

/* Element (n, c, y, x) of a contiguous array. */
static inline size_t rt_element(struct rt_shape s, int n, int c, int y, int x)
{
    return ((size_t)(n * s.c + c) * (size_t)s.h + (size_t)y) * (size_t)s.w + (size_t)x;
}

/* Its value, 0 outside the plane. */
static inline double rt_value_at(const double *array, struct rt_shape s, int n, int c, int y, int x)
{
    return y < 0 || x < 0 || y >= s.h || x >= s.w ? 0 : array[rt_element(s, n, c, y, x)];
}

/* Computes the tile of r->y by `value`, which gives one element of it. */
void rt_reference_each(struct rt_reference *r, const struct rt_tile *tile,
                       double (*value)(const struct rt_reference *r, int n, int c, int i, int j));

/* The value of element (n, c, i, j) of r->y after the activation, dropout drawn as cl/common.cl
 * says. */
double rt_reference_activation(const struct rt_reference *r, const struct rt_activation *activation,
                               double value, int n, int c, int i, int j);

/* rt_op.reference of the operations, and what belongs to it. */
void rt_reference_add(struct rt_reference *r, const struct rt_tile *tile);
void rt_reference_batch_norm(struct rt_reference *r, const struct rt_tile *tile);
void rt_reference_concat(struct rt_reference *r, const struct rt_tile *tile);
void rt_reference_conv2d(struct rt_reference *r, const struct rt_tile *tile);
double rt_reference_conv2d_data(const struct rt_reference *r, const double *dz,
                                struct rt_shape place, double *magnitude);
double rt_reference_conv2d_parameter(const struct rt_reference *r, const double *dz,
                                     struct rt_shape place, double *magnitude);
void rt_reference_conv_transpose2d(struct rt_reference *r, const struct rt_tile *tile);
void rt_reference_pointwise(struct rt_reference *r, const struct rt_tile *tile);
void rt_reference_pool(struct rt_reference *r, const struct rt_tile *tile);
void rt_reference_upsample(struct rt_reference *r, const struct rt_tile *tile);

#endif
