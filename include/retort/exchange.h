/* Models of other programs: bringing a teacher, taking a student away. */
#ifndef RETORT_EXCHANGE_H
#define RETORT_EXCHANGE_H

#include <stdbool.h>

#include "retort/data.h"
#include "retort/device.h"
#include "retort/model.h"

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

/* The order in which a network takes the channels of an image; OpenCV reads images as BGR. */
enum rt_channel_order { RT_CHANNELS_RGB, RT_CHANNELS_BGR };

/* How a network's decoder concatenates what it upsampled and the encoder's skip connection. */
enum rt_concat_order {
    RT_CONCAT_TOLD, /* as the file tells, or else as the reference U-Net: upsampled, skip */
    RT_CONCAT_UP_FIRST,
    RT_CONCAT_SKIP_FIRST, /* as Ronneberger's, and many in PyTorch: skip, upsampled */
};

/* What a file of weights does not tell of the network, or tells otherwise than the caller knows. */
struct rt_import_options {
    /* A file of names, NULL without. For PyTorch's weights alone; see rt_model_import. */
    const char *map;
    /* "unet:16,norm=batch" as in struct rt_model_info; NULL: found from the layers' shapes. */
    const char *network;
    /* Its classes in the order of the network's outputs; NULL: those that the file tells, or else
     * "class 0", "class 1", ... in colours of their own. */
    const struct rt_palette *palette;
    /* How pixels were scaled, means and deviations in the order of the network's channels; NULL:
     * as the file tells. See rt_scaling_parse. */
    const struct rt_scaling *scaling;
    /* A network of BGR images is imported as one of RGB images. */
    enum rt_channel_order order;
    enum rt_concat_order concat;
    /* Width and height of its training patches, pixels; 0: that of the network's input where the
     * file tells it, or else 256. */
    int patch;
    /* The same, but where neither this nor the file tells it. */
    int patch_else;
};

/* Reads "patch" (each channel of each patch from 0 to 1), "unit" (v / 255), "symmetric" (v / 127.5
 * - 1), "imagenet" (v / 255, less the means, by the deviations that PyTorch's models use, in RGB),
 * "none" (v), or "M,M,M/D,D,D": (v - M) / D of each channel, in 0..255. Errors: ARGUMENT. */
rt_status rt_scaling_parse(struct rt_scaling *scaling, const char *text);

/* Makes a model of another program's file, whose kind is told by its first bytes:
 *   Keras HDF5: weights (`.h5` of Keras 2, `.weights.h5`), or a whole model (`.h5`), of a U-Net
 *     like retort's; a layer Rescaling becomes part of the scaling. libhdf5 as Debian builds it is
 *     for one thread at a time;
 *   PyTorch's weights as safetensors: the names of the reference U-Net (those of rt_model_save), or
 *     others with a map: lines "THEIRS = OURS", see `retort import --help`;
 *   ONNX.
 * Files that retort exported tell the options, which may be left at 0. An ONNX network that is no
 * U-Net of retort's, but made of operations that retort has, becomes a model that runs it as it is,
 * and that cannot be saved. The device must outlive the model. Errors: ARGUMENT (a palette of
 * another number of classes, a network or a map that is not understood, a scaling that is not
 * told), IO, FORMAT (damaged, or of no kind that is known), UNSUPPORTED (a network that cannot be
 * imported: the message names the layers, with their shapes; a kind whose library this build
 * lacks), DEVICE, MEMORY. */
rt_status rt_model_import(struct rt_model **model, struct rt_device *device, const char *path,
                          const struct rt_import_options *options);

/* Opens a model of whatever kind: retort's own files are loaded as rt_model_load does, and the
 * options left alone; others are imported. An ONNX network that is no U-Net of retort's, but made
 * of operations that retort has, is run as it is. Where a file does not tell its classes, they are
 * those of the data that the model is judged on or teaches. Errors: those of either. */
rt_status rt_model_open(struct rt_model **model, struct rt_device *device, const char *path,
                        const struct rt_import_options *options);

struct rt_export_options {
    const char *format; /* "onnx", "torch" or "keras" */
    /* What follows is for ONNX. */
    bool logits;       /* the outputs are the network's own, not probabilities */
    int tile;          /* width and height of the images, pixels; 0: any that fit the network */
    double resolution; /* metres a pixel, for programs that ask; 0: not told */
};

/* Writes a model for another program; the file appears under its name only when it is whole:
 *   torch: safetensors with the names and shapes of the reference U-Net's modules;
 *   keras: HDF5, a whole model for Keras' load_model and load_weights; where the path ends with
 *     ".weights.h5" weights alone in the layout of Keras 3;
 *   onnx: a graph of ONNX's operators, opset 13, that takes RGB images [batch, 3, height, width] of
 *     0..1 (bytes / 255), which it scales as the network wants them, and gives [batch, classes,
 *     height, width]. Its metadata are what QGIS's plug-in Deepness reads, which cannot do without
 *     a tile and with logits, and under "retort" what rt_model_save writes.
 * Errors: ARGUMENT (a format that is not known, a tile whose side does not fit the network),
 * UNSUPPORTED (what the format cannot express; a format whose library this build lacks), IO,
 * DEVICE, MEMORY. */
rt_status rt_model_export(const struct rt_model *model, const char *path,
                          const struct rt_export_options *options);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif
#endif
