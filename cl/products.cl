/* A batch of products of matrices that lie close together, one for each place p:
 *
 *   to[chunk][p][r][j] (+)= sum over k of a[p][k][r] * b[p][k][j]
 *
 * or, TRANSPOSED, of a[p][r][k] * b[p][j][k]. The sum goes over a chunk of k. A work-item owns
 * 4 * QUADS rows of WIDE vectors of columns, a group ACROSS times those columns and DEEP times
 * those rows, whose part of both matrices lies in local memory, SLAB of k at a time. The order of a
 * sum is the same for every shape of group. */

#ifndef ACROSS
#define ACROSS 16
#endif
#ifndef DEEP
#define DEEP 2
#endif
#ifndef TRANSPOSED
#define TRANSPOSED 0
#endif
#define QUADS 2
#define SLAB 8
#define WIDE (VEC == 8 ? 1 : 2) /* such vectors' devices have room for 8 sums, and others for 16   \
                                 */
#define ITEMS (ACROSS * DEEP)
#define ROWS (4 * QUADS * DEEP)
#define COLUMNS (VEC * WIDE * ACROSS)

#if VEC == 1
#error "this file wants vectors"
#endif

/* In local memory: rows[k][r] and columns[k][j], in float4 and in vectors. The gaps let work-items
 * that run together write different banks when they transpose. */
#define ROWS_PITCH (QUADS * DEEP + 1)
#define COLUMNS_PITCH (WIDE * ACROSS + 1)

/* to[k * pitch + i] = the element of `from`, which begins at the slab, of row or column first + i;
 * `extent` of them for the group, `count` and `left` that there are of them and of k. */
static inline void load_slab(__local float *to, uint pitch, uint extent, __global const float *from,
                             uint first, uint count, uint left, uint depth, uint item)
{
    for (uint from_e = item; from_e < SLAB * extent; from_e += BATCH * ITEMS) {
        float values[BATCH];
#pragma unroll
        for (uint b = 0; b < BATCH; b++) {
            const uint e = from_e + b * ITEMS;
            const uint k = TRANSPOSED ? e % SLAB : e / extent;
            const uint i = first + (TRANSPOSED ? e / SLAB : e % extent);
            const uint near_k = min(k, left - 1), near_i = min(i, count - 1);
            const float value = from[TRANSPOSED ? near_i * (size_t)depth + near_k
                                                : near_k * (size_t)count + near_i];
            values[b] = k == near_k && i == near_i ? value : 0.0f;
        }
#pragma unroll
        for (uint b = 0; b < BATCH; b++) {
            const uint e = from_e + b * ITEMS;
            if (e < SLAB * extent)
                to[(TRANSPOSED ? e % SLAB : e / extent) * pitch +
                   (TRANSPOSED ? e / SLAB : e % extent)] = values[b];
        }
    }
}

/* The third dimension counts places, `places` of them, of every chunk of `each` k. */
__kernel __attribute__((reqd_work_group_size(ACROSS, DEEP, 1))) void
products(__global const float *a, ulong a_offset, __global const float *b, ulong b_offset,
         __global float *to, ulong to_offset, int height, int width, int depth, int places,
         int each, int add)
{
    __local float4 rows[SLAB * ROWS_PITCH];
    __local vec columns[SLAB * COLUMNS_PITCH];
    const uint across = get_local_id(0), deep = get_local_id(1), item = across + ACROSS * deep;
    const uint first_column = (get_global_id(0) - across) * (VEC * WIDE); /* of the group */
    const uint first_row = (get_global_id(1) - deep) * (4 * QUADS);
    const int place = get_global_id(2) % places, chunk = get_global_id(2) / places;
    const int end = min(chunk * each + each, depth);
    vec sum[4 * QUADS][WIDE];
    a += a_offset + place * (size_t)height * depth;
    b += b_offset + place * (size_t)width * depth;
#pragma unroll
    for (int r = 0; r < 4 * QUADS; r++)
#pragma unroll
        for (int j = 0; j < WIDE; j++)
            sum[r][j] = (vec)(0);
    for (int from = chunk * each; from < end; from += SLAB) {
        const uint left = min(SLAB, end - from);
        barrier(CLK_LOCAL_MEM_FENCE); /* the sums over the last slab are done */
        load_slab((__local float *)rows, 4 * ROWS_PITCH, ROWS,
                  a + from * (TRANSPOSED ? (size_t)1 : (size_t)height), first_row, height, left,
                  depth, item);
        load_slab((__local float *)columns, VEC * COLUMNS_PITCH, COLUMNS,
                  b + from * (TRANSPOSED ? (size_t)1 : (size_t)width), first_column, width, left,
                  depth, item);
        barrier(CLK_LOCAL_MEM_FENCE);
#pragma unroll
        for (int k = 0; k < SLAB; k++) {
            vec value[WIDE];
#pragma unroll
            for (int j = 0; j < WIDE; j++)
                value[j] = columns[k * COLUMNS_PITCH + j * ACROSS + across];
#pragma unroll
            for (int q = 0; q < QUADS; q++) {
                const float4 factor = rows[k * ROWS_PITCH + deep * QUADS + q];
#pragma unroll
                for (int j = 0; j < WIDE; j++) {
                    sum[4 * q][j] = fma((vec)(factor.s0), value[j], sum[4 * q][j]);
                    sum[4 * q + 1][j] = fma((vec)(factor.s1), value[j], sum[4 * q + 1][j]);
                    sum[4 * q + 2][j] = fma((vec)(factor.s2), value[j], sum[4 * q + 2][j]);
                    sum[4 * q + 3][j] = fma((vec)(factor.s3), value[j], sum[4 * q + 3][j]);
                }
            }
        }
    }
    to += to_offset + get_global_id(2) * (size_t)height * width;
#pragma unroll
    for (int r = 0; r < 4 * QUADS; r++) {
        const int row = first_row + deep * (4 * QUADS) + r;
#pragma unroll
        for (int j = 0; j < WIDE; j++) {
            const int column = first_column + (j * ACROSS + across) * VEC;
            if (row < height && column < width)
                update_row(to + row * (size_t)width + column, sum[r][j], column, width, add);
        }
    }
}
