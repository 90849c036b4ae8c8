/* 3x3 convolution of stride 1 by Winograd's F(TILE x TILE, 3x3) (Lavin and Gray, "Fast algorithms
 * for convolutional neural networks", arXiv 1509.09308), in steps that leave their results in global
 * memory, for devices whose local memory is small: here are all but the products, which
 * products.cl does. With the LINE x LINE inputs d of a tile, its outputs y and the filter g,
 *
 *   y = A' ((G g G') . (B' d B)) A       with  .  element by element, summed over input channels,
 *
 * and the gradient by the filters, F(3x3, TILE x TILE), is the sum over tiles
 *
 *   A3' ((GT dy GT') . (B' d B)) A3
 *
 * A tile's column counts up first, then its row, then its image; kernels that go over tiles do so
 * for `tiles` of them from `first` on. A work-item of the first dimension is a tile, or a channel
 * where there are none, so that neighbours write neighbouring floats. */

#ifndef TILE
#define TILE 4 /* rows and columns of outputs: 2 or 4 */
#endif
#define LINE (TILE + 2)
#define PLACES (LINE * LINE)

#if VEC != 1
#error "here a vector is a work-group: this file wants -DVEC=1"
#endif

/* --- the lines of the transforms: of values `step` apart to values `to_step` apart ---------- */

#if TILE == 2 /* at the points 0, 1, -1 and infinity */

/* B' d of LINE values */
static inline void input_line(const float *d, int step, float *to, int to_step)
{
    const float d0 = d[0], d1 = d[step], d2 = d[2 * step], d3 = d[3 * step];
    to[0] = d0 - d2;
    to[to_step] = d1 + d2;
    to[2 * to_step] = d2 - d1;
    to[3 * to_step] = d1 - d3;
}

/* G g of three values */
static inline void filter_line(const float *g, int step, float *to, int to_step)
{
    const float sum = 0.5f * (g[0] + g[2 * step]), middle = 0.5f * g[step];
    to[0] = g[0];
    to[to_step] = sum + middle;
    to[2 * to_step] = sum - middle;
    to[3 * to_step] = g[2 * step];
}

/* GT dy of TILE values */
static inline void gradient_line(const float *g, int step, float *to, int to_step)
{
    to[0] = g[0];
    to[to_step] = 0.5f * (g[0] + g[step]);
    to[2 * to_step] = 0.5f * (g[0] - g[step]);
    to[3 * to_step] = g[step];
}

/* A' m of LINE values, to TILE of them */
static inline void output_line(const float *m, int step, float *to, int to_step)
{
    const float m1 = m[step], m2 = m[2 * step];
    to[0] = m[0] + (m1 + m2);
    to[to_step] = (m1 - m2) - m[3 * step];
}

/* A3' m of LINE values, to three */
static inline void weight_line(const float *m, int step, float *to, int to_step)
{
    const float m1 = m[step], m2 = m[2 * step];
    to[0] = m[0] + (m1 + m2);
    to[to_step] = m1 - m2;
    to[2 * to_step] = (m1 + m2) - m[3 * step];
}

#else /* at the points 0, 1, -1, 2, -2 and infinity */

static inline void input_line(const float *d, int step, float *to, int to_step)
{
    const float d1 = d[step], d2 = d[2 * step], d3 = d[3 * step], d4 = d[4 * step];
    const float a = fma(-4.0f, d2, d4), b = fma(-4.0f, d1, d3);
    const float c = d4 - d2, e = 2 * (d3 - d1);
    to[0] = fma(4.0f, d[0], fma(-5.0f, d2, d4));
    to[to_step] = a + b;
    to[2 * to_step] = a - b;
    to[3 * to_step] = c + e;
    to[4 * to_step] = c - e;
    to[5 * to_step] = fma(4.0f, d1, fma(-5.0f, d3, d[5 * step]));
}

static inline void filter_line(const float *g, int step, float *to, int to_step)
{
    const float even = (g[0] + g[2 * step]) * (1 / 6.0f), odd = g[step] * (1 / 6.0f);
    const float far = g[0] * (1 / 24.0f) + g[2 * step] * (1 / 6.0f);
    const float middle = g[step] * (1 / 12.0f);
    to[0] = g[0] * 0.25f;
    to[to_step] = -even - odd;
    to[2 * to_step] = odd - even;
    to[3 * to_step] = far + middle;
    to[4 * to_step] = far - middle;
    to[5 * to_step] = g[2 * step];
}

static inline void gradient_line(const float *g, int step, float *to, int to_step)
{
    const float g1 = g[step], g2 = g[2 * step], g3 = g[3 * step];
    const float even = (g[0] + g2) * (-1 / 6.0f), odd = (g1 + g3) * (-1 / 6.0f);
    const float far = fma(4.0f, g2, g[0]) * (1 / 24.0f);
    const float middle = fma(4.0f, g3, g1) * (1 / 12.0f);
    to[0] = g[0] * 0.25f;
    to[to_step] = even + odd;
    to[2 * to_step] = even - odd;
    to[3 * to_step] = far + middle;
    to[4 * to_step] = far - middle;
    to[5 * to_step] = g3;
}

static inline void output_line(const float *m, int step, float *to, int to_step)
{
    const float s = m[step] + m[2 * step], d = m[step] - m[2 * step];
    const float t = m[3 * step] + m[4 * step], e = m[3 * step] - m[4 * step];
    to[0] = m[0] + s + t;
    to[to_step] = fma(2.0f, e, d);
    to[2 * to_step] = fma(4.0f, t, s);
    to[3 * to_step] = fma(8.0f, e, d) + m[5 * step];
}

static inline void weight_line(const float *m, int step, float *to, int to_step)
{
    const float s = m[step] + m[2 * step], d = m[step] - m[2 * step];
    const float t = m[3 * step] + m[4 * step], e = m[3 * step] - m[4 * step];
    to[0] = m[0] + s + t;
    to[to_step] = fma(2.0f, e, d);
    to[2 * to_step] = fma(4.0f, t, s) + m[5 * step];
}

#endif

/* --- inputs, gradients and filters --------------------------------------------------------- */

/* The first output of a tile; past the last one n is not below the batch's size. */
typedef struct {
    int n, row, column;
} place;

static inline place find_tile(int index, int height, int width)
{
    const int columns = (width + TILE - 1) / TILE, rows = (height + TILE - 1) / TILE;
    return (place){index / columns / rows, index / columns % rows * TILE, index % columns * TILE};
}

/* An element of a plane, 0 outside of it; what is loaded always exists, as of a BATCH. */
static inline float element(__global const float *plane, int i, int j, int height, int width)
{
    const int near_i = clamp(i, 0, height - 1), near_j = clamp(j, 0, width - 1);
    const float value = plane[near_i * width + near_j];
    return i == near_i && j == near_j ? value : 0.0f;
}

/* to[p][c][t] = (B' d B)[p] */
__kernel void transform_inputs(__global const float *x, ulong x_offset, ulong x_stride,
                               uint x_plane, __global float *to, ulong to_offset, int channels,
                               int height, int width, int first, int tiles)
{
    const int t = get_global_id(0), c = get_global_id(1);
    if (t >= tiles || c >= channels)
        return;
    const place at = find_tile(first + t, height, width);
    float lines[PLACES], v[PLACES];
    x += x_offset + at.n * x_stride + c * (size_t)x_plane;
#pragma unroll
    for (int i = 0; i < LINE; i++) {
        float d[LINE];
#pragma unroll
        for (int j = 0; j < LINE; j++)
            d[j] = element(x, at.row + i - 1, at.column + j - 1, height, width);
        input_line(d, 1, lines + i * LINE, 1);
    }
#pragma unroll
    for (int j = 0; j < LINE; j++)
        input_line(lines + j, LINE, v + j, LINE);
    to += to_offset + c * (size_t)tiles + t;
#pragma unroll
    for (int p = 0; p < PLACES; p++)
        to[p * (size_t)channels * tiles] = v[p];
}

/* to[p][c][t] = (GT dy GT')[p] */
__kernel void transform_gradients(__global const float *dy, ulong dy_offset, ulong dy_stride,
                                  uint dy_plane, __global float *to, ulong to_offset, int channels,
                                  int height, int width, int first, int tiles)
{
    const int t = get_global_id(0), c = get_global_id(1);
    if (t >= tiles || c >= channels)
        return;
    const place at = find_tile(first + t, height, width);
    float lines[TILE * LINE], v[PLACES];
    dy += dy_offset + at.n * dy_stride + c * (size_t)dy_plane;
#pragma unroll
    for (int i = 0; i < TILE; i++) {
        float d[TILE];
#pragma unroll
        for (int j = 0; j < TILE; j++)
            d[j] = element(dy, at.row + i, at.column + j, height, width);
        gradient_line(d, 1, lines + i * LINE, 1);
    }
#pragma unroll
    for (int j = 0; j < LINE; j++)
        gradient_line(lines + j, LINE, v + j, LINE);
    to += to_offset + c * (size_t)tiles + t;
#pragma unroll
    for (int p = 0; p < PLACES; p++)
        to[p * (size_t)channels * tiles] = v[p];
}

/* to[p][c][o] = (G g G')[p] of the filter from input c to output o, which begins at
 * w[o * out_step + c * in_step] and is turned by 180 degrees if `turn`. */
__kernel void transform_filters(__global const float *w, ulong w_offset, __global float *to,
                                ulong to_offset, int in_channels, int out_channels, int out_step,
                                int in_step, int turn)
{
    const int o = get_global_id(0), c = get_global_id(1);
    if (o >= out_channels || c >= in_channels)
        return;
    float g[9], lines[3 * LINE], u[PLACES];
    w += w_offset + o * (size_t)out_step + c * (size_t)in_step;
#pragma unroll
    for (int i = 0; i < 9; i++)
        g[i] = w[turn ? 8 - i : i];
#pragma unroll
    for (int i = 0; i < 3; i++)
        filter_line(g + 3 * i, 1, lines + i * LINE, 1);
#pragma unroll
    for (int j = 0; j < LINE; j++)
        filter_line(lines + j, LINE, u + j, LINE);
    to += to_offset + c * (size_t)out_channels + o;
#pragma unroll
    for (int p = 0; p < PLACES; p++)
        to[p * (size_t)in_channels * out_channels] = u[p];
}

/* --- outputs and the filters' gradients ---------------------------------------------------- */

/* A row of a tile. */
typedef JOIN(float, TILE) line;
#define LOAD_LINE(p) JOIN(vload, TILE)(0, p)
#define STORE_LINE(v, p) JOIN(vstore, TILE)(v, 0, p)

/* Stores what the plane has of a row of a tile, added to what stands there if `add`. */
static inline void put_row(__global float *to, const float *row, int column, int width, int add)
{
    if (column + TILE <= width) {
        const line values = LOAD_LINE(row);
        STORE_LINE(add ? values + LOAD_LINE(to) : values, to);
        return;
    }
    for (int j = 0; column + j < width; j++)
        to[j] = add ? row[j] + to[j] : row[j];
}

/* y (+)= act(A' m A + bias) from m[p][o][t], a tile of four channels a work-item, which share random
 * words; and, where there is a place for them, the maxima of its 2 x 2 blocks. */
__kernel void transform_outputs(__global const float *m, ulong m_offset, __global float *y,
                                ulong y_offset, ulong y_stride, uint y_plane,
                                __global float *pooled, ulong pooled_offset, ulong pooled_stride,
                                uint pooled_plane, __global const float *bias, ulong bias_offset,
                                int channels, int height, int width, int first, int tiles, int relu,
                                uint threshold, float scale, ulong key, uint step, uint image,
                                int add)
{
    const int t = get_global_id(0), channel = get_global_id(1) * 4;
    if (t >= tiles || channel >= channels)
        return;
    const dropout d = {threshold, scale, key, step, image};
    const place at = find_tile(first + t, height, width);
    uint words[TILE / 2][TILE][4];
    if (threshold)
        for (int i = 0; i < TILE / 2; i++)
            for (int j = 0; j < TILE; j++)
                dropout_words(words[i][j], d, at.n, channel, at.row + 2 * i, at.column + j, width);
    for (int o = channel; o < min(channel + 4, channels); o++) {
        float sums[PLACES], lines[LINE * TILE], v[TILE * TILE];
        __global const float *from = m + m_offset + o * (size_t)tiles + t;
        __global float *to = y + y_offset + at.n * y_stride + o * (size_t)y_plane +
                             at.row * width + at.column;
        const float start = bias ? bias[bias_offset + o] : 0.0f;
#pragma unroll
        for (int p = 0; p < PLACES; p++)
            sums[p] = from[p * (size_t)channels * tiles];
#pragma unroll
        for (int i = 0; i < LINE; i++)
            output_line(sums + i * LINE, 1, lines + i * TILE, 1);
#pragma unroll
        for (int j = 0; j < TILE; j++)
            output_line(lines + j, TILE, v + j, TILE);
#pragma unroll
        for (int i = 0; i < TILE; i++) {
#pragma unroll
            for (int j = 0; j < TILE; j++) {
                float value = v[i * TILE + j] + start;
                value = relu ? RELU(value) : value;
                v[i * TILE + j] = threshold ? drop(value, words[i / 2][j][o % 4], d, i) : value;
            }
            if (at.row + i < height)
                put_row(to + i * width, v + i * TILE, at.column, width, add);
        }
        for (int i = 0; pooled && i < TILE && at.row + i < height; i += 2)
            for (int j = 0; j < TILE && at.column + j < width; j += 2) {
                const float *block = v + i * TILE + j;
                pooled[pooled_offset + at.n * pooled_stride + o * (size_t)pooled_plane +
                       (at.row + i) / 2 * (width / 2) + (at.column + j) / 2] =
                    fmax(fmax(block[0], block[1]), fmax(block[TILE], block[TILE + 1]));
            }
    }
}

/* dw[o][c] = A3' s A3 of s[p] = the sum over k of partial[k][p][o][c], in the order of the chunks */
__kernel void transform_weights(__global const float *partial, ulong partial_offset,
                                __global float *dw, ulong dw_offset, int in_channels,
                                int out_channels, int chunks)
{
    const int c = get_global_id(0), o = get_global_id(1);
    if (c >= in_channels || o >= out_channels)
        return;
    const size_t filters = (size_t)in_channels * out_channels;
    float sums[PLACES], lines[LINE * 3], w[9];
    partial += partial_offset + o * (size_t)in_channels + c;
#pragma unroll
    for (int p = 0; p < PLACES; p++)
        sums[p] = 0;
    for (int k = 0; k < chunks; k++, partial += PLACES * filters)
#pragma unroll
        for (int p = 0; p < PLACES; p++)
            sums[p] += partial[p * filters];
#pragma unroll
    for (int i = 0; i < LINE; i++)
        weight_line(sums + i * LINE, 1, lines + i * 3, 1);
#pragma unroll
    for (int j = 0; j < 3; j++)
        weight_line(lines + j, 3, w + j, 3);
    dw += dw_offset + (o * (size_t)in_channels + c) * 9;
    for (int i = 0; i < 9; i++)
        dw[i] = w[i];
}
