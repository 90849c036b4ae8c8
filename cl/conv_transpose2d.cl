/* Transposed 2x2 convolution with stride 2: every input pixel becomes a 2x2 block of outputs.
 *
 *   y[n, o, 2 i + a, 2 j + b] = bias[o] + sum over c of w[c, o, a, b] * x[n, c, i, j]
 *
 * Filters are stored [in, out, 2, 2], as PyTorch does. */

#ifndef TILE
#define TILE 2 /* output channels a work-item owns, each with its four taps */
#endif
#ifndef BLOCKS
#define BLOCKS 1 /* vectors of input pixels, in forward */
#endif
#ifndef TILE_BACK
#define TILE_BACK 4 /* input channels, in the gradient by the data */
#endif
#ifndef TILE_IN
#define TILE_IN 4 /* input channels, in the gradient by the weights, with one output channel */
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

/* A work-item's channel tile and its first vector of input pixels, counted over all rows of all
 * images. */
#if CHANNELS_FIRST
#define CHANNEL_TILE get_global_id(0)
#define PIXELS get_global_id(1)
#else
#define CHANNEL_TILE get_global_id(1)
#define PIXELS get_global_id(0)
#endif

/* A vector of input pixels. */
typedef struct {
    int n, i, j;
} pixels;

static inline pixels find_pixels(int index, int height, int width)
{
    const int columns = (width + VEC - 1) / VEC, row = index / columns;
    return (pixels){row / height, row % height, index % columns * VEC};
}

/* Outputs 2 j, 2 j + 1, ... of a row, from the even and the odd ones of them. */
static inline void store_outputs(__global float *to, vec even, vec odd, int j, int width)
{
    if (j + VEC <= width) {
        STORE_PAIRS(even, odd, to)
        return;
    }
    float evens[VEC], odds[VEC];
    STORE(even, evens);
    STORE(odd, odds);
    for (int lane = 0; j + lane < width; lane++) {
        to[2 * lane] = evens[lane];
        to[2 * lane + 1] = odds[lane];
    }
}

__kernel void conv_transpose2d_forward(__global const float *x, ulong x_offset, ulong x_stride,
                                       uint x_plane, __global float *y, ulong y_offset,
                                       ulong y_stride, uint y_plane, __global const float *w,
                                       ulong w_offset, __global const float *bias,
                                       ulong bias_offset, int in_channels, int out_channels,
                                       int batch, int height, int width)
{
    const int o = CHANNEL_TILE * TILE;
    if (o >= out_channels || find_pixels(PIXELS * BLOCKS, height, width).n >= batch)
        return;
    vec sum[BLOCKS][TILE][4];
    __global const float *weights[TILE], *from[BLOCKS];
    __global float *to[BLOCKS];
    pixels at[BLOCKS];
    for (int b = 0; b < BLOCKS; b++) {
        at[b] = find_pixels(PIXELS * BLOCKS + b, height, width);
        const int n = min(at[b].n, batch - 1);
        from[b] = x + x_offset + n * x_stride + at[b].i * width + at[b].j;
        to[b] = y + y_offset + n * y_stride + o * (size_t)y_plane +
                (size_t)2 * at[b].i * (2 * width) + 2 * at[b].j;
        for (int t = 0; t < TILE && o + t < out_channels; t++)
            for (int a = 0; a < 2; a++)
                for (int half_row = 0; half_row < 2; half_row++)
                    PREFETCH(to[b] + t * (size_t)y_plane + (2 * a * width + half_row * VEC));
    }
#pragma unroll
    for (int t = 0; t < TILE; t++) {
        const int channel = min(o + t, out_channels - 1);
        weights[t] = w + w_offset + channel * 4;
#pragma unroll
        for (int b = 0; b < BLOCKS; b++)
#pragma unroll
            for (int tap = 0; tap < 4; tap++)
                sum[b][t][tap] = (vec)(bias[bias_offset + channel]);
    }
    for (int c = 0; c < in_channels; c++) {
        vec in[BLOCKS];
#pragma unroll
        for (int b = 0; b < BLOCKS; b++) {
            in[b] = LOAD(from[b]);
            from[b] += x_plane;
        }
#pragma unroll
        for (int t = 0; t < TILE; t++) {
#pragma unroll
            for (int tap = 0; tap < 4; tap++)
#pragma unroll
                for (int b = 0; b < BLOCKS; b++)
                    sum[b][t][tap] = fma((vec)(weights[t][tap]), in[b], sum[b][t][tap]);
            weights[t] += out_channels * 4;
        }
    }
#pragma unroll
    for (int b = 0; b < BLOCKS; b++)
#pragma unroll
        for (int t = 0; t < TILE; t++)
            if (at[b].n < batch && o + t < out_channels)
                for (int a = 0; a < 2; a++)
                    store_outputs(to[b] + t * (size_t)y_plane + a * 2 * width, sum[b][t][2 * a],
                                  sum[b][t][2 * a + 1], at[b].j, width);
}

/* dx[n, c, i, j] (+)= sum over o, a, b of w[c, o, a, b] * dy[n, o, 2 i + a, 2 j + b] */
__kernel void conv_transpose2d_backward_data(__global const float *dy, ulong dy_offset,
                                             ulong dy_stride, uint dy_plane, __global float *dx,
                                             ulong dx_offset, ulong dx_stride, uint dx_plane,
                                             __global const float *w, ulong w_offset,
                                             int in_channels, int out_channels, int batch,
                                             int height, int width, int add)
{
    const int c = CHANNEL_TILE * TILE_BACK;
    const pixels at = find_pixels(PIXELS, height, width);
    if (c >= in_channels || at.n >= batch)
        return;
    dy += dy_offset + at.n * dy_stride + (size_t)2 * at.i * (2 * width) + 2 * at.j;
    dx += dx_offset + at.n * dx_stride + at.i * width + at.j;
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
        update_row(to, sum[t], at.j, width, add);
    }
}

/* dw[c, o, a, b] = sum over n, i, j of x[n, c, i, j] * dy[n, o, 2 i + a, 2 j + b]
 *
 * A work-item owns the filters from TILE_IN inputs to one output over one chunk of the batch's
 * rows, as in conv2d.cl; and, where it has the first input channels, the gradient of the bias:
 * partial_bias[k * out_channels + o] = sum of dy over chunk k. */
__kernel void conv_transpose2d_backward_weights(
    __global const float *x, ulong x_offset, ulong x_stride, uint x_plane, __global const float *dy,
    ulong dy_offset, ulong dy_stride, uint dy_plane, __global float *partial, ulong partial_offset,
    ulong bias_offset, int in_channels, int out_channels, int batch, int height, int width,
    int span, int chunk_rows)
{
    const int in_tiles = (in_channels + TILE_IN - 1) / TILE_IN;
    const int c = get_global_id(0) % in_tiles * TILE_IN, o = get_global_id(0) / in_tiles;
    const int chunks = (span + chunk_rows - 1) / chunk_rows; /* of a span, as in conv2d.cl */
    const int start = get_global_id(1) / chunks * span;
    const int first_row = start + get_global_id(1) % chunks * chunk_rows;
    const int rows = min(min(chunk_rows, start + span - first_row), batch * height - first_row);
    if (o >= out_channels || rows <= 0)
        return;
    vec sum[TILE_IN][4], bias = (vec)(0);
    for (int s = 0; s < TILE_IN; s++)
        for (int tap = 0; tap < 4; tap++)
            sum[s][tap] = (vec)(0);
    for (int row = first_row; row < first_row + rows; row++) {
        const int n = row / height, i = row % height;
        __global const float *in = x + x_offset + n * x_stride + i * width;
        __global const float *out =
            dy + dy_offset + n * dy_stride + o * (size_t)dy_plane + (size_t)2 * i * (2 * width);
        for (int j = 0; j < width; j += VEC) {
            vec value[TILE_IN];
#pragma unroll
            for (int s = 0; s < TILE_IN; s++)
                value[s] = LOAD(in + min(c + s, in_channels - 1) * (size_t)x_plane + j);
#pragma unroll
            for (int a = 0; a < 2; a++) {
                vec even, odd;
                LOAD_PAIRS(even, odd, out + a * 2 * width + 2 * j)
                if (j + VEC > width) { /* what lies past the row may be anything */
                    const ivec inside = LANES + j < width;
                    even = select((vec)(0), even, inside);
                    odd = select((vec)(0), odd, inside);
#pragma unroll
                    for (int s = 0; s < TILE_IN; s++)
                        value[s] = select((vec)(0), value[s], inside);
                }
                bias += even + odd;
#pragma unroll
                for (int s = 0; s < TILE_IN; s++) {
                    sum[s][2 * a] = fma(value[s], even, sum[s][2 * a]);
                    sum[s][2 * a + 1] = fma(value[s], odd, sum[s][2 * a + 1]);
                }
            }
        }
    }
    const size_t chunk = get_global_id(1);
    __global float *to = partial + partial_offset + chunk * in_channels * out_channels * 4;
    for (int s = 0; s < TILE_IN && c + s < in_channels; s++)
        for (int tap = 0; tap < 4; tap++)
            to[((c + s) * out_channels + o) * 4 + tap] = SUM(sum[s][tap]);
    if (c == 0)
        partial[bias_offset + chunk * out_channels + o] = SUM(bias);
}
