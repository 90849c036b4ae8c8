/* What the files that know GDAL share. */
#ifndef RT_DATA_RASTER_GDAL_H
#define RT_DATA_RASTER_GDAL_H

#include "data/gdal.h"
#include "retort/raster.h"

/* The open file, owned by the raster. */
GDALDatasetH rt_raster_dataset(const struct rt_raster *raster);

struct rt_raster_output {
    struct rt_raster_output_options options; /* its path is the one below */
    char *path, *temporary;
    GDALDatasetH dataset; /* NULL once it is complete */
    GDALDataType type;
    int bands;
    size_t sample;     /* bytes of one */
    uint8_t *rows;     /* [bands][a tile's height][width] those that are not written yet */
    int written, held; /* rows in the file; rows held */
    char *polygons_path, *polygons_temporary; /* NULL without polygons */
};

#endif
