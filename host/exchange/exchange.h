/* The formats of other programs' models: a table, and what its lines share. */
#ifndef RT_EXCHANGE_EXCHANGE_H
#define RT_EXCHANGE_EXCHANGE_H

#include <stddef.h>

#include "model/safetensors.h"
#include "retort/exchange.h"

struct rt_format {
    const char *name;    /* as in struct rt_export_options */
    const char *title;   /* for messages: "Keras HDF5" */
    const char *missing; /* the library that this build lacks for it; NULL: none */
    /* Whether the file begins like one of these. Reads no more than it must. */
    bool (*recognise)(const char *path);
    /* As the public functions; NULL: not possible, or not in this build. */
    rt_status (*import)(struct rt_model **model, struct rt_device *device, const char *path,
                        const struct rt_import_options *options);
    rt_status (*export)(const struct rt_model *model, const char *path,
                        const struct rt_export_options *options);
};

extern const struct rt_format rt_format_keras, rt_format_onnx, rt_format_torch;

/* All of them; NULL at the end. */
extern const struct rt_format *const rt_formats[];

/* The one whose files begin as this; NULL: none, or there is no such file. */
const struct rt_format *rt_format_of(const char *path);

/* What a file was found to hold, beside its weights. */
struct rt_import_found {
    const char *network;              /* "unet:16" */
    int classes;                      /* 1 to RT_CLASSES_MAX */
    int patch;                        /* 0: not told */
    const struct rt_scaling *scaling; /* NULL: not told */
    const struct rt_palette *palette; /* NULL: not told */
};

/* The description of the model, of what was found and of the options, which overrule it. Errors:
 * ARGUMENT (a palette of another number of classes; a scaling that neither tells). */
rt_status rt_import_describe(struct rt_model_info *info, const char *path,
                             const struct rt_import_found *found,
                             const struct rt_import_options *options);

/* A model of these tensors, which have retort's names and PyTorch's shapes, exactly those of the
 * network. Of a network of BGR images the first convolution's channels are turned round. Errors:
 * ARGUMENT, FORMAT (naming the first tensor that is missing, is too much or does not fit), DEVICE,
 * MEMORY. */
rt_status rt_import_build(struct rt_model **model, struct rt_device *device, const char *path,
                          const struct rt_model_info *info, enum rt_channel_order order,
                          const struct rt_safetensors_entry *entries, size_t count);

/* Whether the file begins with these bytes. */
bool rt_file_begins(const char *path, const void *bytes, size_t size);

#endif
