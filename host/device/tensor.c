#include "device/tensor.h"

rt_status rt_tensor_init(struct rt_tensor *tensor, struct rt_device *device, struct rt_shape shape)
{
    size_t plane = rt_shape_plane(shape);
    *tensor = (struct rt_tensor){.offset = RT_TENSOR_GUARD,
                                 .stride = plane * (size_t)shape.c,
                                 .plane = plane,
                                 .shape = shape};
    size_t floats = tensor->stride * (size_t)shape.n + 2 * RT_TENSOR_GUARD;
    return rt_buffer_create(&tensor->buffer, device, floats * sizeof(float));
}

void rt_tensor_finish(struct rt_tensor *tensor)
{
    rt_buffer_destroy(tensor->buffer);
    *tensor = RT_TENSOR_NONE;
}

/* Image n: its planes as rows, `plane` floats apart. */
static struct rt_rows image_rows(const struct rt_tensor *tensor, int n)
{
    return (struct rt_rows){.offset = (tensor->offset + (size_t)n * tensor->stride) * sizeof(float),
                            .bytes =
                                (size_t)tensor->shape.h * (size_t)tensor->shape.w * sizeof(float),
                            .count = (size_t)tensor->shape.c,
                            .pitch = tensor->plane * sizeof(float)};
}

rt_status rt_tensor_write(const struct rt_tensor *tensor, const float *from)
{
    for (int n = 0; n < tensor->shape.n; n++) {
        struct rt_rows rows = image_rows(tensor, n);
        rt_status status = rt_buffer_write_rows(tensor->buffer, &rows, from);
        if (status < 0)
            return status;
        from += rows.count * rows.bytes / sizeof *from;
    }
    return RT_OK;
}

rt_status rt_tensor_read(const struct rt_tensor *tensor, float *to)
{
    for (int n = 0; n < tensor->shape.n; n++) {
        struct rt_rows rows = image_rows(tensor, n);
        rt_status status = rt_buffer_read_rows(tensor->buffer, &rows, to);
        if (status < 0)
            return status;
        to += rows.count * rows.bytes / sizeof *to;
    }
    return RT_OK;
}
