/* The gradient of a 3x3 convolution by its filters, by Winograd's F(3x3, 4x4): a tile adds to it
 *
 *   A3' ((G4 dy G4') . (B' d B)) A3
 *
 * of its 4 x 4 gradients dy and 6 x 6 inputs d. A work-item sums the products, [p][o][c], over its
 * share of the tiles in the transformed domain; lanes are input channels. */

#include "winograd_tiles.cl"

#ifndef OUT
#define OUT 8 /* output channels at a time */
#endif

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
    GRADIENT_LINE(vec, TO_COLUMNS, d[0], d[1], d[2], d[3])
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
        GRADIENT_LINE(vec, TO_OUT, g0, g1, g2, g3)
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

/* One work-item: `segments` segments (dimension 0) for `outs` output channels, a multiple of OUT
 * (dimension 1), `blocks` vectors of tiles at a time. The batch's segments lie in spans of `span`,
 * and an item's in one of those; items follow each other. Item k writes its sums to
 * partial[k][p][o][c], `padded` channels o, a multiple of outs, and `lanes` channels c, a multiple
 * of WIDE * VEC; channels past the last are 0.
 * Local memory in floats: in PLACES * blocks * VEC * lanes, out PLACES * outs * blocks * VEC,
 * turned PLACES * VEC * VEC. */
__kernel void winograd_weights(__global const float *x, ulong x_offset, ulong x_stride,
                               uint x_plane, __global const float *dy, ulong dy_offset,
                               ulong dy_stride, uint dy_plane, __global float *partial,
                               ulong partial_offset, int in_channels, int out_channels, int batch,
                               int height, int width, int span, int segments, int blocks, int outs,
                               int padded, int lanes, __local float *in, __local float *out,
                               __local float *turned)
{
    const int tiles = blocks * VEC, first_out = get_global_id(1) * outs;
    const int items = (span + segments - 1) / segments; /* of a span */
    const int start = get_global_id(0) / items * span;
    const int first = start + get_global_id(0) % items * segments;
    const int end = min(first + segments, start + span);
    x += x_offset;
    dy += dy_offset;
    partial += partial_offset + ((size_t)get_global_id(0) * PLACES * padded + first_out) * lanes;
    for (int begin = first; begin < end; begin += blocks * 4) {
        for (int b = 0; b < blocks; b++) {
            segment at[4];
            uint rows[4];
            int count[4];
            __global const float *from[4], *gradient[4];
            for (int s = 0; s < 4; s++) {
                const int index = begin + 4 * b + s;
                at[s] = find_segment(index, batch, height, width);
                if (index >= end)
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
        add_products(in, out, partial, outs, lanes, (size_t)padded * lanes, tiles, begin > first);
    }
}

/* One number of each of the `count` filters that lie 9 floats apart; the other lanes are 0. */
static inline vec gather_weights(__global const float *from, int count)
{
    float values[VEC];
    for (int l = 0; l < VEC; l++)
        values[l] = l < count ? from[9 * l] : 0.0f;
    return LOAD(values);
}

static inline void scatter_weights(__global float *to, vec weights, int count)
{
    float values[VEC];
    STORE(weights, values);
    for (int l = 0; l < VEC && l < count; l++)
        to[9 * l] = values[l];
}

/* dw[o, c] (+)= the sum over spans of A3' (the sum over their items of partial[., o, c]) A3, both
 * sums in their order; one work-item VEC channels c of one o. */
__kernel void winograd_finish_weights(__global const float *partial, ulong partial_offset,
                                      __global float *dw, ulong dw_offset, int spans, int items,
                                      int padded, int lanes, int in_channels, int out_channels,
                                      int add)
{
    const int c = get_global_id(0) * VEC, o = get_global_id(1);
    if (c >= in_channels || o >= out_channels)
        return;
    vec total[9];
    partial += partial_offset + (size_t)o * lanes + c;
    dw += dw_offset + ((size_t)o * in_channels + c) * 9;
    for (int i = 0; i < 9; i++)
        total[i] = add ? gather_weights(dw + i, in_channels - c) : (vec)(0);
    for (int span = 0; span < spans; span++) {
        vec sums[PLACES], columns[6][3];
        for (int p = 0; p < PLACES; p++)
            sums[p] = (vec)(0);
        for (int k = 0; k < items; k++)
            for (int p = 0; p < PLACES; p++, partial += (size_t)padded * lanes)
                sums[p] += LOAD(partial);
        for (int j = 0; j < 6; j++) {
#define TO_COLUMN(u, value) columns[j][u] = value
            WEIGHT_LINE(vec, TO_COLUMN, sums[j], sums[6 + j], sums[12 + j], sums[18 + j],
                        sums[24 + j], sums[30 + j])
        }
        for (int u = 0; u < 3; u++) {
#define TO_TOTAL(v, value) total[3 * u + v] += value
            WEIGHT_LINE(vec, TO_TOTAL, columns[0][u], columns[1][u], columns[2][u], columns[3][u],
                        columns[4][u], columns[5][u])
        }
    }
    for (int i = 0; i < 9; i++)
        scatter_weights(dw + i, total[i], in_channels - c);
}
