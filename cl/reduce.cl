/* Sums over chunks that other kernels left behind. */

/* to[i] = the sum of from[k * count + i] over the chunks k, in their order, after what stands there
 * if `add` */
__kernel void sum_chunks(__global const float *from, ulong from_offset, __global float *to,
                         ulong to_offset, int count, int chunks, int add)
{
    const int i = get_global_id(0) * VEC;
    if (i >= count)
        return;
    from += from_offset + i;
    to += to_offset + i;
    vec sum = add ? load_part(to, count - i) : (vec)(0);
    for (int k = 0; k < chunks; k++)
        sum += LOAD(from + (size_t)k * count);
    store_row(to, sum, i, count);
}
