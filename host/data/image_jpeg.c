/* JPEG through libjpeg. */
#include <setjmp.h>
#include <stdio.h>

#include <jpeglib.h>

#include "base/error.h"
#include "data/image.h"

/* Of 8 x 8 pixels at least one bit is told: so it is in every file that is not arithmetically
 * coded, which hardly any is. */
#define PIXELS_PER_BYTE (8 * 64)
/* Scans in which a progressive file may refine its pixels; each passes over the whole image, and
 * files have about ten. */
#define SCANS_MOST 100

struct reader {
    struct jpeg_progress_mgr progress;
    struct jpeg_decompress_struct info;
    struct jpeg_error_mgr errors;
    jmp_buf escape;
    char message[JMSG_LENGTH_MAX];
};

static void fail(j_common_ptr info)
{
    struct reader *reader = info->client_data;
    info->err->format_message(info, reader->message);
    longjmp(reader->escape, 1);
}

/* libjpeg fills a truncated or damaged file up with grey and only warns (level -1): here that is
 * a failure, because a network would learn from the grey. Levels from 0 up are chatter. */
static void fail_on_warning(j_common_ptr info, int level)
{
    if (level < 0)
        fail(info);
}

static void fail_on_scans(j_common_ptr info)
{
    struct reader *reader = info->client_data;
    if (reader->info.input_scan_number <= SCANS_MOST)
        return;
    snprintf(reader->message, sizeof reader->message, "more than %d scans", SCANS_MOST);
    longjmp(reader->escape, 1);
}

static rt_status decode(struct reader *reader, FILE *stream, const char *path,
                        struct rt_image_header *header, struct rt_image *image)
{
    struct jpeg_decompress_struct *info = &reader->info;
    if (setjmp(reader->escape))
        return rt_fail(RT_ERROR_FORMAT, "cannot read %s: damaged or truncated JPEG (%s)", path,
                       reader->message);
    jpeg_read_header(info, TRUE);
    rt_status status = rt_image_check_size(path, info->image_width, info->image_height);
    if (status < 0)
        return status;
    status = rt_image_check_bytes(
        stream, path, (uint64_t)info->image_width * info->image_height / PIXELS_PER_BYTE);
    if (status < 0)
        return status;
    *header = (struct rt_image_header){
        .width = (int)info->image_width, .height = (int)info->image_height, .kind = "jpeg"};
    if (!image)
        return RT_OK;
    status = rt_image_init(image, header->width, header->height, 3);
    if (status < 0)
        return status;
    info->out_color_space = JCS_RGB;
    jpeg_start_decompress(info);
    while (info->output_scanline < info->output_height) {
        JSAMPROW row = image->pixels + (size_t)info->output_scanline * info->output_width * 3;
        jpeg_read_scanlines(info, &row, 1);
    }
    jpeg_finish_decompress(info);
    return RT_OK;
}

rt_status rt_jpeg_read(FILE *stream, const char *path, struct rt_image_header *header,
                       struct rt_image *image)
{
    struct reader reader = {0};
    reader.info.err = jpeg_std_error(&reader.errors);
    reader.errors.error_exit = fail;
    reader.errors.emit_message = fail_on_warning;
    if (setjmp(reader.escape))
        return rt_fail(RT_ERROR_MEMORY, "cannot read %s: %s", path, reader.message);
    reader.info.client_data = &reader;
    jpeg_create_decompress(&reader.info);
    jpeg_stdio_src(&reader.info, stream);
    reader.progress.progress_monitor = fail_on_scans;
    reader.info.progress = &reader.progress;
    rt_status status = decode(&reader, stream, path, header, image);
    jpeg_destroy_decompress(&reader.info);
    if (status < 0 && image)
        rt_image_finish(image);
    return status;
}
