/* retort's U-Net as Keras calls it. */
#ifndef RT_EXCHANGE_KERAS_EXPORT_H
#define RT_EXCHANGE_KERAS_EXPORT_H

#include "base/error.h"
#include "model/unet.h"
#include "retort/exchange.h"

/* The model's description as Keras 2 writes it, which Keras 3 reads as well: released by free().
 * Its layers with weights are called conv2d, conv2d_1, ..., conv2d_transpose, ... and
 * batch_normalization, ... in the order of retort's tensors. Errors: MEMORY. */
rt_status rt_keras_describe(const struct rt_unet *unet, int classes, char **config);

/* See struct rt_format. */
rt_status rt_keras_export(const struct rt_model *model, const char *path,
                          const struct rt_export_options *options);

#endif
