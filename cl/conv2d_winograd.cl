/* 3x3 convolution of stride 1 by Winograd's F(4x4, 3x3) (Lavin and Gray, "Fast algorithms for
 * convolutional neural networks", arXiv 1509.09308): the 4 x 4 outputs of a tile come from its 6 x
 * 6 inputs d and the filter g as
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
#define OUT 8 /* output channels at a time: 4 or 8 */
#endif
#ifndef BLOCKS
#define BLOCKS 2
#endif
#define PLACES 36
#define ALL_ROWS 0x3fu /* of a tile's inputs */

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

/* `after` holds the two columns that follow each of four segments, at the front of each quarter.
 * FOLLOWING is a column k of the tiles, lane by lane that of the next tile of the segment, or the
 * first (even) or second (odd) of those two after the last. */
#if VEC == 16
typedef float4 after_part;
typedef float16 after;
typedef int4 after_ints;
typedef int16 after_mask;
#define LOAD_AFTER(p) vload4(0, p)
#define AS_AFTER as_float16
#define AS_AFTER_MASK as_int16
#define AFTER_LANES ((int16)(0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0))
#define FOLLOWING_even(k, a)                                                                       \
    (vec)((k).s123, (a).s0, (k).s567, (a).s4, (k).s9ab, (a).s8, (k).sdef, (a).sc)
#define FOLLOWING_odd(k, a)                                                                        \
    (vec)((k).s123, (a).s1, (k).s567, (a).s5, (k).s9ab, (a).s9, (k).sdef, (a).sd)
#else
typedef float2 after_part;
typedef float8 after;
typedef int2 after_ints;
typedef int8 after_mask;
#define LOAD_AFTER(p) vload2(0, p)
#define AS_AFTER as_float8
#define AS_AFTER_MASK as_int8
#define AFTER_LANES ((int8)(0, 1, 0, 1, 0, 1, 0, 1))
#if VEC == 8
#define FOLLOWING_even(k, a) (vec)((k).s1, (a).s0, (k).s3, (a).s2, (k).s5, (a).s4, (k).s7, (a).s6)
#define FOLLOWING_odd(k, a) (vec)((k).s1, (a).s1, (k).s3, (a).s3, (k).s5, (a).s5, (k).s7, (a).s7)
#else
#define FOLLOWING_even(k, a) (a).even
#define FOLLOWING_odd(k, a) (a).odd
#endif
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

/* G g of three values */
static inline void filter_line(const outputs *g, int step, outputs *u, int u_step)
{
    const outputs even = (g[0] + g[2 * step]) * (1 / 6.0f), odd = g[step] * (1 / 6.0f);
    const outputs far = g[0] * (1 / 24.0f) + g[2 * step] * (1 / 6.0f);
    const outputs middle = g[step] * (1 / 12.0f);
    u[0] = g[0] * 0.25f;
    u[u_step] = -even - odd;
    u[2 * u_step] = odd - even;
    u[3 * u_step] = far + middle;
    u[4 * u_step] = far - middle;
    u[5 * u_step] = g[2 * step];
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

/* What a work-item knows of a segment: which of its tiles' six rows of inputs there are, a bit
 * each. */
static inline uint input_rows(segment at, int batch, int height)
{
    if (at.n >= batch)
        return 0;
    const int past = at.row + 5 - height; /* rows below the image */
    return (at.row == 0 ? ALL_ROWS & ~1u : ALL_ROWS) & (past > 0 ? ALL_ROWS >> past : ALL_ROWS);
}

/* Which of the two columns of inputs after each segment the image has: all bits, or none. */
static inline after_mask columns_after(const segment at[4], int width)
{
    const after_mask first = (after_mask)((after_ints)(at[0].column), (after_ints)(at[1].column),
                                          (after_ints)(at[2].column), (after_ints)(at[3].column));
    return first + AFTER_LANES + (VEC - 1) < width;
}

/* B' d of six values of the type T */
#define INPUT_LINE(T, to, d0, d1, d2, d3, d4, d5)                                                  \
    {                                                                                              \
        const T a = fma((T)(-4), d2, d4), b = fma((T)(-4), d1, d3);                                \
        const T c = d4 - d2, e = 2 * (d3 - d1);                                                    \
        to(0, fma((T)(4), d0, fma((T)(-5), d2, d4)));                                              \
        to(1, a + b);                                                                              \
        to(2, a - b);                                                                              \
        to(3, c + e);                                                                              \
        to(4, c - e);                                                                              \
        to(5, fma((T)(4), d1, fma((T)(-5), d3, d5)));                                              \
    }

/* B' of a segment's six rows of inputs, VEC columns from `column` on, zeros for those that the
 * image does not have. */
static inline void input_columns(__global const float *from, int width, uint rows, int column,
                                 vec to[6])
{
    vec d[6];
    if (rows == ALL_ROWS && column >= 0 && column + VEC <= width) {
#pragma unroll
        for (int i = 0; i < 6; i++)
            d[i] = LOAD(from + i * width);
    } else {
        const ivec at = LANES + column;
#pragma unroll
        for (int i = 0; i < 6; i++)
            d[i] = rows >> i & 1
                       ? select((vec)(0), LOAD(from + i * width), (at >= 0) & (at < width))
                       : (vec)(0);
    }
#define TO_COLUMNS(i, value) to[i] = value
    INPUT_LINE(vec, TO_COLUMNS, d[0], d[1], d[2], d[3], d[4], d[5])
}

/* The same of the two columns that follow each of the four segments; `there` masks those that the
 * image does not have. */
static inline void input_columns_after(__global const float *const from[4], int width,
                                       const uint rows[4], after_mask there, after to[6])
{
    after d[6];
#pragma unroll
    for (int i = 0; i < 6; i++) {
        after_part part[4];
#pragma unroll
        for (int s = 0; s < 4; s++)
            part[s] = rows[s] >> i & 1 ? LOAD_AFTER(from[s] + i * width + VEC) : (after_part)(0);
        d[i] = AS_AFTER(AS_AFTER_MASK((after)(part[0], part[1], part[2], part[3])) & there);
    }
    INPUT_LINE(after, TO_COLUMNS, d[0], d[1], d[2], d[3], d[4], d[5])
}

/* B' d B of VEC tiles of one plane, to in[p * step]. */
static inline void transform_input(__global const float *const from[4], const segment at[4],
                                   const uint rows[4], after_mask there, int width,
                                   __local float *in, size_t step)
{
    vec columns[4][6];
    after following[6];
#pragma unroll
    for (int s = 0; s < 4; s++)
        input_columns(from[s], width, rows[s], at[s].column - 1, columns[s]);
    input_columns_after(from, width, rows, there, following);
#pragma unroll
    for (int i = 0; i < 6; i++) {
        const vec even0 = (vec)(columns[0][i].even, columns[1][i].even);
        const vec even1 = (vec)(columns[2][i].even, columns[3][i].even);
        const vec odd0 = (vec)(columns[0][i].odd, columns[1][i].odd);
        const vec odd1 = (vec)(columns[2][i].odd, columns[3][i].odd);
        const vec d0 = (vec)(even0.even, even1.even), d2 = (vec)(even0.odd, even1.odd);
        const vec d1 = (vec)(odd0.even, odd1.even), d3 = (vec)(odd0.odd, odd1.odd);
        const vec d4 = FOLLOWING_even(d0, following[i]), d5 = FOLLOWING_odd(d1, following[i]);
#define TO_IN(j, value) STORE(value, in + (6 * i + j) * step)
        INPUT_LINE(vec, TO_IN, d0, d1, d2, d3, d4, d5)
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

/* What follows the sums of an output channel, and where they go. */
typedef struct {
    float bias;
    int relu, add;
    dropout d;
} finish;

/* A' m A of VEC tiles, as rows of the four segments, finished and stored: to[s] is where segment s
 * begins in its plane. m[p] lies `step` vectors apart. `whole` segments have all their rows and
 * columns. words[i / 2][s] are those of row i for dropout. */
static inline void put_outputs(const vec *m, int step, const segment at[4], bool whole,
                               __global float *const to[4], const finish f, const uvec words[2][4],
                               int batch, int height, int width)
{
    vec columns[6][4];
#pragma unroll 1
    for (int j = 0; j < 6; j++)
        OUTPUT_LINE(columns[j], m[j * step], m[(6 + j) * step], m[(12 + j) * step],
                    m[(18 + j) * step], m[(24 + j) * step], m[(30 + j) * step])
#pragma unroll 1
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
        for (int s = 0; s < 4; s++) {
            vec value = AS_VEC(turns[s]) + f.bias;
            if (f.relu)
                value = fmax(value, (vec)(0));
            if (f.d.threshold)
                value = drop(value, words[i / 2][s], f.d, at[s].row + i);
            if (whole)
                STORE(f.add ? value + LOAD(to[s] + i * width) : value, to[s] + i * width);
            else if (at[s].n < batch && at[s].row + i < height)
                update_row(to[s] + i * width, value, at[s].column, width, f.add);
        }
    }
}

/* products[p][o][b] = sum over c of filters[p][c][o] * in[p][c][b] */
static inline void multiply(__global const float *filters, __local const float *in, int in_channels,
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
                                uint y_plane, __global const float *filters, ulong filters_offset,
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
                __global float *to[4];
                for (int s = 0; s < 4; s++)
                    to[s] = y + at[b][s].n * y_stride + (channel + o) * (size_t)y_plane +
                            at[b][s].row * width + at[b][s].column;
                if (threshold && o % 4 == 0)
                    draw_words(words, d, channel + o, at[b], width);
                const finish f = {
                    .bias = bias ? bias[channel + o] : 0.0f, .relu = relu, .add = add, .d = d};
                put_outputs(&products[0][o * BLOCKS + b], OUT * BLOCKS + 1, at[b], whole, to, f,
                            words[o % 4], batch, height, width);
            }
        }
    }
}

/* --- gradients by the weights ------------------------------------------------------------- */

/* The same tiles the other way round, F(3x3, 4x4): a tile adds to the filter's gradient
 *
 *   A3' ((G4 dy G4') . (B' d B)) A3
 *
 * of its 4 x 4 gradients dy and 6 x 6 inputs d. A work-item sums the products, [p][o][c], over its
 * share of the tiles in the transformed domain; lanes are input channels. */

/* G4 of four values */
#define GRADIENT_LINE(to, g0, g1, g2, g3)                                                          \
    {                                                                                              \
        const vec even = (g0 + g2) * (-1 / 6.0f), odd = (g1 + g3) * (-1 / 6.0f);                   \
        const vec far = fma((vec)(4), g2, g0) * (1 / 24.0f);                                       \
        const vec middle = fma((vec)(4), g3, g1) * (1 / 12.0f);                                    \
        to(0, g0 * 0.25f);                                                                         \
        to(1, even + odd);                                                                         \
        to(2, even - odd);                                                                         \
        to(3, far + middle);                                                                       \
        to(4, far - middle);                                                                       \
        to(5, g3);                                                                                 \
    }

/* G4 of a segment's four rows of gradients, `count` of which the image has; likewise its columns.
 */
static inline void gradient_columns(__global const float *from, int width, int count, int column,
                                    vec to[6])
{
    vec d[4];
    if (count >= 4 && column + VEC <= width) {
#pragma unroll
        for (int i = 0; i < 4; i++)
            d[i] = LOAD(from + i * width);
    } else {
#pragma unroll
        for (int i = 0; i < 4; i++)
            d[i] = i < count ? select((vec)(0), LOAD(from + i * width), LANES + column < width)
                             : (vec)(0);
    }
    GRADIENT_LINE(TO_COLUMNS, d[0], d[1], d[2], d[3])
}

/* G4 dy G4' of VEC tiles of one plane, to out[p * step]; count[s]: the rows of segment s. */
static inline void transform_gradient(__global const float *const from[4], const segment at[4],
                                      const int count[4], int width, __local float *out,
                                      size_t step)
{
    vec columns[4][6];
#pragma unroll
    for (int s = 0; s < 4; s++)
        gradient_columns(from[s], width, count[s], at[s].column, columns[s]);
#pragma unroll
    for (int i = 0; i < 6; i++) {
        const vec even0 = (vec)(columns[0][i].even, columns[1][i].even);
        const vec even1 = (vec)(columns[2][i].even, columns[3][i].even);
        const vec odd0 = (vec)(columns[0][i].odd, columns[1][i].odd);
        const vec odd1 = (vec)(columns[2][i].odd, columns[3][i].odd);
        const vec g0 = (vec)(even0.even, even1.even), g2 = (vec)(even0.odd, even1.odd);
        const vec g1 = (vec)(odd0.even, odd1.even), g3 = (vec)(odd0.odd, odd1.odd);
#define TO_OUT(j, value) STORE(value, out + (6 * i + j) * step)
        GRADIENT_LINE(TO_OUT, g0, g1, g2, g3)
    }
}

/* VEC vectors, `from_step` apart, to lanes' vectors, `to_step` apart. */
static inline void transpose(__local const float *from, size_t from_step, __local float *to,
                             size_t to_step)
{
    vec a[VEC], b[VEC];
#pragma unroll
    for (int i = 0; i < VEC; i++)
        a[i] = LOAD(from + i * from_step);
#pragma unroll
    for (int stage = 1; stage < VEC; stage *= 2) { /* a perfect shuffle of all elements */
#pragma unroll
        for (int i = 0; i < VEC / 2; i++) {
            b[2 * i].even = a[i].lo, b[2 * i].odd = a[i + VEC / 2].lo;
            b[2 * i + 1].even = a[i].hi, b[2 * i + 1].odd = a[i + VEC / 2].hi;
        }
#pragma unroll
        for (int i = 0; i < VEC; i++)
            a[i] = b[i];
    }
#pragma unroll
    for (int i = 0; i < VEC; i++)
        STORE(a[i], to + i * to_step);
}

/* sums[p][o][c] (+)= sum over tiles t of out[p][o][t] * in[p][t][c], for `outs` channels o and
 * `lanes` channels c; OUT x WIDE vectors of sums at a time. */
#ifndef WIDE
#define WIDE 2
#endif
static inline void add_products(__local const float *in, __local const float *out,
                                __global float *sums, int outs, int lanes, size_t sums_step,
                                int tiles, bool add)
{
    for (int p = 0; p < PLACES; p++)
        for (int first = 0; first < outs; first += OUT)
            for (int c = 0; c < lanes; c += WIDE * VEC) {
                __global float *to = sums + p * sums_step + (size_t)first * lanes + c;
                __local const float *value = in + (size_t)p * tiles * lanes + c;
                __local const float *gradient = out + ((size_t)p * outs + first) * tiles;
                vec sum[OUT][WIDE];
#pragma unroll
                for (int o = 0; o < OUT; o++)
#pragma unroll
                    for (int k = 0; k < WIDE; k++)
                        sum[o][k] = add ? LOAD(to + o * lanes + k * VEC) : (vec)(0);
                for (int t = 0; t < tiles; t++) {
                    vec values[WIDE];
#pragma unroll
                    for (int k = 0; k < WIDE; k++)
                        values[k] = LOAD(value + k * VEC);
#pragma unroll
                    for (int o = 0; o < OUT; o++)
#pragma unroll
                        for (int k = 0; k < WIDE; k++)
                            sum[o][k] = fma((vec)(gradient[o * tiles]), values[k], sum[o][k]);
                    value += lanes;
                    gradient++;
                }
#pragma unroll
                for (int o = 0; o < OUT; o++)
#pragma unroll
                    for (int k = 0; k < WIDE; k++)
                        STORE(sum[o][k], to + o * lanes + k * VEC);
            }
}

/* One work-item: `vectors` vectors of tiles from vectors * k on, `blocks` at a time (dimension 0),
 * for `outs` output channels, a multiple of OUT (dimension 1). Item k writes its sums to
 * partial[k][p][o][c], `padded` channels o, a multiple of outs, and `lanes` channels c, a multiple
 * of WIDE * VEC; channels past the last are 0.
 * Local memory in floats: in PLACES * blocks * VEC * lanes, out PLACES * outs * blocks * VEC,
 * turned PLACES * VEC * VEC. */
__kernel void winograd_weights(__global const float *x, ulong x_offset, ulong x_stride,
                               uint x_plane, __global const float *dy, ulong dy_offset,
                               ulong dy_stride, uint dy_plane, __global float *partial,
                               ulong partial_offset, int in_channels, int out_channels, int batch,
                               int height, int width, int vectors, int blocks, int outs, int padded,
                               int lanes, __local float *in, __local float *out,
                               __local float *turned)
{
    const int tiles = blocks * VEC, first_out = get_global_id(1) * outs;
    x += x_offset;
    dy += dy_offset;
    partial += partial_offset + ((size_t)get_global_id(0) * PLACES * padded + first_out) * lanes;
    for (int v = 0; v < vectors; v += blocks) {
        for (int b = 0; b < blocks; b++) {
            segment at[4];
            uint rows[4];
            int count[4];
            __global const float *from[4], *gradient[4];
            const int first = (get_global_id(0) * vectors + v + b) * 4;
            for (int s = 0; s < 4; s++) {
                at[s] = find_segment(first + s, batch, height, width);
                if (v + b >= vectors)
                    at[s].n = batch;
                rows[s] = input_rows(at[s], batch, height);
                count[s] = at[s].n < batch ? height - at[s].row : 0;
                from[s] = x + at[s].n * x_stride + (at[s].row - 1) * width + at[s].column - 1;
                gradient[s] = dy + at[s].n * dy_stride + first_out * (size_t)dy_plane +
                              at[s].row * width + at[s].column;
            }
            const after_mask there = columns_after(at, width);
            for (int o = 0; o < outs; o++) {
                if (first_out + o == out_channels) /* zeros from here on */
                    for (int s = 0; s < 4; s++)
                        count[s] = 0;
                for (int s = 0; s < 4; s++)
                    for (int i = 0; i < min(4, count[s]); i++)
                        PREFETCH(gradient[s] + dy_plane + i * width);
                transform_gradient(gradient, at, count, width, out + o * tiles + b * VEC,
                                   (size_t)outs * tiles);
                for (int s = 0; s < 4; s++)
                    gradient[s] += dy_plane;
            }
            for (int c = 0; c < lanes; c += VEC) {
                for (int i = 0; i < VEC; i++) {
                    if (c + i >= in_channels) {
                        for (int p = 0; p < PLACES; p++)
                            STORE((vec)(0), turned + (p * VEC + i) * VEC);
                        continue;
                    }
                    for (int s = 0; s < 4 && rows[s]; s++)
                        for (int row = 2; row < 6; row++)
                            PREFETCH(from[s] + x_plane + row * width + VEC / 2);
                    transform_input(from, at, rows, there, width, turned + i * VEC, VEC * VEC);
                    for (int s = 0; s < 4; s++)
                        from[s] += x_plane;
                }
                for (int p = 0; p < PLACES; p++)
                    transpose(turned + p * VEC * VEC, VEC,
                              in + ((size_t)p * tiles + b * VEC) * lanes + c, lanes);
            }
        }
        add_products(in, out, partial, outs, lanes, (size_t)padded * lanes, tiles, v > 0);
    }
}

/* dw[o, c] = A3' (sum over k of partial[k][., o, c]) A3; one work-item VEC channels c of one o. */
__kernel void winograd_finish_weights(__global const float *partial, ulong partial_offset,
                                      __global float *dw, ulong dw_offset, int items, int padded,
                                      int lanes, int in_channels, int out_channels)
{
    const int c = get_global_id(0) * VEC, o = get_global_id(1);
    if (c >= in_channels || o >= out_channels)
        return;
    vec sums[PLACES], columns[6][3];
    partial += partial_offset + (size_t)o * lanes + c;
    for (int p = 0; p < PLACES; p++)
        sums[p] = (vec)(0);
    for (int k = 0; k < items; k++)
        for (int p = 0; p < PLACES; p++, partial += (size_t)padded * lanes)
            sums[p] += LOAD(partial);
#define WEIGHT_LINE(y, m0, m1, m2, m3, m4, m5)                                                     \
    {                                                                                              \
        y[0] = m0 + (m1 + m2) + (m3 + m4);                                                         \
        y[1] = (m1 - m2) + 2 * (m3 - m4);                                                          \
        y[2] = (m1 + m2) + 4 * (m3 + m4) + m5;                                                     \
    }
    for (int j = 0; j < 6; j++)
        WEIGHT_LINE(columns[j], sums[j], sums[6 + j], sums[12 + j], sums[18 + j], sums[24 + j],
                    sums[30 + j])
    dw += dw_offset + ((size_t)o * in_channels + c) * 9;
    for (int u = 0; u < 3; u++) {
        vec taps[3];
        WEIGHT_LINE(taps, columns[0][u], columns[1][u], columns[2][u], columns[3][u], columns[4][u],
                    columns[5][u])
        for (int v = 0; v < 3; v++) {
            float values[VEC];
            STORE(taps[v], values);
            for (int l = 0; l < VEC && c + l < in_channels; l++)
                dw[l * 9 + 3 * u + v] = values[l];
        }
    }
}
