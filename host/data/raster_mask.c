/* Rasters as masks: of class indices, of a colour table's colours, or RGB. */
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "data/gdal.h"
#include "data/gdal_setup.h"
#include "data/raster.h"
#include "data/raster_gdal.h"

/* The first band's colours; NULL where it has none, or the raster more bands. */
static GDALColorTableH colours_of(const struct rt_raster *raster)
{
    if (rt_raster_describe(raster)->bands > 1)
        return NULL;
    return rt_gdal.GDALGetRasterColorTable(rt_gdal.GDALGetRasterBand(rt_raster_dataset(raster), 1));
}

static rt_status describe(const struct rt_raster *raster, const char *path,
                          struct rt_image_header *header)
{
    const struct rt_raster_info *info = rt_raster_describe(raster);
    if (info->deep || info->bands == 2)
        return rt_fail(RT_ERROR_FORMAT,
                       "cannot read %s: a mask has one band of class indices or three of colours, "
                       "of 8 bits a sample; this one has %d of type %s",
                       path, info->bands, info->type);
    struct rt_gdal_ear ear;
    rt_gdal_begin(&ear);
    *header = (struct rt_image_header){
        .width = info->width,
        .height = info->height,
        .kind = info->bands > 1      ? "rgb raster"
                : colours_of(raster) ? "palette raster"
                                     : "class raster",
        .raster = true,
    };
    rt_gdal_end();
    return RT_OK;
}

rt_status rt_raster_mask_header(const char *path, struct rt_image_header *header)
{
    struct rt_raster *raster;
    rt_status status = rt_raster_open(&raster, path);
    if (status == RT_OK)
        status = describe(raster, path, header);
    rt_raster_close(raster);
    return status;
}

static void paint(GDALColorTableH colours, const uint8_t *indices, size_t count, uint8_t *rgb)
{
    uint8_t table[256][3] = {0};
    for (int i = 0; i < 256; i++) {
        GDALColorEntry entry = {0};
        if (i < rt_gdal.GDALGetColorEntryCount(colours))
            rt_gdal.GDALGetColorEntryAsRGB(colours, i, &entry);
        table[i][0] = (uint8_t)entry.c1;
        table[i][1] = (uint8_t)entry.c2;
        table[i][2] = (uint8_t)entry.c3;
    }
    for (size_t i = 0; i < count; i++)
        memcpy(rgb + 3 * i, table[indices[i]], 3);
}

/* A single band: its values in all three channels of rgb, of which one is kept or painted. */
static rt_status load_indices(const struct rt_raster *raster, const uint8_t *rgb,
                              const uint8_t *valid, struct rt_image *mask)
{
    const size_t pixels = (size_t)mask->width * (size_t)mask->height;
    struct rt_image indices = {0};
    struct rt_gdal_ear ear;
    rt_status status = rt_image_init(&indices, mask->width, mask->height, 1);
    if (status < 0)
        return status;
    for (size_t i = 0; i < pixels; i++)
        indices.pixels[i] = valid[i] ? rgb[3 * i] : RT_LABEL_IGNORE;
    rt_gdal_begin(&ear);
    GDALColorTableH colours = colours_of(raster);
    if (colours)
        paint(colours, indices.pixels, pixels, mask->pixels);
    rt_gdal_end();
    if (!colours) {
        rt_image_finish(mask);
        *mask = indices;
        return RT_OK;
    }
    rt_image_finish(&indices);
    return RT_OK;
}

rt_status rt_raster_mask_load(const char *path, const struct rt_window *window,
                              struct rt_image *mask)
{
    static const struct rt_raster_view single = {.bands = {1, 1, 1}}, three = {.bands = {1, 2, 3}};
    rt_status status = RT_OK;
    struct rt_raster *raster = NULL;
    struct rt_image_header header;
    uint8_t *valid = NULL;
    *mask = (struct rt_image){0};
    RT_TRY(rt_raster_open(&raster, path));
    RT_TRY(describe(raster, path, &header));
    const bool is_single = rt_raster_describe(raster)->bands == 1;
    RT_TRY(rt_raster_look(raster, is_single ? &single : &three));
    RT_TRY(rt_image_init(mask, window->width, window->height, 3));
    RT_TRY(rt_alloc(&valid, (size_t)window->width, (size_t)window->height));
    RT_TRY(rt_raster_read(raster, window->x, window->y, window->width, window->height, mask->pixels,
                          valid));
    if (is_single)
        RT_TRY(load_indices(raster, mask->pixels, valid, mask));
end:
    rt_raster_close(raster);
    free(valid);
    if (status < 0)
        rt_image_finish(mask);
    return status;
}
