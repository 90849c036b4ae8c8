/* The tensors of a network on its way in: what they are called in the file, and here. */
#ifndef RT_EXCHANGE_TENSORS_H
#define RT_EXCHANGE_TENSORS_H

#include "exchange/exchange.h"

struct rt_import_tensor {
    char *origin; /* in the file */
    char *name;   /* retort's; NULL: it has no place */
    int dimensions;
    size_t shape[RT_SAFETENSORS_DIMENSIONS]; /* as PyTorch has it */
    const float *data;
    float *owned; /* what `data` points to, where it is not another's */
};

struct rt_import_tensors {
    struct rt_import_tensor *items;
    size_t count, capacity;
};

/* Adds a tensor and copies its names; the data is the caller's where `owned` is NULL, or else taken
 * over, also on failure. Errors: MEMORY. */
rt_status rt_import_add(struct rt_import_tensors *tensors, const char *origin, const char *name,
                        const struct rt_safetensors_entry *entry, float *owned);
void rt_import_tensors_finish(struct rt_import_tensors *tensors);

/* The tensor with retort's name; NULL if there is none. */
struct rt_import_tensor *rt_import_find(const struct rt_import_tensors *tensors, const char *name);

/* "16x3x3x3"; "one number" without dimensions. Returns `text`. */
#define RT_SHAPE_TEXT 192
const char *rt_import_shape(char text[RT_SHAPE_TEXT], const size_t *shape, int dimensions);

/* What cannot be imported, a line each. */
struct rt_problems {
    char text[8192];
    int count;
};
void rt_problem(struct rt_problems *problems, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* UNSUPPORTED with all of them, where there is any. */
rt_status rt_problems_fail(const struct rt_problems *problems, const char *path, const char *what);

/* The width of a network's first convolution and how often it halves its images, of the names; and
 * whether it normalises. False where the names are not those of retort's U-Net. */
struct rt_unet;
bool rt_import_recognise(const struct rt_import_tensors *tensors, struct rt_unet *unet);

/* Takes the biases of convolutions that a normalisation follows into its means, as retort has it.
 * Errors: MEMORY. */
rt_status rt_import_fold_biases(struct rt_import_tensors *tensors);

/* In networks that concatenate (skip, upsampled), turns the channels of the convolutions that
 * follow to (upsampled, skip), on each level whose bit is set in `levels`. Errors: MEMORY. */
#define RT_ALL_LEVELS (~0u)
rt_status rt_import_skip_last(struct rt_import_tensors *tensors, unsigned levels);

/* The model of the tensors. Problems that were found before are told together with its own: tensors
 * without a place, with another shape, twice, or missing. Errors: those of rt_import_build;
 * UNSUPPORTED (the problems). */
rt_status rt_import_finish(struct rt_model **model, struct rt_device *device, const char *path,
                           const struct rt_model_info *info, enum rt_channel_order order,
                           const struct rt_import_tensors *tensors, struct rt_problems *problems);

#endif
