/* Sums of a stated order, which a work-group of GROUP work-items shares: lane l of 256 sums the
 * elements l, l + 256, ... of a chunk, and a tree sums the lanes, so that neither the vector width
 * nor the group size changes a bit. A work-item has VECTORS of them: its k-th begins at lane
 * (k * GROUP + item) * VEC. */

#ifndef GROUP
#define GROUP 1
#endif
#define VECTORS (256 / (GROUP * VEC))
#define LEFT (GROUP * VEC < 4 ? 4 / (GROUP * VEC) : 1) /* of them, for the last four lanes */

static float sum_lanes(vec *sums, __local float *lanes)
{
    const int item = get_local_id(0);
#pragma unroll
    for (int kept = VECTORS / 2; kept >= LEFT; kept /= 2)
        for (int k = 0; k < kept; k++)
            sums[k] += sums[k + kept];
    for (int k = 0; k < LEFT; k++)
        STORE(sums[k], lanes + (k * GROUP + item) * VEC);
    barrier(CLK_LOCAL_MEM_FENCE);
    for (int kept = GROUP * VEC / 2; kept >= 4; kept /= 2) {
        for (int i = item; i < kept; i += GROUP)
            lanes[i] += lanes[i + kept];
        barrier(CLK_LOCAL_MEM_FENCE);
    }
    const float sum = (lanes[0] + lanes[1]) + (lanes[2] + lanes[3]);
    barrier(CLK_LOCAL_MEM_FENCE);
    return sum;
}
