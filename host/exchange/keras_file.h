/* What a Keras HDF5 file holds: layers with their weights, and the model's description. */
#ifndef RT_EXCHANGE_KERAS_FILE_H
#define RT_EXCHANGE_KERAS_FILE_H

#include <stddef.h>

#include "base/error.h"

#define RT_KERAS_DIMENSIONS 5

struct rt_keras_weight {
    char *name;
    int dimensions;
    size_t shape[RT_KERAS_DIMENSIONS];
    float *data;
};

struct rt_keras_layer {
    char *name;
    struct rt_keras_weight *weights; /* in Keras' order: a kernel, a bias */
    size_t count, capacity;
};

struct rt_keras_file {
    struct rt_keras_layer *layers; /* those that have weights, in the model's order */
    size_t count, capacity;
    char *config; /* the attribute model_config, JSON; NULL in a file of weights alone */
    char *info;   /* what retort wrote of the model; NULL in others' files */
};

/* Reads what Keras 2 and 3 write as `.h5` (groups with the attributes layer_names and weight_names,
 * in whole models below model_weights) or as `.weights.h5` (layers/NAME/vars/N). Release with
 * rt_keras_finish. Errors: IO, FORMAT, UNSUPPORTED (models within the model), MEMORY. */
rt_status rt_keras_read(struct rt_keras_file *file, const char *path);
void rt_keras_finish(struct rt_keras_file *file);

const struct rt_keras_layer *rt_keras_find(const struct rt_keras_file *file, const char *name);

#endif
