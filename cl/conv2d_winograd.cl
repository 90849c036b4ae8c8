/* 3x3 convolution of stride 1 by Winograd's F(4x4, 3x3) (Lavin and Gray, "Fast algorithms for
 * convolutional neural networks", arXiv 1509.09308): the 4 x 4 outputs of a tile come from its 6 x
 * 6 inputs d and the filter g as
 *
 *   A' ((G g G') . (B' d B)) A       with  .  element by element, summed over input channels,
 *
 * 36 products in the place of 144. A CPU's variant: a work-item owns BLOCKS vectors of VEC tiles.
 * It transforms their inputs into local memory, in[p][c][b], a vector of tiles each, and then, OUT
 * channels at a time, multiplies them at each of the 36 places p by the transformed filters. */

#include "winograd_tiles.cl"

#ifndef OUT
#define OUT 8 /* output channels at a time: 4 or 8 */
#endif
#ifndef BLOCKS
#define BLOCKS 2
#endif

/* --- filters ------------------------------------------------------------------------------ */

typedef JOIN(float, OUT) outputs; /* a lane an output channel */

/* The floats that lie `step` apart from `from` on, `count` of them; the others are 0. */
#define TAP(lane) ((lane) < count ? from[(lane) * (size_t)step] : 0.0f)
static inline outputs gather_taps(__global const float *from, int step, int count)
{
#if OUT == 4
    return (outputs)(TAP(0), TAP(1), TAP(2), TAP(3));
#else
    return (outputs)(TAP(0), TAP(1), TAP(2), TAP(3), TAP(4), TAP(5), TAP(6), TAP(7));
#endif
}

/* G g of three values, `step` apart; to u, `u_step` apart */
static inline void filter_line(const outputs *g, int step, outputs *u, int u_step)
{
#define TO_FILTER(i, value) u[(i)*u_step] = value
    FILTER_LINE(outputs, TO_FILTER, g[0], g[step], g[2 * step])
}

/* A cache line lies between the filters of two places, which would otherwise be a power of two
 * apart and push each other out of the cache. */
#define PLACE_FLOATS(in_channels) ((size_t)(in_channels)*OUT + 16)
#define GROUP_FLOATS(in_channels) (PLACES * PLACE_FLOATS(in_channels))

/* filters[group][p][c][o] = (G g G')[p] of the filter from input c to output group * OUT + o, which
 * begins at w[output * out_step + c * in_step] and is turned by 180 degrees if `turn`; 0 for
 * outputs past the last. One work-item a group's filters from one input. */
__kernel void winograd_filters(__global const float *w, ulong w_offset, __global float *filters,
                               ulong filters_offset, int in_channels, int out_channels,
                               int out_step, int in_step, int turn)
{
    const int c = get_global_id(0), group = get_global_id(1);
    if (c >= in_channels || group * OUT >= out_channels)
        return;
    outputs g[9], lines[18], u[PLACES];
    w += w_offset + c * (size_t)in_step + (size_t)group * OUT * out_step;
    for (int i = 0; i < 9; i++)
        g[i] = gather_taps(w + (turn ? 8 - i : i), out_step, out_channels - group * OUT);
    for (int j = 0; j < 3; j++)
        filter_line(g + j, 3, lines + j, 3);
    for (int i = 0; i < 6; i++)
        filter_line(lines + 3 * i, 1, u + 6 * i, 1);
    filters += filters_offset + group * GROUP_FLOATS(in_channels) + c * OUT;
    for (int p = 0; p < PLACES; p++)
        JOIN(vstore, OUT)(u[p], 0, filters + p * PLACE_FLOATS(in_channels));
}

/* --- outputs ------------------------------------------------------------------------------ */

/* Half a vector; its place need not be aligned. */
#if VEC == 4
typedef float2 half_vec;
#define STORE_HALF(v, p) vstore2(v, 0, p)
#elif VEC == 8
typedef float4 half_vec;
#define STORE_HALF(v, p) vstore4(v, 0, p)
#else
typedef float8 half_vec;
#define STORE_HALF(v, p) vstore8(v, 0, p)
#endif

#if VEC == 4
typedef ulong2 pairs;
#define AS_PAIRS as_ulong2
#elif VEC == 8
typedef ulong4 pairs;
#define AS_PAIRS as_ulong4
#else
typedef ulong8 pairs;
#define AS_PAIRS as_ulong8
#endif

/* What follows the sums of an output channel, and where they go: the four segments' places in its
 * plane, and in that of the maxima of 2 x 2 outputs, which are wanted where `pool` says so. */
typedef struct {
    float bias;
    int relu, add, pool;
    dropout d;
    __global float *to[4], *pooled[4];
} finish;

/* The maxima of 2 x 2 outputs from two rows of a segment, for an even width. In exact mode, which
 * tells 0 from -0, in the order of pool.cl. */
static inline void put_maxima(__global float *to, vec upper, vec lower, int column, int width)
{
#if EXACT
    const vec wider = LARGER((vec)(upper.even, lower.even), (vec)(upper.odd, lower.odd));
    const half_vec maxima = LARGER(wider, (vec)(wider.hi, wider.lo)).lo;
#else
    const vec higher = fmax(upper, lower);
    const half_vec maxima = fmax(higher.even, higher.odd);
#endif
    if (column + VEC <= width) {
        STORE_HALF(maxima, to);
        return;
    }
    float lanes[VEC / 2];
    STORE_HALF(maxima, lanes);
    for (int i = 0; column + 2 * i < width; i++)
        to[i] = lanes[i];
}

/* A' m A of VEC tiles, as rows of the four segments, finished and stored. m[p] lies `step` vectors
 * apart. `whole` segments have all their rows and columns. words[i / 2][s] are those of row i for
 * dropout. */
static inline void put_outputs(const vec *m, int step, const segment at[4], bool whole,
                               const finish f, const uvec words[2][4], int batch, int height,
                               int width)
{
    vec above[4]; /* the last row */
    vec columns[6][4];
#pragma unroll 1
    for (int j = 0; j < 6; j++) {
#define TO_COLUMN(i, value) columns[j][i] = value
        OUTPUT_LINE(vec, TO_COLUMN, m[j * step], m[(6 + j) * step], m[(12 + j) * step],
                    m[(18 + j) * step], m[(24 + j) * step], m[(30 + j) * step])
    }
#pragma unroll 1
    for (int i = 0; i < 4; i++) {
        vec of[4]; /* column k of the tiles; then in turns */
#define TO_TILES(k, value) of[k] = value
        OUTPUT_LINE(vec, TO_TILES, columns[0][i], columns[1][i], columns[2][i], columns[3][i],
                    columns[4][i], columns[5][i])
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
        for (int s = 0; s < 4; s++) {
            vec value = AS_VEC(turns[s]) + f.bias;
            if (f.relu)
                value = RELU(value);
            if (f.d.threshold)
                value = drop(value, words[i / 2][s], f.d, at[s].row + i);
            const bool exists = whole || (at[s].n < batch && at[s].row + i < height);
            __global float *to = f.to[s] + i * width;
            if (whole)
                STORE(f.add ? value + LOAD(to) : value, to);
            else if (exists)
                update_row(to, value, at[s].column, width, f.add);
            if (f.pool && i % 2 == 1 && exists)
                put_maxima(f.pooled[s] + i / 2 * (width / 2), above[s], value, at[s].column, width);
            above[s] = value;
        }
    }
}

/* products[p][o][b] = sum over c of filters[p][c][o] * in[p][c][b]. A function of its own, so that
 * its sums stay in registers, whatever the kernel around it does with them. */
__attribute__((noinline)) static void multiply(__global const float *filters,
                                               __local const float *in, int in_channels,
                                               vec products[PLACES][OUT * BLOCKS + 1])
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
        in += VEC;
        filters += PLACE_FLOATS(0);
#pragma unroll
        for (int o = 0; o < OUT; o++)
#pragma unroll
            for (int b = 0; b < BLOCKS; b++)
                products[p][o * BLOCKS + b] = sum[o][b];
    }
}

static inline bool is_whole(const segment at[4], int batch, int height, int width)
{
    bool whole = true;
    for (int s = 0; s < 4; s++)
        whole &= at[s].n < batch && at[s].row + 4 <= height && at[s].column + VEC <= width;
    return whole;
}

/* What dropout needs for the rows of four channels from `channel` on: words[c % 4][row / 2][s]. */
static inline void draw_words(uvec words[4][2][4], dropout d, int channel, const segment at[4],
                              int width)
{
    for (int s = 0; s < 4; s++)
        for (int pair = 0; pair < 2; pair++) {
            uvec four[4];
            dropout_words(four, d, at[s].n, channel, at[s].row + 2 * pair, at[s].column, width);
            for (int t = 0; t < 4; t++)
                words[t][pair][s] = four[t];
        }
}

/* One work-item: BLOCKS vectors of tiles (dimension 0) in `groups` times OUT channels
 * (dimension 1). in: PLACES * in_channels * BLOCKS * VEC floats. */
__kernel void winograd_convolve(__global const float *x, ulong x_offset, ulong x_stride,
                                uint x_plane, __global float *y, ulong y_offset, ulong y_stride,
                                uint y_plane, __global float *pooled, ulong pooled_offset,
                                ulong pooled_stride, uint pooled_plane,
                                __global const float *filters, ulong filters_offset,
                                __global const float *bias, ulong bias_offset, int in_channels,
                                int out_channels, int batch, int height, int width, int groups,
                                int relu, uint threshold, float scale, ulong key, uint step,
                                uint image, int add, __local float *in)
{
    const dropout d = {threshold, scale, key, step, image};
    segment at[BLOCKS][4];
    x += x_offset;
    y += y_offset;
    bias = bias ? bias + bias_offset : bias;
    filters += filters_offset;
    __global float *maxima = pooled ? pooled + pooled_offset : y;
    __global const float *from[BLOCKS][4];
    uint rows[BLOCKS][4];
    after_mask there[BLOCKS];
    for (int b = 0; b < BLOCKS; b++) {
        for (int s = 0; s < 4; s++) {
            const segment found =
                find_segment((get_global_id(0) * BLOCKS + b) * 4 + s, batch, height, width);
            at[b][s] = found;
            from[b][s] = x + found.n * x_stride + (found.row - 1) * width + found.column - 1;
            rows[b][s] = input_rows(found, batch, height);
        }
        there[b] = columns_after(at[b], width);
    }
    if (at[0][0].n >= batch)
        return;
    for (int c = 0; c < in_channels; c++)
        for (int b = 0; b < BLOCKS; b++) {
            if (c + 1 < in_channels)
                for (int s = 0; s < 4; s++)
                    for (int i = 2; i < 6; i++) /* the two first are those of the tiles above */
                        PREFETCH(from[b][s] + x_plane + i * width + VEC / 2);
            transform_input(from[b], at[b], rows[b], there[b], width, in + (c * BLOCKS + b) * VEC,
                            (size_t)(in_channels * BLOCKS + 1) * VEC);
            for (int s = 0; s < 4; s++)
                from[b][s] += x_plane;
        }
    const int first = get_global_id(1) * groups * OUT;
    const int end = min(first + groups * OUT, out_channels);
    for (int channel = first; channel < end; channel += OUT) {
        vec products[PLACES][OUT * BLOCKS + 1];
        for (int b = 0; b < BLOCKS; b++)
            for (int s = 0; s < 4 && at[b][s].n < batch; s++)
                for (int o = 0; o < OUT && channel + o < end; o++)
                    for (int i = 0; i < 4; i++)
                        PREFETCH(y + at[b][s].n * y_stride + (channel + o) * (size_t)y_plane +
                                 (at[b][s].row + i) * width + at[b][s].column);
        multiply(filters + channel / OUT * GROUP_FLOATS(in_channels), in, in_channels, products);
        for (int b = 0; b < BLOCKS; b++) {
            const bool whole = is_whole(at[b], batch, height, width);
            uvec words[4][2][4];
            for (int o = 0; o < OUT && channel + o < end; o++) {
                if (threshold && o % 4 == 0)
                    draw_words(words, d, channel + o, at[b], width);
                finish f = {.bias = bias ? bias[channel + o] : 0.0f,
                            .relu = relu,
                            .add = add,
                            .pool = pooled != 0,
                            .d = d};
                for (int s = 0; s < 4; s++) {
                    const segment a = at[b][s];
                    f.to[s] = y + a.n * y_stride + (channel + o) * (size_t)y_plane + a.row * width +
                              a.column;
                    /* Always: a store that may not be is one that a load waits for. */
                    f.pooled[s] = maxima + a.n * pooled_stride +
                                  (channel + o) * (size_t)pooled_plane + a.row / 2 * (width / 2) +
                                  a.column / 2;
                }
                put_outputs(&products[0][o * BLOCKS + b], OUT * BLOCKS + 1, at[b], whole, f,
                            words[o % 4], batch, height, width);
            }
        }
    }
}
