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
    /* How rasters became the RGB it was trained on; zeroed for one that has seen none. */
    struct rt_raster_view view;
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

/* Where an image's pixels come from and where its probabilities go, for images that need not be
 * at hand as a whole. Both functions get `user`; a failure of theirs ends the prediction. */
struct rt_predict_stream {
    int width, height; /* of the image, pixels; at least 1 */
    /* Fills rgb[height][width][3] with the window whose top left corner is (x, y), which lies
     * within the image. Windows overlap, and come row of tiles after row of tiles. valid[height]
     * [width] is 1: 0 says that a pixel is not to be segmented, and where all are, rgb is not
     * looked at. */
    rt_status (*read)(void *user, int x, int y, int width, int height, uint8_t *rgb,
                      uint8_t *valid);
    /* Takes a row's probabilities, row[class][width], and which of its pixels were valid; the rows
     * come from 0 on one after the other. */
    rt_status (*write)(void *user, int y, const float *row, const uint8_t *valid);
    void *user;
};

/* rt_model_predict for such an image, with the same bits. Of the host's memory it takes that of a
 * row of tiles: patch * classes * width floats. Errors: ARGUMENT, DEVICE, MEMORY, those of the
 * stream's functions. */
rt_status rt_model_predict_stream(struct rt_model *model, const struct rt_predict_stream *stream,
                                  int overlap);

/* labels[i] = the class of the largest of probabilities[class][i], the first of equals, for
 * `pixels` pixels. */
void rt_probabilities_label(const float *probabilities, int classes, size_t pixels,
                            uint8_t *labels);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif
#endif
