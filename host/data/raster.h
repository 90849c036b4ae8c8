/* What data sets need of rasters beside the public functions. */
#ifndef RT_DATA_RASTER_H
#define RT_DATA_RASTER_H

#include "data/image.h"
#include "retort/raster.h"

/* Values of the chosen bands, from windows spread over rasters. */
struct rt_raster_samples {
    float *values[3]; /* [count] */
    size_t count, capacity[3];
};

/* Adds those of side x side windows of 32 x 32 pixels. Errors: FORMAT, MEMORY. */
rt_status rt_raster_sample(struct rt_raster *raster, int side, struct rt_raster_samples *samples);

/* The 2nd to the 98th percentile of each band; reorders the samples. Errors: FORMAT (no sample;
 * `what` names their source). */
rt_status rt_raster_samples_range(struct rt_raster_samples *samples, const char *what,
                                  struct rt_raster_view *view);
void rt_raster_samples_finish(struct rt_raster_samples *samples);

/* The header of a photo: its size, its samples' type as kind. Errors: those of rt_raster_open and
 * rt_raster_look. */
rt_status rt_raster_header(const char *path, const struct rt_raster_view *view,
                           struct rt_image_header *header);

/* A photo's window as rt_image_read gives images, and which of its pixels have data, 1 channel;
 * valid may be NULL. Errors: those of rt_raster_open and rt_raster_read. */
rt_status rt_raster_load(const char *path, const struct rt_raster_view *view,
                         const struct rt_window *window, struct rt_image *image,
                         struct rt_image *valid);

/* What a raster is as a mask: one band is of class indices, or of colours where it has a table;
 * more are RGB. All have 8 bits a sample at most. Errors: those of rt_raster_open, FORMAT. */
rt_status rt_raster_mask_header(const char *path, struct rt_image_header *header);

/* A window of it as rt_mask_read gives masks. Indices without data are RT_LABEL_IGNORE. */
rt_status rt_raster_mask_load(const char *path, const struct rt_window *window,
                              struct rt_image *mask);

#endif
