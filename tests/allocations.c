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
#include "retort/exchange.h"
#include "run_device.h"
#include "short_run.h"

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

static int complain(long allocation, const char *what, const char *found)
{
    print_error("allocation %ld: %s: %s\n", allocation, what, found);
    return 1;
}

/* A run begins, or goes on; the next fails at its first allocation, the next at its second, and so
 * on. Each ends with the status for it and leaves every file as it was or as it should be. */
static void check_every_allocation(struct rt_train_options options, const char *run)
{
    struct kept_run before, after;
    long count = 0;
    int wrong = 0;
    keep_run(&before, run);
    assert_ok(rt_train(device, &options, NULL));
    keep_run(&after, run);
    for (;; count++) {
        put_back_run(&before, run);
        fail_after(count);
        rt_status status = rt_train(device, &options, NULL);
        left = -1;
        if (!failed)
            break;
        if (of_json ? status == RT_OK && !run_holds(&after, run, LAST) : status != RT_ERROR_MEMORY)
            wrong += complain(count, rt_status_name(status), rt_error_message());
        for (int i = BEST; i <= LAST; i++) /* the others tell times, which differ */
            if (!run_holds(&before, run, i) && !run_holds(&after, run, i))
                wrong += complain(count, run_file_names[i], "neither the old nor the new");
    }
    assert_int_equal(wrong, 0);
    assert_true(count > 100);
    put_back_run(&before, run);
    assert_ok(rt_train(device, &options, NULL));
    assert_true(run_holds(&after, run, LAST));
    forget_run(&before);
    forget_run(&after);
}

static void check_run(bool json)
{
    if (!device)
        skip();
    char *data = write_short_data(folder), *run = test_path(folder, "run");
    struct rt_train_options options = short_run(data, run);
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

/* --- an exported file ----------------------------------------------------------------------- */

static rt_status export_again(const struct rt_model *model, const char *path)
{
    const struct rt_export_options options = {.format = "onnx", .resolution = 0.3};
    remove(path);
    return rt_model_export(model, path, &options);
}

/* The library may get along without an allocation; the file then is what it should be. */
static int check_export(const struct rt_model *model, const char *path, const char *good,
                        size_t size)
{
    int wrong = 0;
    for (long count = 0;; count++) {
        char *bytes = NULL;
        size_t got = 0;
        fail_after(count);
        rt_status status = export_again(model, path);
        left = -1;
        if (!failed) {
            assert_true(count > 5);
            return wrong;
        }
        if (status != RT_OK && rt_path_exists(path))
            wrong += complain(count, path, "is there in spite of the failure");
        if (status == RT_OK && (rt_file_read(path, 1 << 20, &bytes, &got) != RT_OK || got != size ||
                                memcmp(bytes, good, size) != 0))
            wrong += complain(count, path, "is not what it should be");
        if (!of_json && status != RT_ERROR_MEMORY)
            wrong += complain(count, rt_status_name(status), rt_error_message());
        free(bytes);
    }
}

static void every_allocation_of_an_export_may_fail(void **state)
{
    (void)state;
    const struct rt_model_info info = {
        .network = "unet:2,depth=1,up=nearest,norm=batch",
        .channels = 3,
        .palette = *rt_palette_builtin("synth"),
        .scaling = {.mode = RT_SCALING_PATCH},
        .patch = 64,
    };
    struct rt_model *model;
    char *path = test_path(folder, "model.onnx"), *good;
    size_t size;
    NEED_DEVICE();
    assert_ok(rt_model_create(&model, device, &info, 1));
    rt_status status = export_again(model, path);
    if (status == RT_OK) {
        assert_ok(rt_file_read(path, 1 << 20, &good, &size));
        for (int json = 0; json < 2; json++) {
            of_json = json;
            assert_int_equal(check_export(model, path, good, size), 0);
        }
        free(good);
    }
    rt_model_destroy(model);
    free(path);
    if (status == RT_ERROR_UNSUPPORTED)
        skip(); /* this build writes no ONNX */
    assert_ok(status);
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
        cmocka_unit_test(every_allocation_of_an_export_may_fail),
    };
    return cmocka_run_group_tests(tests, start, close_device);
}
