/* The synthetic data set. */
#include "test.h"

#include <string.h>

#include <zlib.h>

#include "data/synth.h"
#include "retort/data.h"

static uint32_t sum_of(const struct rt_image *image)
{
    size_t size = (size_t)image->width * (size_t)image->height * (size_t)image->channels;
    return (uint32_t)crc32(0, image->pixels, (uInt)size);
}

/* The same bits on every machine and with every compiler; change the sums only with the drawing. */
static void scenes_are_the_same_everywhere(void **state)
{
    (void)state;
    struct rt_image image, labels;
    assert_ok(rt_synth_draw(1, 0, 512, 512, &image, &labels));
    assert_int_equal(sum_of(&image), 0xe6d6ef42);
    assert_int_equal(sum_of(&labels), 0x5a705d2c);
    rt_image_finish(&image);
    rt_image_finish(&labels);
}

static void scenes_differ_by_seed_and_index(void **state)
{
    (void)state;
    uint32_t sums[3];
    for (int i = 0; i < 3; i++) {
        struct rt_image image, labels;
        assert_ok(rt_synth_draw(i == 1 ? 2 : 1, i == 2, 64, 64, &image, &labels));
        sums[i] = sum_of(&image);
        rt_image_finish(&image);
        rt_image_finish(&labels);
    }
    assert_true(sums[0] != sums[1] && sums[0] != sums[2] && sums[1] != sums[2]);
}

static void scenes_have_any_size(void **state)
{
    (void)state;
    static const int sizes[][2] = {{1, 1}, {1, 300}, {300, 1}, {257, 63}, {700, 900}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (uint32_t index = 0; index < 4; index++) {
            struct rt_image image, labels;
            assert_ok(rt_synth_draw(5, index, sizes[i][0], sizes[i][1], &image, &labels));
            assert_int_equal(image.width, sizes[i][0]);
            assert_int_equal(labels.height, sizes[i][1]);
            for (int p = 0; p < sizes[i][0] * sizes[i][1]; p++)
                assert_true(labels.pixels[p] < 6);
            rt_image_finish(&image);
            rt_image_finish(&labels);
        }
}

/* Every class is there, in about the shares of a real town by the sea. */
static void the_set_has_plausible_shares(void **state)
{
    (void)state;
    struct rt_dataset *dataset;
    struct rt_dataset_survey survey;
    assert_ok(rt_dataset_open(&dataset, &(struct rt_dataset_options){.source = "synth"}));
    assert_int_equal(rt_dataset_count(dataset), 24);
    assert_string_equal(rt_dataset_palette(dataset)->name, "synth");
    assert_string_equal(rt_dataset_item(dataset, 3)->image_path, "synth-003");
    assert_ok(rt_dataset_survey(dataset, &survey));
    assert_int_equal(survey.images, 24);
    assert_int_equal(survey.pixels, 24 * 512 * 512);
    assert_int_equal(survey.ignored_pixels, 0);
    static const int lowest[6] = {80, 450, 80, 70, 80, 2},
                     highest[6] = {180, 600, 130, 150, 180, 10};
    for (int c = 0; c < 6; c++) {
        int permille = (int)(survey.class_pixels[c] * 1000 / survey.pixels);
        assert_in_range(permille, lowest[c], highest[c]);
    }
    rt_dataset_survey_finish(&survey);
    rt_dataset_close(dataset);
}

static void sources_are_understood(void **state)
{
    (void)state;
    struct rt_dataset *dataset, *other;
    struct rt_image image, again, labels;
    assert_ok(rt_dataset_open(&dataset, &(struct rt_dataset_options){.source = "synth:3"}));
    assert_int_equal(rt_dataset_count(dataset), 3);
    assert_ok(rt_dataset_open(&other, &(struct rt_dataset_options){.source = "synth:2,1"}));
    assert_ok(rt_dataset_load(dataset, 1, &image, NULL));
    assert_ok(rt_dataset_load(other, 1, &again, &labels));
    assert_int_equal(sum_of(&image), sum_of(&again));
    assert_int_equal(labels.channels, 1);
    rt_image_finish(&again);
    rt_image_finish(&labels);
    rt_dataset_close(other);
    assert_ok(rt_dataset_open(
        &other, &(struct rt_dataset_options){.source = "synth:2,77", .images_only = true}));
    assert_ok(rt_dataset_load(other, 1, &again, &labels));
    assert_true(sum_of(&image) != sum_of(&again));
    assert_null(labels.pixels);
    rt_image_finish(&image);
    rt_image_finish(&again);
    rt_dataset_close(other);
    rt_dataset_close(dataset);
    static const char *const bad[] = {"synth:",
                                      "synth:0",
                                      "synth:x",
                                      "synth:3,",
                                      "synth:3,x",
                                      "synth:-1",
                                      "synth:3x",
                                      "synth:3,1,1",
                                      "synth: 3",
                                      "synth:3,-1",
                                      "synth:99999999999999999999"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_fails(rt_dataset_open(&dataset, &(struct rt_dataset_options){.source = bad[i]}),
                     RT_ERROR_ARGUMENT, bad[i]);
        assert_null(dataset);
    }
    assert_fails(
        rt_dataset_open(&dataset, &(struct rt_dataset_options){.source = "synth", .palette = "p"}),
        RT_ERROR_ARGUMENT, "has its own");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scenes_are_the_same_everywhere),
        cmocka_unit_test(scenes_differ_by_seed_and_index),
        cmocka_unit_test(scenes_have_any_size),
        cmocka_unit_test(the_set_has_plausible_shares),
        cmocka_unit_test(sources_are_understood),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
