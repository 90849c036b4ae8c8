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
        vec g[4];
        tile_columns(columns[0][i], columns[1][i], columns[2][i], columns[3][i], g);
#define TO_OUT(j, value) STORE(value, out + (6 * i + j) * step)
        GRADIENT_LINE(vec, TO_OUT, g[0], g[1], g[2], g[3])
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

/* sum[o][k] += sum over tiles t of gradient[o][t] * value[t][k], a row of gradients being `tiles`
 * long and one of values `lanes`. */
#ifndef WIDE
#define WIDE 2
#endif
static inline void add_tiles(vec sum[OUT][WIDE], __local const float *value, int lanes,
                             __local const float *gradient, int tiles)
{
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
}

/* sums[p][o][c] (+)= sum over tiles t of out[p][o][t] * in[p][t][c], for `outs` channels o and
 * `lanes` channels c; OUT x WIDE vectors of sums at a time. */
static inline void add_products(__local const float *in, __local const float *out,
                                __global float *sums, int outs, int lanes, size_t sums_step,
                                int tiles, bool add)
{
    for (int p = 0; p < PLACES; p++)
        for (int first = 0; first < outs; first += OUT)
            for (int c = 0; c < lanes; c += WIDE * VEC) {
                __global float *to = sums + p * sums_step + (size_t)first * lanes + c;
                vec sum[OUT][WIDE];
#pragma unroll
                for (int o = 0; o < OUT; o++)
#pragma unroll
                    for (int k = 0; k < WIDE; k++)
                        sum[o][k] = add ? LOAD(to + o * lanes + k * VEC) : (vec)(0);
                add_tiles(sum, in + (size_t)p * tiles * lanes + c, lanes,
                          out + ((size_t)p * outs + first) * tiles, tiles);
#pragma unroll
                for (int o = 0; o < OUT; o++)
#pragma unroll
                    for (int k = 0; k < WIDE; k++)
                        STORE(sum[o][k], to + o * lanes + k * VEC);
            }
}

/* What is summed over. */
typedef struct {
    __global const float *x, *dy;
    size_t x_stride, x_plane, dy_stride, dy_plane;
    int in_channels, out_channels, batch, height, width;
} images;

/* What a work-item sums at a time: `tiles` tiles for output channels first_out .. + outs - 1. */
typedef struct {
    int tiles, first_out, outs, lanes;
    __local float *in, *out, *turned;
} block;

/* Transforms the tiles of segments `first` to first + 3, as far as these are before `end`, for the
 * block's vector b; the others are 0. */
static inline void transform_vector(images of, block to, int b, int first, int end)
{
    const int height = of.height, width = of.width, outs = to.outs;
    segment at[4];
    uint rows[4];
    int count[4];
    __global const float *from[4], *gradient[4];
    for (int s = 0; s < 4; s++) {
        at[s] = find_segment(first + s, of.batch, height, width);
        if (first + s >= end)
            at[s].n = of.batch;
        rows[s] = input_rows(at[s], of.batch, height);
        count[s] = at[s].n < of.batch ? height - at[s].row : 0;
        from[s] = of.x + at[s].n * of.x_stride + (at[s].row - 1) * width + at[s].column - 1;
        gradient[s] = of.dy + at[s].n * of.dy_stride + to.first_out * of.dy_plane +
                      at[s].row * width + at[s].column;
    }
    const after_mask there = columns_after(at, width);
    for (int o = 0; o < outs; o++) {
        if (to.first_out + o == of.out_channels) /* zeros from here on */
            for (int s = 0; s < 4; s++)
                count[s] = 0;
        for (int s = 0; s < 4; s++)
            for (int i = 0; i < min(4, count[s]); i++)
                PREFETCH(gradient[s] + of.dy_plane + i * width);
        transform_gradient(gradient, at, count, width, to.out + o * to.tiles + b * VEC,
                           (size_t)outs * to.tiles);
        for (int s = 0; s < 4; s++)
            gradient[s] += of.dy_plane;
    }
    for (int c = 0; c < to.lanes; c += VEC) {
        for (int i = 0; i < VEC; i++) {
            if (c + i >= of.in_channels) {
                for (int p = 0; p < PLACES; p++)
                    STORE((vec)(0), to.turned + (p * VEC + i) * VEC);
                continue;
            }
            for (int s = 0; s < 4 && rows[s]; s++)
                for (int row = 2; row < 6; row++)
                    PREFETCH(from[s] + of.x_plane + row * width + VEC / 2);
            transform_input(from, at, rows, there, width, to.turned + i * VEC, VEC * VEC);
            for (int s = 0; s < 4; s++)
                from[s] += of.x_plane;
        }
        for (int p = 0; p < PLACES; p++)
            transpose(to.turned + p * VEC * VEC, VEC,
                      to.in + ((size_t)p * to.tiles + b * VEC) * to.lanes + c, to.lanes);
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
    const images of = {x + x_offset, dy + dy_offset, x_stride, x_plane, dy_stride, dy_plane,
                       in_channels,  out_channels,   batch,    height,  width};
    const block to = {blocks * VEC, get_global_id(1) * outs, outs, lanes, in, out, turned};
    const int items = (span + segments - 1) / segments; /* of a span */
    const int start = get_global_id(0) / items * span;
    const int first = start + get_global_id(0) % items * segments;
    const int end = min(first + segments, start + span);
    partial += partial_offset + ((size_t)get_global_id(0) * PLACES * padded + to.first_out) * lanes;
    for (int begin = first; begin < end; begin += blocks * 4) {
        for (int b = 0; b < blocks; b++)
            transform_vector(of, to, b, begin + 4 * b, end);
        add_products(in, out, partial, outs, lanes, (size_t)padded * lanes, to.tiles,
                     begin > first);
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

/* A3' m A3, added to total; m[p] lies `step` vectors apart. */
static inline void add_weights(const vec *m, int step, vec total[9])
{
    vec columns[6][3];
    for (int j = 0; j < 6; j++) {
#define TO_COLUMN(u, value) columns[j][u] = value
        WEIGHT_LINE(vec, TO_COLUMN, m[j * step], m[(6 + j) * step], m[(12 + j) * step],
                    m[(18 + j) * step], m[(24 + j) * step], m[(30 + j) * step])
    }
    for (int u = 0; u < 3; u++) {
#define TO_TOTAL(v, value) total[3 * u + v] += value
        WEIGHT_LINE(vec, TO_TOTAL, columns[0][u], columns[1][u], columns[2][u], columns[3][u],
                    columns[4][u], columns[5][u])
    }
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
        vec sums[PLACES];
        for (int p = 0; p < PLACES; p++)
            sums[p] = (vec)(0);
        for (int k = 0; k < items; k++)
            for (int p = 0; p < PLACES; p++, partial += (size_t)padded * lanes)
                sums[p] += LOAD(partial);
        add_weights(sums, 1, total);
    }
    for (int i = 0; i < 9; i++)
        scatter_weights(dw + i, total[i], in_channels - c);
}

/* The same at once for images that fill at most `blocks` vectors of tiles: a work-item takes `outs`
 * output channels, and image after image adds their gradients up in total[i][o][c], for weight i of
 * a filter, `padded` channels o and `lanes` channels c. Otherwise as winograd_weights. */
__kernel void winograd_weights_at_once(__global const float *x, ulong x_offset, ulong x_stride,
                                       uint x_plane, __global const float *dy, ulong dy_offset,
                                       ulong dy_stride, uint dy_plane, __global float *total,
                                       ulong total_offset, __global float *dw, ulong dw_offset,
                                       int in_channels, int out_channels, int batch, int height,
                                       int width, int span, int blocks, int outs, int padded,
                                       int lanes, int add, __local float *in, __local float *out,
                                       __local float *turned)
{
    const images of = {x + x_offset, dy + dy_offset, x_stride, x_plane, dy_stride, dy_plane,
                       in_channels,  out_channels,   batch,    height,  width};
    const block to = {blocks * VEC, get_global_id(0) * outs, outs, lanes, in, out, turned};
    for (int n = 0; n < batch; n++) {
        for (int b = 0; b < blocks; b++)
            transform_vector(of, to, b, n * span + 4 * b, (n + 1) * span);
        for (int c = 0; c < lanes; c += WIDE * VEC)
            for (int first = 0; first < outs && to.first_out + first < out_channels; first += OUT) {
                vec sums[PLACES][OUT][WIDE];
                for (int p = 0; p < PLACES; p++) {
                    vec sum[OUT][WIDE];
#pragma unroll
                    for (int o = 0; o < OUT; o++)
#pragma unroll
                        for (int k = 0; k < WIDE; k++)
                            sum[o][k] = (vec)(0);
                    add_tiles(sum, in + (size_t)p * to.tiles * lanes + c, lanes,
                              out + ((size_t)p * outs + first) * to.tiles, to.tiles);
#pragma unroll
                    for (int o = 0; o < OUT; o++)
#pragma unroll
                        for (int k = 0; k < WIDE; k++)
                            sums[p][o][k] = sum[o][k];
                }
                for (int i = 0; i < OUT * WIDE; i++) {
                    const int o = to.first_out + first + i / WIDE, lane = c + i % WIDE * VEC;
                    const size_t filter = (size_t)o * in_channels + lane;
                    __global float *kept = total + total_offset + (size_t)o * lanes + lane;
                    vec weights[9];
                    for (int k = 0; k < 9; k++)
                        weights[k] = n > 0 ? LOAD(kept + k * (size_t)padded * lanes)
                                     : add && o < out_channels
                                         ? gather_weights(dw + dw_offset + filter * 9 + k,
                                                          in_channels - lane)
                                         : (vec)(0);
                    add_weights(&sums[0][i / WIDE][i % WIDE], OUT * WIDE, weights);
                    for (int k = 0; k < 9; k++)
                        if (n + 1 < batch)
                            STORE(weights[k], kept + k * (size_t)padded * lanes);
                        else if (o < out_channels)
                            scatter_weights(dw + dw_offset + filter * 9 + k, weights[k],
                                            in_channels - lane);
                }
            }
    }
}
