/* 2-D convolution with KERNEL x KERNEL filters (odd), padding KERNEL / 2 on every side.
 *
 *   y[n, o, i, j] = act(bias[o] + sum over c, u, v of
 *                       w[o, c, u, v] * x[n, c, i * STRIDE + u - PAD, j * STRIDE + v - PAD])
 *
 * Stride 1 is computed in register tiles: a work-item owns ROWS rows of VEC outputs along a row in
 * TILE channels, and every filter weight that it loads serves ROWS vectors. */

#ifndef KERNEL
#define KERNEL 3
#endif
#ifndef STRIDE
#define STRIDE 1
#endif
#ifndef ROWS
#define ROWS 4 /* output rows of a tile */
#endif
#ifndef TILE
#define TILE 4 /* output channels of a tile */
#endif
#ifndef TILE_IN
#define TILE_IN 2 /* input channels of a tile of the weights' gradients */
#endif
#ifndef CHANNELS_FIRST
#define CHANNELS_FIRST 0 /* neighbouring work-items differ in channels, else in columns */
#endif
#define PAD (KERNEL / 2)
#define TAPS (KERNEL * KERNEL)
#define TILE_ROWS (ROWS + KERNEL - 1) /* input rows that a tile reads */

/* Where a tile lies. */
typedef struct {
    int n, channel, row, column; /* the first of each */
} place;

/* One work-item a tile; false for those past the end of the range. */
static bool tile_place(place *at, int channels, int height, int width)
{
    const int channel_tiles = (channels + TILE - 1) / TILE;
    const int row_tiles = (height + ROWS - 1) / ROWS;
    const int column_tiles = (width + VEC - 1) / VEC;
#if CHANNELS_FIRST
    const int channel = get_global_id(0), column = get_global_id(1);
    const int row = get_global_id(2) % row_tiles;
    at->n = get_global_id(2) / row_tiles;
#else
    const int column = get_global_id(0), row = get_global_id(1);
    const int channel = get_global_id(2) % channel_tiles;
    at->n = get_global_id(2) / channel_tiles;
#endif
    at->channel = channel * TILE;
    at->row = row * ROWS;
    at->column = column * VEC;
    return channel < channel_tiles && row < row_tiles && column < column_tiles;
}

/* The lanes that lie within a row, when the first is at a column. */
#define INSIDE(column) ((LANES + (column) >= 0) & (LANES + (column) < width))

/* Adds one input channel's part to a tile: sum[r][t] += w[t][u][v] * x[row + r + u][column + v].
 * `plane` is the input channel's plane; w[t] points at the KERNEL x KERNEL weights of output t.
 * CHECKED tiles touch the plane's edge and take zeros from beyond it; FLIP turns the filter by 180
 * degrees, which makes the sum the gradient by the data. */
#define TAP(flip, u, v) ((flip) ? TAPS - 1 - ((u) * KERNEL + (v)) : (u) * KERNEL + (v))
#define ACCUMULATE(sum, plane, w, at, height, width, checked, flip)                                \
    _Pragma("unroll") for (int v = 0; v < KERNEL; v++)                                             \
    {                                                                                              \
        vec in[TILE_ROWS];                                                                         \
        const int column = at.column + v - PAD;                                                    \
        const ivec inside = INSIDE(column);                                                        \
        _Pragma("unroll") for (int r = 0; r < TILE_ROWS; r++)                                      \
        {                                                                                          \
            const int row = at.row + r - PAD;                                                      \
            if (!(checked))                                                                        \
                in[r] = LOAD(plane + row * width + column);                                        \
            else                                                                                   \
                in[r] = row < 0 || row >= height                                                   \
                            ? (vec)(0)                                                             \
                            : select((vec)(0), LOAD(plane + row * width + column), inside);        \
        }                                                                                          \
        _Pragma("unroll") for (int u = 0; u < KERNEL; u++)                                         \
        {                                                                                          \
            _Pragma("unroll") for (int t = 0; t < TILE; t++)                                       \
            {                                                                                      \
                const vec weight = (vec)(w[t][TAP(flip, u, v)]);                                   \
                _Pragma("unroll") for (int r = 0; r < ROWS; r++)                                   \
                    sum[r][t] = fma(weight, in[r + u], sum[r][t]);                                 \
            }                                                                                      \
        }                                                                                          \
    }

/* The tile at `at` of the sum over `in_channels` planes of x. The weights of the tile's first
 * output and first input channel start at w; `out_step` and `in_step` lead to the next channel's. */
#define CONVOLVE(sum, x, x_plane, w, at, in_channels, out_channels, height, width, out_step, in_step, flip) \
    {                                                                                              \
        __global const float *weights[TILE];                                                       \
        _Pragma("unroll") for (int t = 0; t < TILE; t++) weights[t] =                              \
            w + (size_t)min(at.channel + t, out_channels - 1) * (out_step);                        \
        const bool edge = at.row < PAD || at.row + ROWS + PAD > height || at.column < PAD ||       \
                          at.column + VEC + PAD > width;                                           \
        __global const float *plane = x;                                                           \
        if (edge) {                                                                                \
            for (int c = 0; c < in_channels; c++) {                                                \
                ACCUMULATE(sum, plane, weights, at, height, width, true, flip)                     \
                plane += x_plane;                                                   \
                _Pragma("unroll") for (int t = 0; t < TILE; t++) weights[t] += in_step;            \
            }                                                                                      \
        } else {                                                                                   \
            for (int c = 0; c < in_channels; c++) {                                                \
                ACCUMULATE(sum, plane, weights, at, height, width, false, flip)                    \
                plane += x_plane;                                                   \
                _Pragma("unroll") for (int t = 0; t < TILE; t++) weights[t] += in_step;            \
            }                                                                                      \
        }                                                                                          \
    }

__kernel void conv2d_forward(__global const float *x, ulong x_offset, ulong x_stride, uint x_plane,
                             __global float *y, ulong y_offset, ulong y_stride, uint y_plane,
                             __global const float *w, ulong w_offset, __global const float *bias,
                             ulong bias_offset, int in_channels, int out_channels, int height,
                             int width, int relu, uint threshold, float scale, ulong key, uint step,
                             uint image)
{
    place at;
    if (!tile_place(&at, out_channels, height, width))
        return;
    x += x_offset + at.n * x_stride;
    y += y_offset + at.n * y_stride;
    w += w_offset;
    vec sum[ROWS][TILE];
    for (int t = 0; t < TILE; t++) {
        const float start = bias ? bias[bias_offset + min(at.channel + t, out_channels - 1)] : 0.0f;
        for (int r = 0; r < ROWS; r++)
            sum[r][t] = (vec)(start);
    }
    CONVOLVE(sum, x, x_plane, w, at, in_channels, out_channels, height, width, in_channels * TAPS,
             TAPS, false)
    const dropout d = {threshold, scale, key, step, image};
    uvec words[4];
    for (int r = 0; r < ROWS; r++) {
        const int row = at.row + r;
        if (threshold && row % 2 == 0) /* ROWS is even: the first row of a tile is */
            dropout_words(words, d, at.n, at.channel, row, at.column, width);
        for (int t = 0; t < TILE; t++) {
            const int channel = at.channel + t;
            if (channel >= out_channels || row >= height)
                continue;
            vec value = relu ? RELU(sum[r][t]) : sum[r][t];
            if (threshold)
                value = drop(value, words[t], d, row);
            store_row(y + (size_t)channel * y_plane + row * width + at.column, value, at.column,
                      width);
        }
    }
}

/* dx[n, c, i, j] (+)= sum over o, u, v of w[o, c, u, v] * dy[n, o, i + PAD - u, j + PAD - v] */
__kernel void conv2d_backward_data(__global const float *dy, ulong dy_offset, ulong dy_stride,
                                   uint dy_plane, __global float *dx, ulong dx_offset,
                                   ulong dx_stride, uint dx_plane, __global const float *w,
                                   ulong w_offset, int in_channels, int out_channels, int height,
                                   int width, int add)
{
    place at;
    if (!tile_place(&at, in_channels, height, width))
        return;
    dy += dy_offset + at.n * dy_stride;
    dx += dx_offset + at.n * dx_stride;
    w += w_offset;
    vec sum[ROWS][TILE];
    for (int t = 0; t < TILE; t++)
        for (int r = 0; r < ROWS; r++)
            sum[r][t] = (vec)(0);
    CONVOLVE(sum, dy, dy_plane, w, at, out_channels, in_channels, height, width, TAPS,
             in_channels * TAPS, true)
    for (int r = 0; r < ROWS; r++)
        for (int t = 0; t < TILE; t++) {
            const int channel = at.channel + t, row = at.row + r;
            if (channel >= in_channels || row >= height)
                continue;
            __global float *to = dx + (size_t)channel * dx_plane + row * width + at.column;
            update_row(to, sum[r][t], at.column, width, add);
        }
}

/* One step of VEC columns from j of the sums below: sum[t][c][v] += out[t][j] * in[c][j + v]. Where
 * CHECKED, lanes outside the row are zeros; `inside` tells those of in. */
#define CORRELATE(j, inside, checked)                                                              \
    {                                                                                              \
        vec gradient[TILE];                                                                        \
        _Pragma("unroll") for (int t = 0; t < TILE; t++)                                           \
        {                                                                                          \
            gradient[t] = LOAD(out[t] + j);                                                        \
            if (checked)                                                                           \
                gradient[t] = select((vec)(0), gradient[t], INSIDE(j));                    \
        }                                                                                          \
        _Pragma("unroll") for (int c = 0; c < TILE_IN; c++)                                        \
        {                                                                                          \
            _Pragma("unroll") for (int v = 0; v < KERNEL; v++)                                     \
            {                                                                                      \
                vec value = LOAD(in[c] + j + v);                                                   \
                if (checked)                                                                       \
                    value = select((vec)(0), value, inside);                                       \
                _Pragma("unroll") for (int t = 0; t < TILE; t++)                                   \
                    sum[t][c][v] = fma(gradient[t], value, sum[t][c][v]);                          \
            }                                                                                      \
        }                                                                                          \
    }

/* dw[o, c, u, v] = sum over n, i, j of dy[n, o, i, j] * x[n, c, i + u - PAD, j + v - PAD]
 *
 * A work-item owns filter row u of TILE x TILE_IN filters, over one chunk of the batch's rows; its
 * lanes are columns. The rows, number n * height + i, lie in spans of `span`, and a chunk is
 * `chunk_rows` of one span or what is left of it. Chunk k writes its sums to
 * partial[k * out_channels * in_channels * TAPS ...]. */
__kernel void conv2d_backward_weights(__global const float *x, ulong x_offset, ulong x_stride,
                                      uint x_plane, __global const float *dy, ulong dy_offset,
                                      ulong dy_stride, uint dy_plane, __global float *partial,
                                      ulong partial_offset, int in_channels, int out_channels,
                                      int batch, int height, int width, int span,
                                      int chunk_rows)
{
    const int in_tiles = (in_channels + TILE_IN - 1) / TILE_IN;
    const int u = get_global_id(0) % KERNEL;
    const int in_channel = get_global_id(0) / KERNEL % in_tiles * TILE_IN;
    const int out_channel = get_global_id(0) / KERNEL / in_tiles * TILE;
    const int chunks = (span + chunk_rows - 1) / chunk_rows; /* of a span */
    const int start = get_global_id(1) / chunks * span;
    const int first_row = start + get_global_id(1) % chunks * chunk_rows;
    const int rows = min(min(chunk_rows, start + span - first_row), batch * height - first_row);
    if (out_channel >= out_channels || rows <= 0)
        return;
    vec sum[TILE][TILE_IN][KERNEL];
    for (int t = 0; t < TILE; t++)
        for (int c = 0; c < TILE_IN; c++)
            for (int v = 0; v < KERNEL; v++)
                sum[t][c][v] = (vec)(0);
    ivec left[KERNEL]; /* the lanes of the first step that lie within the row, by filter column */
    for (int v = 0; v < KERNEL; v++)
        left[v] = INSIDE(v - PAD);
    for (int row = first_row; row < first_row + rows;) {
        const int n = row / height, i = row % height;
        const int end = min(height, i + first_row + rows - row); /* rows i .. end of image n */
        const int from = max(i, PAD - u), to = min(end, height + PAD - u);
        row += end - i;
        __global const float *in[TILE_IN], *out[TILE];
        for (int c = 0; c < TILE_IN; c++)
            in[c] = x + x_offset + n * x_stride +
                    min(in_channel + c, in_channels - 1) * (size_t)x_plane +
                    (from + u - PAD) * width - PAD;
        for (int t = 0; t < TILE; t++)
            out[t] = dy + dy_offset + n * dy_stride +
                     min(out_channel + t, out_channels - 1) * (size_t)dy_plane + from * width;
        for (int k = from; k < to; k++) {
            CORRELATE(0, left[v], true)
            for (int j = VEC; j < width; j += VEC) {
                if (j >= PAD && j + VEC + PAD <= width)
                    CORRELATE(j, left[v], false)
                else
                    CORRELATE(j, INSIDE(j + v - PAD), true)
            }
            for (int c = 0; c < TILE_IN; c++)
                in[c] += width;
            for (int t = 0; t < TILE; t++)
                out[t] += width;
        }
    }
    partial += partial_offset + (size_t)get_global_id(1) * out_channels * in_channels * TAPS;
    for (int t = 0; t < TILE; t++)
        for (int c = 0; c < TILE_IN; c++)
            for (int v = 0; v < KERNEL; v++)
                if (out_channel + t < out_channels && in_channel + c < in_channels)
                    partial[((out_channel + t) * in_channels + in_channel + c) * TAPS +
                            u * KERNEL + v] = SUM(sum[t][c][v]);
}
