/* Data sets of files: pairs, palettes, problems, surveys, patches and scaling. */
#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <png.h>

#include "base/memory.h"
#include "data_files.h"
#include "retort/data.h"

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

static char folder[64];
static struct rt_dataset *dataset;

static int setup(void **state)
{
    (void)state;
    make_test_folder(folder);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    rt_dataset_close(dataset);
    dataset = NULL;
    remove_test_folder(folder);
    return 0;
}

static rt_status open_folder(const char *palette)
{
    return rt_dataset_open(&dataset,
                           &(struct rt_dataset_options){.source = folder, .palette = palette});
}

static void put_image(const char *name, int width, int height)
{
    char *path = test_path(folder, name);
    struct rt_image image;
    assert_ok(rt_image_init(&image, width, height, 3));
    for (int i = 0; i < width * height * 3; i++)
        image.pixels[i] = (uint8_t)(i / 3 % width + 50 * (i % 3));
    if (strstr(name, ".png"))
        assert_ok(rt_image_write_png(&image, path));
    else
        write_test_jpeg(path, width, height, 3, image.pixels);
    rt_image_finish(&image);
    free(path);
}

/* An RGB mask whose pixel i has colour i % count of 0xRRGGBB colours. */
static void put_mask(const char *name, int width, int height, const uint32_t *colours, int count)
{
    char *path = test_path(folder, name);
    struct rt_image mask;
    assert_ok(rt_image_init(&mask, width, height, 3));
    for (int i = 0; i < width * height * 3; i++)
        mask.pixels[i] = (uint8_t)(colours[i / 3 % count] >> (16 - 8 * (i % 3)));
    assert_ok(rt_image_write_png(&mask, path));
    rt_image_finish(&mask);
    free(path);
}

/* A grey mask whose pixel i has the value values[i % count]. */
static void put_grey(const char *name, int width, int height, const uint8_t *values, int count,
                     int depth)
{
    char *path = test_path(folder, name);
    uint8_t samples[64 * 64];
    for (int i = 0; i < width * height; i++)
        samples[i] = values[i % count];
    write_test_png(
        path, &(struct test_png){width, height, PNG_COLOR_TYPE_GRAY, depth, 0, samples, NULL, 0});
    free(path);
}

static void put_text(const char *name, const char *text)
{
    char *path = test_path(folder, name);
    write_text(path, text);
    free(path);
}

static const uint32_t dubai[6] = {0x3C1098, 0x8429F6, 0x6EC1E4, 0xFEDD3A, 0xE2A929, 0x9B9B9B};

static bool has_problem(const char *text)
{
    for (size_t i = 0; i < rt_dataset_problems(dataset); i++)
        if (strstr(rt_dataset_problem(dataset, i), text))
            return true;
    return false;
}

static void pairs_are_found_in_byte_order(void **state)
{
    (void)state;
    static const char *const images[] = {"Tile 2/images/b c.PNG", "images/z.jpeg",
                                         "Tile 10/deep/images/a.b.jpg", "Tile 2/images/B.jpg"};
    static const char *const masks[] = {"Tile 2/masks/b c.png", "masks/z.PNG",
                                        "Tile 10/deep/masks/a.b.png", "Tile 2/masks/B.png"};
    for (int i = 0; i < 4; i++) {
        put_image(images[i], 20 + i, 10);
        put_mask(masks[i], 20 + i, 10, dubai, 6);
    }
    put_text("Tile 2/images/._B.jpg", "hidden files are none of ours");
    put_text("Tile 2/images/notes.txt", "nor are others");
    put_image("elsewhere/x.jpg", 5, 5);
    assert_ok(open_folder(NULL));
    assert_int_equal(rt_dataset_problems(dataset), 0);
    assert_int_equal(rt_dataset_count(dataset), 4);
    static const int order[4] = {2, 3, 0, 1}; /* "Tile 10" < "Tile 2", "B" < "b", "T" < "i" */
    for (size_t i = 0; i < 4; i++) {
        const struct rt_dataset_item *item = rt_dataset_item(dataset, i);
        assert_non_null(strstr(item->image_path, images[order[i]]));
        assert_non_null(strstr(item->mask_path, masks[order[i]]));
        assert_int_equal(item->width, 20 + order[i]);
        assert_int_equal(item->height, 10);
        assert_string_equal(item->mask_kind, "rgb 8-bit");
        struct rt_image image, labels;
        assert_ok(rt_dataset_load(dataset, i, &image, &labels));
        for (int p = 0; p < image.width * 10; p++)
            assert_int_equal(labels.pixels[p], p % 6);
        rt_image_finish(&image);
        rt_image_finish(&labels);
    }
    assert_string_equal(rt_dataset_palette(dataset)->name, "dubai");
}

static void what_does_not_fit_is_left_out(void **state)
{
    (void)state;
    put_image("images/good.jpg", 8, 8);
    put_mask("masks/good.png", 8, 8, dubai, 6);
    put_image("images/alone.jpg", 8, 8);
    put_mask("masks/lonely.png", 8, 8, dubai, 6);
    put_image("images/small.jpg", 8, 8);
    put_mask("masks/small.png", 8, 7, dubai, 6);
    put_text("images/text.png", "no picture");
    put_mask("masks/text.png", 8, 8, dubai, 6);
    put_image("images/textmask.jpg", 8, 8);
    put_text("masks/textmask.png", "no picture");
    put_image("images/jpegmask.jpg", 8, 8);
    put_image("masks/jpegmask.jpg", 8, 8);
    assert_ok(open_folder(NULL));
    assert_int_equal(rt_dataset_count(dataset), 1);
    assert_int_equal(rt_dataset_problems(dataset), 6);
    assert_true(has_problem("images/alone.jpg is left out: there is no mask"));
    assert_true(has_problem("masks/lonely.png is left out: there is no image"));
    assert_true(has_problem("small.jpg is left out: it has 8 x 8 pixels, its mask 8 x 7"));
    assert_true(has_problem("images/text.png: it is neither a JPEG nor a PNG"));
    assert_true(has_problem("masks/textmask.png: a mask must be a PNG"));
    assert_true(has_problem("jpegmask.jpg is left out: there is no mask"));
}

static void empty_and_missing_folders_fail(void **state)
{
    (void)state;
    assert_fails(open_folder(NULL), RT_ERROR_FORMAT, "no image with its mask below the folder");
    assert_null(dataset);
    put_image("images/alone.jpg", 8, 8);
    assert_fails(open_folder(NULL), RT_ERROR_FORMAT, "alone.jpg is left out: there is no mask");
    assert_fails(rt_dataset_open(&dataset, &(struct rt_dataset_options){.source = "/nowhere"}),
                 RT_ERROR_IO, "/nowhere");
    assert_fails(rt_dataset_open(&dataset, &(struct rt_dataset_options){.source = ""}), RT_ERROR_IO,
                 "folder");
}

static void links_in_a_circle_end(void **state)
{
    (void)state;
    put_image("a/images/x.jpg", 8, 8);
    put_mask("a/masks/x.png", 8, 8, dubai, 6);
    static const char *const links[][2] = {
        {"..", "a/up"}, {".", "a/same"}, {"../a", "a/images/again"}, {"nothing", "a/broken"}};
    for (size_t i = 0; i < RT_COUNT(links); i++) {
        char *path = test_path(folder, links[i][1]);
        assert_int_equal(symlink(links[i][0], path), 0);
        free(path);
    }
    assert_ok(open_folder(NULL));
    assert_int_equal(rt_dataset_count(dataset), 1);
    assert_true(has_problem("a/broken cannot be read"));
}

static void images_alone(void **state)
{
    (void)state;
    put_image("images/x.jpg", 8, 8);
    put_image("other/y.png", 9, 8);
    put_mask("masks/x.png", 8, 8, dubai, 6);
    assert_ok(rt_dataset_open(&dataset,
                              &(struct rt_dataset_options){.source = folder, .images_only = true}));
    assert_int_equal(rt_dataset_count(dataset), 2);
    assert_int_equal(rt_dataset_palette(dataset)->count, 0);
    assert_null(rt_dataset_item(dataset, 0)->mask_path);
    assert_string_equal(rt_dataset_item(dataset, 1)->mask_kind, "none");
    struct rt_image image, labels;
    assert_ok(rt_dataset_load(dataset, 1, &image, &labels));
    assert_int_equal(image.width, 9);
    assert_null(labels.pixels);
    rt_image_finish(&image);
    struct rt_dataset_survey survey;
    assert_ok(rt_dataset_survey(dataset, &survey));
    assert_int_equal(survey.images, 2);
    assert_int_equal(survey.pixels, 0);
    rt_dataset_survey_finish(&survey);
}

static void data_sets_are_appended(void **state)
{
    (void)state;
    struct rt_dataset *more;
    struct rt_image image, labels;
    put_image("images/x.jpg", 8, 8);
    put_image("other/y.png", 9, 8);
    assert_ok(rt_dataset_open(&dataset, &(struct rt_dataset_options){.source = "synth:2"}));
    assert_ok(rt_dataset_open(&more,
                              &(struct rt_dataset_options){.source = folder, .images_only = true}));
    assert_ok(rt_dataset_append(dataset, more));
    assert_int_equal(rt_dataset_count(dataset), 4);
    assert_int_equal(rt_dataset_item(dataset, 3)->width, 9);
    assert_ok(rt_dataset_load(dataset, 1, &image, &labels));
    assert_int_equal(image.width, 512);
    assert_non_null(labels.pixels);
    rt_image_finish(&image);
    rt_image_finish(&labels);
    assert_ok(rt_dataset_load(dataset, 3, &image, &labels));
    assert_int_equal(image.width, 9);
    assert_null(labels.pixels);
    rt_image_finish(&image);
    assert_fails(rt_dataset_append(dataset, more), RT_ERROR_ARGUMENT, "once");
}

static void palettes_come_from_the_masks(void **state)
{
    (void)state;
    static const uint32_t colours[3] = {0xFF0000, 0x00FF00, 0x000000};
    put_image("images/x.jpg", 8, 8);
    put_mask("masks/x.png", 8, 8, colours, 2);
    for (int i = 0; i < 40; i++) { /* the colour that one mask alone has counts too */
        char name[32];
        snprintf(name, sizeof name, "images/y%02d.png", i);
        put_image(name, 8, 8);
        snprintf(name, sizeof name, "masks/y%02d.png", i);
        put_mask(name, 8, 8, colours, i == 33 ? 3 : 2);
    }
    assert_ok(open_folder(NULL));
    const struct rt_palette *palette = rt_dataset_palette(dataset);
    assert_string_equal(palette->name, "masks");
    assert_int_equal(palette->count, 3);
    assert_int_equal(palette->unlabeled, -1);
    assert_string_equal(palette->classes[0].name, "#000000");
    assert_string_equal(palette->classes[1].name, "#00FF00");
    assert_memory_equal(palette->classes[2].rgb, "\xff\0\0", 3);
}

static void palettes_come_from_grey_masks(void **state)
{
    (void)state;
    static const uint8_t values[4] = {0, 2, 3, 255}, binary[2] = {0, 255}, bits[2] = {1, 0};
    put_image("images/x.jpg", 8, 8);
    put_grey("masks/x.png", 8, 8, values, 4, 8);
    assert_ok(open_folder(NULL));
    const struct rt_palette *palette = rt_dataset_palette(dataset);
    assert_int_equal(palette->count, 4);
    assert_string_equal(palette->classes[3].name, "class 3");
    assert_string_equal(rt_dataset_item(dataset, 0)->mask_kind, "grey 8-bit");
    for (int a = 0; a < 4; a++)
        for (int b = 0; b < a; b++)
            assert_memory_not_equal(palette->classes[a].rgb, palette->classes[b].rgb, 3);
    struct rt_dataset_survey survey;
    assert_ok(rt_dataset_survey(dataset, &survey));
    assert_int_equal(survey.class_pixels[0], 16);
    assert_int_equal(survey.class_pixels[1], 0);
    assert_int_equal(survey.class_pixels[3], 16);
    assert_int_equal(survey.ignored_pixels, 16);
    assert_int_equal(survey.unknown_count, 1);
    assert_memory_equal(survey.unknown[0].rgb, "\xff\xff\xff", 3);
    rt_dataset_survey_finish(&survey);
    rt_dataset_close(dataset);
    put_grey("masks/x.png", 8, 8, bits, 2, 1);
    assert_ok(open_folder(NULL));
    assert_int_equal(rt_dataset_palette(dataset)->count, 2);
    rt_dataset_close(dataset);
    put_grey("masks/x.png", 8, 8, binary, 2, 8);
    assert_fails(open_folder(NULL), RT_ERROR_FORMAT, "the masks hold 1 values");
    static const uint8_t high[2] = {0, 200};
    put_grey("masks/x.png", 8, 8, high, 2, 8);
    assert_fails(open_folder(NULL), RT_ERROR_FORMAT, "the masks hold 201 values");
}

static void too_many_colours_ask_for_a_palette(void **state)
{
    (void)state;
    uint32_t colours[40];
    for (uint32_t i = 0; i < 40; i++)
        colours[i] = i * 0x010203;
    put_image("images/x.jpg", 8, 8);
    put_mask("masks/x.png", 8, 8, colours, 40);
    assert_fails(open_folder(NULL), RT_ERROR_FORMAT, "the masks hold 40 colours");
    assert_non_null(strstr(rt_error_message(), "pass a palette"));
    put_text("two.json", "{\"classes\": [{\"name\": \"A\", \"color\": \"#000000\"},"
                         "{\"name\": \"B\", \"color\": \"#010203\"}]}");
    char *path = test_path(folder, "two.json");
    assert_ok(open_folder(path));
    assert_int_equal(rt_dataset_palette(dataset)->count, 2);
    assert_true(has_problem("two.json covers only 6."));
    put_text("two.json", "{\"classes\": [");
    rt_dataset_close(dataset);
    assert_fails(open_folder(path), RT_ERROR_FORMAT, "two.json: line 1");
    free(path);
}

static void contradicting_classes_are_reported(void **state)
{
    (void)state;
    put_image("images/x.jpg", 8, 8);
    put_mask("masks/x.png", 8, 8, dubai, 6);
    put_text("classes.json", "{\"classes\": [{\"title\": \"Sea\", \"color\": \"#0102FF\"},"
                             " {\"title\": \"Unlabeled\", \"color\": \"#9B9B9B\"}]}");
    put_text("more/classes.json", "not JSON");
    assert_ok(open_folder(NULL));
    assert_int_equal(rt_dataset_problems(dataset), 2);
    assert_true(has_problem("/classes.json names colours that the masks do not use"));
    assert_true(has_problem("more/classes.json: line 1"));
    rt_dataset_close(dataset);
    put_text("classes.json",
             "{\"classes\": [{\"title\": \"a\", \"color\": \"#3C1098\"},"
             "{\"title\": \"b\", \"color\": \"#8429F6\"}, {\"title\": \"c\", \"color\": "
             "\"#6EC1E4\"}, {\"title\": \"d\", \"color\": \"#FEDD3A\"}, {\"title\": \"e\", "
             "\"color\": \"#E2A929\"}, {\"title\": \"f\", \"color\": \"#9B9B9B\"}]}");
    assert_ok(open_folder(NULL));
    assert_int_equal(rt_dataset_problems(dataset), 1);
}

static void surveys_count_what_is_there(void **state)
{
    (void)state;
    uint32_t colours[40];
    for (int i = 0; i < 40; i++)
        colours[i] = dubai[i % 6];
    colours[7] = 0x123456;
    put_image("images/a.png", 40, 10);
    put_mask("masks/a.png", 40, 10, colours, 40);
    put_image("images/b.png", 30, 12);
    put_mask("masks/b.png", 30, 12, dubai, 6);
    put_image("images/cut.png", 30, 12);
    put_mask("masks/cut.png", 30, 12, dubai, 6);
    char *path = test_path(folder, "images/cut.png");
    truncate_file(path, -40);
    free(path);
    assert_ok(open_folder(NULL));
    assert_int_equal(rt_dataset_count(dataset), 3);
    struct rt_dataset_survey survey;
    assert_ok(rt_dataset_survey(dataset, &survey));
    assert_int_equal(survey.images, 2);
    assert_int_equal(survey.pixels, 400 + 360);
    assert_int_equal(survey.class_pixels[1], 60 + 60);
    assert_int_equal(survey.ignored_pixels, 10);
    assert_int_equal(survey.images_with_ignored, 1);
    assert_int_equal(survey.unknown_colours, 1);
    assert_memory_equal(survey.unknown[0].rgb, "\x12\x34\x56", 3);
    assert_int_equal(survey.unknown[0].pixels, 10);
    assert_int_equal(survey.unknown[0].images, 1);
    assert_int_equal(survey.kind_count, 1);
    assert_string_equal(survey.kinds[0].kind, "rgb 8-bit");
    assert_int_equal(survey.kinds[0].images, 2);
    assert_int_equal(survey.min_width, 30);
    assert_int_equal(survey.max_width, 40);
    assert_int_equal(survey.min_height, 10);
    assert_int_equal(survey.max_height, 12);
    assert_int_equal(survey.problem_count, 1);
    assert_non_null(strstr(survey.problems[0], "cut.png"));
    rt_dataset_survey_finish(&survey);
    struct rt_image image, labels;
    assert_fails(rt_dataset_load(dataset, 2, &image, &labels), RT_ERROR_FORMAT, "cut.png");
    assert_null(image.pixels);
    assert_null(labels.pixels);
    put_image("images/b.png", 31, 12);
    assert_fails(rt_dataset_load(dataset, 1, &image, &labels), RT_ERROR_FORMAT, "31 x 12");
}

static void surveys_list_the_most_frequent_unknown_colours(void **state)
{
    (void)state;
    struct rt_image mask;
    assert_ok(rt_image_init(&mask, 60, 60, 3));
    for (int i = 0; i < 60 * 60; i++) {
        int stray = i < 78 ? 1 : 0; /* colour k (1 to 12) of 78 pixels has k of them */
        int k = 1;
        while (stray && k * (k + 1) / 2 <= i)
            k++;
        uint32_t colour = stray ? (uint32_t)k : dubai[i % 6];
        for (int c = 0; c < 3; c++)
            mask.pixels[3 * i + c] = (uint8_t)(colour >> (16 - 8 * c));
    }
    put_image("images/a.png", 60, 60);
    char *path = test_path(folder, "masks/a.png");
    assert_ok(rt_image_write_png(&mask, path));
    rt_image_finish(&mask);
    free(path);
    assert_ok(open_folder(NULL));
    struct rt_dataset_survey survey;
    assert_ok(rt_dataset_survey(dataset, &survey));
    assert_int_equal(survey.ignored_pixels, 78);
    assert_int_equal(survey.unknown_colours, 12);
    assert_int_equal(survey.unknown_count, 8);
    for (int i = 0; i < 8; i++) {
        assert_int_equal(survey.unknown[i].pixels, 12 - i);
        assert_int_equal(survey.unknown[i].rgb[2], 12 - i);
    }
    rt_dataset_survey_finish(&survey);
}

/* --- patches ------------------------------------------------------------------------------ */

static void release(struct rt_patch_list *list)
{
    free(list->patches);
    list->patches = NULL;
}

static void assert_patches(const struct rt_patch_list *list, const struct rt_patch *expected)
{
    for (size_t i = 0; i < list->count; i++) {
        assert_int_equal(list->patches[i].image, expected[i].image);
        assert_int_equal(list->patches[i].x, expected[i].x);
        assert_int_equal(list->patches[i].y, expected[i].y);
        assert_int_equal(list->patches[i].unlabelled, expected[i].unlabelled);
    }
}

static void patches_cover_images_from_the_top_left(void **state)
{
    (void)state;
    put_image("images/a.png", 25, 37);
    put_mask("masks/a.png", 25, 37, dubai, 6);
    put_image("images/b.png", 9, 50);
    put_mask("masks/b.png", 9, 50, dubai, 6);
    put_image("images/c.png", 10, 10);
    put_mask("masks/c.png", 10, 10, dubai, 6);
    assert_ok(open_folder(NULL));
    struct rt_patch_list all, none;
    assert_ok(rt_dataset_patches(dataset, 10, RT_SPLIT_PATCH, 0, 1, &all, &none));
    static const struct rt_patch expected[7] = {
        {.image = 0}, {0, .x = 10},          {0, .y = 10}, {0, .x = 10, .y = 10},
        {0, .y = 20}, {0, .x = 10, .y = 20}, {.image = 2}};
    assert_int_equal(all.count, 7);
    assert_patches(&all, expected);
    assert_int_equal(none.count, 0);
    release(&all);
    release(&none);
    assert_fails(rt_dataset_patches(dataset, 0, RT_SPLIT_PATCH, 0, 1, &all, &none),
                 RT_ERROR_ARGUMENT, "size 0");
    assert_fails(rt_dataset_patches(dataset, 10, RT_SPLIT_PATCH, 1.5, 1, &all, &none),
                 RT_ERROR_ARGUMENT, "1.5");
    assert_fails(rt_dataset_patches(dataset, 10, RT_SPLIT_PATCH, 1, 1, &all, &none),
                 RT_ERROR_ARGUMENT, "0 would be left");
    assert_fails(rt_dataset_patches(dataset, 51, RT_SPLIT_PATCH, 0, 1, &all, &none),
                 RT_ERROR_ARGUMENT, "of 0 patches");
    assert_fails(rt_dataset_patches(dataset, 30, RT_SPLIT_IMAGE, 0.5, 1, &all, &none),
                 RT_ERROR_ARGUMENT, "of 0 patches");
}

static void splits_deal_all_patches(void **state)
{
    (void)state;
    for (int i = 0; i < 10; i++) {
        char name[32];
        snprintf(name, sizeof name, "images/%d.png", i);
        put_image(name, 20, 20);
        snprintf(name, sizeof name, "masks/%d.png", i);
        put_mask(name, 20, 20, dubai, 6);
    }
    assert_ok(open_folder(NULL));
    for (int split = RT_SPLIT_PATCH; split <= RT_SPLIT_IMAGE; split++) {
        struct rt_patch_list train, test, again, test_again, other, test_other;
        assert_ok(rt_dataset_patches(dataset, 5, (enum rt_split)split, 0.2, 3, &train, &test));
        assert_int_equal(train.count, 128);
        assert_int_equal(test.count, 32);
        int seen[10][4][4] = {{{0}}}, images[10] = {0};
        for (size_t i = 0; i < 160; i++) {
            const struct rt_patch *p = i < 128 ? &train.patches[i] : &test.patches[i - 128];
            seen[p->image][p->y / 5][p->x / 5]++;
            images[p->image] |= i < 128 ? 1 : 2;
        }
        for (int i = 0; i < 160; i++)
            assert_int_equal((&seen[0][0][0])[i], 1);
        for (int i = 0; i < 10 && split == RT_SPLIT_IMAGE; i++)
            assert_int_not_equal(images[i], 3);
        assert_ok(
            rt_dataset_patches(dataset, 5, (enum rt_split)split, 0.2, 3, &again, &test_again));
        assert_patches(&test, test_again.patches);
        assert_ok(
            rt_dataset_patches(dataset, 5, (enum rt_split)split, 0.2, 4, &other, &test_other));
        assert_memory_not_equal(test.patches, test_other.patches, 32 * sizeof *test.patches);
        struct rt_patch_list *lists[] = {&train, &test, &again, &test_again, &other, &test_other};
        for (int i = 0; i < 6; i++)
            release(lists[i]);
    }
}

/* 4 images of 4 patches each: a quarter of the labels is one image, or any 4 patches. */
static void labels_are_limited_to_a_share(void **state)
{
    (void)state;
    for (int split = RT_SPLIT_PATCH; split <= RT_SPLIT_IMAGE; split++) {
        struct rt_patch patches[16] = {{.image = 0}}, again[16];
        struct rt_patch_list list = {16, patches}, list_again = {16, again};
        for (int i = 0; i < 16; i++)
            patches[i].image = (uint32_t)i / 4;
        memcpy(again, patches, sizeof patches);
        assert_ok(rt_patches_limit_labels(&list, (enum rt_split)split, 0.25, 5));
        size_t labelled = 0, images = 0;
        for (int image = 0; image < 4; image++) {
            size_t before = labelled;
            for (int i = 4 * image; i < 4 * image + 4; i++)
                labelled += !patches[i].unlabelled;
            images += labelled > before;
        }
        assert_int_equal(labelled, 4);
        assert_int_equal(images == 1, split == RT_SPLIT_IMAGE);
        assert_ok(rt_patches_limit_labels(&list_again, (enum rt_split)split, 0.25, 5));
        assert_patches(&list, again);
        assert_ok(rt_patches_limit_labels(&list, (enum rt_split)split, 1e-6, 5));
        labelled = 0;
        for (int i = 0; i < 16; i++)
            labelled += !patches[i].unlabelled;
        assert_int_equal(labelled, split == RT_SPLIT_IMAGE ? 4 : 1);
        assert_fails(rt_patches_limit_labels(&list, (enum rt_split)split, 0, 5), RT_ERROR_ARGUMENT,
                     "a share of 0");
        assert_fails(rt_patches_limit_labels(&list, (enum rt_split)split, 1.5, 5),
                     RT_ERROR_ARGUMENT, "a share of 1.5");
    }
}

static void scaling_is_that_of_the_patches(void **state)
{
    (void)state;
    put_image("images/a.png", 20, 20); /* pixel x, channel c holds x + 50 c */
    put_mask("masks/a.png", 20, 20, dubai, 6);
    put_image("images/b.png", 20, 20);
    put_mask("masks/b.png", 20, 20, dubai, 6);
    assert_ok(open_folder(NULL));
    struct rt_patch patches[2] = {{.y = 0}, {.image = 1, .x = 10}}; /* x of 0 to 19 */
    struct rt_patch_list list = {2, patches};
    struct rt_scaling scaling;
    assert_ok(rt_scaling_measure(dataset, &list, 10, &scaling));
    float difference = 0;
    for (int c = 0; c < 3; c++) {
        difference += scaling.mean[c] - (9.5f + 50 * (float)c);
        float variance = scaling.deviation[c] * scaling.deviation[c];
        difference += variance > 33.25f ? variance - 33.25f : 33.25f - variance;
    }
    assert_true(difference < 1e-4f && difference > -1e-4f);
    float out[6];
    rt_scaling_apply(&scaling, (const uint8_t[6]){0, 50, 100, 19, 69, 119}, 2, out);
    for (int c = 0; c < 3; c++) {
        float wanted = -9.5f / scaling.deviation[c];
        assert_true(out[2 * c] > wanted - 1e-5f && out[2 * c] < wanted + 1e-5f);
        assert_true(out[2 * c + 1] > -wanted - 1e-5f && out[2 * c + 1] < -wanted + 1e-5f);
    }
    scaling.mode = RT_SCALING_PATCH;
    float scaled[9];
    rt_scaling_apply(&scaling, (const uint8_t[9]){10, 7, 0, 30, 7, 255, 20, 7, 51}, 3, scaled);
    static const float expected[9] = {0, 1, 0.5f, 0, 0, 0, 0, 1, 0.2f};
    assert_memory_equal(scaled, expected, sizeof expected);
}

/* --- real files --------------------------------------------------------------------------- */

static const char *real_data(void)
{
    const char *path = getenv("RETORT_TEST_DATA");
    if (!path || !*path) {
        print_message("no folder of real images (meson option test_data): skipped\n");
        skip();
    }
    return path;
}

static void real_pairs(void **state)
{
    (void)state;
    assert_ok(rt_dataset_open(&dataset, &(struct rt_dataset_options){.source = real_data()}));
    assert_int_equal(rt_dataset_count(dataset), 63);
    assert_string_equal(rt_dataset_palette(dataset)->name, "dubai");
    assert_int_equal(rt_dataset_problems(dataset), 1);
    assert_true(has_problem("/classes.json names colours that the masks do not use"));
    assert_int_equal(rt_dataset_item(dataset, 0)->width, 797);
    assert_non_null(strstr(rt_dataset_item(dataset, 0)->image_path, "image_part_001.jpg"));
    struct rt_patch_list all, none;
    assert_ok(rt_dataset_patches(dataset, 256, RT_SPLIT_PATCH, 0, 1, &all, &none));
    assert_int_equal(all.count, 1161);
    size_t tiles[9] = {0};
    for (size_t i = 0; i < all.count; i++) {
        const char *tile =
            strstr(rt_dataset_item(dataset, all.patches[i].image)->image_path, "Tile ");
        assert_non_null(tile);
        tiles[tile[5] - '0']++;
    }
    static const size_t expected[9] = {0, 54, 18, 36, 108, 0, 81, 504, 360};
    assert_memory_equal(tiles, expected, sizeof expected);
    release(&all);
    release(&none);
    assert_ok(rt_dataset_patches(dataset, 256, RT_SPLIT_IMAGE, 0.2, 1, &all, &none));
    assert_in_range(none.count, 190, 275);
    release(&all);
    release(&none);
}

static void real_survey(void **state)
{
    (void)state;
    assert_ok(rt_dataset_open(&dataset, &(struct rt_dataset_options){.source = real_data()}));
    struct rt_dataset_survey survey;
    assert_ok(rt_dataset_survey(dataset, &survey));
    assert_int_equal(survey.images, 63);
    assert_int_equal(survey.problem_count, 0);
    assert_int_equal(survey.min_width, 509);
    assert_int_equal(survey.max_width, 2149);
    assert_int_equal(survey.min_height, 544);
    assert_int_equal(survey.max_height, 2062);
    assert_int_equal(survey.unknown_colours, 1);
    assert_memory_equal(survey.unknown[0].rgb, "\0\0\0", 3);
    assert_int_equal(survey.unknown[0].images, 8);
    assert_int_equal(survey.unknown[0].pixels, 551650);
    assert_int_equal(survey.ignored_pixels, 551650);
    assert_int_equal(survey.images_with_ignored, 8);
    static const struct {
        const char *kind;
        size_t images;
    } kinds[3] = {{"rgb 8-bit", 45}, {"palette 2-bit", 1}, {"palette 4-bit", 17}};
    assert_int_equal(survey.kind_count, 3);
    for (int i = 0; i < 3; i++) { /* in the order in which they come */
        assert_string_equal(survey.kinds[i].kind, kinds[i].kind);
        assert_int_equal(survey.kinds[i].images, kinds[i].images);
    }
    uint64_t sum = survey.ignored_pixels;
    for (int c = 0; c < 6; c++)
        sum += survey.class_pixels[c];
    assert_int_equal(sum, survey.pixels);
    int land = (int)(survey.class_pixels[1] * 100 / survey.pixels);
    assert_in_range(land, 40, 65);
    rt_dataset_survey_finish(&survey);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(pairs_are_found_in_byte_order),
        CASE(what_does_not_fit_is_left_out),
        CASE(empty_and_missing_folders_fail),
        CASE(links_in_a_circle_end),
        CASE(images_alone),
        CASE(data_sets_are_appended),
        CASE(palettes_come_from_the_masks),
        CASE(palettes_come_from_grey_masks),
        CASE(too_many_colours_ask_for_a_palette),
        CASE(contradicting_classes_are_reported),
        CASE(surveys_count_what_is_there),
        CASE(surveys_list_the_most_frequent_unknown_colours),
        CASE(patches_cover_images_from_the_top_left),
        CASE(splits_deal_all_patches),
        CASE(labels_are_limited_to_a_share),
        CASE(scaling_is_that_of_the_patches),
        CASE(real_pairs),
        CASE(real_survey),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
