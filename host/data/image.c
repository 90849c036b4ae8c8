#include "data/image.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/memory.h"
#include "retort/raster.h"

rt_status rt_image_init(struct rt_image *image, int width, int height, int channels)
{
    *image = (struct rt_image){0};
    if (width < 1 || height < 1 || channels < 1)
        return rt_fail(RT_ERROR_ARGUMENT, "cannot make an image of %d x %d pixels, %d channels",
                       width, height, channels);
    rt_status status = rt_alloc(&image->pixels, (size_t)width * (size_t)height, (size_t)channels);
    if (status < 0)
        return status;
    image->width = width;
    image->height = height;
    image->channels = channels;
    return RT_OK;
}

void rt_image_finish(struct rt_image *image)
{
    free(image->pixels);
    *image = (struct rt_image){0};
}

void rt_image_cut(const struct rt_image *image, int x, int y, int width, int height, uint8_t *to)
{
    const size_t channels = (size_t)image->channels, length = (size_t)width * channels;
    for (size_t row = 0; row < (size_t)height; row++)
        memcpy(to + row * length,
               image->pixels + (((size_t)y + row) * (size_t)image->width + (size_t)x) * channels,
               length);
}

rt_status rt_image_check_size(const char *path, uint64_t width, uint64_t height)
{
    if (width * height <= RT_PIXELS_MAX)
        return RT_OK;
    return rt_fail(RT_ERROR_FORMAT,
                   "cannot read %s: it has %llu x %llu pixels, more than the 2^28 that are taken",
                   path, (unsigned long long)width, (unsigned long long)height);
}

rt_status rt_image_check_bytes(FILE *stream, const char *path, uint64_t needed)
{
    struct stat info;
    if (fstat(fileno(stream), &info) != 0)
        return rt_fail(RT_ERROR_IO, "cannot read %s: %s", path, strerror(errno));
    if ((uint64_t)info.st_size >= needed)
        return RT_OK;
    return rt_fail(RT_ERROR_FORMAT,
                   "cannot read %s: damaged or truncated, it has %llu bytes and its pixels take at "
                   "least %llu",
                   path, (unsigned long long)info.st_size, (unsigned long long)needed);
}

static const uint8_t png_start[8] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};
static const uint8_t jpeg_start[3] = {0xff, 0xd8, 0xff};

bool rt_image_is_raster(const char *path)
{
    uint8_t start[8] = {0};
    FILE *stream = rt_raster_available() ? fopen(path, "rb") : NULL;
    if (!stream)
        return false;
    size_t got = fread(start, 1, sizeof start, stream);
    fclose(stream);
    return got > 0 && memcmp(start, png_start, sizeof png_start) != 0 &&
           memcmp(start, jpeg_start, sizeof jpeg_start) != 0;
}

static rt_status read_any(const char *path, enum rt_image_use use, struct rt_image_header *header,
                          struct rt_image *image)
{
    if (image)
        *image = (struct rt_image){0};
    FILE *stream = fopen(path, "rb");
    if (!stream)
        return rt_fail(RT_ERROR_IO, "cannot read %s: %s", path, strerror(errno));
    rt_status status;
    uint8_t start[8] = {0};
    if (fread(start, 1, sizeof start, stream) == 0 && ferror(stream)) {
        status = rt_fail(RT_ERROR_IO, "cannot read %s: %s", path, strerror(errno));
        goto end;
    }
    rewind(stream);
    if (memcmp(start, png_start, sizeof png_start) == 0)
        status = rt_png_read(stream, path, use, header, image);
    else if (use == RT_IMAGE_MASK)
        status = rt_fail(RT_ERROR_FORMAT, "cannot read %s: a mask must be a PNG file, this is not",
                         path);
    else if (memcmp(start, jpeg_start, sizeof jpeg_start) == 0)
        status = rt_jpeg_read(stream, path, header, image);
    else
        status = rt_fail(
            RT_ERROR_FORMAT, "cannot read %s: it is neither a JPEG nor a PNG file%s", path,
            rt_raster_available() ? ""
                                  : "; this retort was built without GDAL, which reads others");
end:
    fclose(stream);
    return status;
}

rt_status rt_image_read_header(struct rt_image_header *header, const char *path,
                               enum rt_image_use use)
{
    return read_any(path, use, header, NULL);
}

rt_status rt_image_read(struct rt_image *image, const char *path)
{
    struct rt_image_header header;
    return read_any(path, RT_IMAGE_PHOTO, &header, image);
}

rt_status rt_mask_read(struct rt_image *mask, const char *path)
{
    struct rt_image_header header;
    return read_any(path, RT_IMAGE_MASK, &header, mask);
}
