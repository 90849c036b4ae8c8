#include "ops/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

struct guarded guarded_create(struct rt_device *device, struct rt_shape shape, size_t gap)
{
    struct guarded g;
    assert_ok(rt_guarded_create(&g, device, shape, gap));
    return g;
}

void guarded_write(const struct guarded *g, const double *from)
{
    assert_ok(rt_guarded_write(g, from));
}

float *guarded_read(const struct guarded *g, const char *name)
{
    float *values;
    if (rt_guarded_read(g, &values) < 0)
        fail_msg("%s: %s", name, rt_error_message());
    return values;
}

struct rt_device *check_device(size_t index)
{
    struct rt_device_info *devices;
    size_t count;
    struct rt_device *device = NULL;
    assert_ok(rt_device_list(&devices, &count));
    free(devices);
    if (index < count) {
        char which[24];
        snprintf(which, sizeof which, "%zu", index);
        assert_ok(rt_device_open(&device, which));
    }
    return device;
}

void check_any_device(void)
{
    struct rt_device_info *devices;
    size_t count;
    assert_ok(rt_device_list(&devices, &count));
    free(devices);
    if (count > 0)
        return;
    if (getenv("CI"))
        fail_msg("there is no OpenCL device, and in CI there must be one");
    print_message("skipped: there is no OpenCL device\n");
    skip();
}

struct rt_device *check_variant(size_t index)
{
    /* As a CPU with AVX-512 has it, one with AVX, a GPU, and a device that has nothing. */
    static const struct {
        int vector, group;
    } shapes[] = {{16, 1}, {8, 1}, {4, 64}, {1, 8}};
    struct rt_device *device = check_device(index / RT_COUNT(shapes));
    if (device)
        rt_device_force(device, shapes[index % RT_COUNT(shapes)].vector,
                        shapes[index % RT_COUNT(shapes)].group);
    return device;
}

struct rt_device *check_math(size_t index)
{
    struct rt_device *device = check_variant(index / 2);
    if (device)
        assert_ok(rt_device_set_math(device, index % 2 ? RT_MATH_EXACT : RT_MATH_FAST));
    return device;
}

/* Everything on one device, which it closes; exactly, with the bits that are given. */
static void check_run(const struct op_case *test, const struct rt_expected *expected,
                      struct rt_device *device, struct rt_bits *bits)
{
    struct rt_verified results = {0};
    rt_device_set_conv(device, test->conv);
    assert_ok(rt_device_set_math(device, bits ? RT_MATH_EXACT : RT_MATH_FAST));
    if (rt_verify(device, expected, RT_VERIFY_ALL, &results, bits) < 0)
        fail_msg("%s, %s, vectors of %d, groups of %d, %s", test->name,
                 rt_device_describe(device)->name, rt_device_vector(device),
                 rt_device_group(device), rt_error_message());
    rt_device_close(device);
}

/* Exact mode has one way for each convolution: it is enough that it takes the cases of one. */
static bool is_exact(const struct op_case *test)
{
    return test->conv == RT_CONV_AUTO || test->conv == RT_CONV_WINOGRAD;
}

void check_op(const struct op_case *test)
{
    struct rt_expected *expected;
    struct rt_bits bits = {.count = 0};
    struct rt_device *device;
    struct rt_verify_case verified = {.op = test->op,
                                      .attributes = test->attributes,
                                      .training = test->training,
                                      .tolerance = test->tolerance,
                                      .prepare = test->prepare};
    memcpy(verified.x, test->x, sizeof verified.x);
    check_any_device();
    assert_ok(rt_expected_create(&expected, &verified));
    for (size_t i = 0; (device = check_variant(i)); i++)
        check_run(test, expected, device, NULL);
    for (size_t i = 0; is_exact(test) && (device = check_variant(i)); i++)
        check_run(test, expected, device, &bits);
    rt_expected_destroy(expected);
}
