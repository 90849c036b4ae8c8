/* GDAL is loaded at the first raster and not before, and what there is to say where it cannot be.
 */
#include "test.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "data/gdal.h"
#include "data_files.h"
#include "retort/raster.h"

#define THREADS 8

static bool is_loaded(void)
{
    return dlopen(RT_GDAL_NAME, RTLD_LAZY | RTLD_NOLOAD) ||
           dlopen(RT_GDAL_PATH, RTLD_LAZY | RTLD_NOLOAD);
}

static void expect_untouched(const struct rt_gdal *functions)
{
    static const struct rt_gdal none;
    assert_memory_equal(functions, &none, sizeof none);
}

static void it_is_not_there(void **state)
{
    (void)state;
    static const char *const names[] = {"libretort-nowhere.so.7", "/nowhere/libretort-nowhere.so"};
    struct rt_gdal functions = {0};
    for (int i = 0; i < 2; i++) { /* not only once */
        assert_fails(rt_gdal_load(&functions, names, 2, "scene.tif"), RT_ERROR_UNSUPPORTED,
                     "cannot work on scene.tif: GDAL");
        assert_non_null(strstr(rt_error_message(), "libretort-nowhere.so.7"));
        assert_non_null(strstr(rt_error_message(), "(/nowhere/libretort-nowhere.so: "));
        assert_non_null(strstr(rt_error_message(), "install it"));
        expect_untouched(&functions);
    }
}

static void it_is_another_library(void **state)
{
    (void)state;
    Dl_info cmocka;
    struct rt_gdal functions = {0};
    assert_true(dladdr(dlsym(RTLD_DEFAULT, "_cmocka_run_group_tests"), &cmocka));
    assert_fails(rt_gdal_load(&functions, &cmocka.dli_fname, 1, "scene.tif"), RT_ERROR_UNSUPPORTED,
                 "scene.tif");
    assert_non_null(strstr(rt_error_message(), "has no CPLError"));
    assert_non_null(strstr(rt_error_message(), cmocka.dli_fname));
    expect_untouched(&functions);
}

static void it_is_not_loaded_before_a_raster_is_opened(void **state)
{
    (void)state;
    struct rt_raster *raster;
    assert_true(rt_raster_available());
    assert_fails(rt_raster_open(&raster, "/nowhere.tif"), RT_ERROR_IO, "/nowhere.tif");
    assert_false(is_loaded());
    expect_untouched(&rt_gdal);
}

static void *open_text(void *path)
{
    struct rt_raster *raster;
    rt_status status = rt_raster_open(&raster, path);
    return status == RT_ERROR_FORMAT && strstr(rt_error_message(), "nor a raster") ? NULL : path;
}

static void threads_that_open_the_first_raster_wait_for_it(void **state)
{
    (void)state;
    char folder[64];
    make_test_folder(folder);
    char *path = test_path(folder, "text.tif");
    write_text(path, "no raster");
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, open_text, path), 0);
    for (int i = 0; i < THREADS; i++) {
        void *failed;
        assert_int_equal(pthread_join(threads[i], &failed), 0);
        assert_null(failed);
    }
    assert_true(is_loaded());
    free(path);
    remove_test_folder(folder);
}

static void the_next_name_is_tried(void **state)
{
    (void)state;
    static const char *const names[] = {"libretort-nowhere.so.7", RT_GDAL_PATH};
    struct rt_gdal functions = {0};
    assert_ok(rt_gdal_load(&functions, names, 2, "scene.tif"));
    assert_string_equal(functions.GDALGetDataTypeName(GDT_Float32), "Float32");
    assert_memory_equal(&functions, &rt_gdal, sizeof functions); /* the same library again */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_not_there),
        cmocka_unit_test(it_is_another_library),
        cmocka_unit_test(it_is_not_loaded_before_a_raster_is_opened),
        cmocka_unit_test(threads_that_open_the_first_raster_wait_for_it),
        cmocka_unit_test(the_next_name_is_tried),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
