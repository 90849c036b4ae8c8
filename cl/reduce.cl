/* Sums over chunks that other kernels left behind. */

/* to[i] = the sum of from[k * count + i] over the chunks k, in their order */
__kernel void sum_chunks(__global const float *from, ulong from_offset, __global float *to,
                         ulong to_offset, int count, int chunks)
{
    const int i = get_global_id(0) * VEC;
    if (i >= count)
        return;
    vec sum = (vec)(0);
    from += from_offset + i;
    for (int k = 0; k < chunks; k++)
        sum += LOAD(from + (size_t)k * count);
    store_row(to + to_offset + i, sum, i, count);
}
