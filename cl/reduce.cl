/* Sums over chunks that other kernels left behind. */

/* Chunks of `count` floats lie `step` apart. Of every `each` of them, to[i] = the sum of from[i]
 * over these chunks, in their order, after what stands there if `add`; `to` may be the first of
 * them. */
__kernel void sum_chunks(__global const float *from, ulong from_offset, __global float *to,
                         ulong to_offset, int count, int chunks, ulong step, int each, int add)
{
    const int i = get_global_id(0) * VEC, first = get_global_id(1) * each;
    if (i >= count || first >= chunks)
        return;
    from += from_offset + first * step + i;
    to += to_offset + first * step + i;
    vec sum = add ? load_part(to, count - i) : (vec)(0);
    for (int k = 0; k < min(each, chunks - first); k++)
        sum += load_part(from + k * step, count - i);
    store_row(to, sum, i, count);
}
