#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/random.h"
#include "ops/check.h"
#include "ops/reference/training.h"

#define DIFFERENCES 40 /* elements of a gradient that are checked by differences */

/* --- what is asked: logits, teachers, labels ----------------------------------------------- */

struct problem {
    struct rt_loss loss;
    struct rt_shape shape;
    int teachers;
    double *x, *t[RT_TEACHERS_MAX]; /* contiguous [n, c, h, w] */
    uint8_t *labels;                /* [n, h, w] */
    int part;                       /* images at a time; 0: all at once */
};

static size_t problem_pixels(const struct problem *p)
{
    return (size_t)p->shape.n * (size_t)p->shape.h * (size_t)p->shape.w;
}

/* Float number of class c of pixel i of the batch. */
static size_t place(const struct problem *p, size_t i, int c)
{
    const size_t plane = (size_t)p->shape.h * (size_t)p->shape.w;
    return (i / plane * (size_t)p->shape.c + (size_t)c) * plane + i % plane;
}

static double *random_logits(struct rt_shape shape, uint64_t stream)
{
    struct rt_random random = rt_random_start(11, stream);
    double *values = calloc(rt_shape_size(shape), sizeof *values);
    for (size_t i = 0; i < rt_shape_size(shape); i++)
        values[i] = (double)(float)(2 * (double)rt_random_normal(&random));
    return values;
}

/* Random logits; labels of every class, unknown and ignored; weights from 0.5 up. */
static struct problem problem_create(struct rt_loss loss, struct rt_shape shape, int teachers)
{
    struct problem p = {.loss = loss, .shape = shape, .teachers = teachers};
    struct rt_random random = rt_random_start(11, 100);
    p.x = random_logits(shape, 0);
    for (int k = 0; k < teachers; k++)
        p.t[k] = random_logits(shape, 1 + (uint64_t)k);
    p.labels = calloc(problem_pixels(&p), 1);
    for (size_t i = 0; i < problem_pixels(&p); i++) {
        const uint32_t label = rt_random_below(&random, (uint32_t)shape.c + 2);
        p.labels[i] = label < (uint32_t)shape.c    ? (uint8_t)label
                      : label == (uint32_t)shape.c ? RT_LABEL_UNKNOWN
                                                   : RT_LABEL_IGNORE;
    }
    for (int c = 0; c < shape.c; c++)
        p.loss.weights[c] = 0.5f + (float)c * 0.25f;
    return p;
}

static void problem_finish(struct problem *p)
{
    free(p->x);
    for (int k = 0; k < p->teachers; k++)
        free(p->t[k]);
    free(p->labels);
}

static struct rt_loss_values reference(const struct problem *p)
{
    struct rt_loss_reference r = {p->loss, p->shape, p->teachers, p->x, {NULL}, p->labels};
    for (int k = 0; k < p->teachers; k++)
        r.t[k] = p->t[k];
    return rt_reference_loss(&r);
}

/* --- the device ------------------------------------------------------------------------------ */

struct solution {
    struct rt_loss_values values;
    float *gradient; /* contiguous */
};

static struct rt_tensor images(struct rt_tensor tensor, int first, int count)
{
    tensor.offset += (size_t)first * tensor.stride;
    tensor.shape.n = count;
    return tensor;
}

static void run_in_parts(const struct problem *p, struct rt_loss_state *state,
                         const struct rt_tensor *x, struct rt_buffer *labels,
                         const struct rt_tensor *teachers, const struct rt_tensor *dx)
{
    assert_ok(rt_loss_count(state, p->shape, labels));
    for (int first = 0; first < p->shape.n; first += p->part) {
        const int left = p->shape.n - first, count = left < p->part ? left : p->part;
        const struct rt_tensor logits = images(*x, first, count);
        const struct rt_tensor dlogits = images(*dx, first, count);
        struct rt_tensor t[RT_TEACHERS_MAX];
        for (int k = 0; k < p->teachers; k++)
            t[k] = images(teachers[k], first, count);
        assert_ok(rt_loss_add(state, &logits, labels, first, t, p->teachers, &dlogits, NULL));
    }
}

static struct solution solve(struct rt_device *device, const struct problem *p)
{
    struct solution s = {0};
    struct guarded x = guarded_create(device, p->shape, GAP);
    struct guarded dx = guarded_create(device, p->shape, GAP + 2), t[RT_TEACHERS_MAX];
    struct rt_tensor teachers[RT_TEACHERS_MAX];
    struct rt_buffer *labels; /* exactly as long as the labels */
    struct rt_loss_state *state;
    guarded_write(&x, p->x);
    for (int k = 0; k < p->teachers; k++) {
        t[k] = guarded_create(device, p->shape, GAP + 3 + (size_t)k);
        guarded_write(&t[k], p->t[k]);
        teachers[k] = t[k].tensor;
    }
    assert_ok(rt_buffer_create(&labels, device, problem_pixels(p)));
    assert_ok(rt_buffer_write(labels, 0, problem_pixels(p), p->labels));
    assert_ok(rt_loss_create(&state, device, &p->loss, p->shape.c));
    if (p->part > 0)
        run_in_parts(p, state, &x.tensor, labels, teachers, &dx.tensor);
    else
        assert_ok(rt_loss_run(state, &x.tensor, labels, teachers, p->teachers, &dx.tensor, NULL));
    assert_ok(rt_loss_read(state, &s.values));
    s.gradient = guarded_read(&dx, "gradient");
    free(guarded_read(&x, "logits"));
    rt_loss_destroy(state);
    for (int k = 0; k < p->teachers; k++)
        rt_buffer_destroy(t[k].tensor.buffer);
    rt_buffer_destroy(x.tensor.buffer);
    rt_buffer_destroy(dx.tensor.buffer);
    rt_buffer_destroy(labels);
    return s;
}

/* --- comparisons ------------------------------------------------------------------------------ */

static void describe(const struct problem *p, char *text, size_t bytes)
{
    snprintf(text, bytes, "hard %d, soft %d, alpha %g, T %g, %d teachers, logits %d x %d x %d x %d",
             (int)p->loss.hard, (int)p->loss.soft, (double)p->loss.alpha,
             (double)p->loss.temperature, p->teachers, p->shape.n, p->shape.c, p->shape.h,
             p->shape.w);
}

static void compare(const struct problem *p, const char *what, double got, double want,
                    double tolerance)
{
    char name[160];
    describe(p, name, sizeof name);
    if (!(fabs(got - want) <= tolerance))
        fail_msg("%s: %s is %.9g, expected %.9g (tolerance %.2g)", name, what, got, want,
                 tolerance);
}

static void compare_values(const struct problem *p, const struct rt_loss_values *got)
{
    const struct rt_loss_values want = reference(p);
    compare(p, "hard", got->hard, want.hard, 5e-6 * fmax(1, want.hard));
    compare(p, "soft", got->soft, want.soft, 2e-5 * fmax(1, want.soft));
    compare(p, "total", got->total, want.total, 2e-5 * fmax(1, want.total));
}

/* Every element of the gradient that the problem could afford, by central differences. */
static double *differences(struct problem *p, size_t *step)
{
    const size_t size = rt_shape_size(p->shape);
    *step = size / DIFFERENCES + 1;
    double *gradient = calloc(size, sizeof *gradient);
    for (size_t i = 0; i < size; i += *step) {
        const double value = p->x[i], h = 1e-5;
        p->x[i] = value + h;
        gradient[i] = reference(p).total;
        p->x[i] = value - h;
        gradient[i] = (gradient[i] - reference(p).total) / (2 * h);
        p->x[i] = value;
    }
    return gradient;
}

static void compare_gradient(const struct problem *p, const float *got, const double *want,
                             size_t step)
{
    double largest = 1e-3 / (double)problem_pixels(p);
    for (size_t i = 0; i < rt_shape_size(p->shape); i += step)
        largest = fmax(largest, fabs(want[i]));
    for (size_t i = 0; i < rt_shape_size(p->shape); i += step)
        compare(p, "gradient", (double)got[i], want[i], 1e-4 * largest);
}

/* Values and gradient of one problem against the reference. */
static void check_problem(struct rt_device *device, struct problem *p)
{
    size_t step;
    double *want = differences(p, &step);
    struct solution s = solve(device, p);
    compare_values(p, &s.values);
    compare_gradient(p, s.gradient, want, step);
    free(s.gradient);
    free(want);
}

static void check_random(struct rt_device *device, struct rt_loss loss, struct rt_shape shape,
                         int teachers)
{
    struct problem p = problem_create(loss, shape, teachers);
    check_problem(device, &p);
    problem_finish(&p);
}

static const enum rt_hard_loss hard_kinds[] = {RT_HARD_CE, RT_HARD_DICE, RT_HARD_FOCAL,
                                               RT_HARD_DICE_FOCAL};
static const enum rt_soft_loss soft_kinds[] = {RT_SOFT_NONE, RT_SOFT_KL, RT_SOFT_LOGITS};

/* Calls `check` with every kind of hard and soft loss, on every device; a temperature of 4, alpha
 * 0.1. */
static void each_kind(struct rt_device *(*open)(size_t),
                      void (*check)(struct rt_device *, struct rt_loss, int teachers))
{
    struct rt_device *device;
    check_any_device();
    for (size_t d = 0; (device = open(d)); d++) {
        for (size_t i = 0; i < RT_COUNT(hard_kinds); i++) {
            for (size_t j = 0; j < RT_COUNT(soft_kinds); j++) {
                const struct rt_loss loss = {
                    .hard = hard_kinds[i], .soft = soft_kinds[j], .alpha = 0.1f, .temperature = 4};
                check(device, loss, soft_kinds[j] == RT_SOFT_NONE ? 0 : 1);
            }
        }
        rt_device_close(device);
    }
}

/* --- tests --------------------------------------------------------------------------------------
 */

/* Every temperature, share, number of classes and of teachers with one kind. */
static void check_combinations(struct rt_device *device, struct rt_loss loss, int soft)
{
    static const int classes[] = {1, 2, 6, 19, 32};
    static const float alphas[] = {0, 0.1f, 1}, temperatures[] = {1, 4, 20};
    for (size_t c = 0; c < RT_COUNT(classes); c++) {
        const struct rt_shape shape = {2, classes[c], 3, 7};
        for (int teachers = soft; teachers <= 3 * soft; teachers++) {
            for (size_t i = 0; i < RT_COUNT(alphas) * RT_COUNT(temperatures); i++) {
                loss.alpha = alphas[i % RT_COUNT(alphas)];
                loss.temperature = temperatures[i / RT_COUNT(alphas)];
                check_random(device, loss, shape, teachers);
            }
        }
    }
}

static void every_combination_is_its_definition(void **state)
{
    (void)state;
    if (check_small())
        skip();
    each_kind(check_device, check_combinations);
}

/* Images of less than a vector, of a few vectors, and of several chunks. */
static void check_shapes(struct rt_device *device, struct rt_loss loss, int teachers)
{
    check_random(device, loss, (struct rt_shape){1, 6, 1, 1}, teachers);
    check_random(device, loss, (struct rt_shape){3, 6, 5, 13}, teachers);
    check_random(device, loss, (struct rt_shape){1, 6, 8, 8}, teachers);
    if (!check_small())
        check_random(device, loss, (struct rt_shape){2, 6, 37, 53}, teachers);
}

static void every_shape_on_every_variant(void **state)
{
    (void)state;
    each_kind(check_variant, check_shapes);
}

/* Figures worked out by hand, so that the reference itself is held to something. Two pixels side
 * by side, two classes. */
static void figures_by_hand(void **state)
{
    (void)state;
    struct rt_device *device;
    check_any_device();
    for (size_t d = 0; (device = check_device(d)); d++) {
        struct rt_loss loss = {.hard = RT_HARD_CE, .soft = RT_SOFT_KL, .alpha = 0.1f};
        loss.temperature = 4;
        struct problem p = problem_create(loss, (struct rt_shape){1, 2, 1, 2}, 1);
        /* The student is undecided at both pixels, but its logits differ from pixel to pixel: a
         * softmax along the row would not be (1/2, 1/2). The teacher's softened probabilities are
         * (3/4, 1/4) at both. */
        memcpy(p.x, (double[]){0, 5, 0, 5}, 4 * sizeof *p.x);
        memcpy(p.t[0], (double[]){4 * log(3), 4 * log(3), 0, 0}, 4 * sizeof *p.x);
        memcpy(p.labels, (uint8_t[]){0, 1}, 2);
        const double kl = 16 * (0.75 * log(1.5) + 0.25 * log(0.5)), ce = log(2);
        struct solution s = solve(device, &p);
        compare(&p, "soft", s.values.soft, kl, 1e-5);
        compare(&p, "hard", s.values.hard, ce, 1e-6);
        compare(&p, "total", s.values.total, 0.1 * ce + 0.9 * kl, 1e-5);
        /* By the first logit of the first pixel: alpha w (p - 1) / (w + w') of the hard term,
         * (1 - alpha) T (1/2 - 3/4) / 2 of the soft one. */
        compare(&p, "gradient", (double)s.gradient[0],
                0.1 * 0.5 * (0.5 - 1) / (0.5 + 0.75) + 0.9 * 4 * (0.5 - 0.75) / 2, 1e-6);
        free(s.gradient);
        problem_finish(&p);
        rt_device_close(device);
    }
}

/* The same number added to all logits of a pixel is nothing to a softmax over classes; over any
 * other axis, or of probabilities, it would be. */
static void check_shift(struct rt_device *device, struct rt_loss loss, int teachers)
{
    if (loss.soft == RT_SOFT_LOGITS)
        return;
    struct problem p = problem_create(loss, (struct rt_shape){2, 6, 4, 9}, teachers);
    struct solution plain = solve(device, &p);
    for (size_t i = 0; i < problem_pixels(&p); i++) {
        for (int c = 0; c < p.shape.c; c++) {
            p.x[place(&p, i, c)] += (double)(i % 7);
            for (int k = 0; k < teachers; k++)
                p.t[k][place(&p, i, c)] -= (double)(i % 5);
        }
    }
    struct solution shifted = solve(device, &p);
    compare(&p, "total", shifted.values.total, plain.values.total, 1e-5);
    for (size_t i = 0; i < rt_shape_size(p.shape); i++)
        compare(&p, "gradient", (double)shifted.gradient[i], (double)plain.gradient[i], 1e-6);
    free(plain.gradient), free(shifted.gradient);
    problem_finish(&p);
}

static void only_differences_between_classes_matter(void **state)
{
    (void)state;
    each_kind(check_device, check_shift);
}

/* A teacher equal to the student teaches nothing, at any temperature. */
static void check_equal(struct rt_device *device, struct rt_loss loss, int teachers)
{
    if (teachers == 0)
        return;
    loss.alpha = 0;
    struct problem p = problem_create(loss, (struct rt_shape){2, 6, 4, 9}, teachers);
    memcpy(p.t[0], p.x, rt_shape_size(p.shape) * sizeof *p.x);
    struct solution s = solve(device, &p);
    compare(&p, "soft", s.values.soft, 0, 1e-5);
    for (size_t i = 0; i < rt_shape_size(p.shape); i++)
        compare(&p, "gradient", (double)s.gradient[i], 0, 1e-7);
    free(s.gradient);
    problem_finish(&p);
}

static void an_equal_teacher_teaches_nothing(void **state)
{
    (void)state;
    each_kind(check_device, check_equal);
}

/* Logits of 10000 underflow probabilities, but neither value nor gradient is a NaN. */
static void check_huge(struct rt_device *device, struct rt_loss loss, int teachers)
{
    struct problem p = problem_create(loss, (struct rt_shape){2, 6, 3, 7}, teachers);
    for (size_t i = 0; i < rt_shape_size(p.shape); i++) {
        p.x[i] = i % 3 == 0 ? 1e4 : i % 3 == 1 ? -1e4 : p.x[i];
        if (teachers > 0)
            p.t[0][i] = i % 2 == 0 ? 1e4 : i % 5 == 0 ? -1e4 : p.t[0][i];
    }
    struct solution s = solve(device, &p);
    compare_values(&p, &s.values);
    for (size_t i = 0; i < rt_shape_size(p.shape); i++)
        assert_true(isfinite(s.gradient[i]));
    free(s.gradient);
    problem_finish(&p);
}

static void huge_logits_are_finite(void **state)
{
    (void)state;
    each_kind(check_variant, check_huge);
}

/* One logit that is no number, wherever it stands, shows in the loss. */
static void check_poisoned(struct rt_device *device, struct rt_loss loss, int teachers)
{
    static const double poisons[] = {NAN, INFINITY, -INFINITY};
    struct problem p = problem_create(loss, (struct rt_shape){2, 6, 3, 7}, teachers);
    for (size_t i = 0; i < RT_COUNT(poisons); i++) {
        for (size_t place = 0; place < rt_shape_size(p.shape); place += 17) {
            double *x = teachers > 0 && place % 2 ? p.t[0] : p.x, before = x[place];
            x[place] = poisons[i];
            struct solution s = solve(device, &p);
            assert_true(isnan(s.values.total));
            free(s.gradient);
            x[place] = before;
        }
    }
    problem_finish(&p);
}

static void what_is_no_number_is_not_hidden(void **state)
{
    (void)state;
    each_kind(check_device, check_poisoned);
}

/* The gradient and the values are 0, exactly. */
static void check_zero(struct rt_device *device, const struct problem *p)
{
    struct solution s = solve(device, p);
    compare(p, "total", s.values.total, 0, 0);
    for (size_t i = 0; i < rt_shape_size(p->shape); i++)
        compare(p, "gradient", (double)s.gradient[i], 0, 0);
    free(s.gradient);
}

static void check_nothing(struct rt_device *device, struct rt_loss loss, int teachers)
{
    struct problem p = problem_create(loss, (struct rt_shape){2, 6, 3, 7}, teachers);
    memset(p.labels, RT_LABEL_IGNORE, problem_pixels(&p));
    check_zero(device, &p);
    /* Without labels only the teacher counts. */
    memset(p.labels, RT_LABEL_UNKNOWN, problem_pixels(&p));
    if (teachers > 0)
        check_problem(device, &p);
    else
        check_zero(device, &p);
    /* Weights of 0 leave nothing of cross-entropy and focal. */
    memset(p.loss.weights, 0, sizeof p.loss.weights);
    memset(p.labels, 1, problem_pixels(&p));
    check_problem(device, &p);
    problem_finish(&p);
}

static void no_pixel_counts_for_nothing(void **state)
{
    (void)state;
    each_kind(check_variant, check_nothing);
}

/* Large batches: the sums keep their precision, and two runs have the same bits. */
static void check_large(struct rt_device *device, struct rt_loss loss, int teachers)
{
    struct problem p = problem_create(loss, (struct rt_shape){4, 6, 193, 201}, teachers);
    struct solution s = solve(device, &p), again = solve(device, &p);
    compare_values(&p, &s.values);
    assert_memory_equal(&s.values, &again.values, sizeof s.values);
    assert_memory_equal(s.gradient, again.gradient, rt_shape_size(p.shape) * sizeof *s.gradient);
    free(s.gradient), free(again.gradient);
    problem_finish(&p);
}

static void large_batches_are_precise_and_repeatable(void **state)
{
    (void)state;
    if (check_small())
        skip();
    each_kind(check_variant, check_large);
}

/* Images of which some have hardly a label: a mean of the parts' means would be another figure. */
static void check_parts(struct rt_device *device, struct rt_loss loss, int teachers)
{
    struct problem p = problem_create(loss, (struct rt_shape){5, 6, 9, 7}, teachers);
    memset(p.labels, RT_LABEL_IGNORE, 9 * 7 - 3);
    memset(p.labels + 4 * 9 * 7, RT_LABEL_UNKNOWN, 9 * 7);
    for (p.part = 1; p.part <= 5; p.part++)
        if (loss.hard == RT_HARD_CE || loss.hard == RT_HARD_FOCAL)
            check_problem(device, &p);
    problem_finish(&p);
}

static void parts_add_up_to_the_batch(void **state)
{
    (void)state;
    each_kind(check_variant, check_parts);
}

static void dice_has_no_parts(void **state)
{
    (void)state;
    struct rt_device *device;
    check_any_device();
    for (size_t d = 0; (device = check_device(d)); d++) {
        const struct rt_loss loss = {.hard = RT_HARD_DICE_FOCAL};
        struct rt_loss_state *loss_state;
        size_t before = rt_device_bytes(device);
        assert_ok(rt_loss_create(&loss_state, device, &loss, 6));
        assert_int_equal(rt_device_bytes(device) - before, rt_loss_bytes(&loss, 6));
        assert_fails(rt_loss_count(loss_state, (struct rt_shape){2, 6, 3, 7}, NULL),
                     RT_ERROR_ARGUMENT, "dice");
        rt_loss_destroy(loss_state);
        rt_device_close(device);
    }
}

/* Without a place for the gradient the values are the same. */
static void values_without_gradient(void **state)
{
    (void)state;
    struct rt_device *device;
    check_any_device();
    for (size_t d = 0; (device = check_device(d)); d++) {
        const struct rt_loss loss = {.hard = RT_HARD_DICE_FOCAL};
        struct problem p = problem_create(loss, (struct rt_shape){2, 6, 3, 7}, 0);
        struct guarded x = guarded_create(device, p.shape, 0);
        struct rt_loss_values values;
        struct rt_loss_state *loss_state;
        struct rt_buffer *labels;
        guarded_write(&x, p.x);
        assert_ok(rt_buffer_create(&labels, device, problem_pixels(&p)));
        assert_ok(rt_buffer_write(labels, 0, problem_pixels(&p), p.labels));
        assert_ok(rt_loss_create(&loss_state, device, &p.loss, 6));
        assert_ok(rt_loss_run(loss_state, &x.tensor, labels, NULL, 0, &RT_TENSOR_NONE, NULL));
        assert_ok(rt_loss_read(loss_state, &values));
        compare_values(&p, &values);
        assert_fails(
            rt_loss_run(loss_state, &x.tensor, labels, &x.tensor, 1, &RT_TENSOR_NONE, NULL),
            RT_ERROR_ARGUMENT, "teachers");
        x.tensor.shape.c = 5;
        assert_fails(rt_loss_run(loss_state, &x.tensor, labels, NULL, 0, &RT_TENSOR_NONE, NULL),
                     RT_ERROR_ARGUMENT, "5 classes");
        rt_loss_destroy(loss_state);
        rt_buffer_destroy(x.tensor.buffer);
        rt_buffer_destroy(labels);
        problem_finish(&p);
        rt_device_close(device);
    }
}

static void impossible_losses_are_refused(void **state)
{
    (void)state;
    struct rt_device *device;
    check_any_device();
    for (size_t d = 0; (device = check_device(d)); d++) {
        struct rt_loss_state *none;
        struct rt_loss loss = {.soft = RT_SOFT_KL, .alpha = 0.5f, .temperature = 0};
        assert_fails(rt_loss_create(&none, device, &loss, 6), RT_ERROR_ARGUMENT, "temperature");
        assert_null(none);
        loss.temperature = 4;
        assert_fails(rt_loss_create(&none, device, &loss, 33), RT_ERROR_ARGUMENT, "33 classes");
        assert_fails(rt_loss_create(&none, device, &loss, 0), RT_ERROR_ARGUMENT, "0 classes");
        loss.alpha = 1.5f;
        assert_fails(rt_loss_create(&none, device, &loss, 6), RT_ERROR_ARGUMENT, "alpha");
        rt_device_close(device);
    }
    rt_loss_destroy(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(figures_by_hand),
        cmocka_unit_test(every_combination_is_its_definition),
        cmocka_unit_test(every_shape_on_every_variant),
        cmocka_unit_test(only_differences_between_classes_matter),
        cmocka_unit_test(an_equal_teacher_teaches_nothing),
        cmocka_unit_test(huge_logits_are_finite),
        cmocka_unit_test(what_is_no_number_is_not_hidden),
        cmocka_unit_test(no_pixel_counts_for_nothing),
        cmocka_unit_test(large_batches_are_precise_and_repeatable),
        cmocka_unit_test(values_without_gradient),
        cmocka_unit_test(parts_add_up_to_the_batch),
        cmocka_unit_test(dice_has_no_parts),
        cmocka_unit_test(impossible_losses_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
