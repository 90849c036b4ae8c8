/* The gradient by the weights of the convolution of conv2d_tiled.cl, for the same devices:
 *
 *   dw[o, c, u, v] = sum over n, i, j of dy[n, o, i, j] * x[n, c, i + u - PAD, j + v - PAD]
 *
 * With filter rows (c, u) counted as c * KERNEL + u, a work-item owns EACH of them in 4 * QUADS
 * output channels, a group ACROSS times those rows and DEEP times those channels. It sums over a
 * chunk of the batch, a step of BAND rows by COLUMNS columns at a time: the rows of dy and, for each
 * filter row, the rows of x that it meets lie in local memory. */

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
#define STEP 32 /* places (i, j) of a step */
#define BAND (STEP / COLUMNS)
#define RUN 4 /* columns for which a work-item holds x in registers */
#define QUADS 2
#define PAD (KERNEL / 2)
#define ITEMS (ACROSS * DEEP)
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
    for (uint k = item; k < FILTER_ROWS * BAND * IN_COLUMNS; k += ITEMS) {
        const uint f = k / (BAND * IN_COLUMNS), at = k % (BAND * IN_COLUMNS);
        const uint c = (first + f) / KERNEL, u = (first + f) % KERNEL;
        const int i = row + (int)(at / IN_COLUMNS + u) - PAD;
        const int j = column + (int)(at % IN_COLUMNS) - PAD;
        const bool inside = f < rows && i >= 0 && i < height && j >= 0 && j < width;
        in[f * IN_PITCH + at] = inside ? x[c * (size_t)x_plane + i * width + j] : 0.0f;
    }
}

/* dy for the group's `outs` channels; dy is the first one's plane. Eight columns at a time. */
static inline void load_gradients(__local float *gradients, __global const float *dy, uint dy_plane,
                                  int outs, int row, int column, int height, int width, uint item)
{
    for (uint k = item; k < STEP * OUTS; k += ITEMS) {
        const uint o = k / 8 % OUTS, at = k / (8 * OUTS) * 8 + k % 8;
        const int i = row + (int)(at / COLUMNS), j = column + (int)(at % COLUMNS);
        const bool inside = (int)o < outs && i < height && j < width;
        gradients[at * (4 * GRADIENT_PITCH) + o] =
            inside ? dy[o * (size_t)dy_plane + i * width + j] : 0.0f;
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

/* The first dimension counts filter rows, the second 4 * QUADS output channels, the third chunks.
 * An image has `bands` bands of BAND rows, and a chunk `each` bands of the batch. Chunk k's sums go
 * to partial[k * out_channels * in_channels * KERNEL * KERNEL ...]. */
__kernel __attribute__((reqd_work_group_size(ACROSS, DEEP, 1))) void
tiled_weights(__global const float *x, ulong x_offset, ulong x_stride, uint x_plane,
              __global const float *dy, ulong dy_offset, ulong dy_stride, uint dy_plane,
              __global float *partial, ulong partial_offset, int in_channels, int out_channels,
              int batch, int height, int width, int bands, int each)
{
    __local float in[FILTER_ROWS * IN_PITCH];
    __local float4 gradients[STEP * GRADIENT_PITCH];
    const int across = get_local_id(0), deep = get_local_id(1), chunk = get_global_id(2);
    const int first_row = (get_global_id(0) - across) * EACH; /* of the group, as the next */
    const int first_channel = (get_global_id(1) - deep) * (4 * QUADS);
    const int rows = in_channels * KERNEL, item = across + ACROSS * deep;
    float4 sum[EACH][KERNEL][QUADS];
#pragma unroll
    for (int e = 0; e < EACH; e++)
#pragma unroll
        for (int v = 0; v < KERNEL; v++)
#pragma unroll
            for (int q = 0; q < QUADS; q++)
                sum[e][v][q] = (float4)(0);
    x += x_offset;
    dy += dy_offset + first_channel * (size_t)dy_plane;
    for (int band = chunk * each; band < min(chunk * each + each, batch * bands); band++) {
        const int n = band / bands, i = band % bands * BAND;
        for (int j = 0; j < width; j += COLUMNS) {
            barrier(CLK_LOCAL_MEM_FENCE); /* the sums over the last step are done */
            load_inputs(in, x + n * x_stride, x_plane, first_row, rows - first_row, i, j, height,
                        width, item);
            load_gradients((__local float *)gradients, dy + n * dy_stride, dy_plane,
                           out_channels - first_channel, i, j, height, width, item);
            barrier(CLK_LOCAL_MEM_FENCE);
            for (int k = 0; k < STEP; k += RUN)
                accumulate(sum, in + across * IN_PITCH + k / COLUMNS * IN_COLUMNS + k % COLUMNS,
                           gradients + k * GRADIENT_PITCH + deep * QUADS);
        }
    }
    partial += partial_offset + chunk * (size_t)out_channels * rows * KERNEL;
#pragma unroll
    for (int e = 0; e < EACH; e++)
#pragma unroll
        for (int q = 0; q < QUADS; q++) {
            const int row = first_row + across + e * ACROSS;
            const int channel = first_channel + (deep * QUADS + q) * 4;
            if (row < rows)
                put(partial + ((size_t)channel * rows + row) * KERNEL, (size_t)rows * KERNEL, sum[e],
                    q, out_channels - channel);
        }
}
