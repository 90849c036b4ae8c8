/* Segmentation networks: building, saving, loading, and predicting. */
#ifndef RETORT_MODEL_H
#define RETORT_MODEL_H

#include <stddef.h>
#include <stdint.h>

#include "retort/data.h"
#include "retort/device.h"

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

/* What a model must know to be used again; stored beside the weights. */
struct rt_model_info {
    char network[96];          /* "unet:16": the specification it was made from, in full form */
    int channels;              /* of the images: 3 */
    struct rt_palette palette; /* its count is the number of classes */
    struct rt_scaling scaling; /* of the images it was trained on */
    int patch;                 /* width and height of its training patches, pixels */
};

struct rt_model; /* a network with its weights on a device, which must stay open as long */

/* A U-Net (Ronneberger, Fischer, Brox, arXiv 1505.04597) with info->network read as
 *   unet:W[,depth=D][,up=transpose|nearest|bilinear][,norm=none|batch][,dropout=P]
 * W channels at full size, doubled at each of D (default 4) levels; dropout P (default 0.2, and
 * then 0.3 in the bottleneck; a given P holds everywhere). Weights are drawn He-normal (arXiv
 * 1502.01852) from the seed, biases are 0.
 * Errors: ARGUMENT (what of the specification is wrong, and its form), DEVICE, MEMORY. */
rt_status rt_model_create(struct rt_model **model, struct rt_device *device,
                          const struct rt_model_info *info, uint64_t seed);

/* Reads a file that rt_model_save wrote. Errors: IO, FORMAT (not safetensors, truncated, without
 * retort's metadata, tensors that are not the network's: the message names the first), DEVICE,
 * MEMORY. */
rt_status rt_model_load(struct rt_model **model, struct rt_device *device, const char *path);

/* Writes safetensors: the tensors under PyTorch's names and shapes (down.0.0.weight ...,
 * [out, in, h, w]; transposed convolutions [in, out, 2, 2]), the info as metadata. Appears under
 * its name only when whole. Errors: IO, DEVICE, MEMORY. */
rt_status rt_model_save(const struct rt_model *model, const char *path);

/* Takes NULL. */
void rt_model_destroy(struct rt_model *model);

/* Owned by the model. */
const struct rt_model_info *rt_model_describe(const struct rt_model *model);

/* The number of trained parameters. */
size_t rt_model_parameters(const struct rt_model *model);

/* The floating-point operations of one forward pass over one height x width image. */
double rt_model_flops(const struct rt_model *model, int height, int width);

#define RT_OVERLAP_AUTO (-1) /* an eighth of a tile */

/* Makes `labels` the segmentation of an RGB image of any size: an image of 1 channel, whose pixels
 * are the likeliest classes, as indices into the palette of rt_model_describe. Release it with
 * rt_image_finish. The same as rt_model_predict and rt_probabilities_label one after the other, and
 * in between as much memory: classes * height * width floats. Errors: those of rt_model_predict. */
rt_status rt_model_segment(struct rt_model *model, const struct rt_image *image, int overlap,
                           struct rt_image *labels);

/* Class probabilities of an RGB image of any size: probabilities[class][y][x], the palette's count
 * of classes * height * width floats owned by the caller. Large images are cut into tiles of the
 * training patch's size that overlap by `overlap` pixels (RT_OVERLAP_AUTO, or at least 0 and less
 * than half a tile) and are blended, small ones padded by reflection. Errors: ARGUMENT (the
 * overlap, or an image that is not RGB), DEVICE, MEMORY. */
rt_status rt_model_predict(struct rt_model *model, const struct rt_image *image, int overlap,
                           float *probabilities);

/* labels[i] = the class of the largest of probabilities[class][i], the first of equals, for
 * `pixels` pixels. */
void rt_probabilities_label(const float *probabilities, int classes, size_t pixels,
                            uint8_t *labels);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif
#endif
