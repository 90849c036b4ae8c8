/* Exact math: the SHA-256 of trained weights, predictions and made data, on every device, in
 * vectors and groups of any size, on any number of compute units, in parts and after a resume.
 * Where a definition is meant to change, the messages say what the new ones are. */
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "device/device.h"
#include "model/model.h"
#include "program.h"
#include "retort/learn.h"
#include "run_device.h"

/* Of weights: of the file last.safetensors, as sha256sum shows it. */
#define TEACHER "a8453712dc88bbfea1fea9114ac7d83f88cd12aa520b938e90043a12c3be9ae9"
#define STUDENT "888be28ea274bcde03fac6863f95584fc20dec03fee8a01f394892fbbc20093e"
#define WHOLE "de59fedc20c75babdf67209d63d6bf83527f08f3b0f4e06d5a3a7605b457950b"
#define PREDICTED "dbdc5b9f81414e563d4e404c4d3eb531c5c6f949028044ac54fa520dba02eca3"
#define SCENES "6bcbbee599d60cf3f63698df5367f515e35da241f29569ce07db19b4a670bb4d"

struct digest {
    char hex[2 * EVP_MAX_MD_SIZE + 1];
};

static struct digest sha256(const void *bytes, size_t size)
{
    unsigned char raw[EVP_MAX_MD_SIZE];
    unsigned int count = 0;
    struct digest digest;
    assert_int_equal(EVP_Digest(bytes, size, raw, &count, EVP_sha256(), NULL), 1);
    for (unsigned int i = 0; i < count; i++)
        snprintf(digest.hex + 2 * i, 3, "%02x", raw[i]);
    return digest;
}

static void expect_digest(const char *what, struct digest digest, const char *golden)
{
    if (strcmp(digest.hex, golden) != 0)
        fail_msg("%s: the SHA-256 is %s, not %s", what, digest.hex, golden);
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

static struct digest digest_of_file(const char *path)
{
    char *text;
    size_t size;
    assert_ok(rt_file_read(path, 1 << 24, &text, &size));
    const struct digest digest = sha256(text, size);
    free(text);
    return digest;
}

/* Trains; of the weights of the run's end. */
static struct digest train(const struct rt_train_options *options)
{
    struct rt_train_result result;
    char *weights = test_path(options->out, "last.safetensors");
    assert_ok(rt_train(device, options, &result));
    const struct digest digest = digest_of_file(weights);
    free(weights);
    return digest;
}

static struct digest digest_of_prediction(const char *weights)
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
    const struct digest digest = sha256(probabilities, count * sizeof *probabilities);
    free(probabilities);
    rt_image_finish(&image);
    rt_dataset_close(scenes);
    rt_model_destroy(model);
    return digest;
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
        expect_digest(what, train(&options), TEACHER);
        expect_digest(what, digest_of_prediction(weights), PREDICTED);
        options = small_run(student);
        options.network = "unet:2,depth=2,up=bilinear,dropout=0.2";
        options.optimizer.kind = RT_ADAMW;
        options.loss = RT_HARD_DICE_FOCAL;
        options.teachers = (const char *const[]){weights};
        options.teacher_count = 1;
        expect_digest(what, train(&options), STUDENT);
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
    expect_digest("a resumed run", train(&options), TEACHER);
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
    expect_digest("whole steps", train(&options), WHOLE);
    assert_false(in_parts || again);
    options.memory_limit = result.peak_device_bytes / 10 * 9;
    expect_digest("less memory", train(&options), WHOLE);
    assert_true(in_parts || again);
    options.memory_limit = result.peak_device_bytes / 10 * 4;
    expect_digest("little memory", train(&options), WHOLE);
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
    expect_digest("one unit", digest_of_file(weights), TEACHER);
    assert_int_equal(
        shell("POCL_MAX_PTHREAD_COUNT=3 \"$RETORT_PROGRAM\" " TRAIN " %s --force", out), 0);
    expect_digest("three units", digest_of_file(weights), TEACHER);
    free(out), free(weights);
}

/* Image and labels of one scene after the other. */
static void scenes_are_the_same(void **state)
{
    (void)state;
    struct rt_dataset *scenes;
    unsigned char *all = NULL;
    size_t size = 0;
    assert_ok(rt_dataset_open(&scenes, &(struct rt_dataset_options){.source = "synth:2"}));
    for (size_t i = 0; i < 2; i++) {
        struct rt_image image, labels;
        assert_ok(rt_dataset_load(scenes, i, &image, &labels));
        const size_t pixels = (size_t)image.width * (size_t)image.height;
        all = realloc(all, size + 4 * pixels);
        assert_non_null(all);
        memcpy(all + size, image.pixels, 3 * pixels);
        memcpy(all + size + 3 * pixels, labels.pixels, pixels);
        size += 4 * pixels;
        rt_image_finish(&image);
        rt_image_finish(&labels);
    }
    rt_dataset_close(scenes);
    expect_digest("synth:2", sha256(all, size), SCENES);
    free(all);
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
