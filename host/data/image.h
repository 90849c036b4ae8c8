/* What the image readers share: headers and masks, beside the public rt_image_read. */
#ifndef RT_DATA_IMAGE_H
#define RT_DATA_IMAGE_H

#include <stdio.h>

#include "retort/data.h"

#define RT_PIXELS_MAX ((uint64_t)1 << 28)

struct rt_image_header {
    int width, height;
    const char *kind; /* "jpeg", "rgb 8-bit", "palette 4-bit", ...: static texts */
    bool deep;        /* a raster of more than 8 bits a sample */
    bool raster;      /* read through GDAL */
};

/* A part of an image, which lies within it. */
struct rt_window {
    int x, y, width, height;
};

enum rt_image_use {
    RT_IMAGE_PHOTO, /* 3 channels whatever the file holds */
    RT_IMAGE_MASK,  /* 3 channels, or 1 with the untouched values of a grey file */
};

/* Whether the file is for GDAL, in a retort that has it: it begins neither as JPEG nor as PNG, nor
 * is it called like one; false where it cannot be read. */
bool rt_image_is_raster(const char *path);

/* Reads the header alone. A mask must be a PNG file of at most 8 bits a sample, or such a raster;
 * a photo's raster has rt_raster_header. Errors: IO, FORMAT. */
rt_status rt_image_read_header(struct rt_image_header *header, const char *path,
                               enum rt_image_use use);

/* Reads a mask: 3 channels (RGB and palette files) or 1 (grey files: class indices).
 * Errors: those of rt_image_read. */
rt_status rt_mask_read(struct rt_image *mask, const char *path);

/* Reads a part of it; of a raster, only that part is decoded. Errors: those of rt_image_read. */
rt_status rt_mask_read_part(struct rt_image *mask, const char *path,
                            const struct rt_window *window);

/* Cuts an image that is at hand down to a part of it. Errors: MEMORY; the image stands. */
rt_status rt_image_keep_part(struct rt_image *image, const struct rt_window *window);

/* The pieces, one below the other, in which images of that size are decoded where that is possible:
 * 2^24 pixels each at most. */
int rt_window_pieces(int width, int height);
struct rt_window rt_window_piece(int width, int height, int index);

/* A mask of rt_mask_read as labels of the palette, 1 channel; RT_LABEL_IGNORE for colours that
 * are not the palette's and for values that are not below its count. Errors: MEMORY. */
rt_status rt_mask_label(const struct rt_image *mask, const struct rt_palette *palette,
                        struct rt_image *labels);

/* The codecs, each reading a stream that stands at the file's start. image may be NULL: the header
 * alone is read. On failure image is left finished. */
rt_status rt_jpeg_read(FILE *stream, const char *path, struct rt_image_header *header,
                       struct rt_image *image);
rt_status rt_png_read(FILE *stream, const char *path, enum rt_image_use use,
                      struct rt_image_header *header, struct rt_image *image);

/* FORMAT where the size is beyond what rt_image_read takes. */
rt_status rt_image_check_size(const char *path, uint64_t width, uint64_t height);

/* FORMAT where the stream's file has fewer than `needed` bytes, too few for the pixels that its
 * header promises however well they are compressed: no memory is asked for on such a promise. */
rt_status rt_image_check_bytes(FILE *stream, const char *path, uint64_t needed);

#endif
