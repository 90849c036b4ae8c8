/* The device memory of a run: known before its first step, and kept below a limit. */
#include "test.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "device/internal.h"
#include "model/safetensors.h"
#include "retort/learn.h"
#include "run_device.h"

static char announced[256]; /* the last run's line on its memory */
static char warning[512];   /* and its last warning */
static int warnings;

static void keep(void *user, enum rt_log_level level, const char *message)
{
    (void)user;
    if (strncmp(message, "device memory: ", 15) == 0)
        snprintf(announced, sizeof announced, "%s", message);
    if (level == RT_LOG_WARNING) {
        snprintf(warning, sizeof warning, "%s", message);
        warnings++;
    }
}

static int start(void **state)
{
    rt_log_set(keep, NULL);
    return open_device(state);
}

/* An epoch of 7 steps on 51 patches, with dropout; RUN below the test's folder is replaced. */
static struct rt_train_options small_run(char **out, const char *name)
{
    struct rt_train_options options;
    rt_train_defaults(&options);
    *out = test_path(folder, name);
    options.data.source = "synth:1";
    options.data.patch = 64;
    options.data.split = RT_SPLIT_PATCH;
    options.network = "unet:4,depth=2,dropout=0.3";
    options.epochs = 1;
    options.batch = 8;
    options.optimizer.kind = RT_SGD;
    options.rate = 0.05f;
    options.out = *out;
    options.force = true;
    return options;
}

static char *train_teacher(void)
{
    char *out, *weights;
    const struct rt_train_options options = small_run(&out, "teacher");
    assert_ok(rt_train(device, &options, NULL));
    weights = test_path(out, "last.safetensors");
    free(out);
    return weights;
}

/* Distils from two teachers; unlabelled images make labels that only they explain. */
static void distil(struct rt_train_options *options, const char *const teachers[2])
{
    options->teachers = teachers;
    options->teacher_count = 2;
    options->alpha = 0.5f;
    options->transfer = "synth:1,7";
}

static size_t peak_of(const struct rt_train_options *options)
{
    struct rt_train_result result;
    assert_ok(rt_train(device, options, &result));
    return result.peak_device_bytes;
}

/* Patches at a time, as the last run said; 0 where it took whole steps. */
static int together(void)
{
    const char *parts = strstr(announced, ", ");
    return parts ? atoi(parts + 2) : 0;
}

/* Whether it said that it computed activations again. */
static bool recomputed(void)
{
    return strstr(announced, ", activations computed again (") != NULL;
}

/* --- the announcement ----------------------------------------------------------------------- */

static double announced_bytes(void)
{
    double number;
    char unit[8];
    assert_int_equal(sscanf(announced, "device memory: %lf %7s of", &number, unit), 2);
    return number * (strcmp(unit, "KiB") == 0 ? 0x1p10 : strcmp(unit, "MiB") == 0 ? 0x1p20 : 0);
}

/* The last column of the last line. */
static double logged_peak(const char *out)
{
    char *path = test_path(out, "log.csv"), *text;
    size_t size;
    assert_ok(rt_file_read(path, 1 << 20, &text, &size));
    assert_non_null(strstr(text, "peak_device_bytes\n"));
    double peak = atof(strrchr(text, ',') + 1);
    free(text);
    free(path);
    return peak;
}

/* The words give three digits. */
static void check_words(size_t peak)
{
    if (!(fabs(announced_bytes() - (double)peak) <= 0.005 * (double)peak))
        fail_msg("%s, but the peak is %zu", announced, peak);
}

/* The limit shows that every byte was known. Below it, steps go in parts or are recomputed. */
static void check_announcement(struct rt_train_options options, int parts)
{
    size_t peak = peak_of(&options);
    check_words(peak);
    assert_float_equal(logged_peak(options.out), (double)peak, 0);
    assert_int_equal(together(), 0);
    options.memory_limit = peak;
    assert_int_equal(peak_of(&options), peak);
    assert_int_equal(together(), 0);
    options.memory_limit = peak - 1;
    peak = peak_of(&options);
    assert_true(peak <= options.memory_limit);
    assert_int_equal(together(), parts);
    assert_true(recomputed() == (parts == 0));
    check_words(peak);
}

static void a_run_knows_its_memory(void **state)
{
    (void)state;
    NEED_DEVICE();
    char *out;
    struct rt_train_options options = small_run(&out, "announced");
    check_announcement(options, 4);
    options.optimizer.kind = RT_ADAM;
    options.network = "unet:4,depth=2,norm=batch,up=bilinear";
    check_announcement(options, 0);
    options.network = "unet:4,depth=2";
    options.loss = RT_HARD_DICE;
    check_announcement(options, 0);
    free(out);
}

/* CLBlast packs matrices into memory of its own. */
static void products_of_matrices_are_counted(void **state)
{
    (void)state;
    NEED_DEVICE();
    char *out;
    struct rt_train_options options = small_run(&out, "products");
    struct rt_device *before = device;
    assert_ok(rt_device_open(&device, NULL)); /* which keeps that memory from run to run */
    rt_device_set_conv(device, RT_CONV_GEMM);
    check_words(peak_of(&options));
    check_announcement(options, 4);
    rt_device_close(device);
    device = before;
    free(out);
}

static void a_distillation_knows_its_memory(void **state)
{
    (void)state;
    NEED_DEVICE();
    char *out, *teacher = train_teacher();
    struct rt_train_options options = small_run(&out, "announced");
    distil(&options, (const char *const[]){teacher, teacher});
    check_announcement(options, 4);
    free(out);
    free(teacher);
}

/* --- a limit -------------------------------------------------------------------------------- */

static bool count_down(void *user)
{
    return --*(int *)user == 0;
}

/* One of the run's files after so many steps; released by rt_safetensors_finish. */
static struct rt_safetensors after(struct rt_train_options options, int steps, const char *name)
{
    struct rt_safetensors file;
    char *path = test_path(options.out, name);
    options.stop = count_down;
    options.user = &steps;
    assert_fails(rt_train(device, &options, NULL), RT_ERROR_INTERRUPTED, "can be resumed");
    assert_ok(rt_safetensors_read(&file, path));
    free(path);
    return file;
}

static size_t floats_of(const struct rt_safetensors_entry *entry)
{
    size_t floats = 1;
    for (int d = 0; d < entry->dimensions; d++)
        floats *= (size_t)entry->shape[d];
    return floats;
}

/* The largest difference in an array, as a share of its largest magnitude. */
static double difference(const struct rt_safetensors_entry *a, const struct rt_safetensors_entry *b)
{
    double largest = 0, apart = 0;
    assert_non_null(a);
    assert_non_null(b);
    assert_int_equal(floats_of(a), floats_of(b));
    for (size_t i = 0; i < floats_of(a); i++) {
        largest = fmax(largest, fabs((double)a->data[i]));
        apart = fmax(apart, fabs((double)a->data[i] - (double)b->data[i]));
    }
    assert_true(largest > 0);
    return apart / largest;
}

/* Whether all weights are the same to 1e-5 after three steps; and after one, when no rounding has
 * turned a ReLU or the maximum of a pool yet, every array by itself, biases that began at 0 and the
 * gradients, which the first moment is, among them. */
static bool learns_the_same(const struct rt_train_options *a, const struct rt_train_options *b)
{
    static const struct {
        int steps;
        const char *file;
    } looks[] = {{3, "state.safetensors"}, {1, "state.safetensors"}, {1, "last.safetensors"}};
    bool same = true;
    for (size_t i = 0; i < RT_COUNT(looks); i++) {
        struct rt_safetensors of_a = after(*a, looks[i].steps, looks[i].file);
        struct rt_safetensors of_b = after(*b, looks[i].steps, looks[i].file);
        for (size_t k = 0; k < of_a.count; k++) {
            const char *name = of_a.entries[k].name;
            if (looks[i].steps == 1 || strcmp(name, "weights") == 0)
                same =
                    same && difference(&of_a.entries[k], rt_safetensors_find(&of_b, name)) <= 1e-5;
        }
        rt_safetensors_finish(&of_a);
        rt_safetensors_finish(&of_b);
    }
    return same;
}

/* Steps of `batch` patches in halves, quarters, ... down to single patches, and those recomputed,
 * teach what whole steps do, in less memory than the limit. Another seed does not. */
static void check_parts(struct rt_train_options options, int batch)
{
    int parts = batch;
    options.batch = batch;
    struct rt_train_options whole = options;
    size_t limit = peak_of(&options);
    while (parts > 1) {
        options.memory_limit = limit - 1;
        limit = peak_of(&options);
        assert_true(limit <= options.memory_limit);
        parts /= 2;
        assert_int_equal(together(), parts);
        assert_false(recomputed());
        if (!learns_the_same(&whole, &options))
            fail_msg("%d of %d patches at a time learn something else", parts, batch);
    }
    options.memory_limit = limit - 1;
    limit = peak_of(&options);
    assert_true(limit <= options.memory_limit);
    assert_int_equal(together(), 1);
    assert_true(recomputed());
    assert_true(learns_the_same(&whole, &options));
    options.memory_limit = limit - 1;
    assert_fails(rt_train(device, &options, NULL), RT_ERROR_ARGUMENT, "even one at a time");
    options.memory_limit = 0;
    options.seed++;
    assert_false(learns_the_same(&whole, &options));
}

static void parts_of_a_step_add_up(void **state)
{
    (void)state;
    NEED_DEVICE();
    char *out;
    struct rt_train_options options = small_run(&out, "parts");
    check_parts(options, 8);
    options.loss = RT_HARD_FOCAL;
    options.augment = true;
    check_parts(options, 7); /* 3 + 3 + 1 */
    free(out);
}

static void parts_of_a_distilling_step_add_up(void **state)
{
    (void)state;
    NEED_DEVICE();
    char *out, *teacher = train_teacher();
    struct rt_train_options options = small_run(&out, "parts");
    distil(&options, (const char *const[]){teacher, teacher});
    check_parts(options, 8);
    options.soft = RT_SOFT_LOGITS;
    check_parts(options, 4);
    free(out);
    free(teacher);
}

/* Halves, quarters, ... of normalised batches come after all that leaves the batches whole. */
static void batch_normalisation_is_warned_of(void **state)
{
    (void)state;
    NEED_DEVICE();
    char *out;
    struct rt_train_options options = small_run(&out, "normalised");
    options.network = "unet:4,depth=2,norm=batch";
    warnings = 0;
    for (int i = 0; i < 2; i++) {
        options.memory_limit = peak_of(&options);
        peak_of(&options);
        assert_int_equal(together(), 0);
        assert_true(recomputed() == (i == 1));
        options.memory_limit--;
    }
    assert_int_equal(warnings, 0);
    peak_of(&options);
    assert_int_equal(warnings, 1);
    assert_int_equal(together(), 4);
    assert_non_null(strstr(warning, "from the 4 patches that fit at a time, not from all 8"));
    free(out);
}

/* The bytes of a run's weights, released by free(). */
static char *weights_of(const char *out, size_t *size)
{
    char *path = test_path(out, "last.safetensors"), *bytes;
    assert_ok(rt_file_read(path, 1 << 20, &bytes, size));
    free(path);
    return bytes;
}

/* A run in memory that only recomputing can do with ends with the bits of one in plenty. */
static void check_recomputing(struct rt_train_options options)
{
    size_t size, size_again;
    options.memory_limit = peak_of(&options) * 9 / 10;
    char *weights = weights_of(options.out, &size);
    peak_of(&options);
    assert_true(recomputed());
    assert_int_equal(together(), 0);
    char *again = weights_of(options.out, &size_again);
    assert_int_equal(size_again, size);
    assert_memory_equal(again, weights, size);
    free(weights);
    free(again);
}

static void recomputing_learns_the_same_bits(void **state)
{
    (void)state;
    NEED_DEVICE();
    char *out;
    struct rt_train_options options = small_run(&out, "recomputed");
    options.loss = RT_HARD_DICE_FOCAL;
    check_recomputing(options);
    options.loss = RT_HARD_CE;
    options.network = "unet:3,depth=3,norm=batch,up=bilinear";
    check_recomputing(options);
    free(out);
}

/* The bits of a run are those of its parts; another limit is told. */
static void a_limited_run_can_be_resumed(void **state)
{
    (void)state;
    NEED_DEVICE();
    char *whole_out, *out;
    struct rt_train_options whole = small_run(&whole_out, "whole");
    struct rt_train_options options = small_run(&out, "resumed");
    whole.memory_limit = options.memory_limit = peak_of(&whole) * 2 / 3;
    peak_of(&whole);
    struct rt_safetensors part = after(options, 3, "last.safetensors");
    rt_safetensors_finish(&part);
    options.force = false;
    options.resume = true;
    warnings = 0;
    peak_of(&options);
    assert_int_equal(warnings, 0);
    size_t whole_size, size;
    char *whole_bytes = weights_of(whole_out, &whole_size), *bytes = weights_of(out, &size);
    assert_int_equal(size, whole_size);
    assert_memory_equal(bytes, whole_bytes, size);
    free(whole_bytes);
    free(bytes);
    options.memory_limit++;
    peak_of(&options);
    assert_int_equal(warnings, 1);
    assert_non_null(strstr(warning, "memory_limit"));
    options.memory_limit = 0;
    peak_of(&options);
    assert_int_equal(warnings, 2);
    assert_non_null(strstr(warning, "not given"));
    free(whole_out);
    free(out);
}

/* --- what does not fit ---------------------------------------------------------------------- */

/* The run fails before it writes a file; returns the batch that the message advises. */
static int refused(const struct rt_train_options *options, rt_status status, const char *text)
{
    assert_fails(rt_train(device, options, NULL), status, text);
    assert_false(rt_path_exists(options->out));
    const char *advice = strstr(rt_error_message(), "--batch ");
    assert_non_null(advice);
    return atoi(advice + strlen("--batch "));
}

/* The advice is good, and the best: one patch more would not fit. */
static void check_advice(struct rt_train_options options, int batch, rt_status status)
{
    assert_true(batch >= 1 && batch < options.batch);
    options.batch = batch + 1;
    assert_int_equal(refused(&options, status, "or less"), batch);
    options.batch = batch;
    assert_ok(rt_train(device, &options, NULL));
}

static void a_limit_below_everything_is_refused(void **state)
{
    (void)state;
    NEED_DEVICE();
    char *out;
    struct rt_train_options options = small_run(&out, "tiny");
    options.memory_limit = 1000;
    refused(&options, RT_ERROR_ARGUMENT, "the limit is 1000 bytes (1000)");
    assert_non_null(strstr(rt_error_message(), "not even --batch 1 fits"));
    free(out);
}

static void dice_takes_whole_steps(void **state)
{
    (void)state;
    NEED_DEVICE();
    char *measured, *out;
    struct rt_train_options options = small_run(&measured, "measured");
    options.loss = RT_HARD_DICE_FOCAL;
    options.memory_limit = peak_of(&options) / 2;
    small_run(&out, "dice");
    options.out = out;
    check_advice(options, refused(&options, RT_ERROR_ARGUMENT, "dice"), RT_ERROR_ARGUMENT);
    free(measured);
    free(out);
}

/* A device that says it has less than the run needs, or no buffer that is large enough. */
static void a_small_device_is_told(void **state)
{
    (void)state;
    NEED_DEVICE();
    char *measured, *out;
    struct rt_train_options options = small_run(&measured, "measured");
    const struct rt_device_info info = device->info;
    size_t peak = peak_of(&options);
    out = test_path(folder, "small");
    options.out = out;
    device->info.memory_bytes = peak * 3 / 4;
    int batch = refused(&options, RT_ERROR_DEVICE, info.name);
    assert_non_null(strstr(rt_error_message(), "--memory-limit"));
    check_advice(options, batch, RT_ERROR_DEVICE);
    device->info = info;
    remove_test_folder(out);

    options.network = "unet:32,depth=1"; /* 4 MiB for the largest tensor of 8 patches */
    device->info.buffer_bytes = 3 << 20;
    batch = refused(&options, RT_ERROR_DEVICE, "largest buffer is 3145728");
    check_advice(options, batch, RT_ERROR_DEVICE);
    device->info = info;
    free(measured);
    free(out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_run_knows_its_memory),
        cmocka_unit_test(products_of_matrices_are_counted),
        cmocka_unit_test(a_distillation_knows_its_memory),
        cmocka_unit_test(parts_of_a_step_add_up),
        cmocka_unit_test(parts_of_a_distilling_step_add_up),
        cmocka_unit_test(batch_normalisation_is_warned_of),
        cmocka_unit_test(recomputing_learns_the_same_bits),
        cmocka_unit_test(a_limited_run_can_be_resumed),
        cmocka_unit_test(a_limit_below_everything_is_refused),
        cmocka_unit_test(dice_takes_whole_steps),
        cmocka_unit_test(a_small_device_is_told),
    };
    return cmocka_run_group_tests(tests, start, close_device);
}
