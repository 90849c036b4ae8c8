/* Rasters: GeoTIFF and what else GDAL reads, windows at a time, and what is written of them. A
 * libretort that was built without GDAL has these functions too; those that return a status then
 * fail with UNSUPPORTED.
 *
 * GDAL is loaded and set up when the first raster is opened, for the whole process: its drivers and
 * virtual file systems that reach over a network or start programs are taken away from then on,
 * because a raster, as a VRT, may name other files. Those on this machine it may still name. */
#ifndef RETORT_RASTER_H
#define RETORT_RASTER_H

#include <stdbool.h>
#include <stdint.h>

#include "retort/data.h"

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

/* Whether this libretort was built with GDAL, which is not loaded by that. */
bool rt_raster_available(void);

/* --- reading ------------------------------------------------------------------------------ */

struct rt_raster; /* an open file; of one thread at a time */

struct rt_raster_info {
    int width, height; /* pixels, at most 2^20 each */
    int bands;
    const char *type; /* of the samples: "Byte", "UInt16", "Float32", ...; a static text */
    bool deep;        /* more than 8 bits a sample: read through a range */
    bool may_lack;    /* pixels may be without data: nodata, a mask, alpha, or not a number */
};

/* Opens a file of this machine. Errors: IO (not a regular file), FORMAT (GDAL does not read it, or
 * no raster is in it), UNSUPPORTED (complex samples, too large; GDAL cannot be loaded), MEMORY. */
rt_status rt_raster_open(struct rt_raster **raster, const char *path);
void rt_raster_close(struct rt_raster *raster); /* takes NULL */

/* Owned by the raster. */
const struct rt_raster_info *rt_raster_describe(const struct rt_raster *raster);

/* Chooses what rt_raster_read gives; before it is called, bands 1, 2 and 3 without a range.
 * Errors: ARGUMENT (a band that the raster lacks). */
rt_status rt_raster_look(struct rt_raster *raster, const struct rt_raster_view *view);

/* Takes the range into the view that the chosen bands have from their 2nd to their 98th percentile,
 * over some hundreds of windows spread evenly, pixels without data left out. For a raster that is
 * not deep the view is left as it is. Errors: FORMAT (damaged, or without data), MEMORY. */
rt_status rt_raster_measure(struct rt_raster *raster, struct rt_raster_view *view);

/* Reads the window of width x height pixels at (x, y) as 8-bit RGB, rgb[height][width][3], of the
 * bands that were chosen: 8-bit samples as they are, others v as 255 * (v - low) / (high - low),
 * rounded and kept within 0..255. Pixels that all three bands have no data for are 0 in rgb, and 0
 * in valid[height][width], where others are 1. valid may be NULL. Errors: ARGUMENT (a window beyond
 * the raster, no range for deep samples), FORMAT (damaged or truncated), MEMORY. */
rt_status rt_raster_read(struct rt_raster *raster, int x, int y, int width, int height,
                         uint8_t *rgb, uint8_t *valid);

/* Reads "4,3,2" and "LOW,HIGH", or a pair for each band, into the view; either may be NULL and
 * leaves its part. Errors: ARGUMENT. */
rt_status rt_raster_view_parse(struct rt_raster_view *view, const char *bands, const char *range);

/* --- writing ------------------------------------------------------------------------------ */

struct rt_raster_output; /* a GeoTIFF that appears under its name when it is whole */

struct rt_raster_output_options {
    const char *path;
    int width, height;
    const struct rt_raster *like;     /* whose place on the earth it gets; NULL: it has none */
    const struct rt_palette *palette; /* must outlive the output */
    bool probabilities;               /* a band of 32-bit floats a class, not one of labels */
    bool lacks;                       /* declare RT_LABEL_IGNORE, or NaN, as nodata */
    bool cog;                         /* a cloud-optimised GeoTIFF, with overviews */
};

/* Starts a compressed GeoTIFF in tiles of 256 x 256, with the classes' names in its metadata and,
 * for labels, their colours as its colour table and their names as its categories (which GDAL keeps
 * in PATH.aux.xml). Errors: IO, UNSUPPORTED (GDAL cannot be loaded), MEMORY. */
rt_status rt_raster_create(struct rt_raster_output **output,
                           const struct rt_raster_output_options *options);

/* Writes the next row: width labels, or class after class width floats. Errors: IO. */
rt_status rt_raster_write_labels(struct rt_raster_output *output, const uint8_t *labels);
rt_status rt_raster_write_probabilities(struct rt_raster_output *output, const float *row);

/* After the last row: completes the file, still under its temporary name. Errors: IO. */
rt_status rt_raster_complete(struct rt_raster_output *output);

/* After rt_raster_complete of labels: their areas as polygons, in a temporary file that
 * rt_raster_commit gives the name `path`: GeoPackage, layer "segments", fields class_id and name.
 * Pixels without data are in none. Errors: IO, MEMORY. */
rt_status rt_raster_polygons(struct rt_raster_output *labels, const char *path);

/* Gives what was completed its names, in the place of files that have them. Errors: IO. */
rt_status rt_raster_commit(struct rt_raster_output *output);

/* Releases the output, and removes what was not committed. Takes NULL. */
void rt_raster_destroy(struct rt_raster_output *output);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif
#endif
