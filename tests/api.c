/* libretort as other programs have it: the shared library, by its public headers alone. */
#include "test.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "retort/retort.h"

#define NETWORK "unet:2,depth=2"
#define PATCH 32
#define THREADS 3

static char weights[] = "/tmp/retort-api-XXXXXX";
static bool has_device;

static struct rt_image photo(void)
{
    struct rt_dataset *dataset;
    struct rt_image image;
    assert_ok(rt_dataset_open(&dataset, &(struct rt_dataset_options){.source = "synth:1"}));
    assert_ok(rt_dataset_load(dataset, 0, &image, NULL));
    rt_dataset_close(dataset);
    image.height = 77; /* the first rows are an image, too */
    return image;
}

static int save_model(void **state)
{
    (void)state;
    struct rt_device_info *devices;
    size_t count;
    assert_ok(rt_device_list(&devices, &count));
    free(devices);
    has_device = count > 0;
    close(mkstemp(weights));
    if (!has_device)
        return 0;
    struct rt_device *device;
    struct rt_model *model;
    struct rt_model_info info = {.network = NETWORK, .channels = 3, .patch = PATCH};
    info.palette = *rt_palette_builtin("synth");
    for (int c = 0; c < 3; c++) {
        info.scaling.mean[c] = 128;
        info.scaling.deviation[c] = 64;
    }
    assert_ok(rt_device_open(&device, NULL));
    assert_ok(rt_model_create(&model, device, &info, 1));
    assert_ok(rt_model_save(model, weights));
    rt_model_destroy(model);
    rt_device_close(device);
    return 0;
}

static int remove_model(void **state)
{
    (void)state;
    return unlink(weights);
}

static void need_device(void)
{
    if (!has_device) {
        print_message("there is no OpenCL device\n");
        skip();
    }
}

/* --- versions and messages --------------------------------------------------------------------
 */

static void headers_and_library_have_one_version(void **state)
{
    (void)state;
    char text[32];
    snprintf(text, sizeof text, "%d.%d.%d", RT_VERSION_MAJOR, RT_VERSION_MINOR, RT_VERSION_PATCH);
    assert_string_equal(rt_version(), RT_VERSION);
    assert_string_equal(rt_version(), text);
}

static void *fail_elsewhere(void *user)
{
    struct rt_image image;
    rt_status status = rt_image_read(&image, "/nonexistent/other.png");
    bool *told = user;
    *told = status == RT_ERROR_IO && strstr(rt_error_message(), "other.png");
    return NULL;
}

static void messages_are_the_threads_own(void **state)
{
    (void)state;
    struct rt_image image;
    pthread_t thread;
    bool told = false;
    assert_fails(rt_image_read(&image, "/nonexistent/one.png"), RT_ERROR_IO, "one.png");
    assert_int_equal(pthread_create(&thread, NULL, fail_elsewhere, &told), 0);
    pthread_join(thread, NULL);
    assert_true(told);
    assert_non_null(strstr(rt_error_message(), "one.png"));
}

static void count_lines(void *user, enum rt_log_level level, const char *message)
{
    int *lines = user;
    *lines += level == RT_LOG_WARNING && strlen(message) > 0;
}

static void log_lines_go_where_they_should(void **state)
{
    (void)state;
    struct rt_dataset *dataset;
    struct rt_patch_list train, held_out;
    int lines = 0;
    assert_ok(rt_dataset_open(&dataset, &(struct rt_dataset_options){.source = "synth:1"}));
    for (int i = 0; i < 2; i++) {
        rt_log_set(i == 0 ? count_lines : NULL, &lines);
        assert_fails(rt_dataset_patches(dataset, 4096, RT_SPLIT_PATCH, 0, 1, &train, &held_out),
                     RT_ERROR_ARGUMENT, "4096");
        assert_int_equal(lines, 1);
    }
    rt_dataset_close(dataset);
}

static void nothing_is_released_gladly(void **state)
{
    (void)state;
    struct rt_image image = {0};
    struct rt_dataset_survey survey = {0};
    struct rt_data_recipe recipe = {0};
    rt_image_finish(&image);
    rt_dataset_survey_finish(&survey);
    rt_data_recipe_finish(&recipe);
    rt_dataset_close(NULL);
    rt_loader_destroy(NULL);
    rt_model_destroy(NULL);
    rt_device_close(NULL);
}

static void what_failed_leaves_nothing(void **state)
{
    (void)state;
    struct rt_dataset *dataset = (void *)weights;
    struct rt_device *device = (void *)weights;
    struct rt_image image = {.pixels = (void *)weights};
    struct rt_dataset_options options = {.source = "/nonexistent"};
    assert_fails(rt_dataset_open(&dataset, &options), RT_ERROR_IO, "/nonexistent");
    assert_null(dataset);
    assert_true(rt_device_open(&device, "no such device") < 0);
    assert_null(device);
    assert_fails(rt_image_read(&image, "/nonexistent"), RT_ERROR_IO, "/nonexistent");
    assert_null(image.pixels);
}

/* --- segmentation ---------------------------------------------------------------------------- */

/* Opens a device of its own and segments the photo; labels without pixels where that fails. */
static struct rt_image segment(int overlap)
{
    struct rt_device *device = NULL;
    struct rt_model *model = NULL;
    struct rt_image image = photo(), labels = {0};
    rt_status status = rt_device_open(&device, NULL);
    if (status == RT_OK)
        status = rt_model_load(&model, device, weights);
    if (status == RT_OK)
        status = rt_model_segment(model, &image, overlap, &labels);
    if (status != RT_OK)
        print_error("%s\n", rt_error_message());
    rt_image_finish(&image);
    rt_model_destroy(model);
    rt_device_close(device);
    return labels;
}

static void labels_are_the_likeliest_classes(void **state)
{
    (void)state;
    need_device();
    struct rt_device *device;
    struct rt_model *model;
    struct rt_image image = photo(), labels = segment(RT_OVERLAP_AUTO);
    size_t pixels = (size_t)(image.width * image.height), of[RT_CLASSES_MAX] = {0}, classes = 0;
    assert_ok(rt_device_open(&device, NULL));
    assert_ok(rt_model_load(&model, device, weights));
    int count = rt_model_describe(model)->palette.count;
    float *probabilities = calloc(pixels * (size_t)count, sizeof *probabilities);
    uint8_t *expected = calloc(pixels, 1);
    assert_ok(rt_model_predict(model, &image, PATCH / 8, probabilities));
    rt_probabilities_label(probabilities, count, pixels, expected);
    assert_int_equal(labels.width, image.width);
    assert_int_equal(labels.height, image.height);
    assert_int_equal(labels.channels, 1);
    assert_memory_equal(labels.pixels, expected, pixels);
    for (size_t i = 0; i < pixels; i++)
        classes += of[expected[i]]++ == 0;
    assert_true(classes > 1);
    rt_image_finish(&labels);
    assert_fails(rt_model_segment(model, &image, PATCH / 2, &labels), RT_ERROR_ARGUMENT,
                 "less than half");
    assert_null(labels.pixels);
    free(probabilities);
    free(expected);
    rt_image_finish(&image);
    rt_model_destroy(model);
    rt_device_close(device);
}

static void *segment_elsewhere(void *user)
{
    struct rt_image *labels = user;
    *labels = segment(RT_OVERLAP_AUTO);
    return NULL;
}

static void threads_with_a_device_each_do_not_disturb_each_other(void **state)
{
    (void)state;
    need_device();
    pthread_t threads[THREADS];
    struct rt_image results[THREADS] = {{0}}, alone = segment(RT_OVERLAP_AUTO);
    assert_non_null(alone.pixels);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, segment_elsewhere, &results[i]), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    for (int i = 0; i < THREADS; i++) {
        assert_non_null(results[i].pixels);
        assert_memory_equal(results[i].pixels, alone.pixels, (size_t)(alone.width * alone.height));
        rt_image_finish(&results[i]);
    }
    rt_image_finish(&alone);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(headers_and_library_have_one_version),
        cmocka_unit_test(messages_are_the_threads_own),
        cmocka_unit_test(log_lines_go_where_they_should),
        cmocka_unit_test(nothing_is_released_gladly),
        cmocka_unit_test(what_failed_leaves_nothing),
        cmocka_unit_test(labels_are_the_likeliest_classes),
        cmocka_unit_test(threads_with_a_device_each_do_not_disturb_each_other),
    };
    return cmocka_run_group_tests(tests, save_model, remove_model);
}
