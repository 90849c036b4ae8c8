#include "ops/check.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/random.h"

static const struct rt_batch_norm plain = {.momentum = 0.1f, .epsilon = 1e-3f},
                                  relu = {0.1f, 1e-3f, {.relu = true}},
                                  dropping = {0.3f, 1e-3f, {.relu = true, .dropout = 0.2f}};

static void check(const char *name, const struct rt_batch_norm *attributes, struct rt_shape x,
                  bool training)
{
    check_op(&(struct op_case){.name = name,
                               .op = &rt_op_batch_norm,
                               .attributes = attributes,
                               .x = {x},
                               .training = training});
}

static void agrees_with_the_reference(void **state)
{
    (void)state;
    static const struct rt_shape shapes[] = {{1, 1, 1, 1},   {3, 2, 1, 1},  {1, 3, 2, 2},
                                             {2, 1, 1, 3},   {3, 5, 2, 5},  {1, 4, 3, 7},
                                             {2, 2, 4, 15},  {1, 2, 5, 16}, {3, 1, 16, 17},
                                             {2, 5, 17, 31}, {1, 2, 6, 33}, {2, 2, 45, 100}};
    for (size_t i = 0; i < RT_COUNT(shapes); i++) {
        check("batch norm", &plain, shapes[i], true);
        check("batch norm, ReLU", &relu, shapes[i], true);
        check("batch norm, ReLU, dropout", &dropping, shapes[i], true);
        check("batch norm at inference", &dropping, shapes[i], false);
    }
}

/* Values far from 0, whose squares would swallow their variance in single precision. */
static void move_away(struct rt_reference *r)
{
    for (size_t i = 0; i < rt_shape_size(r->x_shape[0]); i++)
        r->x[0][i] = (double)(float)(r->x[0][i] + 3000);
}

static void keeps_the_variance_of_large_values(void **state)
{
    (void)state;
    check_op(&(struct op_case){.name = "batch norm of large values",
                               .op = &rt_op_batch_norm,
                               .attributes = &plain,
                               .x = {{3, 2, 65, 70}},
                               .training = true,
                               .tolerance = 2e-4,
                               .prepare = move_away});
}

/* --- folded into a convolution --------------------------------------------------------------- */

enum { WEIGHTS, BIAS, GAMMA, BETA, MEAN, VARIANCE, FOLDED_WEIGHTS, FOLDED_BIAS, TENSORS };

static void check_folded(const struct guarded *t, double *const *values, bool with_bias)
{
    const struct rt_shape filters = t[WEIGHTS].tensor.shape;
    const size_t filter = (size_t)filters.c * (size_t)filters.h * (size_t)filters.w;
    float *weights = guarded_read(&t[FOLDED_WEIGHTS], "weights");
    float *bias = guarded_read(&t[FOLDED_BIAS], "bias");
    for (int c = 0; c < filters.n; c++) {
        const double scale = values[GAMMA][c] / sqrt(values[VARIANCE][c] + (double)relu.epsilon);
        const double before = with_bias ? values[BIAS][c] : 0;
        const double want = (before - values[MEAN][c]) * scale + values[BETA][c];
        assert_true(fabs((double)bias[c] - want) <= 2e-6 * (1 + fabs(scale)) * 4);
        for (size_t i = 0; i < filter; i++) {
            const double w = values[WEIGHTS][(size_t)c * filter + i] * scale;
            assert_true(fabs((double)weights[(size_t)c * filter + i] - w) <= 1e-6 * fabs(w));
        }
    }
    free(weights);
    free(bias);
}

static void check_fold(struct rt_device *device, struct rt_shape filters, bool with_bias)
{
    const struct rt_shape channels = {1, filters.n, 1, 1};
    struct rt_random random = rt_random_start(3, (uint64_t)filters.n);
    struct guarded t[TENSORS];
    double *values[TENSORS];
    for (int i = 0; i < TENSORS; i++) {
        const struct rt_shape shape = i == WEIGHTS || i == FOLDED_WEIGHTS ? filters : channels;
        const size_t size = rt_shape_size(shape);
        t[i] = guarded_create(device, shape, 0);
        values[i] = calloc(size, sizeof *values[i]);
        for (size_t j = 0; j < size; j++) {
            const float value = rt_random_normal(&random);
            values[i][j] = i == VARIANCE ? fabs((double)value) : (double)value;
        }
        if (i < FOLDED_WEIGHTS)
            guarded_write(&t[i], values[i]);
    }
    const struct rt_tensor p[] = {t[GAMMA].tensor, t[BETA].tensor, t[MEAN].tensor,
                                  t[VARIANCE].tensor};
    const struct rt_tensor before[] = {t[WEIGHTS].tensor,
                                       with_bias ? t[BIAS].tensor : RT_TENSOR_NONE};
    const struct rt_tensor folded[] = {t[FOLDED_WEIGHTS].tensor, t[FOLDED_BIAS].tensor};
    assert_ok(rt_op_batch_norm.fold_parameters(device, &relu, p, before, folded));
    check_folded(t, values, with_bias);
    for (int i = 0; i < TENSORS; i++) {
        free(values[i]);
        rt_buffer_destroy(t[i].tensor.buffer);
    }
}

static void scales_a_convolutions_filters(void **state)
{
    (void)state;
    static const struct rt_shape filters[] = {
        {1, 1, 1, 1}, {5, 3, 3, 3}, {17, 2, 3, 3}, {3, 16, 1, 1}, {33, 7, 5, 5}};
    struct rt_device *device;
    check_any_device();
    for (size_t d = 0; (device = check_variant(d)); d++) {
        for (size_t i = 0; i < RT_COUNT(filters); i++)
            for (int with_bias = 0; with_bias < 2; with_bias++)
                check_fold(device, filters[i], with_bias);
        rt_device_close(device);
    }
}

static void only_bare_convolutions_normalise(void **state)
{
    (void)state;
    const struct rt_conv2d bare = {.channels = 7, .kernel = 3, .stride = 2};
    const struct rt_conv2d active = {
        .channels = 7, .kernel = 3, .stride = 2, .activation = {.relu = true}};
    struct rt_conv2d folded;
    assert_true(rt_op_batch_norm.fold(&relu, &rt_op_conv2d, &bare, &folded));
    assert_true(folded.channels == 7 && folded.kernel == 3 && folded.stride == 2);
    assert_true(folded.bias && folded.activation.relu);
    assert_false(rt_op_batch_norm.fold(&relu, &rt_op_conv2d, &active, &folded));
    assert_false(rt_op_batch_norm.fold(&relu, &rt_op_batch_norm, &plain, &folded));
}

static void dropout_needs_relu(void **state)
{
    (void)state;
    const struct rt_batch_norm a = {0.1f, 1e-3f, {.dropout = 0.5f}};
    struct rt_shape y;
    assert_fails(rt_op_batch_norm.infer(&a, &(struct rt_shape){1, 1, 1, 1}, &y), RT_ERROR_ARGUMENT,
                 "follows its ReLU");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees_with_the_reference),
        cmocka_unit_test(keeps_the_variance_of_large_values),
        cmocka_unit_test(scales_a_convolutions_filters),
        cmocka_unit_test(only_bare_convolutions_normalise),
        cmocka_unit_test(dropout_needs_relu),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
