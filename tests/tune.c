#include "test.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"
#include "device/gemm.h"
#include "ops/check.h"
#include "ops/conv2d.h"
#include "ops/tune.h"
#include "program.h"

/* --- a folder for profiles, and what the log says ----------------------------------------- */

static char folder[] = "/tmp/retort-profiles-XXXXXX";
static char built[1024];  /* the files of kernels, as the log says */
static char gemm_set[64]; /* of CLBlast's parameters, likewise */
static int warnings;
static char warning[1024];

static void keep_log(void *user, enum rt_log_level level, const char *message)
{
    (void)user;
    const size_t length = strlen(built);
    if (strncmp(message, "built ", 6) == 0)
        snprintf(built + length, sizeof built - length, "%.*s ", (int)strcspn(message + 6, " "),
                 message + 6);
    sscanf(message, "products of matrices take the set '%60[^']", gemm_set);
    if (level == RT_LOG_WARNING) {
        warnings++;
        snprintf(warning, sizeof warning, "%s", message);
    }
}

static void remove_profile(const struct rt_device_info *info)
{
    char *path;
    assert_ok(rt_choices_path(info, &path));
    remove(path);
    free(path);
}

static int start(void **state)
{
    (void)state;
    assert_non_null(mkdtemp(folder));
    setenv("RETORT_PROFILE_DIR", folder, 1);
    rt_log_set(keep_log, NULL);
    return 0;
}

static int end(void **state)
{
    (void)state;
    return rmdir(folder);
}

static void on_devices(void (*check)(size_t index))
{
    struct rt_device *device;
    check_any_device();
    for (size_t i = 0; (device = check_device(i)); i++) {
        const struct rt_device_info info = *rt_device_describe(device);
        rt_device_close(device);
        check(i);
        remove_profile(&info);
    }
}

/* --- a profile is obeyed ------------------------------------------------------------------ */

static const struct rt_conv2d small = {.channels = 4, .kernel = 3, .stride = 1, .bias = true},
                              strided = {.channels = 4, .kernel = 3, .stride = 2, .bias = true};
static const struct rt_shape image = {2, 3, 8, 16};

/* A device whose profile, on disk, has this name for a key. */
static struct rt_device *device_with_key(size_t index, const char *key, const char *name)
{
    struct rt_choice choice = {.batch = 2, .count = 1};
    struct rt_choices *choices;
    struct rt_device *device = check_device(index);
    snprintf(choice.key, sizeof choice.key, "%s", key);
    snprintf(choice.variants[0].name, sizeof choice.variants[0].name, "%s", name);
    remove_profile(rt_device_describe(device));
    assert_ok(rt_choices_create(&choices, rt_device_describe(device)));
    assert_ok(rt_choices_set(choices, &choice));
    assert_ok(rt_choices_write(choices, rt_device_describe(device)));
    rt_choices_destroy(choices);
    rt_device_close(device);
    return check_device(index);
}

/* The same for a forward convolution of the image. */
static struct rt_device *device_with(size_t index, const struct rt_conv2d *attributes,
                                     const char *name)
{
    char key[RT_CHOICE_KEY_BYTES];
    rt_conv2d_key(attributes, image, RT_CONV2D_FORWARD, key);
    return device_with_key(index, key, name);
}

/* Runs the operation and tells the kernels' files that were built for it. */
static const char *run_forward(struct rt_device *device, const struct rt_conv2d *attributes,
                               struct rt_shape x)
{
    struct rt_op_call call = {.device = device, .attributes = attributes};
    const int weights = attributes->channels * x.c * attributes->kernel * attributes->kernel;
    struct rt_shape y;
    assert_ok(rt_op_conv2d.infer(attributes, &x, &y));
    const int scratch = (int)rt_op_conv2d.scratch(device, attributes, &x, RT_FORWARD);
    assert_ok(rt_tensor_init(&call.x[0], device, x));
    assert_ok(rt_tensor_init(&call.y, device, y));
    assert_ok(rt_tensor_init(&call.p[0], device, (struct rt_shape){1, 1, 1, weights}));
    assert_ok(rt_tensor_init(&call.p[1], device, (struct rt_shape){1, 1, 1, y.c}));
    assert_ok(rt_tensor_init(&call.scratch, device, (struct rt_shape){1, 1, 1, scratch}));
    built[0] = 0;
    assert_ok(rt_op_conv2d.forward(&call));
    assert_ok(rt_device_finish(device));
    rt_tensor_finish(&call.x[0]);
    rt_tensor_finish(&call.y);
    rt_tensor_finish(&call.p[0]);
    rt_tensor_finish(&call.p[1]);
    rt_tensor_finish(&call.scratch);
    return built;
}

/* The kernels that the rule takes for stride 1. */
static const char *rule(const struct rt_device *device)
{
    return rt_device_is_cpu(device) ? "conv2d_winograd.cl " : "conv2d_tiled.cl ";
}

static void check_obeyed(size_t index)
{
    struct rt_device *device = device_with(index, &small, "gemm");
    struct rt_shape one = image, larger = image;
    warnings = 0;
    one.n = 1;
    larger.h++;
    assert_string_equal(run_forward(device, &small, one), "conv2d_gemm.cl ");
    assert_string_equal(run_forward(device, &small, image), ""); /* built already */
    assert_string_equal(run_forward(device, &small, larger), rule(device));
    rt_device_close(device);
    device = device_with(index, &small, "plain");
    assert_string_equal(run_forward(device, &small, image), "conv2d_plain.cl ");
    rt_device_set_conv(device, RT_CONV_DIRECT); /* comes before the profile */
    assert_string_equal(run_forward(device, &small, image), "conv2d.cl ");
    rt_device_close(device);
    assert_int_equal(warnings, 0);
}

static void a_choice_is_obeyed(void **state)
{
    (void)state;
    on_devices(check_obeyed);
}

static void check_fallback(size_t index)
{
    struct rt_device *device = device_with(index, &strided, "direct");
    warnings = 0;
    assert_string_equal(run_forward(device, &strided, image), "conv2d_plain.cl ");
    assert_int_equal(warnings, 0);
    rt_device_close(device);
    device = device_with(index, &small, "quantum");
    assert_string_equal(run_forward(device, &small, image), rule(device));
    assert_string_equal(run_forward(device, &small, image), "");
    assert_int_equal(warnings, 1);
    assert_non_null(strstr(warning, folder));
    assert_non_null(strstr(warning, "'quantum' for 'conv2d forward 3x8x16 to 4, kernel 3"));
    rt_device_close(device);
}

static void where_a_choice_does_not_do_the_rule_stands(void **state)
{
    (void)state;
    on_devices(check_fallback);
}

static void check_sets(size_t index)
{
    static const char *const names[] = {"64x64", "registers", "quantum"};
    for (size_t i = 0; i < RT_COUNT(names); i++) {
        struct rt_device *device = device_with_key(index, RT_GEMM_KEY, names[i]);
        rt_device_set_conv(device, RT_CONV_GEMM);
        warnings = 0;
        assert_string_equal(run_forward(device, &small, image), "conv2d_gemm.cl ");
        if (strcmp(names[i], "quantum") != 0) {
            assert_string_equal(gemm_set, names[i]);
            assert_int_equal(warnings, 0);
        } else {
            assert_string_equal(gemm_set, rt_device_is_cpu(device) ? "registers" : "default");
            assert_int_equal(warnings, 1);
            assert_non_null(strstr(warning, "'quantum' for 'gemm'"));
        }
        rt_device_close(device);
    }
}

static void products_take_the_chosen_parameters(void **state)
{
    (void)state;
    on_devices(check_sets);
}

/* --- keys --------------------------------------------------------------------------------- */

static void keys_are_read_as_written(void **state)
{
    (void)state;
    static const struct rt_conv2d given = {.channels = 70, .kernel = 5, .stride = 2, .bias = true};
    static const char *const wrong[] = {
        "",
        "conv2d forward",
        "conv2d forward 3x8x16 to 4, kernel 3, stride 1 ",
        "conv2d forward  3x8x16 to 4, kernel 3, stride 1",
        "conv2d forward 3x8x16 to 4, kernel 2, stride 1",
        "conv2d forward 0x8x16 to 4, kernel 3, stride 1",
        "conv2d forward 3x-8x16 to 4, kernel 3, stride 1",
        "conv2d sideways 3x8x16 to 4, kernel 3, stride 1",
        "conv2d forward 3x8x99999999999 to 4, kernel 3, stride 1",
    };
    char key[RT_CHOICE_KEY_BYTES];
    struct rt_conv2d attributes;
    struct rt_shape x;
    enum rt_conv2d_part part;
    for (int i = 0; i < RT_CONV2D_PARTS; i++) {
        rt_conv2d_key(&given, (struct rt_shape){9, 33, 12, 17}, (enum rt_conv2d_part)i, key);
        assert_ok(rt_conv2d_parse_key(key, &attributes, &x, &part));
        assert_int_equal(part, i);
        assert_true(x.c == 33 && x.h == 12 && x.w == 17);
        assert_true(attributes.channels == 70 && attributes.kernel == 5 && attributes.stride == 2);
    }
    assert_string_equal(key, "conv2d backward weights 33x12x17 to 70, kernel 5, stride 2");
    for (size_t i = 0; i < RT_COUNT(wrong); i++)
        assert_fails(rt_conv2d_parse_key(wrong[i], &attributes, &x, &part), RT_ERROR_ARGUMENT,
                     "is no part of a convolution");
}

/* --- measuring ---------------------------------------------------------------------------- */

/* A variant that forgets the last image of a batch, in every part. */
static rt_status short_forward(const struct rt_op_call *call)
{
    struct rt_op_call shorter = *call;
    shorter.x[0].shape.n--;
    shorter.y.shape.n--;
    return rt_conv2d_plain.run[RT_CONV2D_FORWARD](&shorter);
}

static rt_status short_backward_data(const struct rt_op_call *call)
{
    struct rt_op_call shorter = *call;
    shorter.dx[0].shape.n--;
    shorter.dy.shape.n--;
    shorter.x[0].shape.n--;
    return rt_conv2d_plain.run[RT_CONV2D_BACKWARD_DATA](&shorter);
}

static rt_status short_backward_weights(const struct rt_op_call *call)
{
    struct rt_op_call shorter = *call;
    shorter.x[0].shape.n--;
    shorter.dy.shape.n--;
    return rt_conv2d_plain.run[RT_CONV2D_BACKWARD_WEIGHTS](&shorter);
}

static bool supports_all(const struct rt_device *device, const struct rt_conv2d *attributes,
                         struct rt_shape x, enum rt_conv2d_part part)
{
    return rt_conv2d_plain.supports(device, attributes, x, part);
}

static const struct rt_conv2d_variant forgetful = {
    .name = "forgetful",
    .supports = supports_all,
    .run = {short_forward, short_backward_data, short_backward_weights},
};

static const struct {
    struct rt_shape x;
    struct rt_conv2d attributes;
} calls[] = {
    {{2, 3, 9, 21}, {.channels = 6, .kernel = 3, .stride = 1}},
    {{3, 5, 11, 7}, {.channels = 4, .kernel = 5, .stride = 2}},
    {{2, 8, 16, 16}, {.channels = 16, .kernel = 1, .stride = 1}},
};

/* Every variant is right where it supports the call; one that forgets an image is found out. */
static void check_measured(size_t index)
{
    struct rt_choice_variant measured;
    char key[RT_CHOICE_KEY_BYTES];
    struct rt_device *device = check_device(index);
    struct rt_conv2d_trial trial = {.key = key, .seed = 1};
    for (size_t i = 0; i < RT_COUNT(calls) * RT_CONV2D_PARTS; i++) {
        const struct rt_conv2d *a = &calls[i / RT_CONV2D_PARTS].attributes;
        const struct rt_shape x = calls[i / RT_CONV2D_PARTS].x;
        const enum rt_conv2d_part part = (enum rt_conv2d_part)(i % RT_CONV2D_PARTS);
        rt_conv2d_key(a, x, part, key);
        trial.batch = x.n;
        for (const struct rt_conv2d_variant *const *v = rt_conv2d_variants; *v; v++) {
            trial.variant = *v;
            if (!(*v)->supports(device, a, x, part)) {
                assert_fails(rt_conv2d_measure(device, &trial, &measured), RT_ERROR_UNSUPPORTED,
                             key);
                continue;
            }
            assert_ok(rt_conv2d_measure(device, &trial, &measured));
            assert_string_equal(measured.name, (*v)->name);
            if (!(measured.error <= RT_TUNE_TOLERANCE && measured.seconds > 0))
                fail_msg("%s, %s: error %g, %g s", key, (*v)->name, measured.error,
                         measured.seconds);
        }
        trial.variant = &forgetful;
        if (part == RT_CONV2D_BACKWARD_WEIGHTS) {
            assert_ok(rt_conv2d_measure(device, &trial, &measured));
            assert_true(measured.error > 100 * RT_TUNE_TOLERANCE);
        } else {
            assert_fails(rt_conv2d_measure(device, &trial, &measured), RT_ERROR_DEVICE, "is nan");
        }
    }
    rt_device_close(device);
}

static void what_is_measured_is_checked(void **state)
{
    (void)state;
    on_devices(check_measured);
}

static int images; /* of the last call */
static rt_status count_images(const struct rt_op_call *call)
{
    images = call->x[0].shape.n;
    return rt_conv2d_plain.run[RT_CONV2D_FORWARD](call);
}

static void check_hopeless(size_t index)
{
    static const struct rt_conv2d_variant counting = {
        .name = "counting", .supports = supports_all, .run = {count_images}};
    struct rt_device *device = check_device(index);
    struct rt_conv2d_trial trial = {.key = "conv2d forward 3x8x16 to 4, kernel 3, stride 1",
                                    .batch = 5,
                                    .variant = &counting,
                                    .best = 1e-12};
    struct rt_choice_variant measured;
    assert_ok(rt_conv2d_measure(device, &trial, &measured));
    assert_int_equal(images, 1);
    assert_true(measured.seconds > trial.batch * trial.best);
    assert_true(measured.error <= RT_TUNE_TOLERANCE);
    trial.best = 1e6;
    assert_ok(rt_conv2d_measure(device, &trial, &measured));
    assert_int_equal(images, 5);
    trial.best = 0;
    images = 0;
    assert_ok(rt_conv2d_measure(device, &trial, &measured));
    assert_int_equal(images, 5);
    rt_device_close(device);
}

static void a_hopeless_variant_runs_one_image(void **state)
{
    (void)state;
    on_devices(check_hopeless);
}

/* --- the program -------------------------------------------------------------------------- */

#define TINY "unet:2,depth=1"

/* Makes `name` the choice of every key for which it was measured; returns how many were. */
static int choose(struct rt_device *device, const char *name)
{
    struct rt_choices *choices = rt_device_choices(device);
    int changed = 0;
    for (size_t i = 0; i < rt_choices_count(choices); i++) {
        struct rt_choice choice = *rt_choices_get(choices, i);
        int place = 0;
        if (choice.shipped)
            continue;
        while (place < choice.count && strcmp(choice.variants[place].name, name) != 0)
            place++;
        if (place == choice.count)
            continue;
        const struct rt_choice_variant first = choice.variants[0];
        choice.variants[0] = choice.variants[place];
        choice.variants[place] = first;
        assert_ok(rt_choices_set(choices, &choice));
        changed++;
    }
    assert_ok(rt_choices_write(choices, rt_device_describe(device)));
    return changed;
}

/* The choices that are of the device's own profile. */
static size_t count_own(size_t index)
{
    struct rt_device *device = check_device(index);
    const struct rt_choices *choices = rt_device_choices(device);
    size_t count = 0;
    for (size_t i = 0; i < rt_choices_count(choices); i++)
        count += !rt_choices_get(choices, i)->shipped;
    rt_device_close(device);
    return count;
}

/* Whether a row of `tune --show` that begins like this holds a text. */
static bool row_has(const char *row, const char *text)
{
    const char *start = strstr(program_output, row), *end = start ? strchr(start, '\n') : NULL,
               *word = start ? strstr(start, text) : NULL;
    return word && word < end;
}

static void check_program(size_t index)
{
    static const char bench[] = "bench --device %zu --model " TINY " --student " TINY
                                " --patch 16 --batch 1 --steps 1 --verbose %s";
    static const char row[] = "conv2d     backward weights  2x8x8 to 4, kernel 3, stride 1 ";
    assert_int_equal(retort("tune --device %zu --show --model " TINY " --patch 16", index), 0);
    assert_true(row_has(row, " rule"));
    assert_null(strstr(program_output, "tuning"));
    assert_int_equal(count_own(index), 0);
    assert_int_equal(retort("tune --device %zu --model " TINY " --patch 16 --batch 1", index), 0);
    assert_said("tuning 1/18: gemm\n");
    assert_said("tuning 2/18: conv2d forward 3x16x16 to 2, kernel 3, stride 1\n");
    assert_said("tuning 18/18: ");
    assert_int_equal(retort("tune --device %zu --show --model unet:5,depth=1 --patch 16", index),
                     0);
    assert_said("operation  part              shape");
    assert_said("\ngemm ");
    assert_true(row_has(row, " profile"));
    assert_true(row_has(row, "x), ")); /* by how much it won */
    assert_true(row_has("conv2d     forward           3x16x16 to 5, ", " rule"));
    assert_null(strstr(program_output, "tuning"));
    /* The input's gradient is not wanted. */
    assert_null(strstr(program_output, "backward data     3x16x16"));
    assert_int_equal(count_own(index), 18);
    struct rt_device *device = check_device(index);
    assert_int_equal(choose(device, "plain"), 17);
    rt_device_close(device);
    assert_int_equal(retort(bench, index, ""), 0);
    assert_said("built conv2d_plain.cl");
    assert_null(strstr(program_output, "built conv2d.cl"));
    assert_int_equal(retort(bench, index, "--conv direct"), 0);
    assert_said("built conv2d.cl");
    assert_null(strstr(program_output, "built conv2d_plain.cl"));
    /* Another network's choices come beside these. */
    assert_int_equal(retort("tune --device %zu --model unet:1,depth=1 --patch 2 --batch 1", index),
                     0);
    assert_said("conv2d     forward           1x1x1 to 2, kernel 3, stride 1 ");
    assert_true(count_own(index) > 18);
    device = check_device(index);
    assert_string_equal(rt_device_choice(device, "conv2d forward 3x16x16 to 2, kernel 3, stride 1"),
                        "plain");
    rt_device_close(device);
}

static void the_program_tunes_and_obeys(void **state)
{
    (void)state;
    on_devices(check_program);
}

static void forget_profile(size_t index)
{
    struct rt_device *device = check_device(index);
    remove_profile(rt_device_describe(device));
    rt_device_close(device);
}

static void check_two_at_once(size_t index)
{
    static const char tune[] = "\"$RETORT_PROGRAM\" tune --batch 1 --patch 2 --model unet";
    assert_int_equal(retort("tune --device %zu --batch 1 --patch 2 --model unet:1,depth=1", index),
                     0);
    const size_t first = count_own(index);
    forget_profile(index);
    assert_int_equal(retort("tune --device %zu --batch 1 --patch 2 --model unet:2,depth=1", index),
                     0);
    const size_t second = count_own(index);
    forget_profile(index);
    assert_int_equal(shell("%s:1,depth=1 --device %zu & %s:2,depth=1 --device %zu && wait $!", tune,
                           index, tune, index),
                     0);
    assert_int_equal(count_own(index), first + second - 1); /* both have the products */
}

static void two_tunings_at_once_keep_each_other_s_choices(void **state)
{
    (void)state;
    on_devices(check_two_at_once);
}

/* --- before the first training ------------------------------------------------------------- */

static int train(size_t index, const char *options)
{
    return retort("train --data synth:4 --model " TINY " --patch 16 --epochs 1 --batch 4 "
                  "--device %zu --out %s/run %s",
                  index, folder, options);
}

/* Makes the profile one of other kernels. */
static void age_profile(size_t index)
{
    struct rt_device *device = check_device(index);
    char *path, *bytes;
    size_t size;
    assert_ok(rt_choices_path(rt_device_describe(device), &path));
    rt_device_close(device);
    assert_ok(rt_file_read(path, SIZE_MAX, &bytes, &size));
    char *kernels = strstr(bytes, "\"kernels\": \"");
    assert_non_null(kernels);
    memset(kernels + strlen("\"kernels\": \""), '0', 16);
    assert_ok(rt_file_write(path, bytes, size));
    free(bytes);
    free(path);
}

static void assert_searched(bool searched)
{
    if ((strstr(program_output, "looking for the fastest kernels") != NULL) != searched)
        fail_msg("this is %s search: %s", searched ? "no" : "a", program_output);
}

static void check_first_search(size_t index)
{
    struct rt_device *device = check_device(index);
    const bool cpu = rt_device_is_cpu(device);
    rt_device_close(device);
    if (cpu) { /* the rule for these was measured */
        assert_int_equal(train(index, ""), 0);
        assert_searched(false);
    }
    assert_int_equal(train(index, "--force --tune 0"), 0);
    assert_searched(false);
    assert_int_equal(train(index, "--force --tune 9 --conv direct"), 0);
    assert_searched(false);
    assert_int_equal(train(index, "--tune 9"), 2); /* a run is there: told before a search */
    assert_searched(false);
    assert_int_equal(count_own(index), 0);
    assert_int_equal(train(index, "--force --tune 9"), 0);
    assert_searched(true);
    /* The most costly first. */
    assert_said("tuning 1/17, 9 s left: conv2d backward data 2x16x16 to 2, kernel 3, stride 1\n");
    assert_said("conv2d backward data 4x16x16 to 2, kernel 3, stride 1\ntuning 3/17");
    const size_t found = count_own(index);
    assert_true(found > 0);
    assert_int_equal(train(index, "--force --tune 9"), 0);
    assert_searched(false);
    assert_int_equal(count_own(index), found);
    age_profile(index);
    assert_int_equal(train(index, "--force --tune 0"), 0);
    assert_said("measured with the kernels of another version");
    assert_int_equal(train(index, "--force --tune 1"), 0);
    assert_said("measured with the kernels of another version");
    assert_searched(true);
    assert_int_equal(train(index, "--force"), 0);
    assert_searched(false);
    assert_null(strstr(program_output, "another version"));
    /* A run goes on in the way that it began with. */
    forget_profile(index);
    assert_int_equal(train(index, "--resume --tune 9"), 0);
    assert_searched(false);
    assert_int_equal(
        shell("RETORT_PROFILE_DIR= \"$RETORT_PROGRAM\" train --data synth:4 --model " TINY
              " --patch 16 --epochs 1 --device %zu --out %s/run --force --tune 9",
              index, folder),
        0);
    assert_searched(false);
    assert_int_equal(shell("rm -r %s/run", folder), 0);
}

static void a_first_training_searches(void **state)
{
    (void)state;
    on_devices(check_first_search);
}

static void check_teachers(size_t index)
{
    assert_int_equal(train(index, "--tune 0"), 0);
    assert_int_equal(retort("distill --teacher %s/run/best.safetensors --control --data synth:4 "
                            "--model unet:1,depth=1 --patch 16 --epochs 1 --batch 4 --tune 6 "
                            "--device %zu --out %s/run/student",
                            folder, index, folder),
                     0);
    assert_searched(true);
    /* The student's 17 parts, and the forward ones of its teacher that are not among them; none
     * again for the control. */
    const char *first = strstr(program_output, "tuning 1/");
    assert_non_null(first);
    assert_int_equal(atoi(first + strlen("tuning 1/")), 17 + 6);
    assert_null(strstr(first + 1, "tuning 1/"));
    assert_int_equal(shell("rm -r %s/run", folder), 0);
}

static void teachers_are_searched_for_too(void **state)
{
    (void)state;
    on_devices(check_teachers);
}

static void a_search_that_cannot_be_kept_is_left_out(void **state)
{
    (void)state;
    check_any_device();
    assert_int_equal(
        shell(
            "RETORT_PROFILE_DIR=/dev/null/x \"$RETORT_PROGRAM\" train --data synth:4 --model " TINY
            " --patch 16 --epochs 1 --out %s/run --tune 9",
            folder),
        0);
    assert_said("the search is left out: ");
    assert_said("/dev/null/x");
    assert_null(strstr(program_output, "tuning 1/"));
    assert_int_equal(shell("rm -r %s/run", folder), 0);
}

static void an_interrupted_search_ends_the_program(void **state)
{
    (void)state;
    check_any_device();
    /* One signal: a second one would end the program without a word. No profile that comes with
     * retort knows this network. */
    shell("timeout --foreground -s INT 3 \"$RETORT_PROGRAM\" train --data synth:4 "
          "--model unet:15,depth=4 --patch 256 --epochs 1 --batch 1 --out %s/run --tune 600 "
          "--device cpu; echo status $?",
          folder);
    assert_said("interrupted while it tried kernels");
    assert_null(strstr(program_output, "is left out"));
    assert_int_equal(shell("! test -e %s/run/config.json", folder), 0);
    shell("rm -rf %s/run %s/*.json", folder, folder);
}

static void the_program_tells_what_is_wrong(void **state)
{
    (void)state;
    check_any_device();
    assert_int_equal(retort("tune --model unet:2,depth=1 --patch 17"), 2);
    assert_said("multiple of 2");
    assert_int_equal(
        shell("RETORT_PROFILE_DIR= \"$RETORT_PROGRAM\" tune --model " TINY " --patch 16"), 2);
    assert_said("there is no place for profiles");
    assert_null(strstr(program_output, "tuning"));
    assert_int_equal(retort("tune-candidate --key x --variant quantum"), 0);
    assert_said("{\"problem\":\"there is no variant 'quantum'\"}");
    assert_int_equal(retort("tune-candidate --key gemm --variant quantum"), 0);
    assert_said("{\"problem\":\"there is no variant 'quantum'\"}");
    assert_int_equal(retort("tune-candidate --key x --variant plain"), 0);
    assert_said("{\"problem\":\"'x' is no part of a convolution\"}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_choice_is_obeyed),
        cmocka_unit_test(where_a_choice_does_not_do_the_rule_stands),
        cmocka_unit_test(products_take_the_chosen_parameters),
        cmocka_unit_test(keys_are_read_as_written),
        cmocka_unit_test(what_is_measured_is_checked),
        cmocka_unit_test(a_hopeless_variant_runs_one_image),
        cmocka_unit_test(the_program_tunes_and_obeys),
        cmocka_unit_test(two_tunings_at_once_keep_each_other_s_choices),
        cmocka_unit_test(a_first_training_searches),
        cmocka_unit_test(teachers_are_searched_for_too),
        cmocka_unit_test(a_search_that_cannot_be_kept_is_left_out),
        cmocka_unit_test(an_interrupted_search_ends_the_program),
        cmocka_unit_test(the_program_tells_what_is_wrong),
    };
    leave_leaks_of_programs();
    return cmocka_run_group_tests(tests, start, end);
}
