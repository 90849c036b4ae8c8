/* Winograd's convolutions for every device, without vectors and local memory: what
 * conv2d_winograd.cl and conv2d_winograd_weights.cl compute, in the same order. Tiles, places p and
 * shapes as there; a place is row * 6 + column of what is transformed. */

#include "winograd_lines.cl"

#ifndef OUT
#define OUT 2 /* output channels of a work-item */
#endif
#define PLACES 36

#if VEC != 1
#error "this file wants -DVEC=1"
#endif

/* An element of a plane, which is 0 around it. */
static inline float at(__global const float *plane, int i, int j, int height, int width)
{
    return i >= 0 && i < height && j >= 0 && j < width ? plane[i * width + j] : 0.0f;
}

/* B' d B of the tile whose outputs begin at (row, column). */
static inline void transform_input(__global const float *plane, int row, int column, int height,
                                   int width, float to[PLACES])
{
    float columns[PLACES];
#pragma unroll
    for (int j = 0; j < 6; j++) {
        float d[6];
#pragma unroll
        for (int i = 0; i < 6; i++)
            d[i] = at(plane, row + i - 1, column + j - 1, height, width);
#define TO_COLUMN(i, value) columns[6 * i + j] = value
        INPUT_LINE(float, TO_COLUMN, d[0], d[1], d[2], d[3], d[4], d[5])
    }
#pragma unroll
    for (int i = 0; i < 6; i++) {
        const float *d = columns + 6 * i;
#define TO_ROW(j, value) to[6 * i + j] = value
        INPUT_LINE(float, TO_ROW, d[0], d[1], d[2], d[3], d[4], d[5])
    }
}

/* --- forward and by data ------------------------------------------------------------------ */

/* filters[group][c][p][o] = (G g G')[p] of the filter from input c to output group * OUT + o, or
 * to the last output; the filters lie and are turned as in conv2d_winograd.cl. One work-item a
 * filter. */
__kernel void winograd_plain_filters(__global const float *w, ulong w_offset,
                                     __global float *filters, ulong filters_offset, int in_channels,
                                     int out_channels, int out_step, int in_step, int turn)
{
    const int c = get_global_id(0), o = get_global_id(1);
    float g[9], lines[18];
    if (c >= in_channels || o >= (out_channels + OUT - 1) / OUT * OUT)
        return;
    w += w_offset + c * (size_t)in_step + min(o, out_channels - 1) * (size_t)out_step;
    filters += filters_offset + (o / OUT * in_channels + c) * (size_t)(PLACES * OUT) + o % OUT;
    for (int i = 0; i < 9; i++)
        g[i] = w[turn ? 8 - i : i];
    for (int j = 0; j < 3; j++) {
#define TO_LINES(i, value) lines[3 * i + j] = value
        FILTER_LINE(float, TO_LINES, g[j], g[3 + j], g[6 + j])
    }
    for (int i = 0; i < 6; i++) {
#define TO_FILTER(j, value) filters[(6 * i + j) * OUT] = value
        FILTER_LINE(float, TO_FILTER, lines[3 * i], lines[3 * i + 1], lines[3 * i + 2])
    }
}

/* Where a work-item's outputs lie, the first of each. */
typedef struct {
    int n, channel, row, column;
} place;

/* A' m A, finished, of output channel at.channel, whose plane is y. */
static inline void put_outputs(__global float *y, const float m[PLACES], place at, float bias,
                               int relu, dropout d, int height, int width, int add)
{
    float columns[6][4];
#pragma unroll
    for (int j = 0; j < 6; j++) {
#define TO_OUTPUTS(i, value) columns[j][i] = value
        OUTPUT_LINE(float, TO_OUTPUTS, m[j], m[6 + j], m[12 + j], m[18 + j], m[24 + j], m[30 + j])
    }
#pragma unroll 1
    for (int i = 0; i < 4; i++) {
        float of[4];
        const int row = at.row + i;
#define TO_OF(k, value) of[k] = value
        OUTPUT_LINE(float, TO_OF, columns[0][i], columns[1][i], columns[2][i], columns[3][i],
                    columns[4][i], columns[5][i])
#pragma unroll
        for (int k = 0; k < 4; k++) {
            const int column = at.column + k;
            if (row >= height || column >= width)
                continue;
            float value = of[k] + bias;
            if (relu)
                value = RELU(value);
            if (d.threshold) {
                uint words[4];
                dropout_words(words, d, at.n, at.channel, row, column, width);
                value = drop(value, words[at.channel % 4], d, row);
            }
            __global float *to = y + row * width + column;
            *to = add ? *to + value : value;
        }
    }
}

/* One work-item a tile (dimensions 0 and 1) in OUT channels; dimension 2 counts those, `groups` of
 * them, in every image. */
__kernel void winograd_plain_convolve(__global const float *x, ulong x_offset, ulong x_stride,
                                      uint x_plane, __global float *y, ulong y_offset,
                                      ulong y_stride, uint y_plane, __global const float *filters,
                                      ulong filters_offset, __global const float *bias,
                                      ulong bias_offset, int in_channels, int out_channels,
                                      int height, int width, int groups, int relu, uint threshold,
                                      float scale, ulong key, uint step, uint image, int add)
{
    const int group = get_global_id(2) % groups;
    place at = {get_global_id(2) / groups, group * OUT, get_global_id(1) * 4, get_global_id(0) * 4};
    if (at.row >= height || at.column >= width)
        return;
    const dropout d = {threshold, scale, key, step, image};
    float products[OUT][PLACES];
    x += x_offset + at.n * x_stride;
    y += y_offset + at.n * y_stride;
    filters += filters_offset + group * (size_t)in_channels * (PLACES * OUT);
#pragma unroll
    for (int o = 0; o < OUT; o++)
#pragma unroll
        for (int p = 0; p < PLACES; p++)
            products[o][p] = 0;
    for (int c = 0; c < in_channels; c++) {
        float in[PLACES];
        transform_input(x + c * (size_t)x_plane, at.row, at.column, height, width, in);
#pragma unroll
        for (int p = 0; p < PLACES; p++)
#pragma unroll
            for (int o = 0; o < OUT; o++)
                products[o][p] = fma(filters[p * OUT + o], in[p], products[o][p]);
        filters += PLACES * OUT;
    }
#pragma unroll
    for (int o = 0; o < OUT; o++) {
        if (at.channel >= out_channels)
            continue;
        put_outputs(y + at.channel * (size_t)y_plane, products[o], at,
                    bias ? bias[bias_offset + at.channel] : 0.0f, relu, d, height, width, add);
        at.channel++;
    }
}

/* --- by weights: one image ---------------------------------------------------------------- */

/* in[p][c][t] = (B' d B)[p] of tile t, `across` of which lie in a row, of channel c. */
__kernel void winograd_plain_inputs(__global const float *x, ulong x_offset, uint x_plane,
                                    __global float *in, ulong in_offset, int channels, int height,
                                    int width, int tiles, int across)
{
    const int t = get_global_id(0), c = get_global_id(1);
    float places[PLACES];
    if (t >= tiles || c >= channels)
        return;
    transform_input(x + x_offset + c * (size_t)x_plane, t / across * 4, t % across * 4, height,
                    width, places);
    in += in_offset + c * (size_t)tiles + t;
    for (int p = 0; p < PLACES; p++)
        in[p * (size_t)channels * tiles] = places[p];
}

/* out[p][o][t] = (G4 dy G4')[p] of tile t of channel o. */
__kernel void winograd_plain_gradients(__global const float *dy, ulong dy_offset, uint dy_plane,
                                       __global float *out, ulong out_offset, int channels,
                                       int height, int width, int tiles, int across)
{
    const int t = get_global_id(0), o = get_global_id(1);
    float columns[6][4];
    if (t >= tiles || o >= channels)
        return;
    dy += dy_offset + o * (size_t)dy_plane;
    out += out_offset + o * (size_t)tiles + t;
    for (int j = 0; j < 4; j++) {
        float g[4];
        for (int i = 0; i < 4; i++)
            g[i] = at(dy, t / across * 4 + i, t % across * 4 + j, height, width);
#define TO_GRADIENTS(i, value) columns[i][j] = value
        GRADIENT_LINE(float, TO_GRADIENTS, g[0], g[1], g[2], g[3])
    }
    for (int i = 0; i < 6; i++) {
#define TO_OUT(j, value) out[(6 * i + j) * (size_t)channels * tiles] = value
        GRADIENT_LINE(float, TO_OUT, columns[i][0], columns[i][1], columns[i][2], columns[i][3])
    }
}

/* sums[p][o][c] = the sum over chunks of `chunk` tiles t of the sum of out[p][o][t] * in[p][c][t] */
__kernel void winograd_plain_products(__global const float *in, ulong in_offset,
                                      __global const float *out, ulong out_offset,
                                      __global float *sums, ulong sums_offset, int in_channels,
                                      int out_channels, int tiles, int chunk)
{
    const int c = get_global_id(0), o = get_global_id(1), p = get_global_id(2);
    float total = 0;
    if (c >= in_channels || o >= out_channels)
        return;
    in += in_offset + (p * (size_t)in_channels + c) * tiles;
    out += out_offset + (p * (size_t)out_channels + o) * tiles;
    for (int first = 0; first < tiles; first += chunk) {
        float sum = 0;
        for (int t = first; t < min(first + chunk, tiles); t++)
            sum = fma(out[t], in[t], sum);
        total += sum;
    }
    sums[sums_offset + (p * (size_t)out_channels + o) * in_channels + c] = total;
}

/* dw[o, c] (+)= A3' sums[., o, c] A3 */
__kernel void winograd_plain_weights(__global const float *sums, ulong sums_offset,
                                     __global float *dw, ulong dw_offset, int in_channels,
                                     int out_channels, int add)
{
    const int c = get_global_id(0), o = get_global_id(1);
    float m[PLACES], columns[3][6], total[9];
    if (c >= in_channels || o >= out_channels)
        return;
    sums += sums_offset + o * (size_t)in_channels + c;
    dw += dw_offset + (o * (size_t)in_channels + c) * 9;
    for (int i = 0; i < 9; i++)
        total[i] = add ? dw[i] : 0.0f;
    for (int p = 0; p < PLACES; p++)
        m[p] = sums[p * (size_t)out_channels * in_channels];
    for (int j = 0; j < 6; j++) {
#define TO_WEIGHTS(u, value) columns[u][j] = value
        WEIGHT_LINE(float, TO_WEIGHTS, m[j], m[6 + j], m[12 + j], m[18 + j], m[24 + j], m[30 + j])
    }
    for (int u = 0; u < 3; u++) {
        const float *line = columns[u];
#define TO_TOTAL(v, value) total[3 * u + v] += value
        WEIGHT_LINE(float, TO_TOTAL, line[0], line[1], line[2], line[3], line[4], line[5])
    }
    for (int i = 0; i < 9; i++)
        dw[i] = total[i];
}
