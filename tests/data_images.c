/* Image files and palettes. */
#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <png.h>
#include <zlib.h>

#include "base/file.h"
#include "base/memory.h"
#include "data/image.h"
#include "data_files.h"
#include "retort/data.h"

static char folder[64];

static int setup(void **state)
{
    (void)state;
    make_test_folder(folder);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    remove_test_folder(folder);
    return 0;
}

static void png_of_rgb_comes_back(void **state)
{
    (void)state;
    char *path = test_path(folder, "x.png");
    struct rt_image image, again;
    for (int channels = 1; channels <= 3; channels += 2) {
        assert_ok(rt_image_init(&image, 7, 5, channels));
        for (int i = 0; i < 7 * 5 * channels; i++)
            image.pixels[i] = (uint8_t)(i * 37 + 11);
        assert_ok(rt_image_write_png(&image, path));
        assert_ok(rt_image_read(&again, path));
        assert_int_equal(again.width, 7);
        assert_int_equal(again.height, 5);
        assert_int_equal(again.channels, 3);
        for (int i = 0; i < 7 * 5 * 3; i++)
            assert_int_equal(again.pixels[i], image.pixels[channels == 3 ? i : i / 3]);
        rt_image_finish(&image);
        rt_image_finish(&again);
    }
    assert_ok(rt_image_init(&image, 2, 2, 2));
    assert_fails(rt_image_write_png(&image, path), RT_ERROR_ARGUMENT, "2 channels");
    rt_image_finish(&image);
    assert_fails(rt_image_init(&image, 0, 2, 1), RT_ERROR_ARGUMENT, "0 x 2");
    free(path);
}

static void png_cannot_be_written(void **state)
{
    (void)state;
    struct rt_image image;
    assert_ok(rt_image_init(&image, 2, 2, 3));
    assert_fails(rt_image_write_png(&image, "/nowhere/x.png"), RT_ERROR_IO, "/nowhere/x.png");
    rt_image_finish(&image);
}

/* Every kind of PNG becomes 8-bit RGB, interlaced or not. */
static void png_kinds_become_rgb(void **state)
{
    (void)state;
    static const struct {
        int type, depth;
    } kinds[] = {
        {PNG_COLOR_TYPE_GRAY, 1},      {PNG_COLOR_TYPE_GRAY, 2},
        {PNG_COLOR_TYPE_GRAY, 4},      {PNG_COLOR_TYPE_GRAY, 8},
        {PNG_COLOR_TYPE_GRAY, 16},     {PNG_COLOR_TYPE_RGB, 8},
        {PNG_COLOR_TYPE_RGB, 16},      {PNG_COLOR_TYPE_PALETTE, 1},
        {PNG_COLOR_TYPE_PALETTE, 2},   {PNG_COLOR_TYPE_PALETTE, 4},
        {PNG_COLOR_TYPE_PALETTE, 8},   {PNG_COLOR_TYPE_GRAY_ALPHA, 8},
        {PNG_COLOR_TYPE_RGB_ALPHA, 8}, {PNG_COLOR_TYPE_RGB_ALPHA, 16},
    };
    uint8_t samples[9 * 6 * 4], colours[256 * 3];
    for (int i = 0; i < 256 * 3; i++)
        colours[i] = (uint8_t)(i * 91 + 5);
    char *path = test_path(folder, "kind.png");
    for (size_t k = 0; k < 2 * RT_COUNT(kinds); k++) {
        int type = kinds[k / 2].type, depth = kinds[k / 2].depth;
        bool indexed = type == PNG_COLOR_TYPE_PALETTE;
        unsigned top = depth >= 8 ? 255 : (1u << depth) - 1;
        for (size_t i = 0; i < sizeof samples; i++)
            samples[i] = (uint8_t)((i * 29 + 3) & top);
        write_test_png(path, &(struct test_png){9, 6, type, depth, (int)(k % 2), samples,
                                                indexed ? colours : NULL, (int)top + 1});
        int channels =
            indexed ? 1
                    : (type & PNG_COLOR_MASK_COLOR ? 3 : 1) + (type & PNG_COLOR_MASK_ALPHA ? 1 : 0);
        struct rt_image image;
        assert_ok(rt_image_read(&image, path));
        for (int i = 0; i < 9 * 6; i++)
            for (int c = 0; c < 3; c++) {
                const uint8_t *pixel = samples + i * channels;
                unsigned value = indexed         ? colours[pixel[0] * 3 + c]
                                 : channels <= 2 ? pixel[0] * 255u / top
                                                 : pixel[c];
                assert_int_equal(image.pixels[i * 3 + c], value);
            }
        rt_image_finish(&image);
    }
    free(path);
}

static void jpeg_is_read(void **state)
{
    (void)state;
    char *path = test_path(folder, "a photo.jpg");
    uint8_t pixels[40 * 30 * 3];
    for (int i = 0; i < 40 * 30; i++)
        memcpy(pixels + 3 * i, i % 40 < 20 ? "\xc8\x32\x32" : "\x32\x32\xc8", 3);
    write_test_jpeg(path, 40, 30, 3, pixels);
    struct rt_image image;
    assert_ok(rt_image_read(&image, path));
    assert_int_equal(image.width, 40);
    assert_int_equal(image.height, 30);
    for (int c = 0; c < 3; c++) {
        assert_in_range(image.pixels[c], pixels[c] - 5, pixels[c] + 5);
        assert_in_range(image.pixels[39 * 3 + c], pixels[39 * 3 + c] - 5, pixels[39 * 3 + c] + 5);
    }
    rt_image_finish(&image);
    write_test_jpeg(path, 40, 30, 1, pixels);
    assert_ok(rt_image_read(&image, path));
    assert_int_equal(image.channels, 3);
    assert_int_equal(image.pixels[0], image.pixels[2]);
    rt_image_finish(&image);
    free(path);
}

/* A file cut anywhere fails with its name, and leaves nothing behind. */
static void truncated_files_fail(void **state)
{
    (void)state;
    uint8_t pixels[64 * 64 * 3];
    for (size_t i = 0; i < sizeof pixels; i++)
        pixels[i] = (uint8_t)((uint32_t)(i * i * 2654435761u) >> 24);
    char *jpeg = test_path(folder, "cut.jpg"), *png = test_path(folder, "cut.png");
    struct rt_image image;
    for (long cut = 2; cut < 3500; cut += 130) {
        write_test_jpeg(jpeg, 64, 64, 3, pixels);
        truncate_file(jpeg, -cut);
        assert_fails(rt_image_read(&image, jpeg), RT_ERROR_FORMAT, "cut.jpg");
        assert_null(image.pixels);
        write_test_png(png, &(struct test_png){64, 64, PNG_COLOR_TYPE_RGB, 8, 0, pixels, NULL, 0});
        truncate_file(png, -cut);
        assert_fails(rt_image_read(&image, png), RT_ERROR_FORMAT, "cut.png");
        assert_null(image.pixels);
    }
    for (long keep = 0; keep < 60; keep++) {
        write_test_jpeg(jpeg, 64, 64, 3, pixels);
        truncate_file(jpeg, keep);
        assert_fails(rt_image_read(&image, jpeg), RT_ERROR_FORMAT, "cut.jpg");
        write_test_png(png, &(struct test_png){64, 64, PNG_COLOR_TYPE_RGB, 8, 0, pixels, NULL, 0});
        truncate_file(png, keep);
        assert_fails(rt_image_read(&image, png), RT_ERROR_FORMAT, "cut.png");
    }
    free(jpeg);
    free(png);
}

/* Changed bytes never crash a reader; whatever they decode to is a whole image. */
static void damaged_files_do_not_crash(void **state)
{
    (void)state;
    uint8_t pixels[32 * 32 * 3];
    for (size_t i = 0; i < sizeof pixels; i++)
        pixels[i] = (uint8_t)(i * i >> 3);
    char *paths[2] = {test_path(folder, "bad.jpg"), test_path(folder, "bad.png")};
    write_test_jpeg(paths[0], 32, 32, 3, pixels);
    write_test_png(paths[1], &(struct test_png){32, 32, PNG_COLOR_TYPE_RGB, 8, 1, pixels, NULL, 0});
    for (int f = 0; f < 2; f++) {
        char *bytes = NULL;
        size_t size;
        assert_ok(rt_file_read(paths[f], 1 << 20, &bytes, &size));
        for (size_t i = 0; i < 300; i++) {
            size_t at = i * 7919 % size;
            bytes[at] = (char)(bytes[at] ^ (1 + i % 255));
            assert_ok(rt_file_write(paths[f], bytes, size));
            struct rt_image image;
            if (rt_image_read(&image, paths[f]) == RT_OK)
                assert_true(image.width > 0 && image.channels == 3);
            else
                assert_null(image.pixels);
            rt_image_finish(&image);
            bytes[at] = (char)(bytes[at] ^ (1 + i % 255));
        }
        free(bytes);
        free(paths[f]);
    }
}

static void other_files_are_refused(void **state)
{
    (void)state;
    char *path = test_path(folder, "text.png");
    struct rt_image image;
    write_text(path, "this is no picture");
    assert_fails(rt_image_read(&image, path), RT_ERROR_FORMAT, "neither a JPEG nor a PNG");
    assert_fails(rt_mask_read(&image, path), RT_ERROR_FORMAT, "a mask must be a PNG");
    write_text(path, "");
    assert_fails(rt_image_read(&image, path), RT_ERROR_FORMAT, "neither a JPEG nor a PNG");
    assert_fails(rt_image_read(&image, folder), RT_ERROR_IO, folder);
    assert_fails(rt_image_read(&image, "/nowhere.png"), RT_ERROR_IO, "/nowhere.png");
    uint8_t samples[4] = {0, 1, 2, 3};
    write_test_png(path, &(struct test_png){2, 2, PNG_COLOR_TYPE_GRAY, 16, 0, samples, NULL, 0});
    assert_fails(rt_mask_read(&image, path), RT_ERROR_FORMAT, "grey 16-bit");
    free(path);
}

/* A header that promises pixels which its file cannot hold costs no memory. */
static void huge_headers_are_refused(void **state)
{
    (void)state;
    char *path = test_path(folder, "huge.png");
    uint8_t samples[4] = {0};
    write_test_png(path, &(struct test_png){2, 2, PNG_COLOR_TYPE_GRAY, 8, 0, samples, NULL, 0});
    char *bytes = NULL;
    size_t size;
    assert_ok(rt_file_read(path, 1000, &bytes, &size));
    static const char *const sizes[][2] = {{"\x00\x01\x00\x00\x00\x01\x00\x00", "65536 x 65536"},
                                           {"\x00\x00\x40\x00\x00\x00\x40\x00", "at least 260111"},
                                           {"\x00\x00\x01\x80\x00\x00\x01\x00", "at least 95"}};
    struct rt_image image;
    for (int k = 0; k < 3; k++) {
        memcpy(bytes + 16, sizes[k][0], 8);
        uint32_t sum = (uint32_t)crc32(0, (const Bytef *)bytes + 12, 17);
        for (int i = 0; i < 4; i++)
            bytes[29 + i] = (char)(sum >> (24 - 8 * i));
        assert_ok(rt_file_write(path, bytes, size));
        assert_fails(rt_image_read(&image, path), RT_ERROR_FORMAT, sizes[k][1]);
    }
    free(bytes);
    write_test_jpeg(path, 2, 2, 1, samples);
    assert_ok(rt_file_read(path, 1000, &bytes, &size));
    char *frame = memmem(bytes, size, "\xff\xc0", 2);
    assert_non_null(frame);
    memcpy(frame + 5, "\x40\x00\x40\x00", 4);
    assert_ok(rt_file_write(path, bytes, size));
    assert_fails(rt_image_read(&image, path), RT_ERROR_FORMAT, "at least 524288");
    free(bytes);
    free(path);
}

/* One bit a pixel, deflated as far as can be: what the file promises is there. */
static void uniform_images_are_read(void **state)
{
    (void)state;
    const int side = 4096;
    char *path = test_path(folder, "uniform.png"), *bytes;
    size_t size;
    uint8_t *samples = calloc((size_t)side, (size_t)side);
    struct rt_image image;
    write_test_png(path,
                   &(struct test_png){side, side, PNG_COLOR_TYPE_GRAY, 1, 0, samples, NULL, 0});
    assert_ok(rt_file_read(path, 1 << 20, &bytes, &size));
    assert_true(size < 2600); /* of 2 MiB */
    assert_ok(rt_image_read(&image, path));
    rt_image_finish(&image);
    free(bytes);
    free(samples);
    free(path);
}

/* Every scan passes over all pixels: a small file with thousands of them would take minutes. */
static void jpegs_of_many_scans_are_refused(void **state)
{
    (void)state;
    char *path = test_path(folder, "scans.jpg");
    struct rt_image image;
    write_scans_jpeg(path, 60);
    assert_ok(rt_image_read(&image, path));
    rt_image_finish(&image);
    write_scans_jpeg(path, 120);
    assert_fails(rt_image_read(&image, path), RT_ERROR_FORMAT, "more than 100 scans");
    free(path);
}

static void masks_become_labels(void **state)
{
    (void)state;
    const struct rt_palette *palette = rt_palette_builtin("dubai");
    assert_non_null(palette);
    assert_null(rt_palette_builtin("nothing"));
    uint8_t colours[16 * 3] = {0}, rgb[16 * 3], samples[16];
    for (int i = 0; i < 6; i++) /* the other way round: an index is not a class */
        memcpy(colours + 3 * i, palette->classes[5 - i].rgb, 3);
    char *path = test_path(folder, "mask.png");
    struct rt_image mask, labels;
    for (int depth = 1; depth <= 8; depth *= 2) {
        int count = depth < 4 ? 1 << depth : 16;
        for (int i = 0; i < 16; i++)
            samples[i] = (uint8_t)(i % count);
        write_test_png(path, &(struct test_png){8, 2, PNG_COLOR_TYPE_PALETTE, depth, 0, samples,
                                                colours, count});
        struct rt_image_header header;
        assert_ok(rt_image_read_header(&header, path, RT_IMAGE_MASK));
        char kind[32];
        snprintf(kind, sizeof kind, "palette %d-bit", depth);
        assert_string_equal(header.kind, kind);
        assert_ok(rt_mask_read(&mask, path));
        assert_ok(rt_mask_label(&mask, palette, &labels));
        for (int i = 0; i < 16; i++)
            assert_int_equal(labels.pixels[i], samples[i] < 6 ? 5 - samples[i] : RT_LABEL_IGNORE);
        rt_image_finish(&mask);
        rt_image_finish(&labels);

        write_test_png(path,
                       &(struct test_png){8, 2, PNG_COLOR_TYPE_GRAY, depth, 0, samples, NULL, 0});
        assert_ok(rt_mask_read(&mask, path));
        assert_int_equal(mask.channels, 1);
        assert_ok(rt_mask_label(&mask, palette, &labels));
        for (int i = 0; i < 16; i++)
            assert_int_equal(labels.pixels[i], samples[i] < 6 ? samples[i] : RT_LABEL_IGNORE);
        rt_image_finish(&mask);
        rt_image_finish(&labels);
    }
    for (int i = 0; i < 16; i++)
        memcpy(rgb + 3 * i, i < 6 ? palette->classes[i].rgb : (const uint8_t *)"\x01\x02\x03", 3);
    write_test_png(path, &(struct test_png){4, 4, PNG_COLOR_TYPE_RGB, 8, 0, rgb, NULL, 0});
    assert_ok(rt_mask_read(&mask, path));
    assert_ok(rt_mask_label(&mask, palette, &labels));
    for (int i = 0; i < 16; i++)
        assert_int_equal(labels.pixels[i], i < 6 ? i : RT_LABEL_IGNORE);
    uint8_t painted[16 * 3];
    rt_palette_colorize(palette, labels.pixels, 16, painted);
    assert_memory_equal(painted, rgb, 18);
    assert_memory_equal(painted + 18, "\0\0\0", 3);
    rt_image_finish(&mask);
    rt_image_finish(&labels);
    free(path);
}

static void palettes_are_read(void **state)
{
    (void)state;
    char *path = test_path(folder, "two colours.json");
    struct rt_palette palette;
    write_text(path, "{\"classes\": [{\"title\": \"Sea\", \"color\": \"#0102fF\"},"
                     " {\"name\": \"Unlabeled\", \"color\": \"#9b9b9b\"}]}");
    assert_ok(rt_palette_read(&palette, path));
    assert_string_equal(palette.name, "two colours");
    assert_int_equal(palette.count, 2);
    assert_string_equal(palette.classes[0].name, "Sea");
    assert_memory_equal(palette.classes[0].rgb, "\x01\x02\xff", 3);
    assert_int_equal(palette.unlabeled, 1);
    write_text(path, "{\"name\": \"p\", \"unlabeled\": \"A\", \"classes\": ["
                     "{\"name\": \"A\", \"color\": \"#000000\"},"
                     "{\"name\": \"B\", \"color\": \"#000001\"}]}");
    assert_ok(rt_palette_read(&palette, path));
    assert_string_equal(palette.name, "p");
    assert_int_equal(palette.unlabeled, 0);
    const char *classes = "\"classes\": [{\"name\": \"A\", \"color\": \"#000000\"}]}";
    char text[256], sixty_two[63] = "";
    memset(sixty_two, 'a', 62);
    snprintf(text, sizeof text, "{\"name\": \"%sü\", %s", sixty_two, classes);
    write_text(path, text);
    assert_ok(rt_palette_read(&palette, path));
    assert_string_equal(palette.name, sixty_two); /* not half of the last letter */
    free(path);
    path = test_path(folder, "\xfc.json");
    snprintf(text, sizeof text, "{%s", classes);
    write_text(path, text);
    assert_ok(rt_palette_read(&palette, path));
    assert_string_equal(palette.name, "palette");
    free(path);
}

static void bad_palettes_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text, *message;
    } files[] = {
        {"{\"classes\": [", "palette.json: line 1"},
        {"[]", "0 \"classes\""},
        {"{\"classes\": {}}", "0 \"classes\""},
        {"{\"classes\": []}", "0 \"classes\""},
        {"{\"classes\": [3]}", "class 1 needs a \"name\""},
        {"{\"classes\": [{\"name\": \"A\"}]}", "missing"},
        {"{\"classes\": [{\"name\": \"A\", \"color\": \"red\"}]}", "red"},
        {"{\"classes\": [{\"name\": \"A\", \"color\": \"#00000g\"}]}", "#00000g"},
        {"{\"classes\": [{\"name\": \"A\", \"color\": \"#000000\"},"
         "{\"name\": \"B\", \"color\": \"#000000\"}]}",
         "A and B have the same colour"},
        {"{\"classes\": [{\"name\": \"A\", \"color\": \"#000000\"},"
         "{\"name\": \"A\", \"color\": \"#000001\"}]}",
         "two classes are called A"},
        {"{\"unlabeled\": \"C\", \"classes\": [{\"name\": \"A\", \"color\": \"#000000\"}]}",
         "names C"},
    };
    char *path = test_path(folder, "palette.json");
    struct rt_palette palette;
    for (size_t i = 0; i < RT_COUNT(files); i++) {
        write_text(path, files[i].text);
        assert_fails(rt_palette_read(&palette, path), RT_ERROR_FORMAT, files[i].message);
        assert_non_null(strstr(rt_error_message(), "palette.json"));
    }
    char many[4096] = "{\"classes\": [";
    for (int i = 0; i <= RT_CLASSES_MAX; i++)
        snprintf(many + strlen(many), sizeof many - strlen(many),
                 "%s{\"name\": \"%d\", \"color\": \"#0000%02x\"}", i ? "," : "", i, (unsigned)i);
    snprintf(many + strlen(many), sizeof many - strlen(many), "]}");
    write_text(path, many);
    assert_fails(rt_palette_read(&palette, path), RT_ERROR_FORMAT, "33 \"classes\"");
    assert_fails(rt_palette_read(&palette, "/nowhere.json"), RT_ERROR_IO, "/nowhere.json");
    free(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(png_of_rgb_comes_back),
        cmocka_unit_test(png_cannot_be_written),
        cmocka_unit_test(png_kinds_become_rgb),
        cmocka_unit_test(jpeg_is_read),
        cmocka_unit_test(truncated_files_fail),
        cmocka_unit_test(damaged_files_do_not_crash),
        cmocka_unit_test(other_files_are_refused),
        cmocka_unit_test(huge_headers_are_refused),
        cmocka_unit_test(uniform_images_are_read),
        cmocka_unit_test(jpegs_of_many_scans_are_refused),
        cmocka_unit_test(masks_become_labels),
        cmocka_unit_test(palettes_are_read),
        cmocka_unit_test(bad_palettes_are_refused),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
