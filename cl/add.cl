/* The sum of two tensors [n, c, h, w], with ReLU if `relu`: y = act(a + b). One work-item takes
 * `columns` floats of `rows` planes of `size` floats. */
__kernel void add_forward(TENSOR(a), TENSOR(b), TENSOR(y), int c, int size, int relu, int columns,
                          int rows)
{
    const int left = (int)get_global_id(0) * columns, right = min(left + columns, size);
    const int top = (int)get_global_id(1) * rows, bottom = min(top + rows, c);
    const size_t image = get_global_id(2);
    a += a_offset + image * a_stride;
    b += b_offset + image * b_stride;
    y += y_offset + image * y_stride;
    for (int plane = top; plane < bottom; plane++) {
        __global const float *from = a + plane * (size_t)a_plane;
        __global const float *more = b + plane * (size_t)b_plane;
        __global float *to = y + plane * (size_t)y_plane;
        for (int i = left; i < right; i += VEC) {
            vec sum = LOAD(from + i) + LOAD(more + i);
            if (relu)
                sum = RELU(sum);
            store_row(to + i, sum, i, right);
        }
    }
}

/* The gradient by either: dy, with ReLU where y > 0, else 0. */
__kernel void add_backward(TENSOR(y), TENSOR(dy), TENSOR(dx), int c, int size, int relu, int add,
                           int columns, int rows)
{
    const int left = (int)get_global_id(0) * columns, right = min(left + columns, size);
    const int top = (int)get_global_id(1) * rows, bottom = min(top + rows, c);
    const size_t image = get_global_id(2);
    y += y_offset + image * y_stride;
    dy += dy_offset + image * dy_stride;
    dx += dx_offset + image * dx_stride;
    for (int plane = top; plane < bottom; plane++) {
        __global const float *out = y + plane * (size_t)y_plane;
        __global const float *from = dy + plane * (size_t)dy_plane;
        __global float *to = dx + plane * (size_t)dx_plane;
        for (int i = left; i < right; i += VEC) {
            vec gradient = LOAD(from + i);
            if (relu)
                gradient = select((vec)(0), gradient, LOAD(out + i) > (vec)(0));
            update_row(to + i, gradient, i, right, add);
        }
    }
}
