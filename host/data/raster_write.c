/* Writing rasters of labels and of probabilities, through GDAL's GeoTIFF drivers. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"
#include "data/gdal.h"
#include "data/gdal_setup.h"
#include "data/raster_gdal.h"

#define BLOCK 256 /* width and height of the file's tiles */

/* Files that GDAL finds beside a raster by its name and takes for a part of it. */
static const char *const companions[] = {".aux.xml", ".ovr", ".msk"};

static rt_status fail_write(const struct rt_raster_output *output, struct rt_gdal_ear *ear)
{
    return rt_fail(RT_ERROR_IO, "cannot write %s%s", output->options.path, rt_gdal_said(ear));
}

/* --- a new file ------------------------------------------------------------------------------- */

/* Where on the earth the pixels are. */
static void copy_place(GDALDatasetH to, GDALDatasetH from)
{
    double transform[6];
    OGRSpatialReferenceH reference = rt_gdal.GDALGetSpatialRef(from);
    if (reference)
        rt_gdal.GDALSetSpatialRef(to, reference);
    if (rt_gdal.GDALGetGeoTransform(from, transform) == CE_None)
        rt_gdal.GDALSetGeoTransform(to, transform);
    else if (rt_gdal.GDALGetGCPCount(from) > 0)
        rt_gdal.GDALSetGCPs2(to, rt_gdal.GDALGetGCPCount(from), rt_gdal.GDALGetGCPs(from),
                             rt_gdal.GDALGetGCPSpatialRef(from));
    char **rpc = rt_gdal.GDALGetMetadata(from, "RPC");
    if (rpc)
        rt_gdal.GDALSetMetadata(to, rpc, "RPC");
    const char *meaning = rt_gdal.GDALGetMetadataItem(from, GDALMD_AREA_OR_POINT, NULL);
    if (meaning)
        rt_gdal.GDALSetMetadataItem(to, GDALMD_AREA_OR_POINT, meaning, NULL);
}

/* The classes' names are metadata too, because a file may be parted from its .aux.xml. */
static void name_classes(GDALDatasetH dataset, const struct rt_palette *palette)
{
    for (int c = 0; c < palette->count; c++) {
        char key[24];
        snprintf(key, sizeof key, "CLASS_%d", c);
        rt_gdal.GDALSetMetadataItem(dataset, key, palette->classes[c].name, NULL);
    }
}

static void dress_labels(GDALDatasetH dataset, const struct rt_palette *palette, bool lacks)
{
    GDALRasterBandH band = rt_gdal.GDALGetRasterBand(dataset, 1);
    GDALColorTableH colours = rt_gdal.GDALCreateColorTable(GPI_RGB);
    char **names = NULL;
    for (int c = 0; c < palette->count; c++) {
        const uint8_t *rgb = palette->classes[c].rgb;
        const GDALColorEntry entry = {rgb[0], rgb[1], rgb[2], 255};
        rt_gdal.GDALSetColorEntry(colours, c, &entry);
        names = rt_gdal.CSLAddString(names, palette->classes[c].name);
    }
    rt_gdal.GDALSetRasterColorTable(band, colours);
    rt_gdal.GDALSetRasterCategoryNames(band, names);
    if (lacks)
        rt_gdal.GDALSetRasterNoDataValue(band, RT_LABEL_IGNORE);
    rt_gdal.GDALDestroyColorTable(colours);
    rt_gdal.CSLDestroy(names);
}

static void dress_probabilities(GDALDatasetH dataset, const struct rt_palette *palette, bool lacks)
{
    for (int c = 0; c < palette->count; c++) {
        GDALRasterBandH band = rt_gdal.GDALGetRasterBand(dataset, c + 1);
        rt_gdal.GDALSetDescription(band, palette->classes[c].name);
        if (lacks)
            rt_gdal.GDALSetRasterNoDataValue(band, (double)NAN);
    }
}

static rt_status create_dataset(struct rt_raster_output *output)
{
    const struct rt_raster_output_options *o = &output->options;
    static const char *const labels[] = {"TILED=YES",        "BLOCKXSIZE=256",   "BLOCKYSIZE=256",
                                         "COMPRESS=DEFLATE", "BIGTIFF=IF_SAFER", NULL};
    static const char *const floats[] = {"TILED=YES",       "BLOCKXSIZE=256",   "BLOCKYSIZE=256",
                                         "INTERLEAVE=BAND", "COMPRESS=DEFLATE", "PREDICTOR=3",
                                         "ZLEVEL=1",        "BIGTIFF=IF_SAFER", NULL};
    struct rt_gdal_ear ear;
    rt_status status = RT_OK;
    rt_gdal_begin(&ear);
    output->dataset = rt_gdal.GDALCreate(rt_gdal.GDALGetDriverByName("GTiff"), output->temporary,
                                         o->width, o->height, output->bands, output->type,
                                         (CSLConstList)(o->probabilities ? floats : labels));
    if (!output->dataset)
        RT_TRY(fail_write(output, &ear));
    if (o->like)
        copy_place(output->dataset, rt_raster_dataset(o->like));
    name_classes(output->dataset, o->palette);
    if (o->probabilities)
        dress_probabilities(output->dataset, o->palette, o->lacks);
    else
        dress_labels(output->dataset, o->palette, o->lacks);
    if (ear.failed)
        status = fail_write(output, &ear);
end:
    rt_gdal_end();
    return status;
}

rt_status rt_raster_create(struct rt_raster_output **created,
                           const struct rt_raster_output_options *options)
{
    rt_status status = RT_OK;
    struct rt_raster_output *output = NULL;
    *created = NULL;
    RT_TRY(rt_gdal_need(options->path));
    RT_TRY(rt_alloc(&output, 1, sizeof *output));
    output->options = *options;
    output->options.path = NULL;
    RT_TRY(rt_copy_text(&output->path, options->path));
    output->options.path = output->path;
    output->options.like = options->like;
    output->type = options->probabilities ? GDT_Float32 : GDT_Byte;
    output->bands = options->probabilities ? options->palette->count : 1;
    output->sample = options->probabilities ? sizeof(float) : 1;
    RT_TRY(rt_format(&output->temporary, "%s.%ld.tmp", options->path, (long)getpid()));
    RT_TRY(rt_alloc(&output->rows, (size_t)output->bands * (size_t)options->width,
                    BLOCK * output->sample));
    status = create_dataset(output);
end:
    if (status < 0)
        rt_raster_destroy(output);
    else
        *created = output;
    return status;
}

/* --- rows ------------------------------------------------------------------------------------- */

/* Writes the rows that are held, which begin at a tile of the file's. */
static rt_status flush(struct rt_raster_output *output)
{
    const int width = output->options.width;
    const size_t plane = (size_t)width * BLOCK * output->sample;
    struct rt_gdal_ear ear;
    rt_status status = RT_OK;
    rt_gdal_begin(&ear);
    for (int b = 0; b < output->bands; b++)
        if (rt_gdal.GDALRasterIO(rt_gdal.GDALGetRasterBand(output->dataset, b + 1), GF_Write, 0,
                                 output->written, width, output->held,
                                 output->rows + (size_t)b * plane, width, output->held,
                                 output->type, 0, 0) != CE_None ||
            ear.failed)
            RT_TRY(fail_write(output, &ear));
    output->written += output->held;
    output->held = 0;
end:
    rt_gdal_end();
    return status;
}

static rt_status write_row(struct rt_raster_output *output, const void *samples)
{
    const size_t length = (size_t)output->options.width * output->sample;
    if (output->written + output->held == output->options.height)
        return rt_fail(RT_ERROR_ARGUMENT, "cannot write to %s more than its %d rows",
                       output->options.path, output->options.height);
    for (int b = 0; b < output->bands; b++)
        memcpy(output->rows + ((size_t)b * BLOCK + (size_t)output->held) * length,
               (const uint8_t *)samples + (size_t)b * length, length);
    output->held++;
    if (output->held < BLOCK && output->written + output->held < output->options.height)
        return RT_OK;
    return flush(output);
}

rt_status rt_raster_write_labels(struct rt_raster_output *output, const uint8_t *labels)
{
    return write_row(output, labels);
}

rt_status rt_raster_write_probabilities(struct rt_raster_output *output, const float *row)
{
    return write_row(output, row);
}

/* --- the end ---------------------------------------------------------------------------------- */

static void remove_with_companions(const char *path)
{
    unlink(path);
    for (size_t i = 0; i < RT_COUNT(companions); i++) {
        char *name;
        if (rt_format(&name, "%s%s", path, companions[i]) == RT_OK)
            unlink(name);
        free(name);
    }
}

/* Copies what is whole into a cloud-optimised file, which takes its place. */
static rt_status optimise(struct rt_raster_output *output, struct rt_gdal_ear *ear)
{
    static const char *const labels[] = {"COMPRESS=DEFLATE", "OVERVIEW_RESAMPLING=NEAREST",
                                         "BIGTIFF=IF_SAFER", NULL};
    static const char *const floats[] = {"COMPRESS=DEFLATE", "PREDICTOR=YES",
                                         "OVERVIEW_RESAMPLING=AVERAGE", "BIGTIFF=IF_SAFER", NULL};
    rt_status status = RT_OK;
    GDALDatasetH from = NULL, to = NULL;
    char *optimised = NULL;
    RT_TRY(rt_format(&optimised, "%s.%ld.cog.tmp", output->path, (long)getpid()));
    from = rt_gdal.GDALOpenEx(output->temporary, GDAL_OF_RASTER, NULL, NULL, NULL);
    if (from)
        to = rt_gdal.GDALCreateCopy(rt_gdal.GDALGetDriverByName("COG"), optimised, from, FALSE,
                                    (CSLConstList)(output->options.probabilities ? floats : labels),
                                    NULL, NULL);
    if (to)
        rt_gdal.GDALClose(to);
    if (from)
        rt_gdal.GDALClose(from);
    remove_with_companions(output->temporary);
    free(output->temporary);
    output->temporary = optimised;
    optimised = NULL;
    if (!to || ear->failed)
        RT_TRY(fail_write(output, ear));
end:
    free(optimised);
    return status;
}

rt_status rt_raster_complete(struct rt_raster_output *output)
{
    struct rt_gdal_ear ear;
    rt_status status = RT_OK;
    if (output->written < output->options.height)
        return rt_fail(RT_ERROR_ARGUMENT, "cannot complete %s: it has %d of its %d rows",
                       output->options.path, output->written + output->held,
                       output->options.height);
    rt_gdal_begin(&ear);
    rt_gdal.GDALClose(output->dataset);
    output->dataset = NULL;
    if (ear.failed)
        RT_TRY(fail_write(output, &ear));
    if (output->options.cog)
        RT_TRY(optimise(output, &ear));
end:
    rt_gdal_end();
    return status;
}

/* A companion of the new file, or none, in the place of the old one's. */
static rt_status replace_companion(const struct rt_raster_output *output, const char *suffix)
{
    rt_status status = RT_OK;
    char *from = NULL, *to = NULL;
    RT_TRY(rt_format(&from, "%s%s", output->temporary, suffix));
    RT_TRY(rt_format(&to, "%s%s", output->path, suffix));
    if (rt_path_exists(from))
        RT_TRY(rt_file_adopt(from, to));
    else
        unlink(to);
end:
    free(from);
    free(to);
    return status;
}

rt_status rt_raster_commit(struct rt_raster_output *output)
{
    rt_status status = RT_OK;
    for (size_t i = 0; i < RT_COUNT(companions); i++)
        RT_TRY(replace_companion(output, companions[i]));
    RT_TRY(rt_file_adopt(output->temporary, output->path));
    if (output->polygons_temporary)
        RT_TRY(rt_file_adopt(output->polygons_temporary, output->polygons_path));
end:
    return status;
}

void rt_raster_destroy(struct rt_raster_output *output)
{
    struct rt_gdal_ear ear;
    if (!output)
        return;
    rt_gdal_begin(&ear);
    if (output->dataset)
        rt_gdal.GDALClose(output->dataset);
    rt_gdal_end();
    if (output->temporary)
        remove_with_companions(output->temporary);
    if (output->polygons_temporary)
        unlink(output->polygons_temporary);
    free(output->path);
    free(output->temporary);
    free(output->polygons_path);
    free(output->polygons_temporary);
    free(output->rows);
    free(output);
}
