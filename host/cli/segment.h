/* Segmenting one image for retort predict. */
#ifndef RT_CLI_SEGMENT_H
#define RT_CLI_SEGMENT_H

#include "retort/retort.h"

/* What the user asks for, and what is written of one image. */
struct segment_options {
    int overlap; /* -1: an eighth of a tile */
    bool cog;
    struct rt_raster_view view; /* what was given of it */
};

struct segment_paths {
    bool raster;                    /* the image is one: the mask is a GeoTIFF */
    char *mask;                     /* DIR/STEM.png or .tif */
    char *probabilities, *polygons; /* NULL: not asked for */
};

/* How many pixels each class has; those without data are of RT_LABEL_IGNORE. */
struct segment_result {
    int width, height;
    size_t counts[256];
};

/* Writes all of them, or none. Errors: those of reading, predicting and writing; ARGUMENT (a range
 * for 8-bit samples); INTERRUPTED. */
rt_status segment_image(struct rt_model *model, const char *image,
                        const struct segment_options *options, const struct segment_paths *paths,
                        struct segment_result *result);

#endif
