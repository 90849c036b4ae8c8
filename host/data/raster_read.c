/* Reading rasters, through GDAL. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/memory.h"
#include "data/gdal.h"
#include "data/gdal_setup.h"
#include "data/raster.h"
#include "data/raster_gdal.h"

#define SIDE_MOST (1 << 20) /* of a raster, pixels */

/* GDAL takes memory for a whole block of a file, of all bands where they lie together: as much as
 * this, or as the file can hold packed by deflate. */
#define BLOCK_BYTES (64 << 20)
#define PACKED_MOST 1032

#define SAMPLE_SIDE 16   /* windows along each side of a single raster that is measured */
#define SAMPLE_PIXELS 32 /* along each side of such a window */

struct rt_raster {
    char *path;
    GDALDatasetH dataset;
    struct rt_raster_info info;
    struct rt_raster_view view;
    float *values;    /* of one band of a window that is read */
    uint8_t *present; /* its mask */
    uint8_t *valid;   /* where the caller does not ask for it */
    size_t value_capacity, present_capacity, valid_capacity;
};

bool rt_raster_available(void)
{
    return true;
}

GDALDatasetH rt_raster_dataset(const struct rt_raster *raster)
{
    return raster->dataset;
}

/* What the bands from first to last of the list have in common. */
static rt_status describe_bands(struct rt_raster *raster, const int *list, int count)
{
    struct rt_raster_info *info = &raster->info;
    info->deep = info->may_lack = false;
    for (int i = 0; i < count; i++) {
        GDALRasterBandH band = rt_gdal.GDALGetRasterBand(raster->dataset, list[i]);
        GDALDataType type = rt_gdal.GDALGetRasterDataType(band);
        if (rt_gdal.GDALDataTypeIsComplex(type))
            return rt_fail(RT_ERROR_UNSUPPORTED,
                           "cannot read %s: the samples of band %d are complex numbers (%s)",
                           raster->path, list[i], rt_gdal.GDALGetDataTypeName(type));
        if (i == 0 || !info->deep)
            info->type = rt_gdal.GDALGetDataTypeName(type);
        info->deep = info->deep || type != GDT_Byte;
        info->may_lack = info->may_lack || type == GDT_Float32 || type == GDT_Float64 ||
                         !(rt_gdal.GDALGetMaskFlags(band) & GMF_ALL_VALID);
    }
    return RT_OK;
}

/* What a file says of its size is not believed beyond what it can hold. */
static rt_status check_block(const struct rt_raster *raster)
{
    GDALRasterBandH band = rt_gdal.GDALGetRasterBand(raster->dataset, 1);
    const char *interleave =
        rt_gdal.GDALGetMetadataItem(raster->dataset, "INTERLEAVE", "IMAGE_STRUCTURE");
    const int together = interleave && strcmp(interleave, "PIXEL") == 0 ? raster->info.bands : 1;
    const int bytes = rt_gdal.GDALGetDataTypeSizeBytes(rt_gdal.GDALGetRasterDataType(band));
    int width, height;
    struct stat info;
    rt_gdal.GDALGetBlockSize(band, &width, &height);
    const double block = (double)width * height * together * bytes;
    if (block > (double)BLOCK_BYTES && stat(raster->path, &info) == 0 &&
        block > (double)info.st_size * PACKED_MOST)
        return rt_fail(
            RT_ERROR_FORMAT,
            "cannot read %s: it claims blocks of %d x %d pixels of %d band%s, which a file "
            "of %.0f bytes cannot hold",
            raster->path, width, height, together, together == 1 ? "" : "s", (double)info.st_size);
    return RT_OK;
}

static rt_status describe(struct rt_raster *raster)
{
    static const int first[] = {1, 2, 3};
    struct rt_raster_info *info = &raster->info;
    info->width = rt_gdal.GDALGetRasterXSize(raster->dataset);
    info->height = rt_gdal.GDALGetRasterYSize(raster->dataset);
    info->bands = rt_gdal.GDALGetRasterCount(raster->dataset);
    if (info->bands < 1)
        return rt_fail(
            RT_ERROR_FORMAT,
            "cannot read %s: it has no bands of its own, as files have that hold several "
            "rasters; gdalinfo lists them, gdal_translate takes one out",
            raster->path);
    if (info->width > SIDE_MOST || info->height > SIDE_MOST)
        return rt_fail(RT_ERROR_UNSUPPORTED,
                       "cannot read %s: it has %d x %d pixels, more than the 2^20 a side that are "
                       "taken",
                       raster->path, info->width, info->height);
    rt_status status = check_block(raster);
    if (status < 0)
        return status;
    return describe_bands(raster, first, info->bands < 3 ? info->bands : 3);
}

/* GDAL takes more than paths for names: those of files on a network, and whole documents. */
static rt_status check_path(const char *path)
{
    struct stat info;
    if (stat(path, &info) != 0)
        return rt_fail(RT_ERROR_IO, "cannot read %s: %s", path, strerror(errno));
    if (!S_ISREG(info.st_mode))
        return rt_fail(RT_ERROR_IO, "cannot read %s: it is not a regular file", path);
    return RT_OK;
}

rt_status rt_raster_open(struct rt_raster **opened, const char *path)
{
    struct rt_gdal_ear ear;
    struct rt_raster *raster = NULL;
    *opened = NULL;
    rt_status status = check_path(path);
    if (status == RT_OK)
        status = rt_gdal_need(path);
    if (status < 0)
        return status;
    rt_gdal_begin(&ear);
    RT_TRY(rt_alloc(&raster, 1, sizeof *raster));
    RT_TRY(rt_copy_text(&raster->path, path));
    raster->view = (struct rt_raster_view){.bands = {1, 2, 3}};
    raster->dataset = rt_gdal.GDALOpenEx(
        path, GDAL_OF_RASTER | GDAL_OF_READONLY | GDAL_OF_VERBOSE_ERROR, NULL, NULL, NULL);
    if (!raster->dataset)
        RT_TRY(
            rt_fail(RT_ERROR_FORMAT,
                    "cannot read %s: it is neither a JPEG nor a PNG file, nor a raster that GDAL "
                    "reads%s",
                    path, rt_gdal_said(&ear)));
    status = describe(raster);
end:
    rt_gdal_end();
    if (status < 0)
        rt_raster_close(raster);
    else
        *opened = raster;
    return status;
}

void rt_raster_close(struct rt_raster *raster)
{
    struct rt_gdal_ear ear;
    if (!raster)
        return;
    rt_gdal_begin(&ear);
    if (raster->dataset)
        rt_gdal.GDALClose(raster->dataset);
    rt_gdal_end();
    free(raster->path);
    free(raster->values);
    free(raster->present);
    free(raster->valid);
    free(raster);
}

const struct rt_raster_info *rt_raster_describe(const struct rt_raster *raster)
{
    return &raster->info;
}

rt_status rt_raster_look(struct rt_raster *raster, const struct rt_raster_view *view)
{
    struct rt_raster_view looked = *view;
    const int bands = raster->info.bands;
    for (int c = 0; c < 3; c++) {
        looked.bands[c] = view->bands[0] ? view->bands[c] : c + 1;
        if (view->bands[0] && (view->bands[c] < 1 || view->bands[c] > bands))
            return rt_fail(RT_ERROR_ARGUMENT, "cannot take band %d of %s: it has %d",
                           view->bands[c], raster->path, bands);
        if (looked.bands[c] > bands)
            return rt_fail(
                RT_ERROR_ARGUMENT,
                "%s has %d band%s, and networks look at three: choose them with --bands, "
                "as in --bands %s",
                raster->path, bands, bands == 1 ? "" : "s", bands == 1 ? "1,1,1" : "1,2,2");
    }
    raster->view = looked;
    struct rt_gdal_ear ear;
    rt_gdal_begin(&ear);
    rt_status status = describe_bands(raster, looked.bands, 3);
    rt_gdal_end();
    return status;
}

/* --- windows ---------------------------------------------------------------------------------- */

static GDALRasterBandH band_of(const struct rt_raster *raster, int c)
{
    return rt_gdal.GDALGetRasterBand(raster->dataset, raster->view.bands[c]);
}

static rt_status fail_read(const struct rt_raster *raster, struct rt_gdal_ear *ear)
{
    return rt_fail(RT_ERROR_FORMAT, "cannot read %s: damaged or truncated%s", raster->path,
                   rt_gdal_said(ear));
}

/* Grows the buffers for a window's values and mask. */
static rt_status make_room(struct rt_raster *raster, size_t pixels)
{
    rt_status status =
        rt_grow(&raster->values, &raster->value_capacity, pixels, sizeof *raster->values);
    if (status == RT_OK)
        status = rt_grow(&raster->present, &raster->present_capacity, pixels, 1);
    if (status == RT_OK)
        status = rt_grow(&raster->valid, &raster->valid_capacity, pixels, 1);
    return status;
}

/* Which pixels of a band have data, into raster->present; NULL where all have. */
static rt_status read_present(struct rt_raster *raster, int c, const struct rt_window *w,
                              struct rt_gdal_ear *ear, const uint8_t **present)
{
    GDALRasterBandH band = band_of(raster, c);
    *present = NULL;
    if (rt_gdal.GDALGetMaskFlags(band) & GMF_ALL_VALID)
        return RT_OK;
    if (rt_gdal.GDALRasterIO(rt_gdal.GDALGetMaskBand(band), GF_Read, w->x, w->y, w->width,
                             w->height, raster->present, w->width, w->height, GDT_Byte, 0,
                             0) != CE_None)
        return fail_read(raster, ear);
    *present = raster->present;
    return RT_OK;
}

static rt_status read_values(struct rt_raster *raster, int c, const struct rt_window *w,
                             struct rt_gdal_ear *ear)
{
    if (rt_gdal.GDALRasterIO(band_of(raster, c), GF_Read, w->x, w->y, w->width, w->height,
                             raster->values, w->width, w->height, GDT_Float32, 0, 0) != CE_None)
        return fail_read(raster, ear);
    return RT_OK;
}

static uint8_t squeeze(float value, double low, double high)
{
    const double scaled = 255 * ((double)value - low) / (high - low);
    return scaled >= 255 ? 255 : scaled > 0 ? (uint8_t)lround(scaled) : 0; /* no number: 0 */
}

/* One band of the window; in valid the pixels become 1 that have data. */
static rt_status read_band(struct rt_raster *raster, int c, const struct rt_window *w,
                           struct rt_gdal_ear *ear, uint8_t *rgb, uint8_t *valid)
{
    const struct rt_raster_view *view = &raster->view;
    const size_t pixels = (size_t)w->width * (size_t)w->height;
    const bool deep = rt_gdal.GDALGetRasterDataType(band_of(raster, c)) != GDT_Byte;
    const uint8_t *present;
    rt_status status = RT_OK;
    if (deep && !view->ranged)
        RT_TRY(rt_fail(RT_ERROR_ARGUMENT,
                       "cannot read %s: its samples are %s, and no range says which of them are "
                       "black and white",
                       raster->path, raster->info.type));
    if (deep)
        RT_TRY(read_values(raster, c, w, ear));
    else if (rt_gdal.GDALRasterIO(band_of(raster, c), GF_Read, w->x, w->y, w->width, w->height,
                                  rgb + c, w->width, w->height, GDT_Byte, 3,
                                  3 * w->width) != CE_None)
        RT_TRY(fail_read(raster, ear));
    RT_TRY(read_present(raster, c, w, ear, &present));
    for (size_t i = 0; i < pixels; i++) {
        const bool lacks = (present && !present[i]) || (deep && isnan(raster->values[i]));
        if (deep)
            rgb[3 * i + (size_t)c] = squeeze(raster->values[i], view->low[c], view->high[c]);
        if (lacks && deep)
            rgb[3 * i + (size_t)c] = 0;
        if (!lacks)
            valid[i] = 1;
    }
end:
    return status;
}

static bool is_within(const struct rt_raster *raster, const struct rt_window *w)
{
    return w->x >= 0 && w->y >= 0 && w->width >= 1 && w->height >= 1 &&
           w->width <= raster->info.width - w->x && w->height <= raster->info.height - w->y;
}

rt_status rt_raster_read(struct rt_raster *raster, int x, int y, int width, int height,
                         uint8_t *rgb, uint8_t *valid)
{
    const struct rt_window w = {x, y, width, height};
    struct rt_gdal_ear ear;
    if (!is_within(raster, &w))
        return rt_fail(RT_ERROR_ARGUMENT,
                       "cannot read %d x %d pixels at (%d, %d) of %s: it has %d x %d", width,
                       height, x, y, raster->path, raster->info.width, raster->info.height);
    const size_t pixels = (size_t)width * (size_t)height;
    rt_status status = RT_OK;
    rt_gdal_begin(&ear);
    RT_TRY(make_room(raster, pixels));
    if (!valid)
        valid = raster->valid;
    memset(valid, 0, pixels);
    for (int c = 0; c < 3; c++)
        RT_TRY(read_band(raster, c, &w, &ear, rgb, valid));
    for (size_t i = 0; i < pixels; i++)
        if (!valid[i])
            memset(rgb + 3 * i, 0, 3);
end:
    rt_gdal_end();
    return status;
}

/* --- ranges ----------------------------------------------------------------------------------- */

/* Adds the pixels of a window that all three bands have finite values for. */
static rt_status sample_window(struct rt_raster *raster, const struct rt_window *w,
                               struct rt_gdal_ear *ear, struct rt_raster_samples *samples)
{
    rt_status status = RT_OK;
    const size_t pixels = (size_t)w->width * (size_t)w->height;
    const uint8_t *present;
    size_t kept = 0;
    RT_TRY(make_room(raster, pixels));
    memset(raster->valid, 1, pixels);
    for (int c = 0; c < 3; c++) {
        RT_TRY(rt_grow(&samples->values[c], &samples->capacity[c], samples->count + pixels,
                       sizeof *samples->values[c]));
        RT_TRY(read_values(raster, c, w, ear));
        RT_TRY(read_present(raster, c, w, ear, &present));
        memcpy(samples->values[c] + samples->count, raster->values, pixels * sizeof(float));
        for (size_t i = 0; i < pixels; i++)
            if ((present && !present[i]) || !isfinite(raster->values[i]))
                raster->valid[i] = 0;
    }
    for (size_t i = 0; i < pixels; i++) {
        if (!raster->valid[i])
            continue;
        for (int c = 0; c < 3; c++)
            samples->values[c][samples->count + kept] = samples->values[c][samples->count + i];
        kept++;
    }
    samples->count += kept;
end:
    return status;
}

/* Where the i-th of `side` windows begins along a side of the raster. */
static int spread(int i, int side, int size, int window)
{
    return side > 1 ? (int)((int64_t)i * (size - window) / (side - 1)) : 0;
}

rt_status rt_raster_sample(struct rt_raster *raster, int side, struct rt_raster_samples *samples)
{
    const struct rt_raster_info *info = &raster->info;
    struct rt_gdal_ear ear;
    struct rt_window w = {0};
    w.width = info->width < SAMPLE_PIXELS ? info->width : SAMPLE_PIXELS;
    w.height = info->height < SAMPLE_PIXELS ? info->height : SAMPLE_PIXELS;
    rt_status status = RT_OK;
    rt_gdal_begin(&ear);
    for (int i = 0; i < side * side; i++) {
        w.x = spread(i % side, side, info->width, w.width);
        w.y = spread(i / side, side, info->height, w.height);
        RT_TRY(sample_window(raster, &w, &ear, samples));
    }
end:
    rt_gdal_end();
    return status;
}

rt_status rt_raster_measure(struct rt_raster *raster, struct rt_raster_view *view)
{
    rt_status status = RT_OK;
    struct rt_raster_samples samples = {0};
    RT_TRY(rt_raster_look(raster, view));
    if (!raster->info.deep)
        goto end;
    RT_TRY(rt_raster_sample(raster, SAMPLE_SIDE, &samples));
    RT_TRY(rt_raster_samples_range(&samples, raster->path, view));
end:
    rt_raster_samples_finish(&samples);
    return status;
}
