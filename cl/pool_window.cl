/* Pooling with windows of KERNEL x KERNEL pixels, STRIDE apart and PAD beyond the edges, which may
 * overlap: [n, c, h, w] -> [n, c, oh, ow]. 2x2 windows side by side are pool.cl's. One work-item
 * takes a row. */

#ifndef MAX
#define MAX 1 /* the largest of the window's pixels; 0: their mean, 0 counted for what lies outside */
#endif
#ifndef KERNEL
#define KERNEL 3
#endif
#ifndef STRIDE
#define STRIDE 2
#endif
#ifndef PAD
#define PAD 1
#endif

/* The pixels of a window in a plane. */
struct window {
    int top, bottom, left, right;
};

static inline struct window window_at(int i, int j, int h, int w)
{
    const int top = i * STRIDE - PAD, left = j * STRIDE - PAD;
    return (struct window){max(top, 0), min(top + KERNEL, h), max(left, 0), min(left + KERNEL, w)};
}

__kernel void pool_window_forward(TENSOR(x), TENSOR(y), int c, int h, int w, int oh, int ow,
                                  float share)
{
    const int i = get_global_id(0), plane = get_global_id(1), n = get_global_id(2);
    if (i >= oh || plane >= c)
        return;
    x += x_offset + n * x_stride + plane * (size_t)x_plane;
    y += y_offset + n * y_stride + plane * (size_t)y_plane + i * (size_t)ow;
    for (int j = 0; j < ow; j++) {
        const struct window at = window_at(i, j, h, w);
#if MAX
        float value = x[at.top * w + at.left];
#else
        float value = 0;
#endif
        for (int u = at.top; u < at.bottom; u++)
            for (int v = at.left; v < at.right; v++)
#if MAX
                value = x[u * w + v] > value ? x[u * w + v] : value;
#else
                value += x[u * w + v];
#endif
        y[j] = MAX ? value : share * value;
    }
}

/* Whether pixel (i, j) is the first, row by row, of the largest of a window. */
static inline bool is_first_largest(__global const float *x, struct window at, int i, int j, int w)
{
    const float value = x[i * w + j];
    for (int u = at.top; u < at.bottom; u++)
        for (int v = at.left; v < at.right; v++) {
            const float other = x[u * w + v];
            if (other > value || (other == value && (u < i || (u == i && v < j))))
                return false;
        }
    return true;
}

/* A pixel of dx gathers from the windows that hold it, row by row. */
__kernel void pool_window_backward(TENSOR(x), TENSOR(dy), TENSOR(dx), int c, int h, int w, int oh,
                                   int ow, float share, int add)
{
    const int i = get_global_id(0), plane = get_global_id(1), n = get_global_id(2);
    if (i >= h || plane >= c)
        return;
    x += x_offset + n * x_stride + plane * (size_t)x_plane;
    dy += dy_offset + n * dy_stride + plane * (size_t)dy_plane;
    dx += dx_offset + n * dx_stride + plane * (size_t)dx_plane + i * (size_t)w;
    /* The first window that reaches to a place, and the last that begins no later. */
    const int first = max(i + PAD - KERNEL + STRIDE, 0) / STRIDE, last = min((i + PAD) / STRIDE, oh - 1);
    for (int j = 0; j < w; j++) {
        const int from = max(j + PAD - KERNEL + STRIDE, 0) / STRIDE;
        const int to = min((j + PAD) / STRIDE, ow - 1);
        float sum = 0;
        for (int a = first; a <= last; a++)
            for (int b = from; b <= to; b++)
#if MAX
                if (is_first_largest(x, window_at(a, b, h, w), i, j, w))
                    sum += dy[a * ow + b];
#else
                sum += share * dy[a * ow + b];
#endif
        dx[j] = add ? dx[j] + sum : sum;
    }
}
