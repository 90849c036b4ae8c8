#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/random.h"
#include "ops/check.h"
#include "ops/loss.h"
#include "ops/metrics.h"
#include "ops/reference/training.h"

static const struct rt_shape shapes[] = {
    {1, 1, 1, 1}, {2, 2, 3, 7}, {3, 6, 5, 13}, {1, 19, 16, 16}, {2, 32, 9, 11}, {2, 6, 131, 127},
};

static size_t pixels(struct rt_shape s)
{
    return (size_t)s.h * (size_t)s.w;
}

/* Logits and labels: on the host, and on a device with guards. */
struct fixture {
    struct rt_shape shape;
    double *logits; /* contiguous */
    uint8_t *labels;
    struct rt_device *device;
    struct guarded x;
    struct rt_buffer *label_buffer; /* exactly as long as the labels */
};

/* Whole logits, so that there are equals; labels of every class, and of none. */
static struct fixture fixture_create(struct rt_device *device, struct rt_shape shape)
{
    struct fixture f = {.shape = shape, .device = device};
    struct rt_random random = rt_random_start(5, 0);
    const size_t size = rt_shape_size(shape), count = (size_t)shape.n * pixels(shape);
    f.logits = calloc(size, sizeof *f.logits);
    f.labels = calloc(count, 1);
    for (size_t i = 0; i < size; i++)
        f.logits[i] = (double)rt_random_below(&random, 9) - 4;
    for (size_t i = 0; i < count; i++) {
        const uint32_t label = rt_random_below(&random, (uint32_t)shape.c + 2);
        f.labels[i] = label < (uint32_t)shape.c ? (uint8_t)label : (uint8_t)(254 + label % 2);
    }
    f.x = guarded_create(device, shape, GAP);
    guarded_write(&f.x, f.logits);
    assert_ok(rt_buffer_create(&f.label_buffer, device, count));
    assert_ok(rt_buffer_write(f.label_buffer, 0, count, f.labels));
    return f;
}

static void fixture_finish(struct fixture *f)
{
    free(f->logits);
    free(f->labels);
    rt_buffer_destroy(f->x.tensor.buffer);
    rt_buffer_destroy(f->label_buffer);
}

/* Calls `check` for every shape on every variant of every device, in either math. */
static void each_fixture(void (*check)(struct fixture *))
{
    struct rt_device *device;
    check_any_device();
    for (size_t d = 0; (device = check_math(d)); d++) {
        for (size_t i = 0; i < RT_COUNT(shapes) - check_small(); i++) {
            struct fixture f = fixture_create(device, shapes[i]);
            check(&f);
            fixture_finish(&f);
        }
        rt_device_close(device);
    }
}

/* The logit of class c of pixel i of the batch. */
static double *logit(const struct fixture *f, size_t i, int c)
{
    const size_t image = i / pixels(f->shape), pixel = i % pixels(f->shape);
    return &f->logits[(image * (size_t)f->shape.c + (size_t)c) * pixels(f->shape) + pixel];
}

static int reference_class(const struct fixture *f, size_t i)
{
    return rt_reference_class(f->logits, f->shape, i);
}

static double reference_probability(const struct fixture *f, size_t i, int c)
{
    return rt_reference_probability(f->logits, f->shape, i, c);
}

/* Counters before guard words, at a start that is not 0: what is counted must be added. They are
 * written at once: Oclgrind takes what a second write leaves alone for uninitialised. */
#define START 1000

static struct rt_buffer *counters_create(struct rt_device *device, size_t count)
{
    struct rt_buffer *buffer;
    const size_t words = count + RT_TENSOR_GUARD;
    uint32_t *start = malloc(words * sizeof *start);
    for (size_t i = 0; i < words; i++)
        start[i] = i < count ? START : POISON;
    assert_ok(rt_buffer_create(&buffer, device, words * sizeof *start));
    assert_ok(rt_buffer_write(buffer, 0, words * sizeof *start, start));
    free(start);
    return buffer;
}

static uint32_t *counters_read(struct rt_buffer *buffer, size_t count)
{
    uint32_t *words = malloc(rt_buffer_bytes(buffer));
    assert_ok(rt_buffer_read(buffer, 0, rt_buffer_bytes(buffer), words));
    for (size_t i = count; i < count + RT_TENSOR_GUARD; i++)
        assert_int_equal(words[i], POISON);
    for (size_t i = 0; i < count; i++)
        words[i] -= START;
    return words;
}

/* matrix[truth * classes + prediction], `times` for every pixel. */
static uint32_t *reference_confusion(const struct fixture *f, uint32_t times)
{
    const size_t classes = (size_t)f->shape.c;
    uint32_t *want = calloc(classes * classes, sizeof *want);
    for (size_t i = 0; i < (size_t)f->shape.n * pixels(f->shape); i++)
        if (f->labels[i] < classes)
            want[f->labels[i] * classes + (size_t)reference_class(f, i)] += times;
    return want;
}

static void check_confusion(struct fixture *f)
{
    const size_t count = (size_t)f->shape.c * (size_t)f->shape.c;
    uint32_t *want = reference_confusion(f, 2);
    struct rt_buffer *matrix = counters_create(f->device, count);
    assert_ok(rt_confusion_add(f->device, &f->x.tensor, f->label_buffer, matrix));
    assert_ok(rt_confusion_add(f->device, &f->x.tensor, f->label_buffer, matrix));
    uint32_t *got = counters_read(matrix, count);
    assert_memory_equal(got, want, count * sizeof *want);
    free(want), free(got);
    rt_buffer_destroy(matrix);
}

static void confusion_counts_pixels(void **state)
{
    (void)state;
    each_fixture(check_confusion);
}

/* Runs a loss, image by image if `parts`, and counts where there is a matrix. The logits are their
 * own teacher where the loss wants one. Returns the gradient. */
static float *run_loss(struct fixture *f, const struct rt_loss *loss, bool parts,
                       struct rt_buffer *matrix, struct rt_loss_values *values)
{
    struct guarded dx = guarded_create(f->device, f->shape, GAP + 2);
    struct rt_tensor x = f->x.tensor, gradient = dx.tensor;
    const int teachers = loss->soft != RT_SOFT_NONE;
    struct rt_loss_state *state;
    assert_ok(rt_loss_create(&state, f->device, loss, f->shape.c));
    if (!parts)
        assert_ok(rt_loss_run(state, &x, f->label_buffer, &x, teachers, &gradient, matrix));
    else
        assert_ok(rt_loss_count(state, f->shape, f->label_buffer));
    x.shape.n = gradient.shape.n = 1;
    for (int i = 0; i < f->shape.n && parts; i++) {
        assert_ok(rt_loss_add(state, &x, f->label_buffer, i, &x, teachers, &gradient, matrix));
        x.offset += x.stride;
        gradient.offset += gradient.stride;
    }
    assert_ok(rt_loss_read(state, values));
    rt_loss_destroy(state);
    float *result = guarded_read(&dx, "gradient");
    rt_buffer_destroy(dx.tensor.buffer);
    return result;
}

/* The loss counts what rt_confusion_add would, and its values and gradient stay the same to the
 * bit. */
static void check_loss(struct fixture *f, const struct rt_loss *loss, bool parts)
{
    const size_t count = (size_t)f->shape.c * (size_t)f->shape.c;
    struct rt_loss_values values, plain_values;
    struct rt_buffer *matrix = counters_create(f->device, count);
    uint32_t *want = reference_confusion(f, 1);
    float *plain = run_loss(f, loss, parts, NULL, &plain_values);
    float *gradient = run_loss(f, loss, parts, matrix, &values);
    uint32_t *got = counters_read(matrix, count);
    assert_memory_equal(got, want, count * sizeof *want);
    assert_memory_equal(&values, &plain_values, sizeof values);
    assert_memory_equal(gradient, plain, rt_shape_size(f->shape) * sizeof *plain);
    free(want), free(got), free(plain), free(gradient);
    rt_buffer_destroy(matrix);
}

static void check_losses(struct fixture *f)
{
    struct rt_loss loss = {.hard = RT_HARD_CE, .soft = RT_SOFT_KL, .alpha = 0.5f};
    for (int c = 0; c < RT_CLASSES_MAX; c++)
        loss.weights[c] = 1;
    loss.temperature = 2;
    check_loss(f, &loss, true);
    loss = (struct rt_loss){.hard = RT_HARD_DICE_FOCAL};
    check_loss(f, &loss, false);
    /* What is no number spreads over its pixel in the loss, but not before it has been counted. */
    *logit(f, 0, 0) = NAN;
    *logit(f, (size_t)f->shape.n * pixels(f->shape) - 1, f->shape.c - 1) = INFINITY;
    guarded_write(&f->x, f->logits);
    check_loss(f, &loss, false);
}

static void losses_count_on_the_way(void **state)
{
    (void)state;
    each_fixture(check_losses);
}

/* A probability on the border of two bins may fall into either: it counts for the most that both
 * may hold, and for the least of neither. */
static void check_histogram(struct fixture *f)
{
    const size_t classes = (size_t)f->shape.c, count = classes * 2 * RT_HISTOGRAM_BINS;
    int64_t *least = calloc(count, sizeof *least), *most = calloc(count, sizeof *most);
    int64_t rows[2 * RT_CLASSES_MAX] = {0};
    for (size_t i = 0; i < (size_t)f->shape.n * pixels(f->shape); i++) {
        for (size_t c = 0; c < classes && f->labels[i] < classes; c++) {
            const size_t row = c * 2 + (f->labels[i] == c);
            const double place = reference_probability(f, i, (int)c) * RT_HISTOGRAM_BINS;
            const size_t low = (size_t)fmax(place - 1e-3, 0), high = (size_t)(place + 1e-3);
            rows[row]++;
            for (size_t bin = low; bin <= high && bin < RT_HISTOGRAM_BINS; bin++)
                most[row * RT_HISTOGRAM_BINS + bin]++;
            if (low == high || high == RT_HISTOGRAM_BINS)
                least[row * RT_HISTOGRAM_BINS + low]++;
        }
    }
    struct rt_buffer *histogram = counters_create(f->device, count);
    assert_ok(rt_histogram_add(f->device, &f->x.tensor, f->label_buffer, histogram));
    uint32_t *got = counters_read(histogram, count);
    for (size_t i = 0; i < count; i++) {
        assert_in_range(got[i], least[i], most[i]);
        rows[i / RT_HISTOGRAM_BINS] -= got[i];
    }
    for (size_t i = 0; i < 2 * classes; i++)
        assert_int_equal(rows[i], 0);
    free(least), free(most), free(got);
    rt_buffer_destroy(histogram);
}

static void histogram_counts_probabilities(void **state)
{
    (void)state;
    each_fixture(check_histogram);
}

static void compare_probabilities(const struct fixture *f, const struct guarded *p)
{
    float *got = guarded_read(p, "probabilities");
    for (size_t i = 0; i < (size_t)f->shape.n * pixels(f->shape); i++)
        for (int c = 0; c < f->shape.c; c++)
            assert_true(fabs((double)got[logit(f, i, c) - f->logits] -
                             reference_probability(f, i, c)) <= 1e-6);
    free(got);
}

static void check_softmax(struct fixture *f)
{
    struct guarded p = guarded_create(f->device, f->shape, GAP + 2);
    assert_ok(rt_softmax(f->device, &f->x.tensor, &p.tensor));
    compare_probabilities(f, &p);
    assert_ok(rt_softmax(f->device, &f->x.tensor, &f->x.tensor));
    compare_probabilities(f, &f->x);
    rt_buffer_destroy(p.tensor.buffer);
}

static void softmax_is_over_classes(void **state)
{
    (void)state;
    each_fixture(check_softmax);
}

static void check_arg_max(struct fixture *f)
{
    const size_t count = (size_t)f->shape.n * pixels(f->shape), guard = 16;
    *logit(f, 0, 0) = NAN; /* never the largest, unless there is nothing else */
    guarded_write(&f->x, f->logits);
    struct rt_buffer *classes;
    uint8_t *got = malloc(count + guard);
    memset(got, 0xaa, count + guard);
    assert_ok(rt_buffer_create(&classes, f->device, count + guard));
    assert_ok(rt_buffer_write(classes, 0, count + guard, got));
    assert_ok(rt_arg_max(f->device, &f->x.tensor, classes));
    assert_ok(rt_buffer_read(classes, 0, count + guard, got));
    for (size_t i = 0; i < count; i++)
        assert_int_equal(got[i], reference_class(f, i));
    for (size_t i = count; i < count + guard; i++)
        assert_int_equal(got[i], 0xaa);
    free(got);
    rt_buffer_destroy(classes);
}

static void arg_max_takes_the_first_of_equals(void **state)
{
    (void)state;
    each_fixture(check_arg_max);
}

/* Huge logits overflow nothing; those that are no numbers crash nothing. */
static void check_extremes(struct fixture *f)
{
    const size_t size = rt_shape_size(f->shape);
    for (size_t i = 0; i < size; i++)
        f->logits[i] = i % 3 == 0 ? 1e4 : i % 3 == 1 ? -1e4 : 3e38;
    guarded_write(&f->x, f->logits);
    check_softmax(f);
    for (size_t i = 0; i < size; i++)
        f->logits[i] = NAN;
    guarded_write(&f->x, f->logits);
    check_confusion(f);
    const size_t count = (size_t)f->shape.c * 2 * RT_HISTOGRAM_BINS;
    struct rt_buffer *histogram = counters_create(f->device, count);
    assert_ok(rt_histogram_add(f->device, &f->x.tensor, f->label_buffer, histogram));
    uint32_t *got = counters_read(histogram, count);
    for (size_t i = 0; i < count; i++)
        assert_true(got[i] == 0 || i % RT_HISTOGRAM_BINS == 0);
    free(got);
    rt_buffer_destroy(histogram);
}

static void extremes_are_survived(void **state)
{
    (void)state;
    each_fixture(check_extremes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(confusion_counts_pixels),
        cmocka_unit_test(losses_count_on_the_way),
        cmocka_unit_test(histogram_counts_probabilities),
        cmocka_unit_test(softmax_is_over_classes),
        cmocka_unit_test(arg_max_takes_the_first_of_equals),
        cmocka_unit_test(extremes_are_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
