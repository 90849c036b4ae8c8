/* 2-D convolution with KERNEL x KERNEL filters (odd), stride 1 and padding KERNEL / 2, for devices
 * whose work-items are lanes: a work-group shares its inputs and filters in local memory.
 *
 *   y[n, o, i, j] (+)= act(bias[o] + sum over c, u, v of
 *                          w[o, c, u, v] * x[n, c, i + u - PAD, j + v - PAD])
 *
 * With SPREAD or GATHER, for a KERNEL of 1, the 2x2 blocks of y, or of x, count as channels of one
 * pixel, o * 4 + a * 2 + b for row a and column b of channel o: so is a transposed convolution of
 * stride 2 computed, and its gradient by the data.
 *
 * A work-item owns ROWS outputs of one column in 4 * QUADS channels, so that neighbours read and
 * write neighbouring columns, and every filter weight that it loads serves ROWS outputs. A group is
 * ACROSS columns, DOWN times those rows and DEEP times those channels, and takes SLAB input
 * channels at a time. The order of an output's sum - c, v, u - is the same for every shape of
 * group. */

#ifndef KERNEL
#define KERNEL 3
#endif
#ifndef ACROSS
#define ACROSS 16
#endif
#ifndef DOWN
#define DOWN 2
#endif
#ifndef DEEP
#define DEEP 2
#endif
#ifndef SLAB
#define SLAB 4
#endif
#ifndef SPREAD
#define SPREAD 0
#endif
#ifndef GATHER
#define GATHER 0
#endif
#define ROWS 4  /* even: two rows share random words */
#define QUADS 2 /* of channels: four share random words */
#define PAD (KERNEL / 2)
#define TAPS (KERNEL * KERNEL)
#define ITEMS (ACROSS * DOWN * DEEP)
#define OUTS (4 * QUADS * DEEP)

#if VEC != 1
#error "here a vector is a work-group: this file wants -DVEC=1"
#endif

/* In local memory: in[s][row][column] and filters[s][tap][o]. Where it has 32 banks of a float, the
 * rows of work-items that run together begin ACROSS banks apart, and eight taps of four outputs lie
 * in different banks. */
#define IN_ROWS (ROWS * DOWN + KERNEL - 1)
#define IN_COLUMNS (ACROSS + KERNEL - 1)
#define IN_PITCH (IN_COLUMNS + (ACROSS / 4 + 64 - IN_COLUMNS) % 8)
#define FILTER_PITCH (OUTS / 4 + 1) /* float4 */

/* Where a work-item's outputs lie, the first of each; and its place in its group. */
typedef struct {
    int n, channel, row, column;
    uint item;
} place;

/* x of channel c at (i, j). */
static inline float input_at(__global const float *x, uint x_plane, uint c, int i, int j, int width)
{
#if GATHER
    return x[c / 4 * (size_t)x_plane + (2 * i + c / 2 % 2) * (2 * width) + 2 * j + c % 2];
#else
    return x[c * (size_t)x_plane + i * width + j];
#endif
}

/* The inputs of `slab` channels from `first` on; the tile begins at (row, column). */
static inline void load_inputs(__local float *in, __global const float *x, uint x_plane, uint first,
                               uint slab, int row, int column, int height, int width, uint item)
{
    const uint count = slab * (IN_ROWS * IN_COLUMNS);
    for (uint from = item; from < count; from += BATCH * ITEMS) {
        float values[BATCH];
#pragma unroll
        for (uint b = 0; b < BATCH; b++) {
            const uint k = min(from + b * ITEMS, count - 1), line = k / IN_COLUMNS;
            const int i = row + (int)(line % IN_ROWS), j = column + (int)(k % IN_COLUMNS);
            const int near_i = clamp(i, 0, height - 1), near_j = clamp(j, 0, width - 1);
            const float value = input_at(x, x_plane, first + line / IN_ROWS, near_i, near_j, width);
            values[b] = i == near_i && j == near_j ? value : 0.0f;
        }
#pragma unroll
        for (uint b = 0; b < BATCH; b++) {
            const uint k = from + b * ITEMS;
            if (k < count)
                in[k / IN_COLUMNS * IN_PITCH + k % IN_COLUMNS] = values[b];
        }
    }
}

/* The filters from `slab` channels to the group's `outs`, the first of which begins at w; the
 * channels of both sides lie `in_step` and `out_step` apart. Eight weights of a filter at a time.
 */
static inline void load_filters(__local float *filters, __global const float *w, uint slab,
                                int outs, int out_step, int in_step, int turn, uint item)
{
    const uint taps = slab * TAPS;
    for (uint from = item; from < (taps + 7) / 8 * (8 * OUTS); from += BATCH * ITEMS) {
        float values[BATCH];
#pragma unroll
        for (uint b = 0; b < BATCH; b++) {
            const uint k = from + b * ITEMS, o = k / 8 % OUTS;
            const uint at = min(k / (8 * OUTS) * 8 + k % 8, taps - 1);
            const uint tap = turn ? TAPS - 1 - at % TAPS : at % TAPS;
            values[b] =
                w[min((int)o, outs - 1) * (size_t)out_step + at / TAPS * (size_t)in_step + tap];
        }
#pragma unroll
        for (uint b = 0; b < BATCH; b++) {
            const uint k = from + b * ITEMS, at = k / (8 * OUTS) * 8 + k % 8;
            if (at < taps)
                filters[at * (4 * FILTER_PITCH) + k / 8 % OUTS] = values[b];
        }
    }
}

/* One input channel's part of the sums; `in` and `filters` begin where the work-item's do. */
static inline void accumulate(float4 sum[ROWS][QUADS], __local const float *in,
                              __local const float4 *filters)
{
    for (int v = 0; v < KERNEL; v++) {
        float column[ROWS + KERNEL - 1];
#pragma unroll
        for (int r = 0; r < ROWS + KERNEL - 1; r++)
            column[r] = in[r * IN_PITCH + v];
#pragma unroll
        for (int u = 0; u < KERNEL; u++) {
#pragma unroll
            for (int q = 0; q < QUADS; q++) {
                const float4 weights = filters[(u * KERNEL + v) * FILTER_PITCH + q];
#pragma unroll
                for (int r = 0; r < ROWS; r++)
                    sum[r][q] = fma(weights, (float4)(column[r + u]), sum[r][q]);
            }
        }
    }
}

/* Where y has channel c at (i, j), and the three after it. */
static inline void find_outputs(size_t to[4], uint y_plane, int c, int i, int j, int width)
{
#pragma unroll
    for (int t = 0; t < 4; t++)
#if SPREAD
        to[t] = c / 4 * (size_t)y_plane + (2 * i + t / 2) * (2 * width) + 2 * j + t % 2;
#else
        to[t] = (c + t) * (size_t)y_plane + i * width + j;
#endif
}

/* ReLU, dropout and the way to y, which is image n's. */
static inline void finish(float4 sum[ROWS][QUADS], place at, __global float *y, uint y_plane,
                          int out_channels, int height, int width, int relu, dropout d, int add)
{
#pragma unroll
    for (int q = 0; q < QUADS; q++) {
        const int channel = at.channel + 4 * q;
        uint words[4];
#pragma unroll
        for (int r = 0; r < ROWS; r++) {
            const int row = at.row + r;
            float4 value = relu ? RELU(sum[r][q]) : sum[r][q];
            if (row >= height || at.column >= width || channel >= out_channels)
                continue;
            if (d.threshold) {
                if (r % 2 == 0)
                    dropout_words(words, d, at.n, channel, row, at.column, width);
                value =
                    (float4)(drop(value.s0, words[0], d, row), drop(value.s1, words[1], d, row),
                             drop(value.s2, words[2], d, row), drop(value.s3, words[3], d, row));
            }
            const float values[4] = {value.s0, value.s1, value.s2, value.s3};
            size_t to[4];
            find_outputs(to, y_plane, channel, row, at.column, width);
#pragma unroll
            for (int t = 0; t < 4; t++)
                if (channel + t < out_channels)
                    y[to[t]] = add ? y[to[t]] + values[t] : values[t];
        }
    }
}

/* The third dimension counts 4 * QUADS channels, `tiles` of them, of every image; `tiles` is a
 * multiple of DEEP. The filter from input c to output o begins at w[o * out_step + c * in_step] and
 * is turned by 180 degrees if `turn`, which makes the sum the gradient by the data. */
__kernel __attribute__((reqd_work_group_size(ACROSS, DOWN, DEEP))) void
tiled_convolve(__global const float *x, ulong x_offset, ulong x_stride, uint x_plane,
               __global float *y, ulong y_offset, ulong y_stride, uint y_plane,
               __global const float *w, ulong w_offset, __global const float *bias,
               ulong bias_offset, int in_channels, int out_channels, int height, int width,
               int tiles, int out_step, int in_step, int turn, int relu, uint threshold,
               float scale, ulong key, uint step, uint image, int add)
{
    __local float in[SLAB * IN_ROWS * IN_PITCH];
    __local float4 filters[SLAB * TAPS * FILTER_PITCH];
    const int across = get_local_id(0), down = get_local_id(1), deep = get_local_id(2);
    const int tile = get_global_id(2) % tiles;
    const place at = {get_global_id(2) / tiles, tile * (4 * QUADS), get_global_id(1) * ROWS,
                      get_global_id(0), across + ACROSS * (down + DOWN * deep)};
    const int first_channel = (tile - deep) * (4 * QUADS); /* of the group, as the next two */
    const int first_row = at.row - down * ROWS, first_column = at.column - across;
    x += x_offset + at.n * x_stride;
    w += w_offset + first_channel * (size_t)out_step;
    float4 sum[ROWS][QUADS];
#pragma unroll
    for (int q = 0; q < QUADS; q++) {
        float start[4];
#pragma unroll
        for (int t = 0; t < 4; t++)
            start[t] = bias ? bias[bias_offset +
                                   min(at.channel + 4 * q + t, out_channels - 1) / (SPREAD ? 4 : 1)]
                            : 0.0f;
#pragma unroll
        for (int r = 0; r < ROWS; r++)
            sum[r][q] = (float4)(start[0], start[1], start[2], start[3]);
    }
    for (int c = 0; c < in_channels; c += SLAB) {
        const int slab = min(SLAB, in_channels - c);
        barrier(CLK_LOCAL_MEM_FENCE); /* the sums over the last slab are done */
        load_inputs(in, x, x_plane, c, slab, first_row - PAD, first_column - PAD, height, width,
                    at.item);
        load_filters((__local float *)filters, w + c * (size_t)in_step, slab,
                     out_channels - first_channel, out_step, in_step, turn, at.item);
        barrier(CLK_LOCAL_MEM_FENCE);
        for (int s = 0; s < slab; s++)
            accumulate(sum, in + (s * IN_ROWS + down * ROWS) * IN_PITCH + across,
                       filters + s * TAPS * FILTER_PITCH + deep * QUADS);
    }
    const dropout d = {threshold, scale, key, step, image};
    finish(sum, at, y + y_offset + at.n * y_stride, y_plane, out_channels, height, width, relu, d,
           add);
}
