/* Exact math: what trained weights, predictions and made data hash to on every device, in vectors
 * and groups of any size, on any number of compute units, in parts and after a resume. Where a
 * definition is meant to change, the messages say what the new hashes are. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/memory.h"
#include "device/device.h"
#include "model/model.h"
#include "program.h"
#include "retort/learn.h"
#include "run_device.h"

#define TEACHER 0xdfd3372ecf934aceu
#define STUDENT 0xee080aaa97629774u
#define WHOLE 0xff2665702a79b4e7u
#define PREDICTED 0xed78612332b03cc0u
#define SCENES 0xf282f75ff0582e0bu

static void expect_hash(const char *what, uint64_t hash, uint64_t golden)
{
    if (hash != golden)
        fail_msg("%s: the hash is 0x%llx, not 0x%llx", what, (unsigned long long)hash,
                 (unsigned long long)golden);
}

static void set_device(int vector, int group)
{
    rt_device_close(device);
    assert_ok(rt_device_open(&device, NULL));
    if (vector)
        rt_device_force(device, vector, group);
    assert_ok(rt_device_set_math(device, RT_MATH_EXACT));
}

/* 21 steps of 10 patches with all that draws random numbers: the same as with TRAIN. */
static struct rt_train_options small_run(const char *out)
{
    struct rt_train_options options;
    rt_train_defaults(&options);
    options.data.source = "synth:1";
    options.data.patch = 32;
    options.data.split = RT_SPLIT_PATCH;
    options.network = "unet:4,depth=2,norm=batch,dropout=0.1";
    options.epochs = 1;
    options.batch = 10;
    options.rate = 3e-3f;
    options.augment = true;
    options.force = true;
    options.out = out;
    return options;
}
#define TRAIN                                                                                      \
    "train --math exact --data synth:1 --patch 32 --split patch --model "                          \
    "unet:4,depth=2,norm=batch,dropout=0.1 "                                                       \
    "--epochs 1 --batch 10 --lr 3e-3 --augment --out"

static uint64_t hash_of_weights(const char *weights)
{
    struct rt_model *model;
    assert_ok(rt_model_load(&model, device, weights));
    const struct rt_model_slabs slabs = rt_model_slabs(model);
    float *values = calloc(slabs.total, sizeof *values);
    assert_ok(rt_buffer_read(slabs.values, 0, slabs.total * sizeof *values, values));
    const uint64_t hash = rt_hash(values, slabs.total * sizeof *values);
    free(values);
    rt_model_destroy(model);
    return hash;
}

/* Trains, and hashes the weights of a run's end. */
static uint64_t train(const struct rt_train_options *options)
{
    struct rt_train_result result;
    char *weights = test_path(options->out, "last.safetensors");
    assert_ok(rt_train(device, options, &result));
    const uint64_t hash = hash_of_weights(weights);
    free(weights);
    return hash;
}

static uint64_t hash_of_prediction(const char *weights)
{
    struct rt_model *model;
    struct rt_dataset *scenes;
    struct rt_image image;
    assert_ok(rt_model_load(&model, device, weights));
    assert_ok(rt_dataset_open(&scenes, &(struct rt_dataset_options){.source = "synth:1"}));
    assert_ok(rt_dataset_load(scenes, 0, &image, NULL));
    image.height = 75;
    const size_t pixels = 75 * (size_t)image.width;
    const size_t count = (size_t)rt_model_describe(model)->palette.count * pixels;
    float *probabilities = calloc(count, sizeof *probabilities);
    assert_ok(rt_model_predict(model, &image, 8, probabilities));
    const uint64_t hash = rt_hash(probabilities, count * sizeof *probabilities);
    free(probabilities);
    rt_image_finish(&image);
    rt_dataset_close(scenes);
    rt_model_destroy(model);
    return hash;
}

static void training_distillation_and_prediction(void **state)
{
    (void)state;
    NEED_DEVICE();
    static const int shapes[][2] = {{16, 1}, {8, 1}, {4, 64}, {4, 8}};
    char *teacher = test_path(folder, "teacher"), *student = test_path(folder, "student");
    char *weights = test_path(teacher, "last.safetensors");
    for (size_t i = 0; i < RT_COUNT(shapes); i++) {
        char what[64];
        snprintf(what, sizeof what, "vectors of %d in groups of %d", shapes[i][0], shapes[i][1]);
        set_device(shapes[i][0], shapes[i][1]);
        struct rt_train_options options = small_run(teacher);
        expect_hash(what, train(&options), TEACHER);
        expect_hash(what, hash_of_prediction(weights), PREDICTED);
        options = small_run(student);
        options.network = "unet:2,depth=2,up=bilinear,dropout=0.2";
        options.optimizer.kind = RT_ADAMW;
        options.loss = RT_HARD_DICE_FOCAL;
        options.teachers = (const char *const[]){weights};
        options.teacher_count = 1;
        expect_hash(what, train(&options), STUDENT);
    }
    free(weights), free(teacher), free(student);
}

static bool count_down(void *user)
{
    int *steps = user;
    return --*steps == 0;
}

static void a_resumed_run_and_other_math(void **state)
{
    (void)state;
    NEED_DEVICE();
    set_device(0, 0);
    char *out = test_path(folder, "resumed");
    int steps = 8;
    struct rt_train_options options = small_run(out);
    options.stop = count_down;
    options.user = &steps;
    assert_fails(rt_train(device, &options, NULL), RT_ERROR_INTERRUPTED, "can be resumed");
    options.force = false;
    options.resume = true;
    options.stop = NULL;
    assert_ok(rt_device_set_math(device, RT_MATH_FAST));
    assert_fails(rt_train(device, &options, NULL), RT_ERROR_ARGUMENT,
                 "cannot resume: \"math\" was \"exact\" when the run began, now it is \"fast\"");
    set_device(0, 0);
    expect_hash("a resumed run", train(&options), TEACHER);
    free(out);
}

static bool in_parts, again; /* as the last run has told */

static void listen(void *user, enum rt_log_level level, const char *message)
{
    (void)user;
    (void)level;
    if (strstr(message, "device memory: ")) {
        in_parts = strstr(message, "patches at a time");
        again = strstr(message, "computed again");
    }
}

/* Fewer patches at a time, or activations that are computed twice. */
static void parts_of_a_step(void **state)
{
    (void)state;
    NEED_DEVICE();
    set_device(0, 0);
    char *out = test_path(folder, "parts");
    struct rt_train_options options = small_run(out);
    options.network = "unet:4,depth=2,dropout=0.1";
    struct rt_train_result result;
    assert_ok(rt_train(device, &options, &result));
    rt_log_set(listen, NULL);
    expect_hash("whole steps", train(&options), WHOLE);
    assert_false(in_parts || again);
    options.memory_limit = result.peak_device_bytes / 10 * 9;
    expect_hash("less memory", train(&options), WHOLE);
    assert_true(in_parts || again);
    options.memory_limit = result.peak_device_bytes / 10 * 4;
    expect_hash("little memory", train(&options), WHOLE);
    assert_true(in_parts);
    rt_log_set(NULL, NULL);
    free(out);
}

static void any_number_of_units(void **state)
{
    (void)state;
    NEED_DEVICE();
    char *out = test_path(folder, "units"), *weights = test_path(out, "last.safetensors");
    set_device(0, 0);
    assert_int_equal(shell("POCL_MAX_PTHREAD_COUNT=1 \"$RETORT_PROGRAM\" " TRAIN " %s", out), 0);
    expect_hash("one unit", hash_of_weights(weights), TEACHER);
    assert_int_equal(
        shell("POCL_MAX_PTHREAD_COUNT=3 \"$RETORT_PROGRAM\" " TRAIN " %s --force", out), 0);
    expect_hash("three units", hash_of_weights(weights), TEACHER);
    free(out), free(weights);
}

static void scenes_are_the_same(void **state)
{
    (void)state;
    struct rt_dataset *scenes;
    uint64_t hashes[4];
    assert_ok(rt_dataset_open(&scenes, &(struct rt_dataset_options){.source = "synth:2"}));
    for (size_t i = 0; i < 2; i++) {
        struct rt_image image, labels;
        assert_ok(rt_dataset_load(scenes, i, &image, &labels));
        const size_t pixels = (size_t)image.width * (size_t)image.height;
        hashes[2 * i] = rt_hash(image.pixels, 3 * pixels);
        hashes[2 * i + 1] = rt_hash(labels.pixels, pixels);
        rt_image_finish(&image);
        rt_image_finish(&labels);
    }
    rt_dataset_close(scenes);
    expect_hash("synth:2", rt_hash(hashes, sizeof hashes), SCENES);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scenes_are_the_same),
        cmocka_unit_test(parts_of_a_step),
        cmocka_unit_test(training_distillation_and_prediction),
        cmocka_unit_test(a_resumed_run_and_other_math),
        cmocka_unit_test(any_number_of_units),
    };
    return cmocka_run_group_tests(tests, open_device, close_device);
}
