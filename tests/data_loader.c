/* The loader, its cache and its augmentation. */
#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "data/augment.h"
#include "data/cache.h"
#include "data_files.h"
#include "retort/data.h"

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#define IMAGES 5
#define SIDE 24 /* pixels of an image */
#define SIZE 8  /* pixels of a patch: 9 an image, 45 in all */
#define PIXELS (SIZE * SIZE)

static char folder[64];
static struct rt_dataset *dataset;
static struct rt_patch_list patches, none;

/* A pixel of class c has 40 c in every channel: 10 % more or less still tells the class. */
static int setup(void **state)
{
    (void)state;
    make_test_folder(folder);
    const struct rt_palette *palette = rt_palette_builtin("dubai");
    for (int i = 0; i < IMAGES; i++) {
        struct rt_image image, mask;
        assert_ok(rt_image_init(&image, SIDE, SIDE, 3));
        assert_ok(rt_image_init(&mask, SIDE, SIDE, 3));
        for (int p = 0; p < SIDE * SIDE; p++) {
            int class = (p * 7 + p / SIDE * (i + 2) + p * p / 5) % 6;
            memset(image.pixels + 3 * p, 40 * class, 3);
            memcpy(mask.pixels + 3 * p, palette->classes[class].rgb, 3);
        }
        char name[32];
        snprintf(name, sizeof name, "images/%d.png", i);
        char *path = test_path(folder, name);
        assert_ok(rt_image_write_png(&image, path));
        free(path);
        snprintf(name, sizeof name, "masks/%d.png", i);
        path = test_path(folder, name);
        assert_ok(rt_image_write_png(&mask, path));
        free(path);
        rt_image_finish(&image);
        rt_image_finish(&mask);
    }
    assert_ok(rt_dataset_open(&dataset, &(struct rt_dataset_options){.source = folder}));
    assert_ok(rt_dataset_patches(dataset, SIZE, RT_SPLIT_PATCH, 0, 1, &patches, &none));
    assert_int_equal(patches.count, 45);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    free(patches.patches);
    free(none.patches);
    rt_dataset_close(dataset);
    remove_test_folder(folder);
    return 0;
}

static struct rt_loader_options options(int batch)
{
    return (struct rt_loader_options){
        .dataset = dataset,
        .patches = &patches,
        .size = SIZE,
        .batch = batch,
        .scaling = {.mode = RT_SCALING_DATA, .deviation = {1, 1, 1}}, /* values as they are */
        .seed = 11,
        .shuffle = true,
        .augment = true,
    };
}

/* An epoch as one block. */
struct epoch {
    size_t count;
    struct rt_patch patches[45];
    float images[45][3][PIXELS];
    uint8_t labels[45][PIXELS];
};

static void read_epoch(struct rt_loader *loader, uint64_t number, struct epoch *epoch)
{
    memset(epoch, 0, sizeof *epoch);
    assert_ok(rt_loader_start(loader, number));
    for (;;) {
        struct rt_batch batch;
        assert_ok(rt_loader_next(loader, &batch));
        if (batch.count == 0)
            return;
        size_t count = (size_t)batch.count;
        assert_true(epoch->count + count <= 45);
        memcpy(epoch->patches + epoch->count, batch.patches, count * sizeof *batch.patches);
        memcpy(epoch->images + epoch->count, batch.images, count * sizeof *epoch->images);
        memcpy(epoch->labels + epoch->count, batch.labels, count * sizeof *epoch->labels);
        epoch->count += count;
    }
}

static void read_whole(const struct rt_loader_options *what, uint64_t number, struct epoch *epoch)
{
    struct rt_loader *loader;
    assert_ok(rt_loader_create(&loader, what));
    read_epoch(loader, number, epoch);
    rt_loader_destroy(loader);
}

static void plain_batches_are_the_patches(void **state)
{
    (void)state;
    static struct epoch epoch;
    struct rt_loader_options plain = options(4);
    plain.shuffle = plain.augment = false;
    read_whole(&plain, 3, &epoch);
    assert_int_equal(epoch.count, 45);
    assert_memory_equal(epoch.patches, patches.patches, sizeof epoch.patches);
    for (size_t i = 0; i < 45; i++) {
        struct rt_image image, labels;
        const struct rt_patch *patch = &patches.patches[i];
        assert_ok(rt_dataset_load(dataset, patch->image, &image, &labels));
        for (int p = 0; p < PIXELS; p++) {
            int at = (patch->y + p / SIZE) * SIDE + patch->x + p % SIZE;
            assert_int_equal(epoch.labels[i][p], labels.pixels[at]);
            for (int c = 0; c < 3; c++)
                assert_int_equal((int)epoch.images[i][c][p], image.pixels[3 * at + c]);
        }
        rt_image_finish(&image);
        rt_image_finish(&labels);
    }
}

static void last_batch_holds_the_rest(void **state)
{
    (void)state;
    struct rt_loader *loader;
    struct rt_batch batch;
    struct rt_loader_options what = options(20);
    assert_ok(rt_loader_create(&loader, &what));
    assert_fails(rt_loader_next(loader, &batch), RT_ERROR_ARGUMENT, "before an epoch is started");
    for (uint64_t epoch = 0; epoch < 3; epoch++) {
        static const int counts[5] = {20, 20, 5, 0, 0};
        assert_ok(rt_loader_start(loader, epoch));
        for (int i = 0; i < 5; i++) {
            assert_ok(rt_loader_next(loader, &batch));
            assert_int_equal(batch.count, counts[i]);
        }
    }
    rt_loader_destroy(loader);
}

static void every_patch_comes_once_in_a_new_order(void **state)
{
    (void)state;
    static struct epoch epochs[2];
    struct rt_loader_options what = options(6);
    for (uint64_t e = 0; e < 2; e++) {
        read_whole(&what, e, &epochs[e]);
        int seen[IMAGES][3][3] = {{{0}}};
        for (size_t i = 0; i < 45; i++) {
            const struct rt_patch *patch = &epochs[e].patches[i];
            assert_int_equal(seen[patch->image][patch->y / SIZE][patch->x / SIZE]++, 0);
        }
    }
    assert_memory_not_equal(epochs[0].patches, epochs[1].patches, sizeof epochs[0].patches);
}

/* What comes depends on seed and epoch, not on the batch size, the cache or what was before. */
static void epochs_are_reproducible(void **state)
{
    (void)state;
    static struct epoch first, again;
    struct rt_loader_options what = options(1);
    read_whole(&what, 2, &first);
    for (int batch = 2; batch < 60; batch = batch * 2 + 1) {
        what.batch = batch;
        what.cache_bytes = batch == 5 ? 1 : 0;
        read_whole(&what, 2, &again);
        assert_memory_equal(&first, &again, sizeof first);
    }
    what.seed++;
    read_whole(&what, 2, &again);
    assert_memory_not_equal(&first, &again, sizeof first);
}

static void epochs_start_anew_at_any_time(void **state)
{
    (void)state;
    static struct epoch first, again;
    struct rt_loader_options what = options(2);
    struct rt_loader *loader;
    struct rt_batch batch;
    read_whole(&what, 5, &first);
    assert_ok(rt_loader_create(&loader, &what));
    for (int read = 0; read < 30; read++) {
        assert_ok(rt_loader_start(loader, 9));
        for (int i = 0; i < read; i++)
            assert_ok(rt_loader_next(loader, &batch));
        read_epoch(loader, 5, &again);
        assert_memory_equal(&first, &again, sizeof first);
    }
    rt_loader_destroy(loader);
}

static void loaders_end_at_any_time(void **state)
{
    (void)state;
    struct rt_loader_options what = options(2);
    rt_loader_destroy(NULL);
    for (int i = 0; i < 200; i++) {
        struct rt_loader *loader;
        struct rt_batch batch;
        assert_ok(rt_loader_create(&loader, &what));
        if (i % 4 > 0)
            assert_ok(rt_loader_start(loader, 0));
        for (int n = 1; n < i % 4; n++)
            assert_ok(rt_loader_next(loader, &batch));
        rt_loader_destroy(loader);
    }
}

/* A mask is turned with its image and keeps its labels, whatever the brightness. */
static void labels_follow_their_image(void **state)
{
    (void)state;
    static struct epoch epoch;
    struct rt_loader_options what = options(7);
    int brighter = 0, darker = 0;
    read_whole(&what, 0, &epoch);
    for (size_t i = 0; i < 45; i++)
        for (int p = 0; p < PIXELS; p++) {
            int value = (int)epoch.images[i][0][p], class = epoch.labels[i][p];
            assert_in_range(value, 36 * class, 44 * class);
            assert_int_equal(value, (int)epoch.images[i][2][p]);
            brighter += value > 40 * class;
            darker += value < 40 * class;
        }
    assert_true(brighter > 500 && darker > 500);
}

static void images_without_masks_are_unknown(void **state)
{
    (void)state;
    static struct epoch epoch;
    struct rt_loader_options what = options(7);
    struct rt_dataset *images;
    assert_ok(rt_dataset_open(&images,
                              &(struct rt_dataset_options){.source = folder, .images_only = true}));
    what.dataset = images;
    read_whole(&what, 0, &epoch);
    for (int p = 0; p < PIXELS; p++)
        assert_int_equal(epoch.labels[44][p], RT_LABEL_UNKNOWN);
    rt_dataset_close(images);
}

static void so_are_patches_marked_unlabelled(void **state)
{
    (void)state;
    static struct epoch epoch;
    struct rt_loader_options what = options(7);
    what.shuffle = false;
    patches.patches[3].unlabelled = true;
    read_whole(&what, 0, &epoch);
    for (int p = 0; p < PIXELS; p++) {
        assert_int_equal(epoch.labels[3][p], RT_LABEL_UNKNOWN);
        assert_in_range(epoch.labels[2][p], 0, 5);
    }
}

/* The thread's message arrives with the caller, until an epoch starts anew. */
static void failures_name_the_file(void **state)
{
    (void)state;
    static struct epoch epoch;
    struct rt_loader_options what = options(9);
    struct rt_loader *loader;
    struct rt_batch batch;
    what.shuffle = false;
    char *path = test_path(folder, "images/2.png"), *bytes;
    size_t size;
    assert_ok(rt_file_read(path, 1 << 20, &bytes, &size));
    truncate_file(path, -20);
    assert_ok(rt_loader_create(&loader, &what));
    assert_ok(rt_loader_start(loader, 0));
    assert_ok(rt_loader_next(loader, &batch));
    assert_ok(rt_loader_next(loader, &batch));
    for (int i = 0; i < 3; i++)
        assert_fails(rt_loader_next(loader, &batch), RT_ERROR_FORMAT, "images/2.png");
    assert_int_equal(batch.count, 0);
    assert_ok(rt_file_write(path, bytes, size));
    read_epoch(loader, 1, &epoch);
    assert_int_equal(epoch.count, 45);
    rt_loader_destroy(loader);
    free(bytes);
    free(path);
}

static void senseless_options_are_refused(void **state)
{
    (void)state;
    struct rt_loader *loader;
    struct rt_loader_options what = options(0);
    assert_fails(rt_loader_create(&loader, &what), RT_ERROR_ARGUMENT, "batches of 0");
    assert_null(loader);
    what = options(1);
    what.patches = &none;
    assert_fails(rt_loader_create(&loader, &what), RT_ERROR_ARGUMENT, "0 patches");
    what = options(1);
    patches.patches[7].x = SIDE - SIZE + 1;
    assert_fails(rt_loader_create(&loader, &what), RT_ERROR_ARGUMENT, "patch 7");
    patches.patches[7].x = 0;
    patches.patches[7].image = IMAGES;
    assert_fails(rt_loader_create(&loader, &what), RT_ERROR_ARGUMENT, "patch 7");
}

static void the_cache_forgets_the_oldest(void **state)
{
    (void)state;
    struct rt_cache cache;
    const struct rt_cache_entry *entry;
    size_t one = SIDE * SIDE * 4;
    assert_ok(rt_cache_init(&cache, dataset, 3 * one));
    static const size_t asked[7] = {0, 1, 2, 0, 3, 0, 4};
    for (int i = 0; i < 7; i++) {
        assert_ok(rt_cache_get(&cache, asked[i], &entry));
        assert_non_null(entry->image.pixels);
        assert_true(cache.bytes <= 3 * one);
    }
    static const bool kept[IMAGES] = {true, false, false, true, true};
    for (int i = 0; i < IMAGES; i++)
        assert_int_equal(cache.entries[i].last_use > 0, kept[i]);
    rt_cache_finish(&cache);
    assert_ok(rt_cache_init(&cache, dataset, 1)); /* not even one fits, yet it is given */
    for (size_t i = 0; i < 3; i++) {
        assert_ok(rt_cache_get(&cache, i, &entry));
        assert_int_equal(cache.bytes, one);
    }
    rt_cache_finish(&cache);
}

static void all_eight_symmetries_are_drawn(void **state)
{
    (void)state;
    /* the corners of a square of 2 x 2 pixels tell them apart */
    static const uint8_t expected[8][4] = {{1, 2, 3, 4}, {2, 1, 4, 3}, {3, 4, 1, 2}, {4, 3, 2, 1},
                                           {1, 3, 2, 4}, {2, 4, 1, 3}, {3, 1, 4, 2}, {4, 2, 3, 1}};
    uint8_t pixels[12] = {9, 9, 9, 9, 9, 1, 2, 9, 9, 3, 4, 9};
    struct rt_image image = {4, 3, 1, pixels};
    int drawn[8] = {0};
    unsigned low = UINT32_MAX, high = 0;
    for (size_t place = 0; place < 4000; place++) {
        struct rt_augmentation a = rt_augmentation_draw(1, 2, place);
        uint8_t patch[4];
        int which = a.mirror_x + 2 * a.mirror_y + 4 * a.transpose;
        drawn[which]++;
        low = a.gain < low ? a.gain : low;
        high = a.gain > high ? a.gain : high;
        rt_augment_cut(&image, 1, 1, 2, &a, patch);
        assert_memory_equal(patch, expected[which], 4);
    }
    for (int i = 0; i < 8; i++)
        assert_in_range(drawn[i], 400, 600);
    assert_in_range(low, 58982, 59100); /* 0.9 and 1.1 */
    assert_in_range(high, 71970, 72090);
    uint8_t samples[3] = {0, 100, 250};
    rt_augment_brighten(72089, samples, 3);
    assert_memory_equal(samples, "\x00\x6e\xff", 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(plain_batches_are_the_patches),
        CASE(last_batch_holds_the_rest),
        CASE(every_patch_comes_once_in_a_new_order),
        CASE(epochs_are_reproducible),
        CASE(epochs_start_anew_at_any_time),
        CASE(loaders_end_at_any_time),
        CASE(labels_follow_their_image),
        CASE(images_without_masks_are_unknown),
        CASE(so_are_patches_marked_unlabelled),
        CASE(failures_name_the_file),
        CASE(senseless_options_are_refused),
        CASE(the_cache_forgets_the_oldest),
        cmocka_unit_test(all_eight_symmetries_are_drawn),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
