/* 3x3 convolution of stride 1 by Winograd's F(4x4, 3x3) (Lavin and Gray, "Fast algorithms for
 * convolutional neural networks", arXiv 1509.09308): the 4 x 4 outputs of a tile come from its 6 x 6
 * inputs d and the filter g as
 *
 *   A' ((G g G') . (B' d B)) A       with  .  element by element, summed over input channels,
 *
 * 36 products in the place of 144. A CPU's variant: a work-item owns BLOCKS vectors of VEC tiles.
 * It transforms their inputs into local memory, in[p][c][b], a vector of tiles each, and then, OUT
 * channels at a time, multiplies them at each of the 36 places p by the transformed filters.
 *
 * VEC tiles are four segments of a row, VEC columns of outputs each, which follow each other in the
 * order (n, tile row, column), so that narrow images fill the vectors too. */

#ifndef OUT
#define OUT 8 /* output channels at a time, a multiple of 4 */
#endif
#ifndef BLOCKS
#define BLOCKS 2
#endif
#define PLACES 36

#if VEC == 1
#error "the segments of a vector need at least 4 lanes"
#endif

#if VEC == 4
typedef ulong2 pairs;
#define AS_PAIRS as_ulong2
#define AS_VEC as_float4
#elif VEC == 8
typedef ulong4 pairs;
#define AS_PAIRS as_ulong4
#define AS_VEC as_float8
#else
typedef ulong8 pairs;
#define AS_PAIRS as_ulong8
#define AS_VEC as_float16
#endif

/* --- filters ------------------------------------------------------------------------------ */

/* G g of three values */
static inline void filter_line(const float *g, int step, float *u, int u_step)
{
    const float even = (g[0] + g[2 * step]) * (1 / 6.0f), odd = g[step] * (1 / 6.0f);
    const float far = g[0] * (1 / 24.0f) + g[2 * step] * (1 / 6.0f), middle = g[step] * (1 / 12.0f);
    u[0] = g[0] * 0.25f;
    u[u_step] = -even - odd;
    u[2 * u_step] = odd - even;
    u[3 * u_step] = far + middle;
    u[4 * u_step] = far - middle;
    u[5 * u_step] = g[2 * step];
}

/* filters[o / OUT][p][c][o % OUT] = (G g G')[p] of the filter from input c to output o, which begins
 * at w[o * out_step + c * in_step] and is turned by 180 degrees if `turn`; 0 for outputs past the
 * last. One work-item a filter. */
__kernel void winograd_filters(__global const float *w, ulong w_offset, __global float *filters,
                               ulong filters_offset, int in_channels, int out_channels,
                               int out_step, int in_step, int turn)
{
    const int c = get_global_id(0), o = get_global_id(1);
    if (c >= in_channels || o >= (out_channels + OUT - 1) / OUT * OUT)
        return;
    float g[9], lines[18], u[PLACES];
    w += w_offset + o * (size_t)out_step + c * (size_t)in_step;
    for (int i = 0; i < 9; i++)
        g[i] = o < out_channels ? w[turn ? 8 - i : i] : 0;
    for (int j = 0; j < 3; j++)
        filter_line(g + j, 3, lines + j, 3);
    for (int i = 0; i < 6; i++)
        filter_line(lines + 3 * i, 1, u + 6 * i, 1);
    filters += filters_offset + ((size_t)(o / OUT) * PLACES * in_channels + c) * OUT + o % OUT;
    for (int p = 0; p < PLACES; p++)
        filters[(size_t)p * in_channels * OUT] = u[p];
}

/* --- inputs ------------------------------------------------------------------------------- */

/* VEC columns of four rows of outputs; n is the batch's size for segments past the last. */
typedef struct {
    int n, row, column;
} segment;

static inline segment find_segment(int index, int batch, int height, int width)
{
    const int columns = (width + VEC - 1) / VEC, rows = (height + 3) / 4;
    return (segment){min(index / columns / rows, batch), index / columns % rows * 4,
                     index % columns * VEC};
}

/* B' d of six values */
#define INPUT_LINE(to, d0, d1, d2, d3, d4, d5)                                                     \
    {                                                                                              \
        const vec a = fma((vec)(-4), d2, d4), b = fma((vec)(-4), d1, d3);                          \
        const vec c = d4 - d2, e = 2 * (d3 - d1);                                                  \
        to(0, fma((vec)(4), d0, fma((vec)(-5), d2, d4)));                                          \
        to(1, a + b);                                                                              \
        to(2, a - b);                                                                              \
        to(3, c + e);                                                                              \
        to(4, c - e);                                                                              \
        to(5, fma((vec)(4), d1, fma((vec)(-5), d3, d5)));                                          \
    }

/* Row i of the tiles' inputs, transformed along the row: line[j], a lane a tile. */
static inline void input_row(__global const float *const from[4], const segment at[4], int batch,
                             int height, int width, int i, vec line[6])
{
    vec low[4], high[4]; /* of each segment: the inputs from column - 1 on, and from + 3 on */
#pragma unroll
    for (int s = 0; s < 4; s++) {
        const int row = at[s].row + i - 1;
        if (at[s].n < batch && row >= 0 && row < height) {
            __global const float *p = from[s] + i * width;
            const ivec column = LANES + (at[s].column - 1);
            low[s] = select((vec)(0), LOAD(p), (column >= 0) & (column < width));
            high[s] = select((vec)(0), LOAD(p + 4), column + 4 < width);
        } else {
            low[s] = high[s] = (vec)(0);
        }
    }
    const vec even0 = (vec)(low[0].even, low[1].even), even1 = (vec)(low[2].even, low[3].even);
    const vec odd0 = (vec)(low[0].odd, low[1].odd), odd1 = (vec)(low[2].odd, low[3].odd);
    const vec next0 = (vec)(high[0].even, high[1].even), next1 = (vec)(high[2].even, high[3].even);
    const vec last0 = (vec)(high[0].odd, high[1].odd), last1 = (vec)(high[2].odd, high[3].odd);
    const vec d0 = (vec)(even0.even, even1.even), d2 = (vec)(even0.odd, even1.odd);
    const vec d1 = (vec)(odd0.even, odd1.even), d3 = (vec)(odd0.odd, odd1.odd);
    const vec d4 = (vec)(next0.even, next1.even), d5 = (vec)(last0.even, last1.even);
#define TO_LINE(j, value) line[j] = value
    INPUT_LINE(TO_LINE, d0, d1, d2, d3, d4, d5)
}

/* B' d B of VEC tiles of one plane, to in[p * step]. */
static inline void transform_input(__global const float *const from[4], const segment at[4],
                                   int batch, int height, int width, __local float *in, size_t step)
{
    vec lines[6][6];
#pragma unroll
    for (int i = 0; i < 6; i++)
        input_row(from, at, batch, height, width, i, lines[i]);
#pragma unroll
    for (int j = 0; j < 6; j++) {
#define TO_IN(i, value) STORE(value, in + (6 * i + j) * step)
        INPUT_LINE(TO_IN, lines[0][j], lines[1][j], lines[2][j], lines[3][j], lines[4][j],
                   lines[5][j])
    }
}

/* --- outputs ------------------------------------------------------------------------------ */

/* A' m of six values, to four */
#define OUTPUT_LINE(y, m0, m1, m2, m3, m4, m5)                                                     \
    {                                                                                              \
        const vec s = m1 + m2, d = m1 - m2, t = m3 + m4, e = m3 - m4;                              \
        y[0] = m0 + s + t;                                                                         \
        y[1] = fma((vec)(2), e, d);                                                                \
        y[2] = fma((vec)(4), t, s);                                                                \
        y[3] = fma((vec)(8), e, d) + m5;                                                           \
    }

/* A' m A of VEC tiles, as rows of the four segments: y[i][s]. m[p] lies `step` vectors apart. */
static inline void transform_output(const vec *m, int step, vec y[4][4])
{
    vec columns[6][4];
#pragma unroll
    for (int j = 0; j < 6; j++)
        OUTPUT_LINE(columns[j], m[j * step], m[(6 + j) * step], m[(12 + j) * step],
                    m[(18 + j) * step], m[(24 + j) * step], m[(30 + j) * step])
#pragma unroll
    for (int i = 0; i < 4; i++) {
        vec of[4]; /* column k of the tiles; then in turns */
        OUTPUT_LINE(of, columns[0][i], columns[1][i], columns[2][i], columns[3][i], columns[4][i],
                    columns[5][i])
        vec low01, high01, low23, high23;
        low01.even = of[0].lo, low01.odd = of[1].lo;
        high01.even = of[0].hi, high01.odd = of[1].hi;
        low23.even = of[2].lo, low23.odd = of[3].lo;
        high23.even = of[2].hi, high23.odd = of[3].hi;
        pairs turns[4];
        turns[0].even = AS_PAIRS(low01).lo, turns[0].odd = AS_PAIRS(low23).lo;
        turns[1].even = AS_PAIRS(low01).hi, turns[1].odd = AS_PAIRS(low23).hi;
        turns[2].even = AS_PAIRS(high01).lo, turns[2].odd = AS_PAIRS(high23).lo;
        turns[3].even = AS_PAIRS(high01).hi, turns[3].odd = AS_PAIRS(high23).hi;
#pragma unroll
        for (int s = 0; s < 4; s++)
            y[i][s] = AS_VEC(turns[s]);
    }
}

/* products[p][o][b] = sum over c of filters[p][c][o] * in[p][c][b] */
static inline void multiply(__global const float *filters, __local const float *in, int in_channels,
                            vec products[PLACES][OUT][BLOCKS])
{
    for (int p = 0; p < PLACES; p++) {
        vec sum[OUT][BLOCKS];
#pragma unroll
        for (int o = 0; o < OUT; o++)
#pragma unroll
            for (int b = 0; b < BLOCKS; b++)
                sum[o][b] = (vec)(0);
        for (int c = 0; c < in_channels; c++) {
            vec value[BLOCKS];
#pragma unroll
            for (int b = 0; b < BLOCKS; b++)
                value[b] = LOAD(in + b * VEC);
#pragma unroll
            for (int o = 0; o < OUT; o++)
#pragma unroll
                for (int b = 0; b < BLOCKS; b++)
                    sum[o][b] = fma((vec)(filters[o]), value[b], sum[o][b]);
            in += BLOCKS * VEC;
            filters += OUT;
        }
#pragma unroll
        for (int o = 0; o < OUT; o++)
#pragma unroll
            for (int b = 0; b < BLOCKS; b++)
                products[p][o][b] = sum[o][b];
    }
}

/* Bias, ReLU and dropout of four channels from `channel` on, written to y or added to it. */
static inline void finish(const vec rows[4][4][4], const segment at[4], int channel,
                          __global float *y, ulong y_stride, uint y_plane,
                          __global const float *bias, int out_channels, int batch, int height,
                          int width, int relu, dropout d, int add)
{
    uvec words[4];
    for (int s = 0; s < 4; s++) {
        if (at[s].n >= batch)
            continue;
        __global float *to = y + at[s].n * y_stride + at[s].row * width + at[s].column;
        for (int i = 0; i < min(4, height - at[s].row); i++) {
            const int row = at[s].row + i;
            if (d.threshold && i % 2 == 0)
                dropout_words(words, d, at[s].n, channel, row, at[s].column, width);
            for (int t = 0; t < min(4, out_channels - channel); t++) {
                vec value = rows[t][i][s] + (bias ? bias[channel + t] : 0.0f);
                if (relu)
                    value = fmax(value, (vec)(0));
                if (d.threshold)
                    value = drop(value, words[t], d, row);
                update_row(to + (channel + t) * (size_t)y_plane + i * width, value, at[s].column,
                           width, add);
            }
        }
    }
}

/* One work-item: BLOCKS vectors of tiles (dimension 0) in `groups` times OUT channels
 * (dimension 1). in: PLACES * in_channels * BLOCKS * VEC floats. */
__kernel void winograd_convolve(__global const float *x, ulong x_offset, ulong x_stride,
                                uint x_plane, __global float *y, ulong y_offset, ulong y_stride,
                                uint y_plane, __global const float *filters, ulong filters_offset,
                                __global const float *bias, ulong bias_offset, int in_channels,
                                int out_channels, int batch, int height, int width, int groups,
                                int relu, uint threshold, float scale, ulong key, uint step,
                                int add, __local float *in)
{
    const dropout d = {threshold, scale, key, step};
    segment at[BLOCKS][4];
    x += x_offset;
    y += y_offset;
    bias = bias ? bias + bias_offset : bias;
    filters += filters_offset;
    for (int b = 0; b < BLOCKS; b++) {
        __global const float *from[4];
        for (int s = 0; s < 4; s++) {
            at[b][s] = find_segment((get_global_id(0) * BLOCKS + b) * 4 + s, batch, height, width);
            from[s] = x + at[b][s].n * x_stride + (at[b][s].row - 1) * width + at[b][s].column - 1;
        }
        if (at[b][0].n >= batch && b == 0)
            return;
        for (int c = 0; c < in_channels; c++) {
            transform_input(from, at[b], batch, height, width, in + (c * BLOCKS + b) * VEC,
                            (size_t)in_channels * BLOCKS * VEC);
            for (int s = 0; s < 4; s++)
                from[s] += x_plane;
        }
    }
    const int first = get_global_id(1) * groups * OUT;
    const int end = min(first + groups * OUT, out_channels);
    for (int channel = first; channel < end; channel += OUT) {
        vec products[PLACES][OUT][BLOCKS];
        multiply(filters + (size_t)channel * PLACES * in_channels, in, in_channels, products);
        for (int b = 0; b < BLOCKS; b++)
            for (int o = 0; o < OUT && channel + o < end; o += 4) {
                vec rows[4][4][4];
                for (int t = 0; t < 4; t++)
                    transform_output(&products[0][o + t][b], OUT * BLOCKS, rows[t]);
                finish(rows, at[b], channel + o, y, y_stride, y_plane, bias, out_channels, batch,
                       height, width, relu, d, add);
            }
    }
}
