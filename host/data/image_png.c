/* PNG through libpng. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <png.h>

#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "data/image.h"

#define MESSAGE_BYTES 128
#define DEFLATE_MOST 1032 /* bytes that one byte of deflate can stand for */

static void fail(png_structp png, png_const_charp text)
{
    char *message = png_get_error_ptr(png);
    snprintf(message, MESSAGE_BYTES, "%s", text);
    png_longjmp(png, 1);
}

static void no_warning(png_structp png, png_const_charp text)
{
    (void)png;
    (void)text;
}

static const char *kind_name(int type, int depth)
{
    static const struct {
        int type, depth;
        const char *name;
    } kinds[] = {
        {PNG_COLOR_TYPE_RGB, 8, "rgb 8-bit"},
        {PNG_COLOR_TYPE_RGB, 16, "rgb 16-bit"},
        {PNG_COLOR_TYPE_RGB_ALPHA, 8, "rgb and alpha 8-bit"},
        {PNG_COLOR_TYPE_RGB_ALPHA, 16, "rgb and alpha 16-bit"},
        {PNG_COLOR_TYPE_PALETTE, 1, "palette 1-bit"},
        {PNG_COLOR_TYPE_PALETTE, 2, "palette 2-bit"},
        {PNG_COLOR_TYPE_PALETTE, 4, "palette 4-bit"},
        {PNG_COLOR_TYPE_PALETTE, 8, "palette 8-bit"},
        {PNG_COLOR_TYPE_GRAY, 1, "grey 1-bit"},
        {PNG_COLOR_TYPE_GRAY, 2, "grey 2-bit"},
        {PNG_COLOR_TYPE_GRAY, 4, "grey 4-bit"},
        {PNG_COLOR_TYPE_GRAY, 8, "grey 8-bit"},
        {PNG_COLOR_TYPE_GRAY, 16, "grey 16-bit"},
        {PNG_COLOR_TYPE_GRAY_ALPHA, 8, "grey and alpha 8-bit"},
        {PNG_COLOR_TYPE_GRAY_ALPHA, 16, "grey and alpha 16-bit"},
    };
    for (size_t i = 0; i < RT_COUNT(kinds); i++)
        if (kinds[i].type == type && kinds[i].depth == depth)
            return kinds[i].name;
    return "unknown";
}

/* Tells libpng what to hand out: one byte a sample, no alpha, and colours for palette indices.
 * Grey samples are stretched to 0..255 and repeated in photos, but left as they are in masks,
 * where they are class indices. Returns the number of channels. */
static int set_transforms(png_structp png, png_infop info, enum rt_image_use use)
{
    int type = png_get_color_type(png, info);
    bool grey = !(type & PNG_COLOR_MASK_COLOR);
    if (type == PNG_COLOR_TYPE_PALETTE)
        png_set_palette_to_rgb(png);
    if (grey && use == RT_IMAGE_PHOTO) {
        png_set_expand_gray_1_2_4_to_8(png);
        png_set_gray_to_rgb(png);
    }
    png_set_packing(png);
    png_set_strip_16(png);
    png_set_strip_alpha(png);
    return grey && use == RT_IMAGE_MASK ? 1 : 3;
}

static rt_status decode(png_structp png, png_infop info, FILE *stream, const char *path,
                        enum rt_image_use use, struct rt_image_header *header,
                        struct rt_image *image)
{
    if (setjmp(png_jmpbuf(png)))
        return rt_fail(RT_ERROR_FORMAT, "cannot read %s: damaged or truncated PNG (%s)", path,
                       (const char *)png_get_error_ptr(png));
    png_read_info(png, info);
    uint32_t width = png_get_image_width(png, info), height = png_get_image_height(png, info);
    int depth = png_get_bit_depth(png, info);
    rt_status status = rt_image_check_size(path, width, height);
    if (status < 0)
        return status;
    status =
        rt_image_check_bytes(stream, path, png_get_rowbytes(png, info) * height / DEFLATE_MOST);
    if (status < 0)
        return status;
    *header = (struct rt_image_header){.width = (int)width,
                                       .height = (int)height,
                                       .kind = kind_name(png_get_color_type(png, info), depth)};
    if (use == RT_IMAGE_MASK && depth > 8)
        return rt_fail(RT_ERROR_FORMAT,
                       "cannot read %s: a mask has at most 8 bits a sample, this one is %s", path,
                       header->kind);
    if (!image)
        return RT_OK;
    int channels = set_transforms(png, info, use);
    int passes = png_set_interlace_handling(png);
    png_read_update_info(png, info);
    size_t stride = (size_t)width * (size_t)channels;
    if (png_get_rowbytes(png, info) != stride)
        return rt_fail(RT_ERROR_FORMAT, "cannot read %s: a PNG of kind %s gives unexpected rows",
                       path, header->kind);
    status = rt_image_init(image, header->width, header->height, channels);
    if (status < 0)
        return status;
    for (int pass = 0; pass < passes; pass++)
        for (uint32_t y = 0; y < height; y++)
            png_read_row(png, image->pixels + y * stride, NULL);
    png_read_end(png, NULL);
    return RT_OK;
}

rt_status rt_png_read(FILE *stream, const char *path, enum rt_image_use use,
                      struct rt_image_header *header, struct rt_image *image)
{
    char message[MESSAGE_BYTES];
    png_structp png = png_create_read_struct(PNG_LIBPNG_VER_STRING, message, fail, no_warning);
    png_infop info = png ? png_create_info_struct(png) : NULL;
    rt_status status;
    if (info) {
        png_init_io(png, stream);
        /* Texts, colour profiles and the like are skipped: they may unpack to megabytes. */
        png_set_keep_unknown_chunks(png, PNG_HANDLE_CHUNK_NEVER, NULL, -1);
        status = decode(png, info, stream, path, use, header, image);
    } else {
        status = rt_fail(RT_ERROR_MEMORY, "cannot read %s: libpng cannot start", path);
    }
    png_destroy_read_struct(&png, &info, NULL);
    if (status < 0 && image)
        rt_image_finish(image);
    return status;
}

static rt_status encode(png_structp png, png_infop info, FILE *stream, const char *path,
                        const struct rt_image *image)
{
    errno = 0;
    if (setjmp(png_jmpbuf(png)))
        return rt_fail(RT_ERROR_IO, "cannot write %s: %s", path,
                       errno ? strerror(errno) : (const char *)png_get_error_ptr(png));
    png_init_io(png, stream);
    png_set_IHDR(png, info, (uint32_t)image->width, (uint32_t)image->height, 8,
                 image->channels == 1 ? PNG_COLOR_TYPE_GRAY : PNG_COLOR_TYPE_RGB,
                 PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    png_write_info(png, info);
    size_t stride = (size_t)image->width * (size_t)image->channels;
    for (int y = 0; y < image->height; y++)
        png_write_row(png, image->pixels + (size_t)y * stride);
    png_write_end(png, NULL);
    return RT_OK;
}

rt_status rt_image_write_png(const struct rt_image *image, const char *path)
{
    if (image->channels != 1 && image->channels != 3)
        return rt_fail(RT_ERROR_ARGUMENT,
                       "cannot write %s: an image of %d channels, expected 1 or 3", path,
                       image->channels);
    struct rt_file_writer writer;
    rt_status status = rt_file_begin(&writer, path);
    if (status < 0)
        return status;
    char message[MESSAGE_BYTES];
    png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, message, fail, no_warning);
    png_infop info = png ? png_create_info_struct(png) : NULL;
    if (info)
        status = encode(png, info, writer.stream, path, image);
    else
        status = rt_fail(RT_ERROR_MEMORY, "cannot write %s: libpng cannot start", path);
    png_destroy_write_struct(&png, &info);
    if (status < 0) {
        rt_file_abandon(&writer);
        return status;
    }
    return rt_file_commit(&writer);
}
