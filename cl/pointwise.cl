/* A function of every element of a tensor [n, c, h, w] alone. One work-item takes `columns` floats
 * of `rows` planes of `size` floats. */

#define CLIP 0    /* x within low .. high */
#define LEAKY 1   /* x above 0, low * x below; 0 < low */
#define SIGMOID 2 /* 1 / (1 + exp(-x)) */
#ifndef FUNCTION
#define FUNCTION CLIP
#endif

static inline vec value_of(vec x, float low, float high)
{
#if FUNCTION == CLIP
    /* What is no number stays so. */
    x = x <= low ? (vec)(low) : x;
    return x >= high ? (vec)(high) : x;
#elif FUNCTION == LEAKY
    return x < 0 ? low * x : x;
#else
    const vec one = (vec)(1), power = EXP(-fabs(x)); /* of what is not above 0, so that it is finite */
    return DIVIDE(x < 0 ? power : one, one + power);
#endif
}

/* dx / dy, from y. */
static inline vec slope_of(vec y, float low, float high)
{
#if FUNCTION == CLIP
    const vec above = y > low ? (vec)(1) : (vec)(0);
    return y < high ? above : (vec)(0);
#elif FUNCTION == LEAKY
    return y < 0 ? (vec)(low) : (vec)(1);
#else
    return y * (1 - y);
#endif
}

__kernel void pointwise_forward(TENSOR(x), TENSOR(y), int c, int size, float low, float high, int columns,
                          int rows)
{
    const int left = (int)get_global_id(0) * columns, right = min(left + columns, size);
    const int top = (int)get_global_id(1) * rows, bottom = min(top + rows, c);
    const size_t image = get_global_id(2);
    x += x_offset + image * x_stride;
    y += y_offset + image * y_stride;
    for (int plane = top; plane < bottom; plane++) {
        __global const float *from = x + plane * (size_t)x_plane;
        __global float *to = y + plane * (size_t)y_plane;
        for (int i = left; i < right; i += VEC)
            store_row(to + i, value_of(LOAD(from + i), low, high), i, right);
    }
}

__kernel void pointwise_backward(TENSOR(y), TENSOR(dy), TENSOR(dx), int c, int size, float low, float high,
                           int add, int columns, int rows)
{
    const int left = (int)get_global_id(0) * columns, right = min(left + columns, size);
    const int top = (int)get_global_id(1) * rows, bottom = min(top + rows, c);
    const size_t image = get_global_id(2);
    y += y_offset + image * y_stride;
    dy += dy_offset + image * dy_stride;
    dx += dx_offset + image * dx_stride;
    for (int plane = top; plane < bottom; plane++) {
        __global const float *out = y + plane * (size_t)y_plane;
        __global const float *from = dy + plane * (size_t)dy_plane;
        __global float *to = dx + plane * (size_t)dx_plane;
        for (int i = left; i < right; i += VEC)
            update_row(to + i, LOAD(from + i) * slope_of(LOAD(out + i), low, high), i, right, add);
    }
}
