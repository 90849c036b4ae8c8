/* To twice the height and width: [n, c, h, w] -> [n, c, 2h, 2w]. One work-item takes `rows` rows of
 * x, `columns` pixels of each, and the pixels of y that lie over them. */

#ifndef BILINEAR
#define BILINEAR 0
#endif

/* 3/4 of the nearer and 1/4 of the farther: pixel 2i of y lies at i - 1/4 in x, pixel 2i + 1 at
 * i + 1/4 (half-pixel centres), and beyond the edges x goes on as its first and last pixel. */
static inline vec mix(vec nearer, vec farther)
{
    return fma((vec)(0.25f), farther, 0.75f * nearer);
}

/* What a row of y gets: its even and its odd pixels over VEC pixels of x from column j. */
static inline void upsample_row(__global float *y, __global const float *nearer,
                                __global const float *farther, int j, int w)
{
    nearer += j;
    farther += j;
#if BILINEAR
    const vec here = mix(LOAD(nearer), LOAD(farther));
    const vec left = mix(LOAD(nearer - 1), LOAD(farther - 1));
    const vec right = mix(LOAD(nearer + 1), LOAD(farther + 1));
    const vec even = mix(here, j + LANES == 0 ? here : left);
    const vec odd = mix(here, j + LANES == w - 1 ? here : right);
#else
    const vec even = LOAD(nearer), odd = even;
#endif
    store_pairs(y + 2 * j, even, odd, 2 * j, 2 * w, 0);
}

__kernel void upsample_forward(TENSOR(x), TENSOR(y), int c, int h, int w, int columns, int rows)
{
    const int left = (int)get_global_id(0) * columns, right = min(left + columns, w);
    const int top = (int)get_global_id(1) * rows, bottom = min(top + rows, c * h);
    const size_t image = get_global_id(2);
    x += x_offset + image * x_stride;
    y += y_offset + image * y_stride;
    for (int row = top; row < bottom; row++) {
        const size_t plane = row / h, i = row % h;
        __global const float *here = x + plane * x_plane + i * w;
        __global const float *above = i > 0 ? here - w : here, *below = i < h - 1 ? here + w : here;
        __global float *upper = y + plane * y_plane + 4 * i * w, *lower = upper + 2 * w;
        for (int j = left; j < right; j += VEC) {
            upsample_row(upper, here, above, j, w);
            upsample_row(lower, here, below, j, w);
        }
    }
}

/* The rows of dy that hold a share of one row of x: two that lie over it and their neighbours.
 * Beyond the edges dy, too, goes on as its first and last pixel. */
struct rows {
    __global const float *above, *upper, *lower, *below;
};

static inline vec sum_rows(struct rows dy, int j)
{
#if BILINEAR
    return mix(LOAD(dy.upper + j), LOAD(dy.above + j)) +
           mix(LOAD(dy.lower + j), LOAD(dy.below + j));
#else
    return LOAD(dy.upper + j) + LOAD(dy.lower + j);
#endif
}

/* The gradient of VEC pixels of x from column j. */
static inline vec gradient(struct rows dy, int j, int w)
{
    const vec first = sum_rows(dy, 2 * j), next = sum_rows(dy, 2 * j + VEC);
    const vec even = EVENS(first, next), odd = ODDS(first, next);
#if BILINEAR
    const vec before = ODDS(sum_rows(dy, 2 * j - 2), sum_rows(dy, 2 * j - 2 + VEC));
    const vec after = EVENS(sum_rows(dy, 2 * j + 2), sum_rows(dy, 2 * j + 2 + VEC));
    return mix(even, j + LANES == 0 ? even : before) + mix(odd, j + LANES == w - 1 ? odd : after);
#else
    return even + odd;
#endif
}

__kernel void upsample_backward(TENSOR(dy), TENSOR(dx), int c, int h, int w, int add, int columns,
                                int rows)
{
    const int left = (int)get_global_id(0) * columns, right = min(left + columns, w);
    const int top = (int)get_global_id(1) * rows, bottom = min(top + rows, c * h);
    const size_t image = get_global_id(2);
    dy += dy_offset + image * dy_stride;
    dx += dx_offset + image * dx_stride;
    for (int row = top; row < bottom; row++) {
        const size_t plane = row / h, i = row % h;
        __global float *to = dx + plane * dx_plane + i * w;
        struct rows from;
        from.upper = dy + plane * dy_plane + 4 * i * w;
        from.lower = from.upper + 2 * w;
        from.above = i > 0 ? from.upper - 2 * w : from.upper;
        from.below = i < h - 1 ? from.lower + 2 * w : from.lower;
        for (int j = left; j < right; j += VEC)
            update_row(to + j, gradient(from, j, w), j, right, add);
    }
}
