/* What a device can do at most: multiply-adds that wait for nothing, and copies that miss every
 * cache. host/ops/roof.h says what is counted. */

#ifndef SUMS
#define SUMS 12
#endif

/* y is items * VEC floats. From y + 0, y + 1, ... y + SUMS - 1 as many sums start, each of which
 * becomes a * sum + b in each of the rounds; y becomes their total. */
__kernel void roof_fma(__global float *y, uint items, uint rounds, float a, float b)
{
    const uint item = get_global_id(0);
    if (item >= items)
        return;
    y += (size_t)item * VEC;
    vec sums[SUMS];
#pragma unroll
    for (int i = 0; i < SUMS; i++)
        sums[i] = LOAD(y) + (float)i;
    for (uint round = 0; round < rounds; round++) {
#pragma unroll
        for (int i = 0; i < SUMS; i++)
            sums[i] = mad(sums[i], (vec)(a), (vec)(b));
    }
    vec total = sums[0];
#pragma unroll
    for (int i = 1; i < SUMS; i++)
        total += sums[i];
    STORE(total, y);
}

/* Work-item i copies the vectors i * each to i * each + each - 1 of the `vectors` there are. */
__kernel void roof_copy(__global const float *from, __global float *to, uint vectors, uint each)
{
    const uint first = get_global_id(0) * each;
    const uint end = first < vectors ? first + min(each, vectors - first) : first;
    for (uint v = first; v < end; v++)
        STORE(LOAD(from + (size_t)v * VEC), to + (size_t)v * VEC);
}
