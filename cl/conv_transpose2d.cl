/* Transposed 2x2 convolution with stride 2: every input pixel becomes a 2x2 block of outputs.
 *
 *   y[n, o, 2 i + a, 2 j + b] = bias[o] + sum over c of w[c, o, a, b] * x[n, c, i, j]
 *
 * Filters are stored [in, out, 2, 2], as PyTorch does. */

#ifndef TILE
#define TILE 2 /* output channels a work-item owns, each with its four taps */
#endif
#ifndef TILE_BACK
#define TILE_BACK 4 /* input channels, in the gradient by the data */
#endif
#ifndef TILE_IN
#define TILE_IN 2 /* input channels, in the gradient by the weights */
#endif
#ifndef CHANNELS_FIRST
#define CHANNELS_FIRST 0 /* neighbouring work-items differ in channels, else in columns */
#endif

/* The lanes of two vectors, alternating; and the even and odd lanes of two vectors. */
#if VEC == 1
#define STORE_PAIRS(even, odd, p)                                                                  \
    {                                                                                              \
        (p)[0] = even;                                                                             \
        (p)[1] = odd;                                                                              \
    }
#define LOAD_PAIRS(even, odd, p)                                                                   \
    {                                                                                              \
        even = (p)[0];                                                                             \
        odd = (p)[1];                                                                              \
    }
#else
#define STORE_PAIRS(even, odd, p)                                                                  \
    {                                                                                              \
        STORE(interleave_low(even, odd), p);                                                       \
        STORE(interleave_high(even, odd), (p) + VEC);                                              \
    }
#define LOAD_PAIRS(even, odd, p)                                                                   \
    {                                                                                              \
        const vec first = LOAD(p), second = LOAD((p) + VEC);                                       \
        even = (vec)(first.even, second.even);                                                     \
        odd = (vec)(first.odd, second.odd);                                                        \
    }
static vec interleave_low(vec even, vec odd)
{
    vec out;
    out.even = even.lo;
    out.odd = odd.lo;
    return out;
}
static vec interleave_high(vec even, vec odd)
{
    vec out;
    out.even = even.hi;
    out.odd = odd.hi;
    return out;
}
#endif

/* A work-item's channel tile and column; the third dimension counts rows of all images. */
#if CHANNELS_FIRST
#define CHANNEL_TILE get_global_id(0)
#define COLUMN (get_global_id(1) * VEC)
#else
#define CHANNEL_TILE get_global_id(1)
#define COLUMN (get_global_id(0) * VEC)
#endif

__kernel void conv_transpose2d_forward(__global const float *x, ulong x_offset, ulong x_stride,
                                       uint x_plane, __global float *y, ulong y_offset,
                                       ulong y_stride, uint y_plane, __global const float *w,
                                       ulong w_offset, __global const float *bias,
                                       ulong bias_offset, int in_channels, int out_channels,
                                       int height, int width)
{
    const int o = CHANNEL_TILE * TILE, j = COLUMN;
    const int i = get_global_id(2) % height, n = get_global_id(2) / height;
    if (o >= out_channels || j >= width)
        return;
    x += x_offset + n * x_stride + i * width + j;
    y += y_offset + n * y_stride + (size_t)2 * i * (2 * width) + 2 * j;
    vec sum[TILE][4];
    __global const float *weights[TILE];
#pragma unroll
    for (int t = 0; t < TILE; t++) {
        const int channel = min(o + t, out_channels - 1);
        weights[t] = w + w_offset + channel * 4;
        for (int tap = 0; tap < 4; tap++)
            sum[t][tap] = (vec)(bias[bias_offset + channel]);
    }
    for (int c = 0; c < in_channels; c++) {
        const vec in = LOAD(x + c * (size_t)x_plane);
#pragma unroll
        for (int t = 0; t < TILE; t++) {
#pragma unroll
            for (int tap = 0; tap < 4; tap++)
                sum[t][tap] = fma((vec)(weights[t][tap]), in, sum[t][tap]);
            weights[t] += out_channels * 4;
        }
    }
    for (int t = 0; t < TILE && o + t < out_channels; t++)
        for (int a = 0; a < 2; a++) {
            __global float *to = y + (o + t) * (size_t)y_plane + a * 2 * width;
            if (j + VEC <= width) {
                STORE_PAIRS(sum[t][2 * a], sum[t][2 * a + 1], to)
                continue;
            }
            float even[VEC], odd[VEC];
            STORE(sum[t][2 * a], even);
            STORE(sum[t][2 * a + 1], odd);
            for (int lane = 0; j + lane < width; lane++) {
                to[2 * lane] = even[lane];
                to[2 * lane + 1] = odd[lane];
            }
        }
}

/* dx[n, c, i, j] (+)= sum over o, a, b of w[c, o, a, b] * dy[n, o, 2 i + a, 2 j + b] */
__kernel void conv_transpose2d_backward_data(__global const float *dy, ulong dy_offset,
                                             ulong dy_stride, uint dy_plane, __global float *dx,
                                             ulong dx_offset, ulong dx_stride, uint dx_plane,
                                             __global const float *w, ulong w_offset,
                                             int in_channels, int out_channels, int height,
                                             int width, int add)
{
    const int c = CHANNEL_TILE * TILE_BACK, j = COLUMN;
    const int i = get_global_id(2) % height, n = get_global_id(2) / height;
    if (c >= in_channels || j >= width)
        return;
    dy += dy_offset + n * dy_stride + (size_t)2 * i * (2 * width) + 2 * j;
    dx += dx_offset + n * dx_stride + i * width + j;
    w += w_offset;
    vec sum[TILE_BACK];
    __global const float *weights[TILE_BACK];
#pragma unroll
    for (int t = 0; t < TILE_BACK; t++) {
        sum[t] = (vec)(0);
        weights[t] = w + (size_t)min(c + t, in_channels - 1) * out_channels * 4;
    }
    for (int o = 0; o < out_channels; o++)
#pragma unroll
        for (int a = 0; a < 2; a++) {
            vec even, odd;
            LOAD_PAIRS(even, odd, dy + o * (size_t)dy_plane + a * 2 * width)
#pragma unroll
            for (int t = 0; t < TILE_BACK; t++) {
                sum[t] = fma((vec)(weights[t][o * 4 + 2 * a]), even, sum[t]);
                sum[t] = fma((vec)(weights[t][o * 4 + 2 * a + 1]), odd, sum[t]);
            }
        }
    for (int t = 0; t < TILE_BACK && c + t < in_channels; t++) {
        __global float *to = dx + (c + t) * (size_t)dx_plane;
        store_row(to, add ? sum[t] + LOAD(to) : sum[t], j, width);
    }
}

/* dw[c, o, a, b] = sum over n, i, j of x[n, c, i, j] * dy[n, o, 2 i + a, 2 j + b]
 *
 * A work-item owns TILE_IN x TILE filters over one chunk of the batch's rows, as in conv2d.cl; and,
 * where it has the first input channels, the gradient of the bias:
 * partial_bias[k * out_channels + o] = sum of dy over chunk k. */
__kernel void conv_transpose2d_backward_weights(__global const float *x, ulong x_offset,
                                                ulong x_stride, uint x_plane,
                                                __global const float *dy, ulong dy_offset,
                                                ulong dy_stride, uint dy_plane,
                                                __global float *partial, ulong partial_offset,
                                                ulong bias_offset, int in_channels,
                                                int out_channels, int batch, int height, int width,
                                                int chunk_rows)
{
    const int in_tiles = (in_channels + TILE_IN - 1) / TILE_IN;
    const int c = get_global_id(0) % in_tiles * TILE_IN, o = get_global_id(0) / in_tiles * TILE;
    const int first_row = get_global_id(1) * chunk_rows;
    const int rows = min(chunk_rows, batch * height - first_row);
    if (o >= out_channels || rows <= 0)
        return;
    vec sum[TILE_IN][TILE][4], bias[TILE];
    for (int t = 0; t < TILE; t++) {
        bias[t] = (vec)(0);
        for (int s = 0; s < TILE_IN; s++)
            for (int tap = 0; tap < 4; tap++)
                sum[s][t][tap] = (vec)(0);
    }
    for (int row = first_row; row < first_row + rows; row++) {
        const int n = row / height, i = row % height;
        __global const float *in = x + x_offset + n * x_stride + i * width;
        __global const float *out = dy + dy_offset + n * dy_stride + (size_t)2 * i * (2 * width);
        for (int j = 0; j < width; j += VEC) {
            const ivec inside = LANES + j < width;
            vec value[TILE_IN];
#pragma unroll
            for (int s = 0; s < TILE_IN; s++)
                value[s] = LOAD(in + min(c + s, in_channels - 1) * (size_t)x_plane + j);
#pragma unroll
            for (int t = 0; t < TILE; t++)
#pragma unroll
                for (int a = 0; a < 2; a++) {
                    vec even, odd;
                    LOAD_PAIRS(even, odd,
                               out + min(o + t, out_channels - 1) * (size_t)dy_plane +
                                   a * 2 * width + 2 * j)
                    even = select((vec)(0), even, inside);
                    odd = select((vec)(0), odd, inside);
                    bias[t] += even + odd;
#pragma unroll
                    for (int s = 0; s < TILE_IN; s++) {
                        const vec x_value = select((vec)(0), value[s], inside);
                        sum[s][t][2 * a] = fma(x_value, even, sum[s][t][2 * a]);
                        sum[s][t][2 * a + 1] = fma(x_value, odd, sum[s][t][2 * a + 1]);
                    }
                }
        }
    }
    const size_t chunk = get_global_id(1);
    __global float *to = partial + partial_offset + chunk * in_channels * out_channels * 4;
    for (int t = 0; t < TILE && o + t < out_channels; t++) {
        for (int s = 0; s < TILE_IN && c + s < in_channels; s++)
            for (int tap = 0; tap < 4; tap++)
                to[((c + s) * out_channels + o + t) * 4 + tap] = SUM(sum[s][t][tap]);
        if (c == 0)
            partial[bias_offset + chunk * out_channels + o + t] = SUM(bias[t]);
    }
}
