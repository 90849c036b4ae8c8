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

/* Calls `copy` for every image's planes: rows of h * w floats, `plane` floats apart on the device.
 */
static rt_status each_image(const struct rt_tensor *tensor, float *host,
                            rt_status (*copy)(struct rt_buffer *, const struct rt_rows *, void *))
{
    struct rt_rows rows = {.bytes =
                               (size_t)tensor->shape.h * (size_t)tensor->shape.w * sizeof *host,
                           .count = (size_t)tensor->shape.c,
                           .pitch = tensor->plane * sizeof *host};
    for (int n = 0; n < tensor->shape.n; n++) {
        rows.offset = (tensor->offset + (size_t)n * tensor->stride) * sizeof *host;
        rt_status status =
            copy(tensor->buffer, &rows, host + (size_t)n * rows.count * rows.bytes / sizeof *host);
        if (status < 0)
            return status;
    }
    return RT_OK;
}

rt_status rt_tensor_write(const struct rt_tensor *tensor, const float *from)
{
    return each_image(tensor, (float *)from, rt_buffer_write_rows);
}

rt_status rt_tensor_read(const struct rt_tensor *tensor, float *to)
{
    return each_image(tensor, to, rt_buffer_read_rows);
}
