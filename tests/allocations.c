/* What a short run does when there is no memory for one of its allocations, whichever it is. The
 * linker leads the library's allocations to the functions here; see tests/meson.build. */
#include "test.h"

#include <jansson.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "retort/learn.h"
#include "run_device.h"

/* --- allocations that fail ------------------------------------------------------------------ */

static atomic_long left;   /* allocations until one fails; below 0 none does */
static atomic_bool failed; /* one has */

static bool of_json; /* whether they are the JSON library's that fail, or the others */

static bool fails(bool json)
{
    if (json != of_json)
        return false;
    if (left < 0 || atomic_fetch_sub(&left, 1) != 0)
        return false;
    failed = true;
    return true;
}

static void fail_after(long allocations)
{
    failed = false;
    left = allocations;
}

void *__real_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size)
{
    return fails(false) ? NULL : __real_calloc(count, size);
}

void *__real_realloc(void *memory, size_t size);
void *__wrap_realloc(void *memory, size_t size);
void *__wrap_realloc(void *memory, size_t size)
{
    return fails(false) ? NULL : __real_realloc(memory, size);
}

static void *json_malloc(size_t size)
{
    return fails(true) ? NULL : malloc(size);
}

/* --- a run ---------------------------------------------------------------------------------- */

enum { CONFIG, LOG, BEST, LAST, STATE, FILES };
static const char *const names[FILES] = {"config.json", "log.csv", "best.safetensors",
                                         "last.safetensors", "state.safetensors"};

struct kept {
    char *bytes[FILES];
    size_t sizes[FILES];
};

static void keep(struct kept *kept, const char *run)
{
    for (int i = 0; i < FILES; i++) {
        char *path = test_path(run, names[i]);
        assert_ok(rt_file_read(path, 1 << 20, &kept->bytes[i], &kept->sizes[i]));
        free(path);
    }
}

static void put_back(const struct kept *kept, const char *run)
{
    for (int i = 0; i < FILES; i++) {
        char *path = test_path(run, names[i]);
        FILE *stream = fopen(path, "wb"); /* without rt_file_write's wait for the disk */
        assert_non_null(stream);
        assert_int_equal(fwrite(kept->bytes[i], 1, kept->sizes[i], stream), kept->sizes[i]);
        assert_int_equal(fclose(stream), 0);
        free(path);
    }
}

static void forget(struct kept *kept)
{
    for (int i = 0; i < FILES; i++)
        free(kept->bytes[i]);
}

static bool holds(const struct kept *kept, const char *run, int file)
{
    char *path = test_path(run, names[file]), *bytes;
    size_t size;
    assert_ok(rt_file_read(path, 1 << 20, &bytes, &size));
    bool same = size == kept->sizes[file] && memcmp(bytes, kept->bytes[file], size) == 0;
    free(bytes);
    free(path);
    return same;
}

/* Four patches of two classes, as files. */
static char *write_data(void)
{
    enum { SIZE = 32, COUNT = SIZE * SIZE * 3 };
    uint8_t image[COUNT], mask[COUNT];
    char *data = test_path(folder, "data");
    for (int i = 0; i < COUNT; i++) {
        image[i] = (uint8_t)(i * 7);
        mask[i] = i / 3 % 2 ? 200 : 0;
    }
    char *image_path = test_path(data, "images/a.png"), *mask_path = test_path(data, "masks/a.png");
    write_test_png(
        image_path,
        &(struct test_png){.width = SIZE, .height = SIZE, .type = 2, .depth = 8, .samples = image});
    write_test_png(
        mask_path,
        &(struct test_png){.width = SIZE, .height = SIZE, .type = 2, .depth = 8, .samples = mask});
    free(image_path);
    free(mask_path);
    return data;
}

static struct rt_train_options tiny_run(const char *data, const char *out)
{
    struct rt_train_options options;
    rt_train_defaults(&options);
    options.data.source = data;
    options.data.patch = 16;
    options.data.split = RT_SPLIT_PATCH;
    options.data.validation = 0.25;
    options.network = "unet:2,depth=1,norm=batch,dropout=0.1";
    options.schedule = RT_SCHEDULE_CONSTANT;
    options.epochs = 1;
    options.augment = true;
    options.out = out;
    return options;
}

static int complain(long allocation, const char *what, const char *found)
{
    print_error("allocation %ld: %s: %s\n", allocation, what, found);
    return 1;
}

/* A run begins, or goes on; the next fails at its first allocation, the next at its second, and so
 * on. Each ends with the status for it and leaves every file as it was or as it should be. */
static void check_every_allocation(struct rt_train_options options, const char *run)
{
    struct kept before, after;
    long count = 0;
    int wrong = 0;
    keep(&before, run);
    assert_ok(rt_train(device, &options, NULL));
    keep(&after, run);
    for (;; count++) {
        put_back(&before, run);
        fail_after(count);
        rt_status status = rt_train(device, &options, NULL);
        left = -1;
        if (!failed)
            break;
        if (of_json ? status == RT_OK && !holds(&after, run, LAST) : status != RT_ERROR_MEMORY)
            wrong += complain(count, rt_status_name(status), rt_error_message());
        for (int i = BEST; i <= LAST; i++) /* the others tell times, which differ */
            if (!holds(&before, run, i) && !holds(&after, run, i))
                wrong += complain(count, names[i], "neither the old nor the new");
    }
    assert_int_equal(wrong, 0);
    assert_true(count > 100);
    put_back(&before, run);
    assert_ok(rt_train(device, &options, NULL));
    assert_true(holds(&after, run, LAST));
    forget(&before);
    forget(&after);
}

static void check_run(bool json)
{
    if (!device)
        skip();
    char *data = write_data(), *run = test_path(folder, "run");
    struct rt_train_options options = tiny_run(data, run);
    options.force = true;
    assert_ok(rt_train(device, &options, NULL));
    options.force = false;
    options.resume = true;
    options.epochs = 2;
    of_json = json;
    check_every_allocation(options, run);
    free(data);
    free(run);
}

static void every_allocation_of_a_run_may_fail(void **state)
{
    (void)state;
    check_run(false);
}

/* The library tells some of its failures as other ones, and gets along without some allocations. */
static void so_may_every_one_of_the_json_library(void **state)
{
    (void)state;
    check_run(true);
}

static int start(void **state)
{
    left = -1;
    json_set_alloc_funcs(json_malloc, free);
    return open_device(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_allocation_of_a_run_may_fail),
        cmocka_unit_test(so_may_every_one_of_the_json_library),
    };
    return cmocka_run_group_tests(tests, start, close_device);
}
