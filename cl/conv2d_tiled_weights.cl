/* The gradient by the weights of the convolution of conv2d_tiled.cl, for the same devices:
 *
 *   dw[o, c, u, v] = sum over n, i, j of dy[n, o, i, j] * x[n, c, i + u - PAD, j + v - PAD]
 *
 * and, TRANSPOSED, of that of conv_transpose2d.cl, whose outputs o * 4 + a * 2 + b count as
 * channels:
 *
 *   dw[c, o, a, b] = sum over n, i, j of dy[n, o, 2 i + a, 2 j + b] * x[n, c, i, j]
 *
 * With filter rows (c, u) counted as c * KERNEL + u, a work-item owns EACH of them in 4 * QUADS
 * output channels, a group ACROSS times those rows and DEEP times those channels. It sums over a
 * chunk of the batch, a step of BAND rows by COLUMNS columns at a time: the rows of dy and, for
 * each filter row, the rows of x that it meets lie in local memory. Where there are few filters, a
 * step's columns are dealt to SPLITS sums in turns, which SPLIT work-items share. */

#ifndef KERNEL
#define KERNEL 3
#endif
#ifndef ACROSS
#define ACROSS 16
#endif
#ifndef DEEP
#define DEEP 4
#endif
#ifndef EACH
#define EACH 2
#endif
#ifndef COLUMNS
#define COLUMNS 32
#endif
#ifndef SPLITS
#define SPLITS 1
#endif
#ifndef SPLIT
#define SPLIT 1
#endif
#ifndef TRANSPOSED
#define TRANSPOSED 0
#endif
#define RUN 4 /* columns for which a work-item holds x in registers */
#define STEP (RUN * SPLITS > 32 ? RUN * SPLITS : 32) /* places (i, j) of a step */
#define BAND (STEP / COLUMNS)
#define QUADS 2
#define PAD (KERNEL / 2)
#define ITEMS (ACROSS * DEEP * SPLIT)
#define OUTS (4 * QUADS * DEEP)
#define FILTER_ROWS (EACH * ACROSS)

/* In local memory: in[filter row][i][j] and gradients[i][j][o], so laid out that, where it has 32
 * banks of a float, work-items that run together use different ones. */
#define IN_COLUMNS (COLUMNS + KERNEL - 1)
#define IN_PITCH ((BAND * IN_COLUMNS) | 1)
#define GRADIENT_PITCH (OUTS / 4 + 1) /* float4 */

/* x for the group's filter rows, `rows` of which there are from `first` on, where a step begins at
 * (row, column); x is the image's. */
static inline void load_inputs(__local float *in, __global const float *x, uint x_plane, uint first,
                               uint rows, int row, int column, int height, int width, uint item)
{
    const uint count = FILTER_ROWS * BAND * IN_COLUMNS;
    for (uint from = item; from < count; from += BATCH * ITEMS) {
        float values[BATCH];
#pragma unroll
        for (uint b = 0; b < BATCH; b++) {
            const uint k = from + b * ITEMS, at = k % (BAND * IN_COLUMNS);
            const uint f = first + min(k / (BAND * IN_COLUMNS), rows - 1);
            const int i = row + (int)(at / IN_COLUMNS + f % KERNEL) - PAD;
            const int j = column + (int)(at % IN_COLUMNS) - PAD;
            const int near_i = clamp(i, 0, height - 1), near_j = clamp(j, 0, width - 1);
            const float value = x[f / KERNEL * (size_t)x_plane + near_i * width + near_j];
            values[b] = i == near_i && j == near_j ? value : 0.0f;
        }
#pragma unroll
        for (uint b = 0; b < BATCH; b++) {
            const uint k = from + b * ITEMS;
            if (k < count)
                in[k / (BAND * IN_COLUMNS) * IN_PITCH + k % (BAND * IN_COLUMNS)] = values[b];
        }
    }
}

/* dy of channel o at place (i, j). */
static inline float gradient_at(__global const float *dy, uint dy_plane, uint o, int i, int j,
                                int width)
{
#if TRANSPOSED
    return dy[o / 4 * (size_t)dy_plane + (2 * i + (o / 2) % 2) * (2 * width) + 2 * j + o % 2];
#else
    return dy[o * (size_t)dy_plane + i * width + j];
#endif
}

/* dy for the group's channels from the first on, `outs` of which there are. Eight columns at a
 * time. */
static inline void load_gradients(__local float *gradients, __global const float *dy, uint dy_plane,
                                  uint first, int outs, int row, int column, int height, int width,
                                  uint item)
{
    for (uint from = item; from < STEP * OUTS; from += BATCH * ITEMS) {
        float values[BATCH];
#pragma unroll
        for (uint b = 0; b < BATCH; b++) {
            const uint k = from + b * ITEMS, o = k / 8 % OUTS, at = k / (8 * OUTS) * 8 + k % 8;
            const int i = row + (int)(at / COLUMNS), j = column + (int)(at % COLUMNS);
            const float value = gradient_at(dy, dy_plane, first + min((int)o, outs - 1),
                                            min(i, height - 1), min(j, width - 1), width);
            values[b] = (int)o < outs && i < height && j < width ? value : 0.0f;
        }
#pragma unroll
        for (uint b = 0; b < BATCH; b++) {
            const uint k = from + b * ITEMS, at = k / (8 * OUTS) * 8 + k % 8;
            if (k < STEP * OUTS)
                gradients[at * (4 * GRADIENT_PITCH) + k / 8 % OUTS] = values[b];
        }
    }
}

/* RUN columns' part of the sums; `in` and `gradients` begin where the work-item's do. */
static inline void accumulate(float4 sum[EACH][KERNEL][QUADS], __local const float *in,
                              __local const float4 *gradients)
{
    float value[EACH][RUN + KERNEL - 1];
#pragma unroll
    for (int e = 0; e < EACH; e++)
#pragma unroll
        for (int k = 0; k < RUN + KERNEL - 1; k++)
            value[e][k] = in[e * ACROSS * IN_PITCH + k];
#pragma unroll
    for (int k = 0; k < RUN; k++)
#pragma unroll
        for (int q = 0; q < QUADS; q++) {
            const float4 gradient = gradients[k * GRADIENT_PITCH + q];
#pragma unroll
            for (int e = 0; e < EACH; e++)
#pragma unroll
                for (int v = 0; v < KERNEL; v++)
                    sum[e][v][q] = fma(gradient, (float4)(value[e][k + v]), sum[e][v][q]);
        }
}

/* A filter row of four output channels, `left` of which there are and `step` floats apart. */
static inline void put(__global float *to, size_t step, float4 sum[KERNEL][QUADS], int q, int left)
{
#pragma unroll
    for (int v = 0; v < KERNEL; v++) {
        const float values[4] = {sum[v][q].s0, sum[v][q].s1, sum[v][q].s2, sum[v][q].s3};
#pragma unroll
        for (int t = 0; t < 4; t++)
            if (t < left)
                to[t * step + v] = values[t];
    }
}

/* The first dimension counts filter rows, the second 4 * QUADS output channels, the third SPLIT
 * work-items of every chunk. An image has `bands` bands of BAND rows, and a chunk `each` bands of
 * the batch. A filter row of an output goes to `row_step` times the former plus `out_step` times
 * the latter; the sums of chunk k's split s lie k * SPLITS + s times all of these from the first.
 */
__kernel __attribute__((reqd_work_group_size(ACROSS, DEEP, SPLIT))) void
tiled_weights(__global const float *x, ulong x_offset, ulong x_stride, uint x_plane,
              __global const float *dy, ulong dy_offset, ulong dy_stride, uint dy_plane,
              __global float *partial, ulong partial_offset, int in_channels, int out_channels,
              int batch, int height, int width, int bands, int each, int row_step, int out_step)
{
    __local float in[FILTER_ROWS * IN_PITCH];
    __local float4 gradients[STEP * GRADIENT_PITCH];
    const int across = get_local_id(0), deep = get_local_id(1), chunk = get_global_id(2) / SPLIT;
    const int first_row = (get_global_id(0) - across) * EACH; /* of the group, as the next */
    const int first_channel = (get_global_id(1) - deep) * (4 * QUADS);
    const int rows = in_channels * KERNEL;
    const int item = across + ACROSS * (deep + DEEP * get_local_id(2));
    x += x_offset;
    dy += dy_offset;
    partial += partial_offset;
    for (int split = get_local_id(2); split < SPLITS; split += SPLIT) {
        float4 sum[EACH][KERNEL][QUADS];
#pragma unroll
        for (int e = 0; e < EACH; e++)
#pragma unroll
            for (int v = 0; v < KERNEL; v++)
#pragma unroll
                for (int q = 0; q < QUADS; q++)
                    sum[e][v][q] = (float4)(0);
        for (int band = chunk * each; band < min(chunk * each + each, batch * bands); band++) {
            const int n = band / bands, i = band % bands * BAND;
            for (int j = 0; j < width; j += COLUMNS) {
                barrier(CLK_LOCAL_MEM_FENCE); /* the sums over the last step are done */
                load_inputs(in, x + n * x_stride, x_plane, first_row, rows - first_row, i, j,
                            height, width, item);
                load_gradients((__local float *)gradients, dy + n * dy_stride, dy_plane,
                               first_channel, out_channels - first_channel, i, j, height, width,
                               item);
                barrier(CLK_LOCAL_MEM_FENCE);
                for (int k = split * RUN; k < STEP; k += SPLITS * RUN)
                    accumulate(sum, in + across * IN_PITCH + k / COLUMNS * IN_COLUMNS + k % COLUMNS,
                               gradients + k * GRADIENT_PITCH + deep * QUADS);
            }
        }
        __global float *to =
            partial + (chunk * (size_t)SPLITS + split) * out_channels * rows * KERNEL;
#pragma unroll
        for (int e = 0; e < EACH; e++)
#pragma unroll
            for (int q = 0; q < QUADS; q++) {
                const int row = first_row + across + e * ACROSS;
                const int channel = first_channel + (deep * QUADS + q) * 4;
                if (row < rows)
                    put(to + channel * (size_t)out_step + row * (size_t)row_step, out_step, sum[e],
                        q, out_channels - channel);
            }
    }
}
