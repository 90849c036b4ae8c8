/* Rasters in a libretort without GDAL: there are none. */
#include <stddef.h>

#include "base/error.h"
#include "data/raster.h"

bool rt_raster_available(void)
{
    return false;
}

static rt_status refuse(const char *path)
{
    return rt_fail(RT_ERROR_UNSUPPORTED,
                   "cannot work on %s: this retort was built without GDAL, which reads and writes "
                   "rasters such as GeoTIFF",
                   path);
}

rt_status rt_raster_open(struct rt_raster **raster, const char *path)
{
    *raster = NULL;
    return refuse(path);
}

void rt_raster_close(struct rt_raster *raster)
{
    (void)raster;
}

const struct rt_raster_info *rt_raster_describe(const struct rt_raster *raster)
{
    (void)raster;
    return NULL;
}

rt_status rt_raster_look(struct rt_raster *raster, const struct rt_raster_view *view)
{
    (void)raster;
    (void)view;
    return refuse("rasters");
}

rt_status rt_raster_measure(struct rt_raster *raster, struct rt_raster_view *view)
{
    (void)raster;
    (void)view;
    return refuse("rasters");
}

rt_status rt_raster_sample(struct rt_raster *raster, int side, struct rt_raster_samples *samples)
{
    (void)raster;
    (void)side;
    (void)samples;
    return refuse("rasters");
}

rt_status rt_raster_read(struct rt_raster *raster, int x, int y, int width, int height,
                         uint8_t *rgb, uint8_t *valid)
{
    (void)raster;
    (void)x;
    (void)y;
    (void)width;
    (void)height;
    (void)rgb;
    (void)valid;
    return refuse("rasters");
}

rt_status rt_raster_mask_header(const char *path, struct rt_image_header *header)
{
    (void)header;
    return refuse(path);
}

rt_status rt_raster_mask_load(const char *path, const struct rt_window *window,
                              struct rt_image *mask)
{
    (void)window;
    (void)mask;
    return refuse(path);
}

rt_status rt_raster_create(struct rt_raster_output **output,
                           const struct rt_raster_output_options *options)
{
    *output = NULL;
    return refuse(options->path);
}

rt_status rt_raster_write_labels(struct rt_raster_output *output, const uint8_t *labels)
{
    (void)output;
    (void)labels;
    return refuse("rasters");
}

rt_status rt_raster_write_probabilities(struct rt_raster_output *output, const float *row)
{
    (void)output;
    (void)row;
    return refuse("rasters");
}

rt_status rt_raster_complete(struct rt_raster_output *output)
{
    (void)output;
    return refuse("rasters");
}

rt_status rt_raster_polygons(struct rt_raster_output *labels, const char *path)
{
    (void)labels;
    return refuse(path);
}

rt_status rt_raster_commit(struct rt_raster_output *output)
{
    (void)output;
    return refuse("rasters");
}

void rt_raster_destroy(struct rt_raster_output *output)
{
    (void)output;
}
