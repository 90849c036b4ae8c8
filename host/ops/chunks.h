/* How kernels that run over a long array share it out: work-item i takes `each` vectors, `step`
 * apart. On a CPU they follow each other; on a GPU neighbouring items take neighbouring vectors.
 * Neither depends on the number of compute units or the size of work-groups, so that sums over a
 * chunk are the same wherever the vectors are as wide. */
#ifndef RT_OPS_CHUNKS_H
#define RT_OPS_CHUNKS_H

#include "device/tensor.h"

#define RT_CHUNKS_MAX 16384 /* work-items: enough to fill a large GPU */

struct rt_chunks {
    uint32_t vectors, items, each, step;
};

/* A CPU's item takes at least `least` vectors, a GPU's a sixteenth of that. */
static inline struct rt_chunks rt_chunks(const struct rt_device *device, size_t vectors,
                                         size_t least)
{
    const bool cpu = rt_device_group(device) == 1;
    size_t each = (vectors + RT_CHUNKS_MAX - 1) / RT_CHUNKS_MAX;
    each = each > (cpu ? least : least / 16) ? each : cpu ? least : least / 16;
    const size_t items = (vectors + each - 1) / each;
    return (struct rt_chunks){(uint32_t)vectors, (uint32_t)items, (uint32_t)each,
                              cpu ? 1 : (uint32_t)items};
}

/* The chunks of the pixels of n images; the last vector of an image may be partly empty. */
static inline struct rt_chunks rt_pixel_chunks(const struct rt_device *device,
                                               struct rt_shape shape, size_t least)
{
    const size_t vector = (size_t)rt_device_vector(device);
    const size_t row = ((size_t)shape.h * (size_t)shape.w + vector - 1) / vector;
    return rt_chunks(device, (size_t)shape.n * row, least);
}

/* For sums over the pixels of n images. In exact mode a chunk is of pixels of one image, of which
 * it has at most 128, whatever the device and the batch; `step` is the number of images, which may
 * be RT_SUMMED_IMAGES_MAX, and work-item k * step + i takes chunk k of image i. */
#define RT_SUMMED_IMAGES_MAX 128

static inline struct rt_chunks rt_summed_chunks(const struct rt_device *device,
                                                struct rt_shape shape, size_t least)
{
    const size_t pixels = (size_t)shape.h * (size_t)shape.w, images = (size_t)shape.n;
    if (!rt_device_is_exact(device))
        return rt_pixel_chunks(device, shape, least);
    const size_t vector = (size_t)rt_device_vector(device);
    const size_t share = (pixels + 127) / 128, chunk = share > 256 ? (share + 15) / 16 * 16 : 256;
    return (struct rt_chunks){(uint32_t)(images * ((pixels + vector - 1) / vector)),
                              (uint32_t)(images * ((pixels + chunk - 1) / chunk)),
                              (uint32_t)(chunk / vector), (uint32_t)images};
}

/* What a kernel takes for them: CHUNKS in cl/common.cl. */
#define RT_CHUNKS(chunks)                                                                          \
    rt_uint((chunks).vectors), rt_uint((chunks).items), rt_uint((chunks).each),                    \
        rt_uint((chunks).step)

#endif
