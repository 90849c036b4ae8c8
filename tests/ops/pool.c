#include "ops/check.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

static const struct rt_pool max_pool = {.mode = RT_POOL_MAX},
                            average_pool = {.mode = RT_POOL_AVERAGE};

static void agrees_with_the_reference(void **state)
{
    (void)state;
    static const struct rt_shape shapes[] = {
        {1, 1, 2, 2},  {2, 3, 3, 3},  {1, 2, 2, 5},   {3, 1, 7, 7},   {2, 5, 4, 15}, {1, 2, 5, 16},
        {2, 1, 3, 17}, {1, 3, 9, 31}, {2, 2, 32, 32}, {1, 1, 10, 33}, {3, 2, 7, 100}};
    for (size_t i = 0; i < RT_COUNT(shapes); i++) {
        check_op(&(struct op_case){.name = "max pool",
                                   .op = &rt_op_pool,
                                   .attributes = &max_pool,
                                   .x = {shapes[i]},
                                   .training = true});
        check_op(&(struct op_case){.name = "average pool",
                                   .op = &rt_op_pool,
                                   .attributes = &average_pool,
                                   .x = {shapes[i]},
                                   .training = true});
    }
}

/* As encoders have them: windows that overlap, reach beyond the edges, or leave pixels out. */
static void windows_agree_with_the_reference(void **state)
{
    (void)state;
    static const struct rt_pool pools[] = {{RT_POOL_MAX, 3, 2, 1},
                                           {RT_POOL_AVERAGE, 3, 2, 1},
                                           {RT_POOL_MAX, 2, 1, 0},
                                           {RT_POOL_AVERAGE, 3, 3, 0},
                                           {RT_POOL_MAX, 5, 1, 2}};
    static const struct rt_shape shapes[] = {
        {1, 1, 5, 5}, {2, 3, 4, 6}, {1, 2, 9, 5}, {1, 2, 9, 17}, {2, 1, 11, 33}};
    for (size_t p = 0; p < RT_COUNT(pools); p++)
        for (size_t i = 0; i < RT_COUNT(shapes); i++)
            check_op(&(struct op_case){.name = "pool of windows",
                                       .op = &rt_op_pool,
                                       .attributes = &pools[p],
                                       .x = {shapes[i]},
                                       .training = true});
}

static void make_extreme(struct rt_reference *r)
{
    for (size_t i = 0; i < rt_shape_size(r->x_shape[0]); i++)
        r->x[0][i] = i % 5 == 0 ? (double)FLT_MAX : -(double)FLT_MAX;
}

static void takes_extremes(void **state)
{
    (void)state;
    check_op(&(struct op_case){.name = "max pool of extremes",
                               .op = &rt_op_pool,
                               .attributes = &max_pool,
                               .x = {{2, 2, 6, 34}},
                               .prepare = make_extreme});
}

/* What becomes of gradients of 1 where all of x is equal; released by free(). */
static float *gradient_of_equals(struct rt_device *device, const struct rt_pool *pool,
                                 struct rt_shape s, struct rt_shape out)
{
    const struct guarded x = guarded_create(device, s, GAP), dx = guarded_create(device, s, GAP),
                         dy = guarded_create(device, out, GAP);
    const struct rt_op_call call = {.device = device,
                                    .attributes = pool,
                                    .training = true,
                                    .x = {x.tensor},
                                    .dx = {dx.tensor},
                                    .dy = dy.tensor};
    double *ones = calloc(rt_shape_size(s), sizeof *ones);
    for (size_t i = 0; i < rt_shape_size(s); i++)
        ones[i] = 1;
    guarded_write(&x, ones);
    guarded_write(&dy, ones);
    assert_ok(rt_op_pool.backward(&call));
    float *values = guarded_read(&dx, "dx");
    free(ones);
    rt_buffer_destroy(x.tensor.buffer);
    rt_buffer_destroy(dx.tensor.buffer);
    rt_buffer_destroy(dy.tensor.buffer);
    return values;
}

/* The gradient goes to each window's first element, and nowhere at odd edges. */
static void gradient_goes_to_the_first_maximum(void **state)
{
    (void)state;
    check_any_device();
    const struct rt_shape s = {1, 2, 5, 37}, out = {1, 2, 2, 18};
    struct rt_device *device;
    for (size_t d = 0; (device = check_device(d)); d++) {
        float *values = gradient_of_equals(device, &max_pool, s, out);
        for (int i = 0; i < s.c * s.h * s.w; i++) {
            int y = i / s.w % s.h, x = i % s.w;
            float want = y % 2 == 0 && x % 2 == 0 && y < 4 && x < 36;
            if (values[i] != want)
                fail_msg("row %d, column %d: %g, expected %g", y, x, (double)values[i],
                         (double)want);
        }
        free(values);
        rt_device_close(device);
    }
}

/* Each window's goes to its first pixel that lies within the image. */
static void overlapping_windows_take_the_first_maximum(void **state)
{
    (void)state;
    check_any_device();
    static const struct rt_pool windows = {RT_POOL_MAX, 3, 2, 1};
    static const float want[5][6] = {{1, 1, 0, 1, 0, 0},
                                     {1, 1, 0, 1, 0, 0},
                                     {0, 0, 0, 0, 0, 0},
                                     {1, 1, 0, 1, 0, 0},
                                     {0, 0, 0, 0, 0, 0}};
    struct rt_device *device;
    for (size_t d = 0; (device = check_device(d)); d++) {
        float *values = gradient_of_equals(device, &windows, (struct rt_shape){1, 1, 5, 6},
                                           (struct rt_shape){1, 1, 3, 3});
        assert_memory_equal(values, want, sizeof want);
        free(values);
        rt_device_close(device);
    }
}

static void a_single_row_is_refused(void **state)
{
    (void)state;
    struct rt_shape y;
    assert_fails(rt_op_pool.infer(&max_pool, &(struct rt_shape){1, 1, 1, 8}, &y), RT_ERROR_ARGUMENT,
                 "cannot pool 8 x 1 pixels");
    assert_fails(rt_op_pool.infer(&(struct rt_pool){RT_POOL_MAX, 3, 2, 2},
                                  &(struct rt_shape){1, 1, 8, 8}, &y),
                 RT_ERROR_ARGUMENT, "begin at most half a side before the image");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees_with_the_reference),
        cmocka_unit_test(windows_agree_with_the_reference),
        cmocka_unit_test(takes_extremes),
        cmocka_unit_test(gradient_goes_to_the_first_maximum),
        cmocka_unit_test(overlapping_windows_take_the_first_maximum),
        cmocka_unit_test(a_single_row_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
