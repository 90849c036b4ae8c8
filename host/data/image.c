#include "data/image.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "data/raster.h"

#define PIECE_PIXELS (1 << 24)

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

static bool is_called_a_photo(const char *path)
{
    static const char *const endings[] = {".png", ".jpg", ".jpeg"};
    const char *dot = strrchr(rt_path_name(path), '.');
    for (size_t i = 0; dot && i < RT_COUNT(endings); i++)
        if (strcasecmp(dot, endings[i]) == 0)
            return true;
    return false;
}

bool rt_image_is_raster(const char *path)
{
    uint8_t start[8] = {0};
    if (is_called_a_photo(path))
        return false;
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
    if (use == RT_IMAGE_MASK && rt_image_is_raster(path))
        return rt_raster_mask_header(path, header);
    return read_any(path, use, header, NULL);
}

rt_status rt_image_read(struct rt_image *image, const char *path)
{
    struct rt_image_header header;
    return read_any(path, RT_IMAGE_PHOTO, &header, image);
}

int rt_window_pieces(int width, int height)
{
    const int rows = PIECE_PIXELS / width > 0 ? PIECE_PIXELS / width : 1;
    return (height + rows - 1) / rows;
}

struct rt_window rt_window_piece(int width, int height, int index)
{
    const int rows = PIECE_PIXELS / width > 0 ? PIECE_PIXELS / width : 1;
    const int y = index * rows;
    return (struct rt_window){0, y, width, height - y < rows ? height - y : rows};
}

static rt_status read_raster_mask(struct rt_image *mask, const char *path)
{
    struct rt_image_header header;
    *mask = (struct rt_image){0};
    rt_status status = rt_raster_mask_header(path, &header);
    if (status == RT_OK)
        status = rt_image_check_size(path, (uint64_t)header.width, (uint64_t)header.height);
    const struct rt_window whole = {0, 0, header.width, header.height};
    return status < 0 ? status : rt_raster_mask_load(path, &whole, mask);
}

rt_status rt_mask_read(struct rt_image *mask, const char *path)
{
    struct rt_image_header header;
    if (rt_image_is_raster(path))
        return read_raster_mask(mask, path);
    return read_any(path, RT_IMAGE_MASK, &header, mask);
}

rt_status rt_image_keep_part(struct rt_image *image, const struct rt_window *window)
{
    struct rt_image part;
    if (window->width == image->width && window->height == image->height)
        return RT_OK;
    rt_status status = rt_image_init(&part, window->width, window->height, image->channels);
    if (status < 0)
        return status;
    rt_image_cut(image, window->x, window->y, window->width, window->height, part.pixels);
    rt_image_finish(image);
    *image = part;
    return RT_OK;
}

rt_status rt_mask_read_part(struct rt_image *mask, const char *path, const struct rt_window *window)
{
    if (rt_image_is_raster(path))
        return rt_raster_mask_load(path, window, mask);
    rt_status status = rt_mask_read(mask, path);
    if (status == RT_OK)
        status = rt_image_keep_part(mask, window);
    if (status < 0)
        rt_image_finish(mask);
    return status;
}
