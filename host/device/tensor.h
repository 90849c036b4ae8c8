/* A view of device memory as an array [n, c, h, w] of floats. */
#ifndef RT_DEVICE_TENSOR_H
#define RT_DEVICE_TENSOR_H

#include "device/device.h"

struct rt_shape {
    int n, c, h, w;
};

/* Element (n, c, y, x) is float number offset + n * stride + c * plane + y * w + x of the buffer.
 * Rows are whole; planes may lie further apart than h * w, because planes a power of two apart
 * would fall into the same few sets of a cache; images further than c * plane, so that two tensors
 * can be written side by side and read as their concatenation.
 * At least RT_TENSOR_GUARD floats lie before and after a tensor within its buffer, so that a
 * kernel may load whole vectors across an edge; it must not use what it finds there. */
struct rt_tensor {
    struct rt_buffer *buffer;
    size_t offset; /* floats */
    size_t stride; /* floats from one image to the next */
    size_t plane;  /* floats from one channel to the next */
    struct rt_shape shape;
};

#define RT_TENSOR_GUARD 64

/* The distance between channels that new activation tensors get: a multiple of 16 floats that is no
 * multiple of a page once planes are that large. */
static inline size_t rt_shape_plane(struct rt_shape shape)
{
    size_t plane = ((size_t)shape.h * (size_t)shape.w + 15) / 16 * 16;
    return plane % 1024 == 0 ? plane + 144 : plane;
}

static inline size_t rt_shape_size(struct rt_shape shape) /* floats in all */
{
    return (size_t)shape.n * (size_t)shape.c * (size_t)shape.h * (size_t)shape.w;
}

/* `n` of its images from number `first` on. */
static inline struct rt_tensor rt_tensor_images(struct rt_tensor tensor, int first, int n)
{
    tensor.offset += (size_t)first * tensor.stride;
    tensor.shape.n = n;
    return tensor;
}

/* What a kernel takes for a tensor:
 * `__global float *x, ulong x_offset, ulong x_stride, uint x_plane`. */
#define RT_TENSOR(tensor)                                                                          \
    rt_buffer_argument((tensor).buffer), rt_ulong((tensor).offset), rt_ulong((tensor).stride),     \
        rt_uint((uint32_t)(tensor).plane)

/* The tensor that stands for "none": a null pointer in the kernel. */
#define RT_TENSOR_NONE ((struct rt_tensor){0})

/* A tensor in a buffer of its own, not initialised; its planes lie rt_shape_plane() apart. Release
 * with rt_tensor_finish. */
rt_status rt_tensor_init(struct rt_tensor *tensor, struct rt_device *device, struct rt_shape shape);
void rt_tensor_finish(struct rt_tensor *tensor);

/* Blocking copies between a tensor and rt_shape_size() contiguous floats. */
rt_status rt_tensor_write(const struct rt_tensor *tensor, const float *from);
rt_status rt_tensor_read(const struct rt_tensor *tensor, float *to);

#endif
