/* The U-Net in a Keras model: which of its layers is which part. */
#ifndef RT_EXCHANGE_KERAS_UNET_H
#define RT_EXCHANGE_KERAS_UNET_H

#include <stdbool.h>

#include "exchange/keras_file.h"
#include "exchange/tensors.h"
#include "model/unet.h"

#define RT_KERAS_LEVELS 8
/* 2 convolutions a block, normalised, and one after each enlargement; the head */
#define RT_KERAS_PARTS (4 * (2 * RT_KERAS_LEVELS + 1) + RT_KERAS_LEVELS + 1)

enum rt_keras_kind { RT_KERAS_CONV, RT_KERAS_TRANSPOSE, RT_KERAS_NORM };

/* A layer with weights and the part of the network that it is. */
struct rt_keras_part {
    enum rt_keras_kind kind;
    const char *layer; /* owned by the description or the file */
    char name[16];     /* "down.0.3" */
    double epsilon;    /* of a normalisation */
};

struct rt_keras_unet {
    struct rt_unet unet; /* depth, up, norm, dropout; the width is that of the weights */
    struct rt_keras_part parts[RT_KERAS_PARTS];
    int count;
    bool up_is_told; /* how it enlarges; else a guess, where it does not by transposed convolutions
                      */
    unsigned skip_first; /* a bit a level that concatenates (skip, upsampled), where it is told */
    int patch;           /* width and height of the input, 0 where it is not told or not square */
    bool rescaled;
    double scale[3], offset[3]; /* of a layer Rescaling: v * scale + offset */
};

/* Of a model's description: walks from the output to the input, and leaves as problems the layers
 * that a U-Net like retort's does not have. The texts stand as long as *root, released by
 * json_decref. Errors: FORMAT (no JSON, not a description), MEMORY. */
struct json_t;
rt_status rt_keras_walk(struct rt_keras_unet *k, const char *config, struct json_t **root,
                        struct rt_problems *problems);

/* Of weights alone: by their order and shapes. Errors: UNSUPPORTED (naming all layers where they
 * are not as many as in a U-Net). */
rt_status rt_keras_guess(struct rt_keras_unet *k, const struct rt_keras_file *file,
                         const char *path);

/* The parts' weights, as PyTorch has them; what does not fit is left as problems. Errors: MEMORY.
 */
rt_status rt_keras_convert(const struct rt_keras_unet *k, const struct rt_keras_file *file,
                           struct rt_import_tensors *tensors, struct rt_problems *problems);

#endif
