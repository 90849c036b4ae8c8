#include "ops/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

static void check(struct rt_shape x, int channels)
{
    struct rt_conv_transpose2d attributes = {channels};
    char name[64];
    snprintf(name, sizeof name, "%dx%dx%dx%d to %d", x.n, x.c, x.h, x.w, channels);
    check_op(&(struct op_case){.name = name,
                               .op = &rt_op_conv_transpose2d,
                               .attributes = &attributes,
                               .x = {x},
                               .training = true});
}

static void sizes(void **state)
{
    (void)state;
    static const int widths[] = {1, 2, 3, 15, 16, 17, 33};
    for (int i = 0; i < 7; i++)
        check((struct rt_shape){1 + i % 3, 1 + i, 1 + i * 5 % 9, widths[i]}, 1 + i * 3 % 5);
    check((struct rt_shape){3, 4, 30, 16}, 4);
    check((struct rt_shape){1, 1, 1, 1}, 1);
    check((struct rt_shape){2, 136, 1, 2}, 40); /* several groups of filters */
}

/* The gradients of the filters and the bias by `n` images from number `first` on, added to those
 * that stand there if `add`. */
static void differentiate(struct rt_device *device, const struct guarded tensors[5], int first,
                          int n, bool add)
{
    const struct rt_conv_transpose2d attributes = {tensors[1].tensor.shape.c};
    struct rt_op_call call = {.device = device,
                              .attributes = &attributes,
                              .x = {rt_tensor_images(tensors[0].tensor, first, n)},
                              .dy = rt_tensor_images(tensors[1].tensor, first, n),
                              .dp = {tensors[2].tensor, tensors[3].tensor},
                              .dp_add = add,
                              .scratch = tensors[4].tensor};
    assert_ok(rt_op_conv_transpose2d.backward(&call));
}

/* In exact mode, five images at once and two and three, of several chunks or in several passes: the
 * same bits, on every device. */
static void check_parts(struct rt_shape x, int channels)
{
    const struct rt_conv_transpose2d attributes = {channels};
    const struct rt_shape shapes[] = {
        x, {x.n, channels, 2 * x.h, 2 * x.w}, {x.c, channels, 2, 2}, {1, channels, 1, 1}};
    const size_t sizes[] = {rt_shape_size(shapes[2]), rt_shape_size(shapes[3])};
    float *want[2] = {NULL, NULL};
    struct rt_device *device;
    check_any_device();
    for (size_t i = 0; (device = check_variant(i)); i++) {
        struct guarded tensors[5];
        assert_ok(rt_device_set_math(device, RT_MATH_EXACT));
        for (int t = 0; t < 4; t++) {
            double *values = calloc(rt_shape_size(shapes[t]), sizeof *values);
            for (size_t j = 0; j < rt_shape_size(shapes[t]); j++)
                values[j] = (double)(j * 7919 % 1013) / 1013 - 0.4;
            tensors[t] = guarded_create(device, shapes[t], t < 2 ? GAP : 0);
            guarded_write(&tensors[t], values);
            free(values);
        }
        const size_t floats = rt_op_conv_transpose2d.scratch(device, &attributes, &x, RT_BACKWARD);
        tensors[4] = guarded_create(device, (struct rt_shape){1, 1, 1, (int)floats}, 0);
        for (int parts = 0; parts < 2; parts++) {
            differentiate(device, tensors, 0, parts ? 2 : x.n, false);
            if (parts)
                differentiate(device, tensors, 2, x.n - 2, true);
            for (int p = 0; p < 2; p++) {
                float *got = guarded_read(&tensors[2 + p], "dp");
                if (want[p])
                    assert_memory_equal(got, want[p], sizes[p] * sizeof *got);
                else
                    want[p] = got;
                if (want[p] != got)
                    free(got);
            }
        }
        free(guarded_read(&tensors[4], "scratch"));
        for (int t = 0; t < 5; t++)
            rt_buffer_destroy(tensors[t].tensor.buffer);
        rt_device_close(device);
    }
    free(want[0]);
    free(want[1]);
}

static void parts(void **state)
{
    (void)state;
    if (check_small()) /* see is_exact in check.c */
        skip();
    check_parts((struct rt_shape){5, 3, 50, 100}, 2);
    check_parts((struct rt_shape){5, 512, 1, 2}, 512);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(sizes), cmocka_unit_test(parts)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
