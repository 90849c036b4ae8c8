#include "device/tensor.h"

rt_status rt_tensor_init(struct rt_tensor *tensor, struct rt_device *device, struct rt_shape shape)
{
    *tensor = (struct rt_tensor){
        .offset = RT_TENSOR_GUARD, .stride = rt_shape_image(shape), .shape = shape};
    size_t floats = rt_shape_size(shape) + 2 * RT_TENSOR_GUARD;
    return rt_buffer_create(&tensor->buffer, device, floats * sizeof(float));
}

void rt_tensor_finish(struct rt_tensor *tensor)
{
    rt_buffer_destroy(tensor->buffer);
    *tensor = RT_TENSOR_NONE;
}

rt_status rt_tensor_write(const struct rt_tensor *tensor, const float *from)
{
    size_t image = rt_shape_image(tensor->shape);
    for (int n = 0; n < tensor->shape.n; n++) {
        rt_status status = rt_buffer_write(
            tensor->buffer, (tensor->offset + (size_t)n * tensor->stride) * sizeof(float),
            image * sizeof(float), from + (size_t)n * image);
        if (status < 0)
            return status;
    }
    return RT_OK;
}

rt_status rt_tensor_read(const struct rt_tensor *tensor, float *to)
{
    size_t image = rt_shape_image(tensor->shape);
    for (int n = 0; n < tensor->shape.n; n++) {
        rt_status status = rt_buffer_read(
            tensor->buffer, (tensor->offset + (size_t)n * tensor->stride) * sizeof(float),
            image * sizeof(float), to + (size_t)n * image);
        if (status < 0)
            return status;
    }
    return RT_OK;
}
