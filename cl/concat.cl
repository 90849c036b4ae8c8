/* Copies planes of `size` floats, [n, c, size], where the plan could not let both inputs of a
 * concatenation lie in its output. One work-item takes `columns` floats of `rows` planes. */
__kernel void concat_copy(TENSOR(from), TENSOR(to), int c, int size, int add, int columns, int rows)
{
    const int left = (int)get_global_id(0) * columns, right = min(left + columns, size);
    const int top = (int)get_global_id(1) * rows, bottom = min(top + rows, c);
    const size_t image = get_global_id(2);
    from += from_offset + image * from_stride;
    to += to_offset + image * to_stride;
    for (size_t plane = top; plane < bottom; plane++) {
        __global const float *source = from + plane * from_plane;
        __global float *target = to + plane * to_plane;
        for (int i = left; i < right; i += VEC)
            update_row(target + i, LOAD(source + i), i, right, add);
    }
}
