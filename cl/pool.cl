/* 2x2 pooling with stride 2: [n, c, h, w] -> [n, c, h / 2, w / 2]; an odd last row or column is
 * dropped. One work-item takes `rows` rows of windows, `columns` windows of each. */

#ifndef MAX
#define MAX 1 /* the largest of the window; 0: its mean */
#endif

/* The 2x2 windows of two input rows: one element of each of VEC windows. */
struct windows {
    vec a, b; /* the upper row */
    vec c, d;
};

static inline struct windows load_windows(__global const float *upper, __global const float *lower)
{
    vec u0 = LOAD(upper), u1 = LOAD(upper + VEC), l0 = LOAD(lower), l1 = LOAD(lower + VEC);
    return (struct windows){EVENS(u0, u1), ODDS(u0, u1), EVENS(l0, l1), ODDS(l0, l1)};
}

static inline vec pool(struct windows x)
{
#if MAX
    return LARGER(LARGER(x.a, x.b), LARGER(x.c, x.d));
#else
    return 0.25f * ((x.a + x.b) + (x.c + x.d));
#endif
}

__kernel void pool_forward(TENSOR(x), TENSOR(y), int c, int h, int w, int columns, int rows)
{
    const int oh = h / 2, ow = w / 2;
    const int left = (int)get_global_id(0) * columns, right = min(left + columns, ow);
    const int top = (int)get_global_id(1) * rows, bottom = min(top + rows, c * oh);
    const size_t image = get_global_id(2);
    x += x_offset + image * x_stride;
    y += y_offset + image * y_stride;
    for (int row = top; row < bottom; row++) {
        const size_t plane = row / oh, oy = row % oh;
        __global const float *upper = x + plane * x_plane + 2 * oy * w, *lower = upper + w;
        __global float *out = y + plane * y_plane + oy * ow;
        for (int i = left; i < right; i += VEC)
            store_row(out + i, pool(load_windows(upper + 2 * i, lower + 2 * i)), i, right);
    }
}

/* What each element of a window gets of the window's gradient. A maximum's goes to the first, row
 * by row, of the largest. */
static inline struct windows share_gradient(struct windows x, vec dy)
{
    struct windows dx;
#if MAX
    const vec largest = pool(x), zero = (vec)(0);
    dx.a = x.a == largest ? dy : zero;
    dy = x.a == largest ? zero : dy;
    dx.b = x.b == largest ? dy : zero;
    dy = x.b == largest ? zero : dy;
    dx.c = x.c == largest ? dy : zero;
    dx.d = x.c == largest ? zero : dy;
#else
    dx.a = dx.b = dx.c = dx.d = 0.25f * dy;
#endif
    return dx;
}

/* Here the windows include those that an odd edge cuts off: their gradient is 0. */
__kernel void pool_backward(TENSOR(x), TENSOR(dy), TENSOR(dx), int c, int h, int w, int add,
                            int columns, int rows)
{
    const int oh = h / 2, ow = w / 2, all = (h + 1) / 2;
    const int left = (int)get_global_id(0) * columns, right = min(left + columns, (w + 1) / 2);
    const int top = (int)get_global_id(1) * rows, bottom = min(top + rows, c * all);
    const size_t image = get_global_id(2);
    x += x_offset + image * x_stride;
    dy += dy_offset + image * dy_stride;
    dx += dx_offset + image * dx_stride;
    for (int row = top; row < bottom; row++) {
        const size_t plane = row / all, oy = row % all;
        __global const float *upper = x + plane * x_plane + 2 * oy * w, *lower = upper + w;
        __global float *to = dx + plane * dx_plane + 2 * oy * w;
        __global const float *g = dy + plane * dy_plane + oy * ow;
        for (int i = left; i < right; i += VEC) {
            struct windows d = {0, 0, 0, 0};
            if (oy < oh) {
                d = share_gradient(load_windows(upper + 2 * i, lower + 2 * i),
                                   i + LANES < ow ? LOAD(g + i) : (vec)(0));
                store_pairs(to + w + 2 * i, d.c, d.d, 2 * i, w, add);
            }
            store_pairs(to + 2 * i, d.a, d.b, 2 * i, w, add);
        }
    }
}
