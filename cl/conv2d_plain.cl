/* 2-D convolution for every stride, and of channels in groups: group g's filters, `outputs` of
 * them, read its `inputs` channels alone. Shapes and formulae are those of conv2d.cl, but for the
 * filters, [o, c, u, v] with c below `inputs`. Forward, a work-item takes ROWS rows of some columns
 * in TILE channels of a group; backward, which is the fallback for what other files do not do, a
 * row. */

#ifndef KERNEL
#define KERNEL 3
#endif
#ifndef STRIDE
#define STRIDE 2
#endif
#ifndef TILE
#define TILE 1 /* divides `outputs` */
#endif
#define PAD (KERNEL / 2)
#define TAPS (KERNEL * KERNEL)
#define ROWS 4
#define TILE_ROWS ((ROWS - 1) * STRIDE + KERNEL) /* input rows that a tile reads */
#if KERNEL <= 7
#define UNROLL _Pragma("unroll")
#else
#define UNROLL
#endif

/* VEC elements of a row, STRIDE apart. */
#if STRIDE == 1
#define LOAD_APART(p) LOAD(p)
#else
#define LOAD_APART(p) EVENS(LOAD(p), LOAD((p) + VEC))
#endif

/* The same from a column of a row on, which both may lie outside the plane, where it is 0. */
static inline vec load_checked(__global const float *plane, int row, int column, int height,
                               int width)
{
    const ivec at = STRIDE * LANES + column;
    return row < 0 || row >= height ? (vec)(0)
                                    : select((vec)(0), LOAD_APART(plane + row * width + column),
                                             (at >= 0) & (at < width));
}

/* Adds all input channels' parts to a tile that reads from this row and column on: of each the
 * filter's columns one after the other, from above. CHECKED tiles touch the plane's edge. */
#define CONVOLVE(sum, x, w, row, column, height, width, checked)                                   \
    for (int c = 0; c < inputs; c++) {                                                             \
        __global const float *plane = x + c * (size_t)x_plane, *taps = w + c * TAPS;               \
        UNROLL for (int v = 0; v < KERNEL; v++)                                                    \
        {                                                                                          \
            UNROLL for (int k = 0; k < TILE_ROWS; k++)                                             \
            {                                                                                      \
                const vec in = checked ? load_checked(plane, row + k, column + v, height, width)   \
                                       : LOAD_APART(plane + (row + k) * width + column + v);       \
                _Pragma("unroll") for (int r = 0; r < ROWS; r++)                                   \
                {                                                                                  \
                    const int u = k - r * STRIDE;                                                  \
                    _Pragma("unroll") for (int t = 0; t < TILE; t++) if (u >= 0 && u < KERNEL)     \
                        sum[t][r] =                                                                \
                            fma((vec)(taps[t * inputs * TAPS + u * KERNEL + v]), in, sum[t][r]);   \
                }                                                                                  \
            }                                                                                      \
        }                                                                                          \
    }

__kernel void conv2d_plain_forward(__global const float *x, ulong x_offset, ulong x_stride,
                                   uint x_plane, __global float *y, ulong y_offset, ulong y_stride,
                                   uint y_plane, __global const float *w, ulong w_offset,
                                   __global const float *bias, ulong bias_offset, int inputs,
                                   int outputs, int out_channels, int in_height, int in_width,
                                   int height, int width, int columns, int relu, uint threshold,
                                   float scale, ulong key, uint step, uint image)
{
    const int tiles = out_channels / TILE;
    const int o = get_global_id(2) % tiles * TILE, n = get_global_id(2) / tiles;
    const int i = get_global_id(1) * ROWS, first = get_global_id(0) * columns;
    if (i >= height)
        return;
    x += x_offset + n * x_stride + o / outputs * inputs * (size_t)x_plane;
    y += y_offset + n * y_stride + o * (size_t)y_plane;
    w += w_offset + (size_t)o * inputs * TAPS;
    const dropout d = {threshold, scale, key, step, image};
    for (int j = first; j < min(first + columns, width); j += VEC) {
        const int row = i * STRIDE - PAD, column = j * STRIDE - PAD;
        const bool edge = row < 0 || row + TILE_ROWS > in_height || column < 0 ||
                          (j + VEC) * STRIDE + PAD > in_width;
        vec sum[TILE][ROWS];
        uvec words[4];
        for (int t = 0; t < TILE; t++)
            for (int r = 0; r < ROWS; r++)
                sum[t][r] = (vec)(bias ? bias[bias_offset + o + t] : 0.0f);
        if (edge)
            CONVOLVE(sum, x, w, row, column, in_height, in_width, true)
        else
            CONVOLVE(sum, x, w, row, column, in_height, in_width, false)
        _Pragma("unroll") for (int r = 0; r < ROWS; r++)
        {
            _Pragma("unroll") for (int t = 0; t < TILE; t++)
            {
                if (i + r >= height)
                    continue;
                vec value = relu ? RELU(sum[t][r]) : sum[t][r];
                if (threshold) {
                    dropout_words(words, d, n, o + t, i + r, j, width);
                    value = drop(value, words[(o + t) % 4], d, i + r);
                }
                store_row(y + t * (size_t)y_plane + (i + r) * width + j, value, j, width);
            }
        }
    }
}

/* An element of a plane, which is 0 around it. */
static inline float at(__global const float *plane, int i, int j, int height, int width)
{
    return i >= 0 && i < height && j >= 0 && j < width ? plane[i * width + j] : 0.0f;
}

__kernel void conv2d_plain_backward_data(__global const float *dy, ulong dy_offset, ulong dy_stride,
                                         uint dy_plane, __global float *dx, ulong dx_offset,
                                         ulong dx_stride, uint dx_plane, __global const float *w,
                                         ulong w_offset, int inputs, int outputs, int in_channels,
                                         int in_height, int in_width, int height, int width,
                                         int add)
{
    const int i = get_global_id(0), c = get_global_id(1), n = get_global_id(2);
    if (i >= in_height || c >= in_channels)
        return;
    const int first = c / inputs * outputs; /* of the filters that read the channel */
    dy += dy_offset + n * dy_stride + first * (size_t)dy_plane;
    dx += dx_offset + n * dx_stride + c * (size_t)dx_plane + i * in_width;
    w += w_offset + ((size_t)first * inputs + c % inputs) * TAPS;
    for (int j = 0; j < in_width; j++) {
        float sum = 0;
        for (int o = 0; o < outputs; o++)
            for (int v = KERNEL - 1; v >= 0; v--)
                for (int u = KERNEL - 1; u >= 0; u--) {
                    const int a = i + PAD - u,
                              b = j + PAD - v; /* STRIDE times the output's place */
                    if (a % STRIDE == 0 && b % STRIDE == 0)
                        sum = fma(
                            w[(size_t)o * inputs * TAPS + u * KERNEL + v],
                            at(dy + o * (size_t)dy_plane, a / STRIDE, b / STRIDE, height, width),
                            sum);
                }
        dx[j] = add ? dx[j] + sum : sum;
    }
}

/* One work-item a weight; the batch is summed in its order, to what stands in dw if `add`. */
__kernel void conv2d_plain_backward_weights(__global const float *x, ulong x_offset, ulong x_stride,
                                            uint x_plane, __global const float *dy, ulong dy_offset,
                                            ulong dy_stride, uint dy_plane, __global float *dw,
                                            ulong dw_offset, int inputs, int outputs,
                                            int out_channels, int batch, int in_height,
                                            int in_width, int height, int width, int add)
{
    const int tap = get_global_id(0), c = get_global_id(1), o = get_global_id(2);
    if (tap >= TAPS || c >= inputs || o >= out_channels)
        return;
    const int u = tap / KERNEL - PAD, v = tap % KERNEL - PAD;
    x += x_offset + (o / outputs * inputs + c) * (size_t)x_plane;
    dy += dy_offset + o * (size_t)dy_plane;
    dw += dw_offset + ((size_t)o * inputs + c) * TAPS + tap;
    float sum = add ? *dw : 0.0f;
    for (int n = 0; n < batch; n++) {
        float of_image = 0;
        for (int i = 0; i < height; i++) {
            float row = 0;
            for (int j = 0; j < width; j++)
                row = fma(dy[n * dy_stride + i * width + j],
                          at(x + n * x_stride, i * STRIDE + u, j * STRIDE + v, in_height, in_width),
                          row);
            of_image += row;
        }
        sum += of_image;
    }
    *dw = sum;
}
