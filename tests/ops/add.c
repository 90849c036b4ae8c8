#include "ops/check.h"

#include <float.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

static const struct rt_add plain = {false}, with_relu = {true};

static void agrees_with_the_reference(void **state)
{
    (void)state;
    static const struct rt_shape shapes[] = {
        {1, 1, 1, 1},  {2, 3, 2, 2},  {3, 2, 1, 3},  {1, 4, 3, 5},   {2, 5, 1, 7},
        {1, 2, 3, 15}, {2, 1, 4, 16}, {1, 3, 2, 17}, {3, 1, 31, 31}, {1, 2, 70, 100}};
    for (size_t i = 0; i < RT_COUNT(shapes); i++) {
        check_op(&(struct op_case){.name = "add",
                                   .op = &rt_op_add,
                                   .attributes = &plain,
                                   .x = {shapes[i], shapes[i]},
                                   .training = true});
        check_op(&(struct op_case){.name = "add with ReLU",
                                   .op = &rt_op_add,
                                   .attributes = &with_relu,
                                   .x = {shapes[i], shapes[i]},
                                   .training = true});
    }
}

static void make_extreme(struct rt_reference *r)
{
    for (size_t i = 0; i < rt_shape_size(r->x_shape[0]); i++) {
        r->x[0][i] = i % 3 == 0 ? (double)FLT_MAX : -(double)FLT_MAX;
        r->x[1][i] = -r->x[0][i] / 2;
    }
}

static void takes_extremes(void **state)
{
    (void)state;
    check_op(&(struct op_case){.name = "add of extremes",
                               .op = &rt_op_add,
                               .attributes = &with_relu,
                               .x = {{2, 2, 6, 34}, {2, 2, 6, 34}},
                               .prepare = make_extreme});
}

/* x + x: the second gradient is added to the first. */
static void both_inputs_may_be_one(void **state)
{
    (void)state;
    check_any_device();
    const struct rt_shape s = {2, 2, 3, 19};
    const size_t size = rt_shape_size(s);
    double *ones = calloc(size, sizeof *ones);
    struct rt_device *device;
    for (size_t i = 0; i < size; i++)
        ones[i] = i % 2 ? 1 : -1;
    for (size_t d = 0; (device = check_device(d)); d++) {
        const struct guarded y = guarded_create(device, s, GAP),
                             dy = guarded_create(device, s, GAP),
                             dx = guarded_create(device, s, GAP);
        const struct rt_op_call call = {.device = device,
                                        .attributes = &with_relu,
                                        .training = true,
                                        .y = y.tensor,
                                        .dy = dy.tensor,
                                        .dx = {dx.tensor, dx.tensor},
                                        .dx_add = {false, true}};
        guarded_write(&y, ones);
        guarded_write(&dy, ones);
        assert_ok(rt_op_add.backward(&call));
        float *values = guarded_read(&dx, "dx");
        for (size_t i = 0; i < size; i++)
            assert_true(values[i] == (i % 2 ? 2.0f : 0.0f));
        free(values);
        rt_buffer_destroy(y.tensor.buffer);
        rt_buffer_destroy(dy.tensor.buffer);
        rt_buffer_destroy(dx.tensor.buffer);
        rt_device_close(device);
    }
    free(ones);
}

static void shapes_must_be_one(void **state)
{
    (void)state;
    const struct rt_shape x[2] = {{1, 2, 4, 6}, {1, 3, 4, 6}};
    struct rt_shape y;
    assert_fails(rt_op_add.infer(&plain, x, &y), RT_ERROR_ARGUMENT,
                 "cannot add 1 images of 3 channels and 6 x 4 pixels to 1 of 2 and 6 x 4");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees_with_the_reference),
        cmocka_unit_test(takes_extremes),
        cmocka_unit_test(both_inputs_may_be_one),
        cmocka_unit_test(shapes_must_be_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
