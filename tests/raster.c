/* Rasters as data: views, windows, masks, and rasters too large to be decoded as a whole. What
 * GDAL's tools see of what is written is tested in gis.py. */
#include "test.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "data/raster.h"
#include "data_files.h"

#define WIDTH 41
#define HEIGHT 42
#define ZOOM 100 /* of the large raster, which is those pixels enlarged */

static const struct rt_palette palette = {
    .name = "three",
    .count = 3,
    .classes = {{"sea", {1, 2, 250}},
                {"O'Hara's \"land\"", {200, 100, 3}},
                {"ice", {255, 254, 253}}},
    .unlabeled = -1,
};

static char folder[64];

static int set_up(void **state)
{
    (void)state;
    make_test_folder(folder);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    remove_test_folder(folder);
    return 0;
}

static uint8_t label_at(int x, int y)
{
    return x == 7 && y > 3 ? RT_LABEL_IGNORE : (uint8_t)((x / 5 + y / 3) % 3);
}

/* In sixteenths, so that a range of 0 to 255 / 16 gives whole numbers. */
static float value_at(int band, int x, int y)
{
    return x == 9 && y == 9 ? NAN : (float)((x * 3 + y * 5 + band * 40) % 256) / 16;
}

static uint8_t sample_at(int band, int x, int y)
{
    const float value = value_at(band, x, y);
    return isnan(value) ? 0 : (uint8_t)(16 * value);
}

static char *write_labels(const char *name, bool lacks)
{
    char *path = test_path(folder, name);
    struct rt_raster_output *output;
    const struct rt_raster_output_options options = {
        .path = path, .width = WIDTH, .height = HEIGHT, .palette = &palette, .lacks = lacks};
    assert_ok(rt_raster_create(&output, &options));
    for (int y = 0; y < HEIGHT; y++) {
        uint8_t row[WIDTH];
        for (int x = 0; x < WIDTH; x++)
            row[x] = label_at(x, y);
        assert_ok(rt_raster_write_labels(output, row));
    }
    assert_ok(rt_raster_complete(output));
    assert_ok(rt_raster_commit(output));
    rt_raster_destroy(output);
    return path;
}

/* A raster of three bands of floats. */
static char *write_floats(const char *name)
{
    char *path = test_path(folder, name);
    struct rt_raster_output *output;
    const struct rt_raster_output_options options = {.path = path,
                                                     .width = WIDTH,
                                                     .height = HEIGHT,
                                                     .palette = &palette,
                                                     .probabilities = true,
                                                     .lacks = true};
    assert_ok(rt_raster_create(&output, &options));
    for (int y = 0; y < HEIGHT; y++) {
        float row[3][WIDTH];
        for (int x = 0; x < 3 * WIDTH; x++)
            row[x / WIDTH][x % WIDTH] = value_at(x / WIDTH, x % WIDTH, y);
        assert_ok(rt_raster_write_probabilities(output, row[0]));
    }
    assert_ok(rt_raster_complete(output));
    assert_ok(rt_raster_commit(output));
    rt_raster_destroy(output);
    return path;
}

static struct rt_raster_view sixteenths(void)
{
    struct rt_raster_view view = {0};
    assert_ok(rt_raster_view_parse(&view, NULL, "0,15.9375"));
    return view;
}

static void views_are_parsed(void **state)
{
    (void)state;
    static const char *const bad_bands[] = {"",      "1",       "1,2",    "1,2,3,4", "0,1,2",
                                            "1,2,x", "1.5,2,3", "1,2,3,", "1,,2,3",  "nan,1,2"};
    static const char *const bad_ranges[] = {
        "",        "1",     "2,1",         "1,1",  "0,1,2",
        "0,1,2,3", "0,inf", "0,1,0,1,1,0", "0x,1", "0,1,0,1,0,1,0,1"};
    struct rt_raster_view view = {0}, known = {.bands = {7, 8, 9}};
    for (size_t i = 0; i < sizeof bad_bands / sizeof *bad_bands; i++)
        assert_fails(rt_raster_view_parse(&view, bad_bands[i], NULL), RT_ERROR_ARGUMENT, "--bands");
    for (size_t i = 0; i < sizeof bad_ranges / sizeof *bad_ranges; i++)
        assert_fails(rt_raster_view_parse(&view, NULL, bad_ranges[i]), RT_ERROR_ARGUMENT,
                     "--range");
    view = (struct rt_raster_view){0};
    assert_ok(rt_raster_view_parse(&view, "4,3,2", "-1,1,-2,2,.5,1e3"));
    assert_int_equal(view.bands[0] * 100 + view.bands[1] * 10 + view.bands[2], 432);
    assert_true(view.ranged && view.low[1] == -2 && view.high[2] == 1000);
    struct rt_raster_view chosen = rt_raster_view_choose(&(struct rt_raster_view){0}, &known);
    assert_int_equal(chosen.bands[2], 9);
    assert_false(chosen.ranged);
    known.ranged = true;
    chosen = rt_raster_view_choose(&view, &known);
    assert_true(chosen.bands[2] == 2 && chosen.low[0] == -1);
}

static void without_gdal_it_is_missing(void **state)
{
    (void)state;
    struct rt_raster *raster;
    struct rt_raster_output *output;
    const struct rt_raster_output_options options = {.path = "x.tif", .palette = &palette};
    assert_fails(rt_raster_open(&raster, "x.tif"), RT_ERROR_UNSUPPORTED, "built without GDAL");
    assert_fails(rt_raster_create(&output, &options), RT_ERROR_UNSUPPORTED, "built without GDAL");
    rt_raster_destroy(output);
    rt_raster_close(raster);
}

static void windows_are_read(void **state)
{
    (void)state;
    char *path = write_floats("floats.tif");
    struct rt_raster *raster;
    struct rt_raster_view view = sixteenths();
    uint8_t rgb[WIDTH * HEIGHT * 3], valid[WIDTH * HEIGHT];
    assert_ok(rt_raster_open(&raster, path));
    assert_string_equal(rt_raster_describe(raster)->type, "Float32");
    assert_fails(rt_raster_read(raster, 0, 0, 1, 1, rgb, NULL), RT_ERROR_ARGUMENT, "no range");
    memcpy(view.bands, (int[3]){3, 1, 2}, sizeof view.bands);
    assert_ok(rt_raster_look(raster, &view));
    static const int windows[][4] = {{0, 0, WIDTH, HEIGHT}, {5, 8, 7, 3}, {40, 41, 1, 1}};
    for (size_t i = 0; i < 3; i++) {
        const int *w = windows[i];
        assert_ok(rt_raster_read(raster, w[0], w[1], w[2], w[3], rgb, i == 1 ? NULL : valid));
        for (int p = 0; p < w[2] * w[3]; p++) {
            const int x = w[0] + p % w[2], y = w[1] + p / w[2];
            for (int c = 0; c < 3; c++)
                assert_int_equal(rgb[3 * p + c], sample_at(view.bands[c] - 1, x, y));
            assert_int_equal(i == 1 || valid[p], i == 1 || !(x == 9 && y == 9));
        }
    }
    static const int beyond[][4] = {
        {-1, 0, 2, 2}, {0, 0, WIDTH + 1, 1}, {40, 0, 2, 1}, {0, 0, 0, 1}};
    for (size_t i = 0; i < 4; i++)
        assert_fails(rt_raster_read(raster, beyond[i][0], beyond[i][1], beyond[i][2], beyond[i][3],
                                    rgb, NULL),
                     RT_ERROR_ARGUMENT, "41 x 42");
    rt_raster_close(raster);
    rt_raster_close(NULL);
    free(path);
}

static void what_is_no_raster(void **state)
{
    (void)state;
    struct rt_raster *raster;
    char *path = test_path(folder, "text.tif");
    write_text(path, "no raster");
    assert_fails(rt_raster_open(&raster, path), RT_ERROR_FORMAT, "nor a raster");
    assert_null(raster);
    assert_fails(rt_raster_open(&raster, folder), RT_ERROR_IO, "not a regular file");
    assert_fails(rt_raster_open(&raster, "/nowhere.tif"), RT_ERROR_IO, "/nowhere.tif");
    /* 211 bytes that tell of 29441 bands */
    char *bands = test_path(getenv("RETORT_CL_SOURCES"), "../tests/fuzz/corpus/raster/found-bands");
    assert_fails(rt_raster_open(&raster, bands), RT_ERROR_FORMAT, "cannot hold");
    free(bands);
    assert_fails(rt_raster_open(&raster, "/vsicurl/http://127.0.0.1:1/a.tif"), RT_ERROR_IO,
                 "cannot read");
    free(path);
    path = write_floats("cut.tif");
    const struct rt_raster_view view = sixteenths();
    for (long keep = 0; keep < 700; keep += 53) { /* with and without its directory */
        uint8_t rgb[WIDTH * HEIGHT * 3];
        truncate_file(path, keep);
        rt_status status = rt_raster_open(&raster, path);
        if (status == RT_OK)
            status = rt_raster_look(raster, &view);
        if (status == RT_OK)
            status = rt_raster_read(raster, 0, 0, WIDTH, HEIGHT, rgb, NULL);
        assert_true(status < 0);
        assert_non_null(strstr(rt_error_message(), "cut.tif"));
        rt_raster_close(raster);
        free(path);
        path = write_floats("cut.tif");
    }
    free(path);
}

/* A raster without a committed file leaves nothing. */
static void outputs_appear_whole(void **state)
{
    (void)state;
    char *path = test_path(folder, "whole.tif");
    struct rt_raster_output *output;
    struct rt_raster_output_options options = {
        .path = path, .width = 3, .height = 2, .palette = &palette};
    assert_ok(rt_raster_create(&output, &options));
    assert_ok(rt_raster_write_labels(output, (uint8_t[3]){0, 1, 2}));
    assert_fails(rt_raster_complete(output), RT_ERROR_ARGUMENT, "1 of its 2 rows");
    rt_raster_destroy(output);
    assert_false(rt_path_exists(path));
    assert_int_equal(rmdir(folder), 0); /* empty */
    assert_ok(rt_folder_create(folder));
    options.path = "/nowhere/labels.tif";
    assert_fails(rt_raster_create(&output, &options), RT_ERROR_IO, "/nowhere/labels.tif");
    rt_raster_destroy(NULL);
    free(path);
}

static void masks_may_be_rasters(void **state)
{
    (void)state;
    struct rt_image mask, labels;
    char *path = write_labels("labels.tif", true);
    assert_ok(rt_mask_read(&mask, path));
    assert_int_equal(mask.channels, 3); /* it has a colour table */
    assert_ok(rt_mask_label(&mask, &palette, &labels));
    for (int i = 0; i < WIDTH * HEIGHT; i++)
        assert_int_equal(labels.pixels[i], label_at(i % WIDTH, i / WIDTH));
    rt_image_finish(&mask);
    rt_image_finish(&labels);
    free(path);
    path = write_floats("floats.tif");
    assert_fails(rt_mask_read(&mask, path), RT_ERROR_FORMAT, "8 bits a sample");
    free(path);
}

/* A VRT of the small raster with every pixel as a square. */
static void write_large(const char *name, const char *source, int bands, const char *type)
{
    char *path = test_path(folder, name), text[4096];
    int length = snprintf(text, sizeof text, "<VRTDataset rasterXSize='%d' rasterYSize='%d'>",
                          WIDTH * ZOOM, HEIGHT * ZOOM);
    for (int b = 1; b <= bands; b++)
        length += snprintf(
            text + length, sizeof text - (size_t)length,
            "<VRTRasterBand dataType='%s' band='%d'>%s<SimpleSource><SourceFilename>%s"
            "</SourceFilename><SourceBand>%d</SourceBand><SrcRect xOff='0' yOff='0' xSize='%d' "
            "ySize='%d'/><DstRect xOff='0' yOff='0' xSize='%d' ySize='%d'/></SimpleSource>"
            "</VRTRasterBand>",
            type, b, bands == 1 ? "<NoDataValue>255</NoDataValue>" : "", source, b, WIDTH, HEIGHT,
            WIDTH * ZOOM, HEIGHT * ZOOM);
    snprintf(text + length, sizeof text - (size_t)length, "</VRTDataset>");
    write_text(path, text);
    free(path);
}

static struct rt_dataset *open_large(void)
{
    struct rt_dataset *dataset;
    char *labels = write_labels("labels.tif", false), *floats = write_floats("floats.tif");
    write_large("images/scene.vrt", floats, 3, "Float32");
    write_large("masks/scene.vrt", labels, 1, "Byte");
    assert_ok(rt_dataset_open(
        &dataset, &(struct rt_dataset_options){.source = folder, .view = sixteenths()}));
    assert_int_equal(rt_dataset_count(dataset), 1);
    assert_true(rt_dataset_item(dataset, 0)->windowed);
    free(labels);
    free(floats);
    return dataset;
}

static uint8_t large_label_at(int x, int y)
{
    x /= ZOOM;
    y /= ZOOM;
    return x == 9 && y == 9 ? RT_LABEL_IGNORE : label_at(x, y);
}

static void expect_patch(const struct rt_patch *patch, int size, const float *image,
                         const uint8_t *labels)
{
    for (int i = 0; i < size * size; i += 31) {
        const int x = patch->x + i % size, y = patch->y + i / size;
        assert_int_equal(labels[i], large_label_at(x, y));
        for (int c = 0; c < 3; c++)
            assert_int_equal(image[c * size * size + i], sample_at(c, x / ZOOM, y / ZOOM));
    }
}

static void large_rasters_come_in_parts(void **state)
{
    (void)state;
    const int size = 820;
    struct rt_dataset *dataset = open_large();
    struct rt_patch_list train, held_out;
    assert_ok(rt_dataset_patches(dataset, size, RT_SPLIT_PATCH, 0, 1, &train, &held_out));
    assert_int_equal(train.count, 25);
    struct rt_loader *loader;
    struct rt_batch batch;
    const struct rt_loader_options options = {
        .dataset = dataset,
        .patches = &train,
        .size = size,
        .batch = 5,
        .scaling = {RT_SCALING_DATA, {0}, {1, 1, 1}},
        .shuffle = true,
    };
    assert_ok(rt_loader_create(&loader, &options));
    assert_ok(rt_loader_start(loader, 0));
    int seen = 0;
    for (;;) {
        assert_ok(rt_loader_next(loader, &batch));
        if (batch.count == 0)
            break;
        for (int i = 0; i < batch.count; i++, seen++)
            expect_patch(&batch.patches[i], size, batch.images + (size_t)i * 3 * size * size,
                         batch.labels + (size_t)i * size * size);
    }
    assert_int_equal(seen, 25);
    rt_loader_destroy(loader);
    free(train.patches);
    free(held_out.patches);
    rt_dataset_close(dataset);
}

static void large_rasters_are_measured_and_surveyed(void **state)
{
    (void)state;
    struct rt_dataset *dataset = open_large();
    struct rt_dataset_survey survey;
    uint64_t counts[256] = {0};
    for (int y = 0; y < HEIGHT * ZOOM; y += ZOOM)
        for (int x = 0; x < WIDTH * ZOOM; x += ZOOM)
            counts[large_label_at(x, y)] += ZOOM * ZOOM;
    assert_ok(rt_dataset_survey(dataset, &survey));
    assert_int_equal(survey.images, 1);
    assert_int_equal(survey.pixels, WIDTH * HEIGHT * ZOOM * ZOOM);
    for (int c = 0; c < 3; c++)
        assert_int_equal(survey.class_pixels[c], counts[c]);
    assert_int_equal(survey.ignored_pixels, counts[RT_LABEL_IGNORE]);
    assert_int_equal(survey.images_with_ignored, 1);
    rt_dataset_survey_finish(&survey);

    struct rt_patch patch = {.x = 0, .y = 0};
    struct rt_scaling scaling;
    const struct rt_patch_list list = {1, &patch};
    assert_ok(rt_scaling_measure(dataset, &list, ZOOM, &scaling));
    for (int c = 0; c < 3; c++) /* one square of the enlarged pixels */
        assert_true(scaling.mean[c] == sample_at(c, 0, 0));
    rt_dataset_close(dataset);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(views_are_parsed),
        cmocka_unit_test_setup_teardown(windows_are_read, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_no_raster, set_up, tear_down),
        cmocka_unit_test_setup_teardown(outputs_appear_whole, set_up, tear_down),
        cmocka_unit_test_setup_teardown(masks_may_be_rasters, set_up, tear_down),
        cmocka_unit_test_setup_teardown(large_rasters_come_in_parts, set_up, tear_down),
        cmocka_unit_test_setup_teardown(large_rasters_are_measured_and_surveyed, set_up, tear_down),
    };
    const struct CMUnitTest without[] = {
        cmocka_unit_test(views_are_parsed),
        cmocka_unit_test(without_gdal_it_is_missing),
    };
    if (rt_raster_available())
        return cmocka_run_group_tests(tests, NULL, NULL);
    const char *ci = getenv("CI");
    printf("not tested: this retort was built without GDAL\n");
    return cmocka_run_group_tests(without, NULL, NULL) || (ci && strcmp(ci, "true") == 0);
}
