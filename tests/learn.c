/* Training, distillation and evaluation as a whole, on small networks and synthetic scenes. */
#include "test.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "retort/learn.h"
#include "run_device.h"

static void keep_warnings(void *user, enum rt_log_level level, const char *message)
{
    (void)user;
    if (level == RT_LOG_WARNING)
        fprintf(stderr, "warning: %s\n", message);
}

static int start(void **state)
{
    rt_log_set(keep_warnings, NULL);
    return open_device(state);
}

/* A short run of a small network on 64 patches, of which 13 are held out. */
static struct rt_train_options small_run(const char *out)
{
    struct rt_train_options options;
    rt_train_defaults(&options);
    options.data.source = "synth:1";
    options.data.patch = 64;
    options.data.split = RT_SPLIT_PATCH;
    options.network = "unet:4,depth=2";
    options.epochs = 3;
    options.batch = 8;
    options.rate = 3e-3f;
    options.augment = true;
    options.out = out;
    return options;
}

static void assert_same_file(const char *run, const char *other, const char *name)
{
    char *path = test_path(run, name), *other_path = test_path(other, name);
    char *bytes, *other_bytes;
    size_t size, other_size;
    assert_ok(rt_file_read(path, 1 << 28, &bytes, &size));
    assert_ok(rt_file_read(other_path, 1 << 28, &other_bytes, &other_size));
    assert_int_equal(size, other_size);
    if (memcmp(bytes, other_bytes, size) != 0)
        fail_msg("%s and %s differ", path, other_path);
    free(bytes);
    free(other_bytes);
    free(path);
    free(other_path);
}

/* The weights, and the columns of the log that time does not change. */
static void assert_same_run(const char *run, const char *other)
{
    assert_same_file(run, other, "last.safetensors");
    assert_same_file(run, other, "best.safetensors");
    char *path = test_path(run, "log.csv"), *other_path = test_path(other, "log.csv");
    FILE *log = fopen(path, "r"), *other_log = fopen(other_path, "r");
    assert_non_null(log);
    assert_non_null(other_log);
    char line[512], other_line[512];
    while (fgets(line, sizeof line, log)) {
        assert_non_null(fgets(other_line, sizeof other_line, other_log));
        size_t same = 0, columns = 0;
        while (columns < 5) /* epoch, losses, accuracy, mean IoU */
            columns += line[same++] == ',';
        assert_memory_equal(line, other_line, same);
    }
    assert_null(fgets(other_line, sizeof other_line, other_log));
    fclose(log);
    fclose(other_log);
    free(path);
    free(other_path);
}

/* --- resuming ------------------------------------------------------------------------------- */

static bool count_down(void *user)
{
    int *steps = user;
    return --*steps == 0;
}

/* Runs with these options once in one go and once interrupted after `first` steps, and after
 * `second` more; both must come to the same. */
static void check_resume(struct rt_train_options options, int first, int second)
{
    char *whole = test_path(folder, "whole"), *parts = test_path(folder, "parts");
    int steps = first;
    options.force = true;
    options.out = whole;
    assert_ok(rt_train(device, &options, NULL));
    options.out = parts;
    options.stop = count_down;
    options.user = &steps;
    assert_fails(rt_train(device, &options, NULL), RT_ERROR_INTERRUPTED, "can be resumed");
    options.force = false;
    options.resume = true;
    steps = second;
    assert_fails(rt_train(device, &options, NULL), RT_ERROR_INTERRUPTED, "can be resumed");
    steps = -1;
    struct rt_train_result result;
    assert_ok(rt_train(device, &options, &result));
    assert_int_equal(result.epochs, options.epochs);
    assert_same_run(whole, parts);
    free(whole);
    free(parts);
}

static void a_resumed_run_equals_an_uninterrupted_one(void **state)
{
    (void)state;
    NEED_DEVICE();
    char *out = test_path(folder, "unused");
    check_resume(small_run(out), 3, 9); /* 7 steps an epoch: within the first, and the second */
    check_resume(small_run(out), 7, 7); /* at an epoch's end */
    free(out);
}

static void so_does_one_with_batch_normalisation_and_other_choices(void **state)
{
    (void)state;
    NEED_DEVICE();
    struct rt_train_options options = small_run(NULL);
    options.network = "unet:4,depth=2,norm=batch,up=bilinear";
    options.optimizer.kind = RT_SGD;
    options.loss = RT_HARD_DICE_FOCAL;
    options.schedule = RT_SCHEDULE_CONSTANT;
    check_resume(options, 4, 8);
}

static char *train_teacher(void)
{
    char *out = test_path(folder, "teacher"), *weights = test_path(out, "last.safetensors");
    struct rt_train_options options = small_run(out);
    options.force = true;
    options.epochs = 1;
    assert_ok(rt_train(device, &options, NULL));
    free(out);
    return weights;
}

static void so_does_a_distilled_one_with_transfer(void **state)
{
    (void)state;
    NEED_DEVICE();
    char *teacher = train_teacher();
    const char *teachers[] = {teacher, teacher};
    struct rt_train_options options = small_run(NULL);
    options.network = "unet:2,depth=2";
    options.epochs = 2;
    options.teachers = teachers;
    options.teacher_count = 2;
    options.transfer = "synth:1,7";
    check_resume(options, 5, 16); /* 15 steps an epoch */
    free(teacher);
}

/* Whatever a kill leaves of the files that are for the reader, the state alone goes on. */
static void a_killed_run_can_be_resumed(void **state)
{
    (void)state;
    NEED_DEVICE();
    char *whole = test_path(folder, "whole"), *killed = test_path(folder, "killed");
    struct rt_train_options options = small_run(whole);
    options.force = true;
    assert_ok(rt_train(device, &options, NULL));
    int steps = 9;
    options.out = killed;
    options.stop = count_down;
    options.user = &steps;
    assert_fails(rt_train(device, &options, NULL), RT_ERROR_INTERRUPTED, "epoch 2");
    /* as if it had been killed after the second epoch's log and best weights were written */
    char *best = test_path(killed, "best.safetensors"),
         *last = test_path(killed, "last.safetensors");
    char *log = test_path(killed, "log.csv");
    write_text(best, "half");
    assert_int_equal(unlink(last), 0);
    FILE *stream = fopen(log, "a");
    fputs("2,9,9,9,9,9,9,9\n", stream);
    fclose(stream);
    options.force = false;
    options.resume = true;
    options.stop = NULL;
    assert_ok(rt_train(device, &options, NULL));
    assert_same_run(whole, killed);

    /* as if it had been killed before its first state */
    char *path = test_path(killed, "state.safetensors");
    assert_int_equal(unlink(path), 0);
    assert_ok(rt_train(device, &options, NULL));
    assert_same_run(whole, killed);

    write_text(path, "half");
    assert_fails(rt_train(device, &options, NULL), RT_ERROR_FORMAT, "state.safetensors");
    free(path);
    free(best);
    free(last);
    free(log);
    free(whole);
    free(killed);
}

static void a_run_goes_on_only_as_it_began(void **state)
{
    (void)state;
    NEED_DEVICE();
    char *out = test_path(folder, "options");
    struct rt_train_options options = small_run(out);
    struct rt_train_result result;
    options.epochs = 1;
    assert_ok(rt_train(device, &options, NULL));
    options.resume = true;
    assert_ok(rt_train(device, &options, &result)); /* nothing is left to do */
    assert_int_equal(result.epochs, 1);
    assert_int_equal(result.best_epoch, 1);
    options.batch = 4;
    assert_fails(rt_train(device, &options, NULL), RT_ERROR_ARGUMENT, "\"batch\" was 8");
    options.batch = 8;
    options.rate = 1e-3f;
    assert_fails(rt_train(device, &options, NULL), RT_ERROR_ARGUMENT,
                 "\"rate\" was 0.003 when the run began, now it is 0.001");
    options.rate = 3e-3f;
    options.epochs = 2;
    assert_fails(rt_train(device, &options, NULL), RT_ERROR_ARGUMENT, "only a constant");

    options.resume = false;
    options.force = true;
    options.epochs = 1;
    options.schedule = RT_SCHEDULE_CONSTANT;
    assert_ok(rt_train(device, &options, NULL));
    options.force = false;
    options.resume = true;
    options.epochs = 2;
    assert_ok(rt_train(device, &options, &result));
    assert_int_equal(result.epochs, 2);
    options.epochs = 1;
    assert_fails(rt_train(device, &options, NULL), RT_ERROR_ARGUMENT, "\"epochs\" was 2");
    free(out);
}

/* --- the run folder ------------------------------------------------------------------------- */

static void a_run_folder_is_not_overwritten(void **state)
{
    (void)state;
    NEED_DEVICE();
    char *out = test_path(folder, "kept"), *note = test_path(out, "note.txt");
    char *config = test_path(out, "config.json"), *text;
    size_t size;
    struct rt_train_options options = small_run(out);
    options.epochs = 1;
    options.resume = true;
    assert_fails(rt_train(device, &options, NULL), RT_ERROR_ARGUMENT, "there is no run in");
    options.resume = false;
    assert_ok(rt_train(device, &options, NULL));
    write_text(note, "mine");
    assert_fails(rt_train(device, &options, NULL), RT_ERROR_ARGUMENT, "already holds a run");
    options.force = true;
    options.data.source = "/nowhere";
    assert_fails(rt_train(device, &options, NULL), RT_ERROR_IO, "/nowhere");
    assert_ok(rt_file_read(config, 1 << 20, &text, &size)); /* the old run still stands */
    assert_non_null(strstr(text, "synth:1"));
    free(text);
    options.data.source = "synth:1,2";
    assert_ok(rt_train(device, &options, NULL));
    assert_ok(rt_file_read(config, 1 << 20, &text, &size));
    assert_non_null(strstr(text, "synth:1,2"));
    free(text);
    assert_ok(rt_file_read(note, 100, &text, &size));
    assert_string_equal(text, "mine");
    free(text);

    write_text(config, "{\"architectures\": [\"another program's\"]}");
    assert_fails(rt_train(device, &options, NULL), RT_ERROR_ARGUMENT, "not of a retort run");
    assert_ok(rt_file_read(config, 1 << 20, &text, &size));
    assert_non_null(strstr(text, "architectures"));
    free(text);
    free(out);
    free(note);
    free(config);
}

/* --- learning ------------------------------------------------------------------------------- */

/* FOLDER/images/one.png and its mask: the 64 x 64 pixels of a synthetic scene with most classes. */
static void write_one_patch(const char *path)
{
    struct rt_dataset *dataset;
    struct rt_image image, labels, crop, mask;
    assert_ok(rt_dataset_open(&dataset, &(struct rt_dataset_options){.source = "synth:1"}));
    assert_ok(rt_dataset_load(dataset, 0, &image, &labels));
    int most = 0, left = 0, top = 0, size = 64;
    for (int y = 0; y + size <= image.height; y += size)
        for (int x = 0; x + size <= image.width; x += size) {
            uint32_t seen = 0;
            for (int i = 0; i < size * size; i++)
                seen |= 1u << (labels.pixels[(y + i / size) * image.width + x + i % size] & 31);
            if (__builtin_popcount(seen) > most) {
                most = __builtin_popcount(seen);
                left = x;
                top = y;
            }
        }
    assert_true(most >= 3);
    assert_ok(rt_image_init(&crop, size, size, 3));
    assert_ok(rt_image_init(&mask, size, size, 3));
    for (int y = 0; y < size; y++) {
        size_t from = (size_t)(top + y) * (size_t)image.width + (size_t)left;
        memcpy(crop.pixels + y * size * 3, image.pixels + from * 3, (size_t)size * 3);
        rt_palette_colorize(rt_dataset_palette(dataset), labels.pixels + from, (size_t)size,
                            mask.pixels + y * size * 3);
    }
    char *crop_path = test_path(path, "images/one.png"),
         *mask_path = test_path(path, "masks/one.png");
    assert_ok(rt_image_write_png(&crop, crop_path));
    assert_ok(rt_image_write_png(&mask, mask_path));
    rt_image_finish(&image);
    rt_image_finish(&labels);
    rt_image_finish(&crop);
    rt_image_finish(&mask);
    rt_dataset_close(dataset);
    free(crop_path);
    free(mask_path);
}

static void keep_last(void *user, const struct rt_progress *progress)
{
    if (progress->epoch_done)
        *(struct rt_progress *)user = *progress;
}

static void one_patch_is_learnt_by_heart(void **state)
{
    (void)state;
    NEED_DEVICE();
    char *data = test_path(folder, "one"), *out = test_path(folder, "by-heart");
    char *best = test_path(out, "best.safetensors");
    struct rt_train_options options = small_run(out);
    struct rt_progress last = {0};
    struct rt_train_result result;
    write_one_patch(data);
    options.data.source = data;
    options.data.validation = 0;
    options.network = "unet:8,depth=2,dropout=0";
    options.augment = false;
    options.epochs = 150;
    options.rate = 5e-3f;
    options.progress = keep_last;
    options.user = &last;
    assert_ok(rt_train(device, &options, &result));
    assert_int_equal(last.epoch, 150);
    assert_true(last.val_accuracy > 0.95);
    assert_true(result.peak_device_bytes > 0);

    struct rt_model *model;
    struct rt_metrics *metrics = malloc(sizeof *metrics);
    assert_ok(rt_model_load(&model, device, best));
    assert_ok(rt_evaluate(model, &options.data, 4, metrics));
    assert_true(metrics->accuracy > 0.95);
    assert_float_equal(metrics->mean_iou, result.best_mean_iou, 1e-12);
    assert_int_equal(metrics->patches, 1);
    uint64_t pixels = metrics->ignored;
    for (int c = 0; c < metrics->classes; c++) {
        const struct rt_class_metrics *class = &metrics->of[c];
        pixels += class->support;
        if (class->support > 0) {
            assert_true(class->average_precision > class->iou / 2);
            assert_float_equal(class->curve_recall[0], 1, 0);
        }
    }
    assert_int_equal(pixels, 64 * 64);
    assert_true(metrics->milliseconds_per_image > 0);
    assert_true(metrics->peak_device_bytes > 0);
    rt_model_destroy(model);
    free(metrics);
    free(data);
    free(out);
    free(best);
}

static void a_loss_that_is_no_number_stops_the_run(void **state)
{
    (void)state;
    NEED_DEVICE();
    char *out = test_path(folder, "diverged"), *state_path = test_path(out, "state.safetensors");
    struct rt_train_options options = small_run(out);
    options.rate = 1e30f;
    assert_fails(rt_train(device, &options, NULL), RT_ERROR_DIVERGED, "in epoch 1 at step");
    assert_non_null(strstr(rt_error_message(), "1e+30"));
    assert_false(rt_path_exists(state_path));
    free(out);
    free(state_path);
}

static void patience_ends_a_run_early(void **state)
{
    (void)state;
    NEED_DEVICE();
    char *out = test_path(folder, "patience");
    struct rt_train_options options = small_run(out);
    struct rt_train_result result;
    options.epochs = 50;
    options.rate = 1e-12f; /* no epoch is better than the first */
    options.patience = 2;
    assert_ok(rt_train(device, &options, &result));
    assert_int_equal(result.best_epoch, 1);
    assert_int_equal(result.epochs, 3);
    free(out);
}

/* --- teachers ------------------------------------------------------------------------------- */

static void unfit_teachers_are_refused(void **state)
{
    (void)state;
    NEED_DEVICE();
    char *teacher = train_teacher(), *out = test_path(folder, "refused");
    char *data = test_path(folder, "two"), *image = test_path(data, "images/a.png");
    char *mask = test_path(data, "masks/a.png");
    struct rt_train_options options = small_run(out);
    options.masks = 0;
    assert_fails(rt_train(device, &options, NULL), RT_ERROR_ARGUMENT, "a share of 0");
    options.masks = 1;
    options.teachers = (const char *const[]){teacher};
    options.teacher_count = 1;
    options.data.patch = 32;
    assert_fails(rt_train(device, &options, NULL), RT_ERROR_ARGUMENT, "patches of 64 pixels");
    options.data.patch = 64;
    options.alpha = 2;
    assert_fails(rt_train(device, &options, NULL), RT_ERROR_ARGUMENT, "(alpha) is 2");
    options.alpha = 0.1f;

    uint8_t samples[64 * 64 * 3] = {0};
    const struct test_png rgb = {
        .width = 64, .height = 64, .type = 2, .depth = 8, .samples = samples};
    write_test_png(image, &rgb);
    memset(samples, 200, sizeof samples / 2);
    write_test_png(mask, &rgb);
    options.data.source = data;
    options.data.validation = 0;
    assert_fails(rt_train(device, &options, NULL), RT_ERROR_ARGUMENT, "the data has 2");
    assert_false(rt_path_exists(out));
    free(teacher);
    free(out);
    free(data);
    free(image);
    free(mask);
}

static void count_steps(void *user, const struct rt_progress *progress)
{
    *(int *)user = progress->steps;
}

static void transfer_images_lengthen_an_epoch(void **state)
{
    (void)state;
    NEED_DEVICE();
    char *teacher = train_teacher(), *out = test_path(folder, "transfer");
    int steps = 0;
    struct rt_train_options options = small_run(out);
    options.teachers = (const char *const[]){teacher};
    options.teacher_count = 1;
    options.epochs = 1;
    options.progress = count_steps;
    options.user = &steps;
    assert_ok(rt_train(device, &options, NULL));
    assert_int_equal(steps, 7); /* 51 patches */
    options.transfer = "synth:2,9";
    options.force = true;
    assert_ok(rt_train(device, &options, NULL));
    assert_int_equal(steps, 23); /* 51 + 128 */
    options.teacher_count = 0;   /* the twin learns for as long */
    assert_ok(rt_train(device, &options, NULL));
    assert_int_equal(steps, 23);
    free(teacher);
    free(out);
}

/* The mean IoU of a run's last weights over scenes that neither it nor its teacher has seen. */
static double judge(const char *run)
{
    const struct rt_data_recipe scenes = {.source = "synth:3,77"};
    struct rt_metrics *metrics = malloc(sizeof *metrics);
    struct rt_model *model;
    char *weights = test_path(run, "last.safetensors");
    assert_ok(rt_model_load(&model, device, weights));
    assert_ok(rt_evaluate(model, &scenes, 16, metrics));
    double mean_iou = metrics->mean_iou;
    rt_model_destroy(model);
    free(metrics);
    free(weights);
    return mean_iou;
}

/* The same student, the same labelled scene, seed and number of steps; but the teacher, which has
 * seen more scenes, also tells the distilled one about images without labels. */
static void a_distilled_student_beats_its_twin(void **state)
{
    (void)state;
    NEED_DEVICE();
    char *teacher = test_path(folder, "strong"), *weights = test_path(teacher, "last.safetensors");
    char *alone = test_path(folder, "alone"), *distilled = test_path(folder, "distilled");
    struct rt_train_options options = small_run(teacher);
    options.data.source = "synth:5";
    options.data.split = RT_SPLIT_IMAGE;
    options.network = "unet:8,depth=3,norm=batch,dropout=0";
    options.epochs = 8;
    assert_ok(rt_train(device, &options, NULL));

    options.out = distilled;
    options.data.source = "synth:2"; /* 64 patches */
    options.data.validation = 0.5;
    options.network = "unet:8,depth=2,norm=batch,dropout=0";
    options.epochs = 12;
    options.rate = 5e-3f;
    options.teachers = (const char *const[]){weights};
    options.teacher_count = 1;
    options.temperature = 2;
    options.transfer = "synth:2,9"; /* 128 patches */
    assert_ok(rt_train(device, &options, NULL));
    options.out = alone;
    options.teacher_count = 0;
    assert_ok(rt_train(device, &options, NULL));

    double of_teacher = judge(teacher), of_alone = judge(alone), of_distilled = judge(distilled);
    print_message("mean IoU: teacher %.3f, student alone %.3f, distilled %.3f\n", of_teacher,
                  of_alone, of_distilled);
    assert_true(of_distilled > of_alone + 0.03);
    free(teacher);
    free(weights);
    free(alone);
    free(distilled);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_resumed_run_equals_an_uninterrupted_one),
        cmocka_unit_test(so_does_one_with_batch_normalisation_and_other_choices),
        cmocka_unit_test(so_does_a_distilled_one_with_transfer),
        cmocka_unit_test(a_killed_run_can_be_resumed),
        cmocka_unit_test(a_run_goes_on_only_as_it_began),
        cmocka_unit_test(a_run_folder_is_not_overwritten),
        cmocka_unit_test(one_patch_is_learnt_by_heart),
        cmocka_unit_test(a_loss_that_is_no_number_stops_the_run),
        cmocka_unit_test(patience_ends_a_run_early),
        cmocka_unit_test(unfit_teachers_are_refused),
        cmocka_unit_test(transfer_images_lengthen_an_epoch),
        cmocka_unit_test(a_distilled_student_beats_its_twin),
    };
    return cmocka_run_group_tests(tests, start, close_device);
}
