#include "data_files.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jpeglib.h>
#include <png.h>

#include "base/file.h"
#include "base/memory.h"
#include "test.h"

void make_test_folder(char path[64])
{
    snprintf(path, 64, "/tmp/retort-test-XXXXXX");
    assert_non_null(mkdtemp(path));
}

static int remove_one(const char *path, const struct stat *info, int flag, struct FTW *where)
{
    (void)info;
    (void)flag;
    (void)where;
    return remove(path);
}

void remove_test_folder(const char *path)
{
    assert_int_equal(nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
}

char *test_path(const char *folder, const char *name)
{
    char *path = NULL;
    assert_ok(rt_path_join(&path, folder, name));
    char *slash = strrchr(path, '/');
    *slash = 0;
    assert_ok(rt_folder_create(path));
    *slash = '/';
    return path;
}

void write_text(const char *path, const char *text)
{
    assert_ok(rt_file_write(path, text, strlen(text)));
}

void truncate_file(const char *path, long keep)
{
    char *bytes = NULL;
    size_t size;
    assert_ok(rt_file_read(path, (size_t)1 << 30, &bytes, &size));
    assert_int_equal(truncate(path, keep < 0 ? (long)size + keep : keep), 0);
    free(bytes);
}

void write_test_png(const char *path, const struct test_png *file)
{
    FILE *stream = fopen(path, "wb");
    assert_non_null(stream);
    png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, NULL, NULL);
    png_infop info = png_create_info_struct(png);
    png_init_io(png, stream);
    png_set_IHDR(png, info, (unsigned)file->width, (unsigned)file->height, file->depth, file->type,
                 file->interlace, PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    if (file->colours)
        png_set_PLTE(png, info, (png_const_colorp)(const void *)file->colours, file->colour_count);
    png_write_info(png, info);
    png_set_packing(png);
    size_t bytes = file->depth == 16 ? 2 : 1;
    size_t stride = (size_t)file->width * png_get_channels(png, info);
    int passes = png_set_interlace_handling(png);
    uint8_t *row = malloc(stride * bytes);
    for (int pass = 0; pass < passes; pass++)
        for (int y = 0; y < file->height; y++) {
            for (size_t i = 0; i < stride * bytes; i++)
                row[i] = file->samples[(size_t)y * stride + i / bytes];
            png_write_row(png, row);
        }
    png_write_end(png, NULL);
    png_destroy_write_struct(&png, &info);
    free(row);
    fclose(stream);
}

void write_test_jpeg(const char *path, int width, int height, int channels, const uint8_t *pixels)
{
    FILE *stream = fopen(path, "wb");
    assert_non_null(stream);
    struct jpeg_error_mgr errors;
    struct jpeg_compress_struct info = {.err = jpeg_std_error(&errors)};
    jpeg_create_compress(&info);
    jpeg_stdio_dest(&info, stream);
    info.image_width = (unsigned)width;
    info.image_height = (unsigned)height;
    info.input_components = channels;
    info.in_color_space = channels == 3 ? JCS_RGB : JCS_GRAYSCALE;
    jpeg_set_defaults(&info);
    jpeg_set_quality(&info, 98, TRUE);
    jpeg_start_compress(&info, TRUE);
    for (int y = 0; y < height; y++) {
        uint8_t row[4096];
        memcpy(row, pixels + (size_t)(y * width * channels), (size_t)(width * channels));
        jpeg_write_scanlines(&info, (JSAMPARRAY) & (JSAMPROW){row}, 1);
    }
    jpeg_finish_compress(&info);
    jpeg_destroy_compress(&info);
    fclose(stream);
}

/* The constant first, then the other 63 coefficients one by one, all of them but their last bit
 * and then that bit. */
void write_scans_jpeg(const char *path, int scans)
{
    FILE *stream = fopen(path, "wb");
    assert_non_null(stream);
    struct jpeg_error_mgr errors;
    struct jpeg_compress_struct info = {.err = jpeg_std_error(&errors)};
    jpeg_scan_info script[127] = {{.comps_in_scan = 1}};
    for (int i = 1; i < scans; i++) {
        const int coefficient = 1 + (i - 1) / 2, again = (i - 1) % 2;
        script[i] = (jpeg_scan_info){
            .comps_in_scan = 1, .Ss = coefficient, .Se = coefficient, .Ah = again, .Al = !again};
    }
    jpeg_create_compress(&info);
    jpeg_stdio_dest(&info, stream);
    info.image_width = info.image_height = 8;
    info.input_components = 1;
    info.in_color_space = JCS_GRAYSCALE;
    jpeg_set_defaults(&info);
    info.scan_info = script;
    info.num_scans = scans;
    jpeg_start_compress(&info, TRUE);
    for (int y = 0; y < 8; y++) {
        uint8_t row[8] = {0, 10, 200, 30, (uint8_t)(y * 20), 50, 60, 70};
        jpeg_write_scanlines(&info, (JSAMPARRAY) & (JSAMPROW){row}, 1);
    }
    jpeg_finish_compress(&info);
    jpeg_destroy_compress(&info);
    fclose(stream);
}
