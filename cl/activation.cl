/* The way back through a fused activation. */

#ifndef CHUNK
#define CHUNK 4096 /* elements of a plane that one work-item handles */
#endif

/* In place, the gradient before the activation: dz = dy * scale where y > 0, else 0, with ReLU (what
 * dropout took away is 0 in y as well). And the sums of dz for the gradient of a bias:
 * partial[(n * chunks + k) * channels + c] = sum of dz over chunk k of plane (n, c). */
__kernel void activation_backward(__global float *dy, ulong dy_offset, ulong dy_stride,
                                  uint dy_plane, __global const float *y, ulong y_offset,
                                  ulong y_stride, uint y_plane, __global float *partial,
                                  ulong partial_offset, int channels, int batch, int size, int relu,
                                  float scale)
{
    const int chunk = get_global_id(0), c = get_global_id(1), n = get_global_id(2);
    const int chunks = (size + CHUNK - 1) / CHUNK;
    if (chunk >= chunks || c >= channels || n >= batch)
        return;
    const int from = chunk * CHUNK, to = min(from + CHUNK, size);
    dy += dy_offset + n * dy_stride + c * (size_t)dy_plane;
    y += y_offset + n * y_stride + c * (size_t)y_plane;
    vec sum = (vec)(0);
    for (int i = from; i < to; i += VEC) {
        vec gradient = load_part(dy + i, to - i);
        if (relu) {
            gradient = select((vec)(0), gradient * scale, LOAD(y + i) > (vec)(0));
            store_row(dy + i, gradient, i, to);
        }
        sum += gradient;
    }
    if (partial)
        partial[partial_offset + (size_t)(n * chunks + chunk) * channels + c] = SUM(sum);
}
