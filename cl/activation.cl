/* The way back through a fused activation. */

#ifndef CHUNK
#define CHUNK 4096 /* elements of a plane that one work-group handles */
#endif
#ifndef ITEMS
#define ITEMS 1 /* its work-items, a power of two */
#endif

#if EXACT
#define GROUP ITEMS
#include "lanes.cl"
#else
#define VECTORS 1
#endif

#if !EXACT && ITEMS > 1
/* The sum of what the group's work-items have, halved again and again; the first one's result. */
static inline float sum_group(float value, __local float *sums)
{
    const int item = get_local_id(0);
    sums[item] = value;
    for (int half_way = ITEMS / 2; half_way > 0; half_way /= 2) {
        barrier(CLK_LOCAL_MEM_FENCE);
        if (item < half_way)
            sums[item] += sums[item + half_way];
    }
    return sums[item];
}
#endif

/* In place, the gradient before the activation: dz = dy * scale where y > 0, else 0, with ReLU
 * (what dropout took away is 0 in y as well). And the sums of dz for the gradient of a bias:
 * partial[(n * chunks + k) * channels + c] = sum of dz over chunk k of plane (n, c). */
__kernel __attribute__((reqd_work_group_size(ITEMS, 1, 1))) void
activation_backward(__global float *dy, ulong dy_offset, ulong dy_stride, uint dy_plane,
                    __global const float *y, ulong y_offset, ulong y_stride, uint y_plane,
                    __global float *partial, ulong partial_offset, int channels, int batch,
                    int size, int relu, float scale)
{
    const int chunk = get_global_id(0) / ITEMS, c = get_global_id(1), n = get_global_id(2);
    const int chunks = (size + CHUNK - 1) / CHUNK, item = get_local_id(0);
    const int from = chunk * CHUNK, to = min(from + CHUNK, size);
    dy += dy_offset + n * dy_stride + c * (size_t)dy_plane;
    y += y_offset + n * y_stride + c * (size_t)y_plane;
    vec sum[VECTORS];
    for (int k = 0; k < VECTORS; k++)
        sum[k] = (vec)(0);
    for (int row = from; row < to; row += VECTORS * ITEMS * VEC)
        for (int k = 0; k < VECTORS; k++) {
            const int i = row + (k * ITEMS + item) * VEC;
            if (i >= to)
                continue;
            vec gradient = load_part(dy + i, to - i);
            if (relu) {
                gradient = select((vec)(0), gradient * scale, LOAD(y + i) > (vec)(0));
                store_row(dy + i, gradient, i, to);
            }
            sum[k] += gradient;
        }
#if EXACT
    __local float lanes[256];
    float total = sum_lanes(sum, lanes);
#else
    float total = SUM(sum[0]);
#endif
#if !EXACT && ITEMS > 1
    __local float sums[ITEMS];
    total = sum_group(total, sums);
#endif
    if (partial && item == 0)
        partial[partial_offset + (size_t)(n * chunks + chunk) * channels + c] = total;
}
