/* The areas of a raster of labels as polygons, through OGR's GeoPackage driver. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"
#include "data/gdal.h"
#include "data/gdal_setup.h"
#include "data/raster_gdal.h"
#include "data/texts.h"

#define LAYER "segments"

/* A text as SQL has it, each quote doubled; released by free(). */
static rt_status quote(char **quoted, const char *text)
{
    rt_status status = rt_alloc(quoted, 2 * strlen(text) + 3, 1);
    if (status < 0)
        return status;
    char *to = *quoted;
    *to++ = '\'';
    for (; *text; text++) {
        *to++ = *text;
        if (*text == '\'')
            *to++ = '\'';
    }
    *to = '\'';
    return RT_OK;
}

static rt_status make_layer(GDALDatasetH dataset, GDALDatasetH labels, OGRLayerH *layer)
{
    OGRFieldDefnH class = rt_gdal.OGR_Fld_Create("class_id", OFTInteger);
    OGRFieldDefnH name = rt_gdal.OGR_Fld_Create("name", OFTString);
    *layer = rt_gdal.GDALDatasetCreateLayer(dataset, LAYER, rt_gdal.GDALGetSpatialRef(labels),
                                            wkbPolygon, NULL);
    bool made = *layer && rt_gdal.OGR_L_CreateField(*layer, class, TRUE) == OGRERR_NONE &&
                rt_gdal.OGR_L_CreateField(*layer, name, TRUE) == OGRERR_NONE;
    rt_gdal.OGR_Fld_Destroy(class);
    rt_gdal.OGR_Fld_Destroy(name);
    return made ? RT_OK : RT_ERROR_IO;
}

/* The classes' names, one statement a class, when the polygons are there. */
static rt_status name_polygons(GDALDatasetH dataset, const struct rt_palette *palette)
{
    rt_status status = RT_OK;
    char *name = NULL, *statement = NULL;
    for (int c = 0; c < palette->count; c++) {
        free(name);
        free(statement);
        statement = NULL;
        RT_TRY(quote(&name, palette->classes[c].name));
        RT_TRY(
            rt_format(&statement, "UPDATE " LAYER " SET name = %s WHERE class_id = %d", name, c));
        rt_gdal.GDALDatasetReleaseResultSet(
            dataset, rt_gdal.GDALDatasetExecuteSQL(dataset, statement, NULL, NULL));
    }
end:
    free(name);
    free(statement);
    return status;
}

static rt_status fill(GDALDatasetH dataset, GDALDatasetH labels, const struct rt_palette *palette)
{
    rt_status status = RT_OK;
    OGRLayerH layer;
    GDALRasterBandH band = rt_gdal.GDALGetRasterBand(labels, 1);
    RT_TRY(make_layer(dataset, labels, &layer));
    bool transaction = rt_gdal.GDALDatasetStartTransaction(dataset, FALSE) == OGRERR_NONE;
    GDALRasterBandH mask =
        rt_gdal.GDALGetMaskFlags(band) & GMF_ALL_VALID ? NULL : rt_gdal.GDALGetMaskBand(band);
    if (rt_gdal.GDALPolygonize(band, mask, layer, 0, NULL, NULL, NULL) != CE_None)
        RT_TRY(RT_ERROR_IO);
    if (transaction && rt_gdal.GDALDatasetCommitTransaction(dataset) != OGRERR_NONE)
        RT_TRY(RT_ERROR_IO);
    status = name_polygons(dataset, palette);
end:
    return status;
}

rt_status rt_raster_polygons(struct rt_raster_output *output, const char *path)
{
    rt_status status = RT_OK;
    struct rt_gdal_ear ear;
    GDALDatasetH labels = NULL, dataset = NULL;
    rt_gdal_begin(&ear);
    RT_TRY(rt_copy_text(&output->polygons_path, path));
    RT_TRY(rt_format(&output->polygons_temporary, "%s.%ld.tmp", path, (long)getpid()));
    labels = rt_gdal.GDALOpenEx(output->temporary, GDAL_OF_RASTER, NULL, NULL, NULL);
    if (labels)
        dataset = rt_gdal.GDALCreate(rt_gdal.GDALGetDriverByName("GPKG"),
                                     output->polygons_temporary, 0, 0, 0, GDT_Unknown, NULL);
    status = dataset ? fill(dataset, labels, output->options.palette) : RT_ERROR_IO;
    if (dataset)
        rt_gdal.GDALClose(dataset);
    if (status == RT_ERROR_IO || (status == RT_OK && ear.failed))
        status = rt_fail(RT_ERROR_IO, "cannot write %s%s", path, rt_gdal_said(&ear));
end:
    if (labels)
        rt_gdal.GDALClose(labels);
    rt_gdal_end();
    return status;
}
