#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/memory.h"
#include "base/random.h"
#include "ops/check.h"
#include "ops/optimizer.h"
#include "ops/reference/training.h"

#define STEPS 5
#define RATE 0.05f

/* A slab as a tensor of one row that begins at its buffer's start, guarded at its end. */
static struct guarded slab_create(struct rt_device *device, size_t count)
{
    struct guarded slab = guarded_create(device, (struct rt_shape){1, 1, 1, (int)count}, 0);
    slab.tensor.offset = 0;
    return slab;
}

static double *random_values(size_t count, uint64_t stream)
{
    struct rt_random random = rt_random_start(7, stream);
    double *values = calloc(count, sizeof *values);
    for (size_t i = 0; i < count; i++)
        values[i] = (double)rt_random_normal(&random);
    return values;
}

static void compare(const struct guarded *slab, const double *want, const char *name)
{
    float *got = guarded_read(slab, name);
    for (int i = 0; i < slab->tensor.shape.w; i++)
        if (!(fabs((double)got[i] - want[i]) <= 2e-6 * fmax(1, fabs(want[i]))))
            fail_msg("%s: element %d is %.9g, expected %.9g", name, i, (double)got[i], want[i]);
    free(got);
}

static void check_steps(struct rt_device *device, const struct rt_optimizer *optimizer,
                        size_t count)
{
    struct guarded w = slab_create(device, count), g = slab_create(device, count);
    struct guarded m = slab_create(device, count), v = slab_create(device, count);
    double *weights = random_values(count, 1);
    double *means = calloc(count, sizeof *means), *squares = calloc(count, sizeof *squares);
    guarded_write(&w, weights);
    guarded_write(&m, means);
    guarded_write(&v, squares);
    struct rt_buffer *moments[2] = {m.tensor.buffer, v.tensor.buffer};
    if (rt_optimizer_moments(optimizer) == 1)
        moments[1] = NULL;
    for (int t = 1; t <= STEPS; t++) {
        double *gradients = random_values(count, 1 + (uint64_t)t);
        guarded_write(&g, gradients);
        assert_ok(rt_optimizer_step(device, optimizer, w.tensor.buffer, g.tensor.buffer, moments,
                                    count, RATE, (uint64_t)t));
        for (size_t i = 0; i < count; i++)
            rt_reference_optimizer(optimizer, (double)RATE, t, gradients[i], &weights[i], &means[i],
                                   &squares[i]);
        compare(&w, weights, "parameters");
        compare(&m, means, "first moment");
        if (moments[1])
            compare(&v, squares, "second moment");
        compare(&g, gradients, "gradients (unchanged)");
        free(gradients);
    }
    free(weights), free(means), free(squares);
    rt_buffer_destroy(w.tensor.buffer), rt_buffer_destroy(g.tensor.buffer);
    rt_buffer_destroy(m.tensor.buffer), rt_buffer_destroy(v.tensor.buffer);
}

static void five_steps_follow_the_formulae(void **state)
{
    (void)state;
    static const struct rt_optimizer optimizers[] = {
        {.kind = RT_SGD},
        {.kind = RT_SGD, .momentum = 0.9f, .decay = 0.1f},
        {.kind = RT_ADAM, .beta1 = 0.9f, .beta2 = 0.999f, .epsilon = 1e-8f},
        {.kind = RT_ADAM, .beta1 = 0.8f, .beta2 = 0.9f, .epsilon = 1e-2f, .decay = 0.1f},
        {.kind = RT_ADAMW, .beta1 = 0.9f, .beta2 = 0.999f, .epsilon = 1e-8f, .decay = 0.1f},
    };
    static const size_t counts[] = {1, 17, 1000, 70001};
    struct rt_device *device;
    check_any_device();
    for (size_t d = 0; (device = check_math(d)); d++) {
        for (size_t i = 0; i < RT_COUNT(optimizers); i++)
            for (size_t j = 0; j < RT_COUNT(counts) - check_small(); j++)
                check_steps(device, &optimizers[i], counts[j]);
        rt_device_close(device);
    }
}

static void gradients_add_up(void **state)
{
    (void)state;
    static const size_t counts[] = {1, 17, 1000, 70001};
    struct rt_device *device;
    check_any_device();
    for (size_t d = 0; (device = check_variant(d)); d++) {
        for (size_t j = 0; j < RT_COUNT(counts) - check_small(); j++) {
            struct guarded sums = slab_create(device, counts[j]);
            struct guarded g = slab_create(device, counts[j]);
            double *sum = random_values(counts[j], 1), *part = random_values(counts[j], 2);
            guarded_write(&sums, sum);
            guarded_write(&g, part);
            assert_ok(rt_gradients_add(device, sums.tensor.buffer, g.tensor.buffer, counts[j]));
            for (size_t i = 0; i < counts[j]; i++)
                sum[i] += part[i];
            compare(&sums, sum, "sums");
            compare(&g, part, "gradients (unchanged)");
            free(sum), free(part);
            rt_buffer_destroy(sums.tensor.buffer), rt_buffer_destroy(g.tensor.buffer);
        }
        rt_device_close(device);
    }
}

/* A gradient that was always 0 must not divide 0 by 0, nor a late step lose its correction. */
static void still_parameters_stay(void **state)
{
    (void)state;
    const struct rt_optimizer adam = {
        .kind = RT_ADAM, .beta1 = 0.9f, .beta2 = 0.999f, .epsilon = 1e-8f};
    const double one = 1, zero = 0;
    struct rt_device *device;
    check_any_device();
    for (size_t d = 0; (device = check_variant(d)); d++) {
        struct guarded w = slab_create(device, 1), g = slab_create(device, 1);
        struct guarded m = slab_create(device, 1), v = slab_create(device, 1);
        struct rt_buffer *const moments[2] = {m.tensor.buffer, v.tensor.buffer};
        guarded_write(&w, &one);
        guarded_write(&g, &zero);
        guarded_write(&m, &zero);
        guarded_write(&v, &zero);
        for (uint64_t t = 1; t < 2000000; t *= 10)
            assert_ok(rt_optimizer_step(device, &adam, w.tensor.buffer, g.tensor.buffer, moments, 1,
                                        RATE, t));
        compare(&w, &one, "parameter");
        rt_buffer_destroy(w.tensor.buffer), rt_buffer_destroy(g.tensor.buffer);
        rt_buffer_destroy(m.tensor.buffer), rt_buffer_destroy(v.tensor.buffer);
        rt_device_close(device);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(five_steps_follow_the_formulae),
        cmocka_unit_test(gradients_add_up),
        cmocka_unit_test(still_parameters_stay),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
