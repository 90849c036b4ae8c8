/* Tensors that show what a kernel leaves out and what it writes where it must not: poisoned, with
 * guard words around them and gaps between planes and images. */
#ifndef RT_OPS_GUARDED_H
#define RT_OPS_GUARDED_H

#include "device/tensor.h"

#define RT_POISON 0x7fc0dead /* a NaN; each tensor counts on from it */
#define RT_GAP 5             /* floats between planes and images, so that strides matter */

struct rt_guarded {
    struct rt_tensor tensor;
    size_t floats; /* in the buffer */
    uint32_t poison;
};

/* `gap` floats after every plane and image. Errors: DEVICE, MEMORY. */
rt_status rt_guarded_create(struct rt_guarded *g, struct rt_device *device, struct rt_shape shape,
                            size_t gap);
void rt_guarded_destroy(struct rt_guarded *g);

/* Writes the word all over a buffer. This and rt_guarded_write write whole buffers at once, because
 * Oclgrind takes what the host does not write along with the rest for uninitialised. Errors:
 * DEVICE, MEMORY. */
rt_status rt_words_fill(struct rt_buffer *buffer, uint32_t word);

/* Blocking copy of rt_shape_size() values. */
rt_status rt_guarded_write(const struct rt_guarded *g, const double *from);

/* The tensor's values in *values, released by free(). Errors: DEVICE, also where a word around them
 * changed; MEMORY. */
rt_status rt_guarded_read(const struct rt_guarded *g, float **values);

#endif
