#include "ops/check.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

static const struct rt_pool max_pool = {RT_POOL_MAX}, average_pool = {RT_POOL_AVERAGE};

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

/* All equal: the gradient goes to each window's first element, and nowhere at odd edges. */
static void gradient_goes_to_the_first_maximum(void **state)
{
    (void)state;
    check_any_device();
    const struct rt_shape s = {1, 2, 5, 37}, out = {1, 2, 2, 18};
    double *ones = calloc(rt_shape_size(s), sizeof *ones);
    struct rt_device *device;
    for (size_t i = 0; i < rt_shape_size(s); i++)
        ones[i] = 1;
    for (size_t d = 0; (device = check_device(d)); d++) {
        const struct guarded x = guarded_create(device, s, GAP),
                             dx = guarded_create(device, s, GAP),
                             dy = guarded_create(device, out, GAP);
        const struct rt_op_call call = {.device = device,
                                        .attributes = &max_pool,
                                        .training = true,
                                        .x = {x.tensor},
                                        .dx = {dx.tensor},
                                        .dy = dy.tensor};
        guarded_write(&x, ones);
        guarded_write(&dy, ones);
        assert_ok(rt_op_pool.backward(&call));
        float *values = guarded_read(&dx, "dx");
        for (int i = 0; i < s.c * s.h * s.w; i++) {
            int y = i / s.w % s.h, x = i % s.w;
            float want = y % 2 == 0 && x % 2 == 0 && y < 4 && x < 36;
            if (values[i] != want)
                fail_msg("row %d, column %d: %g, expected %g", y, x, (double)values[i],
                         (double)want);
        }
        free(values);
        rt_buffer_destroy(x.tensor.buffer);
        rt_buffer_destroy(dx.tensor.buffer);
        rt_buffer_destroy(dy.tensor.buffer);
        rt_device_close(device);
    }
    free(ones);
}

static void a_single_row_is_refused(void **state)
{
    (void)state;
    struct rt_shape y;
    assert_fails(rt_op_pool.infer(&max_pool, &(struct rt_shape){1, 1, 1, 8}, &y), RT_ERROR_ARGUMENT,
                 "cannot pool 8 x 1 pixels");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees_with_the_reference),
        cmocka_unit_test(takes_extremes),
        cmocka_unit_test(gradient_goes_to_the_first_maximum),
        cmocka_unit_test(a_single_row_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
