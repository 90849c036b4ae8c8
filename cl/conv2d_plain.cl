/* 2-D convolution for every stride, without tiles: one work-item a row of outputs. The fallback for
 * what conv2d.cl does not do. Shapes and formulae as there. */

#ifndef KERNEL
#define KERNEL 3
#endif
#ifndef STRIDE
#define STRIDE 2
#endif
#define PAD (KERNEL / 2)
#define TAPS (KERNEL * KERNEL)

/* An element of a plane, which is 0 around it. */
static inline float at(__global const float *plane, int i, int j, int height, int width)
{
    return i >= 0 && i < height && j >= 0 && j < width ? plane[i * width + j] : 0.0f;
}

__kernel void conv2d_plain_forward(__global const float *x, ulong x_offset, ulong x_stride,
                                   uint x_plane, __global float *y, ulong y_offset, ulong y_stride,
                                   uint y_plane, __global const float *w, ulong w_offset,
                                   __global const float *bias, ulong bias_offset, int in_channels,
                                   int out_channels, int in_height, int in_width, int height,
                                   int width, int relu, uint threshold, float scale, ulong key,
                                   uint step, uint image)
{
    const int i = get_global_id(0), o = get_global_id(1), n = get_global_id(2);
    if (i >= height || o >= out_channels)
        return;
    x += x_offset + n * x_stride;
    y += y_offset + n * y_stride + o * (size_t)y_plane + i * width;
    w += w_offset + (size_t)o * in_channels * TAPS;
    for (int j = 0; j < width; j++) {
        float sum = bias ? bias[bias_offset + o] : 0.0f;
        for (int c = 0; c < in_channels; c++)
            for (int v = 0; v < KERNEL; v++)
                for (int u = 0; u < KERNEL; u++)
                    sum = fma(w[c * TAPS + u * KERNEL + v],
                              at(x + c * (size_t)x_plane, i * STRIDE + u - PAD, j * STRIDE + v - PAD,
                                 in_height, in_width),
                              sum);
        y[j] = relu ? RELU(sum) : sum;
    }
    if (!threshold)
        return;
    const dropout d = {threshold, scale, key, step, image};
    for (int j = 0; j < width; j += VEC) {
        uvec words[4];
        dropout_words(words, d, n, o, i, j, width);
        store_row(y + j, drop(LOAD(y + j), words[o % 4], d, i), j, width);
    }
}

__kernel void conv2d_plain_backward_data(__global const float *dy, ulong dy_offset, ulong dy_stride,
                                         uint dy_plane, __global float *dx, ulong dx_offset,
                                         ulong dx_stride, uint dx_plane, __global const float *w,
                                         ulong w_offset, int in_channels, int out_channels,
                                         int in_height, int in_width, int height, int width, int add)
{
    const int i = get_global_id(0), c = get_global_id(1), n = get_global_id(2);
    if (i >= in_height || c >= in_channels)
        return;
    dy += dy_offset + n * dy_stride;
    dx += dx_offset + n * dx_stride + c * (size_t)dx_plane + i * in_width;
    w += w_offset + c * TAPS;
    for (int j = 0; j < in_width; j++) {
        float sum = 0;
        for (int o = 0; o < out_channels; o++)
            for (int v = KERNEL - 1; v >= 0; v--)
                for (int u = KERNEL - 1; u >= 0; u--) {
                    const int a = i + PAD - u, b = j + PAD - v; /* STRIDE times the output's place */
                    if (a % STRIDE == 0 && b % STRIDE == 0)
                        sum = fma(w[(size_t)o * in_channels * TAPS + u * KERNEL + v],
                                  at(dy + o * (size_t)dy_plane, a / STRIDE, b / STRIDE, height,
                                     width),
                                  sum);
                }
        dx[j] = add ? dx[j] + sum : sum;
    }
}

/* One work-item a weight; the batch is summed in its order, to what stands in dw if `add`. */
__kernel void conv2d_plain_backward_weights(__global const float *x, ulong x_offset, ulong x_stride,
                                            uint x_plane, __global const float *dy, ulong dy_offset,
                                            ulong dy_stride, uint dy_plane, __global float *dw,
                                            ulong dw_offset, int in_channels, int out_channels,
                                            int batch, int in_height, int in_width, int height,
                                            int width, int add)
{
    const int tap = get_global_id(0), c = get_global_id(1), o = get_global_id(2);
    if (tap >= TAPS || c >= in_channels || o >= out_channels)
        return;
    const int u = tap / KERNEL - PAD, v = tap % KERNEL - PAD;
    x += x_offset + c * (size_t)x_plane;
    dy += dy_offset + o * (size_t)dy_plane;
    dw += dw_offset + ((size_t)o * in_channels + c) * TAPS + tap;
    float sum = add ? *dw : 0.0f;
    for (int n = 0; n < batch; n++) {
        float of_image = 0;
        for (int i = 0; i < height; i++) {
            float row = 0;
            for (int j = 0; j < width; j++)
                row = fma(dy[n * dy_stride + i * width + j],
                          at(x + n * x_stride, i * STRIDE + u, j * STRIDE + v, in_height, in_width),
                          row);
            of_image += row;
        }
        sum += of_image;
    }
    *dw = sum;
}
