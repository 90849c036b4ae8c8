/* A convolution as products of matrices: its patches as columns, the way back, and what follows the
 * product. Shapes and formulae as in conv2d.cl. */

#ifndef KERNEL
#define KERNEL 3
#endif
#ifndef STRIDE
#define STRIDE 1
#endif
#define PAD (KERNEL / 2)
#define TAPS (KERNEL * KERNEL)

/* columns[(c, u, v), (i, j)] = x[c, i * STRIDE + u - PAD, j * STRIDE + v - PAD] of one image */
__kernel void im2col(__global const float *x, ulong x_offset, uint x_plane, __global float *columns,
                     ulong columns_offset, int in_channels, int in_height, int in_width, int height,
                     int width)
{
    const int j = get_global_id(0) * VEC, i = get_global_id(1), row = get_global_id(2);
    if (j >= width || i >= height || row >= in_channels * TAPS)
        return;
    const int c = row / TAPS, u = row % TAPS / KERNEL, v = row % KERNEL;
    const int y = i * STRIDE + u - PAD, first = j * STRIDE + v - PAD;
    const bool inside = y >= 0 && y < in_height;
    x += x_offset + c * (size_t)x_plane;
    columns += columns_offset + ((size_t)row * height + i) * width + j;
#if STRIDE == 1
    const ivec place = LANES + first;
    const vec value = inside ? LOAD(x + y * in_width + first) : (vec)(0);
    store_row(columns, select((vec)(0), value, (place >= 0) & (place < in_width)), j, width);
#else
    for (int l = 0; l < VEC && j + l < width; l++) {
        const int place = first + l * STRIDE;
        columns[l] = inside && place >= 0 && place < in_width ? x[y * in_width + place] : 0.0f;
    }
#endif
}

/* dx[c, i, j] (+)= sum over u, v of columns[(c, u, v), (i + PAD - u, j + PAD - v) / STRIDE], where
 * that is a place of the output */
__kernel void col2im(__global const float *columns, ulong columns_offset, __global float *dx,
                     ulong dx_offset, uint dx_plane, int in_channels, int in_height, int in_width,
                     int height, int width, int add)
{
    const int j = get_global_id(0) * VEC, i = get_global_id(1), c = get_global_id(2);
    if (j >= in_width || i >= in_height || c >= in_channels)
        return;
    columns += columns_offset + (size_t)c * TAPS * height * width;
    dx += dx_offset + c * (size_t)dx_plane + i * in_width + j;
    vec sum = add ? load_part(dx, in_width - j) : (vec)(0);
    for (int tap = 0; tap < TAPS; tap++) {
        const int a = i + PAD - tap / KERNEL, first = j + PAD - tap % KERNEL;
        if (a < 0 || a % STRIDE || a / STRIDE >= height)
            continue;
        __global const float *from = columns + ((size_t)tap * height + a / STRIDE) * width;
#if STRIDE == 1
        const ivec place = LANES + first;
        sum += select((vec)(0), LOAD(from + first), (place >= 0) & (place < width));
#else
        float lanes[VEC];
        for (int l = 0; l < VEC; l++) {
            const int b = first + l;
            lanes[l] = b >= 0 && b % STRIDE == 0 && b / STRIDE < width ? from[b / STRIDE] : 0.0f;
        }
        sum += LOAD(lanes);
#endif
    }
    store_row(dx, sum, j, in_width);
}

/* In place, y = act(y + bias). A work-item owns what shares random words: two rows of VEC columns
 * in four channels. */
__kernel void finish(__global float *y, ulong y_offset, ulong y_stride, uint y_plane,
                     __global const float *bias, ulong bias_offset, int batch, int channels,
                     int height, int width, int relu, uint threshold, float scale, ulong key,
                     uint step, uint image)
{
    const int quads = (channels + 3) / 4;
    const int j = get_global_id(0) * VEC, i = get_global_id(1) * 2;
    const int c = get_global_id(2) % quads * 4, n = get_global_id(2) / quads;
    if (j >= width || i >= height || n >= batch)
        return;
    const dropout d = {threshold, scale, key, step, image};
    uvec words[4];
    if (threshold)
        dropout_words(words, d, n, c, i, j, width);
    for (int t = 0; t < min(4, channels - c); t++) {
        const float start = bias ? bias[bias_offset + c + t] : 0.0f;
        for (int r = 0; r < min(2, height - i); r++) {
            __global float *to =
                y + y_offset + n * y_stride + (c + t) * (size_t)y_plane + (i + r) * width + j;
            /* Not past the row: another work-item writes there. */
            vec value = load_part(to, width - j) + start;
            if (relu)
                value = RELU(value);
            if (threshold)
                value = drop(value, words[t], d, i + r);
            store_row(to, value, j, width);
        }
    }
}
