/* Batches on their way to the device. */
#ifndef RT_LEARN_BATCH_H
#define RT_LEARN_BATCH_H

#include "device/tensor.h"
#include "model/model.h"

/* Writes the batch's images to the input of a planned model. Errors: DEVICE. */
static inline rt_status rt_batch_upload_images(const struct rt_batch *batch,
                                               const struct rt_model *model)
{
    struct rt_tensor input = *rt_model_input(model);
    input.shape.n = batch->count;
    return rt_tensor_write(&input, batch->images);
}

/* Writes the labels of patches of size x size pixels, bytes from the start of the buffer.
 * Errors: DEVICE. */
static inline rt_status rt_batch_upload_labels(const struct rt_batch *batch, int size,
                                               struct rt_buffer *labels)
{
    return rt_buffer_write(labels, 0, (size_t)batch->count * (size_t)size * (size_t)size,
                           batch->labels);
}

#endif
