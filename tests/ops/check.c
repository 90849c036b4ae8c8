#include "ops/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/random.h"
#include "device/gemm.h"
#include "device/internal.h"

#define SMALL_FLOPS 40000 /* of a forward pass: seconds on an interpreter */
/* Of one that has four times fewer products, in vectors: enough for all sizes of its blocks. */
#define SMALL_WINOGRAD_FLOPS 1000000

void words_fill(struct rt_buffer *buffer, uint32_t word)
{
    assert_ok(rt_words_fill(buffer, word));
}

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

/* As a CPU with AVX-512 has it, one with AVX, a GPU, and a device that has nothing. */
static const struct variant {
    const char *name;
    int vector, group;
} variants[] = {{"16x1", 16, 1}, {"8x1", 8, 1}, {"4x64", 4, 64}, {"1x8", 1, 8}};

static const char *wanted_variants(void)
{
    const char *wanted = getenv("RETORT_TEST_VARIANTS");
    return wanted ? wanted : "";
}

/* The one that RETORT_TEST_VARIANTS names, if it names one. */
static const struct variant *only_variant(void)
{
    for (size_t i = 0; i < RT_COUNT(variants); i++)
        if (strcmp(wanted_variants(), variants[i].name) == 0)
            return &variants[i];
    return NULL;
}

bool check_small(void)
{
    const char *small = getenv("RETORT_TEST_SMALL");
    return small && *small;
}

/* Oclgrind is a device of every type, of which retort takes it for a GPU. */
static void act_as_cpu(struct rt_device *device)
{
    device->info.type = RT_DEVICE_CPU;
}

static struct rt_device *open_device(size_t index, const struct variant *variant)
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
        if (variant)
            rt_device_force(device, variant->vector, variant->group);
        if (check_small() && variant && variant->group == 1)
            act_as_cpu(device);
    }
    return device;
}

struct rt_device *check_device(size_t index)
{
    return open_device(index, only_variant());
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
    static struct rt_random random = {0};
    static size_t drawn;
    if (only_variant())
        return check_device(index);
    if (strcmp(wanted_variants(), "drawn") != 0)
        return open_device(index / RT_COUNT(variants), &variants[index % RT_COUNT(variants)]);
    if (index == 0)
        drawn = rt_random_below(&random, RT_COUNT(variants));
    return open_device(index, &variants[drawn]);
}

struct rt_device *check_math(size_t index)
{
    struct rt_device *device = check_variant(index / 2);
    if (device)
        assert_ok(rt_device_set_math(device, index % 2 ? RT_MATH_EXACT : RT_MATH_FAST));
    return device;
}

/* RETORT_TEST_MATH: `fast` or `exact` alone. */
static bool leaves_out(const char *math)
{
    const char *wanted = getenv("RETORT_TEST_MATH");
    return wanted && *wanted && strcmp(wanted, math) != 0;
}

/* Without vectors fast mode has another variant in Winograd's place. */
static bool is_too_large(const struct op_case *test, bool exact)
{
    const double flops = test->op->cost(test->attributes, test->x, RT_FORWARD).flops;
    const struct variant *only = only_variant();
    const bool winograd = exact || (test->conv == RT_CONV_WINOGRAD && only && only->vector >= 4);
    return check_small() && flops > (winograd ? SMALL_WINOGRAD_FLOPS : SMALL_FLOPS);
}

/* What a device's products are checked with at first use takes an interpreter minutes: on a CPU
 * once for all devices, of which there is but one, on a GPU, where it is a product of 2000 x 2000,
 * never. */
static void prepare_products(struct rt_device *device)
{
    static bool checked;
    if (rt_device_is_cpu(device) && !checked)
        assert_ok(rt_gemm_reserve(device, 1, 1, 1));
    checked = device->gemm_checked = true;
    device->gemm_packs = rt_device_is_cpu(device);
}

/* Everything on one device, which it closes; exactly, with the bits that are given. */
static void check_run(const struct op_case *test, const struct rt_expected *expected,
                      struct rt_device *device, struct rt_bits *bits)
{
    struct rt_verified results = {0};
    if (check_small() && test->conv == RT_CONV_WINOGRAD)
        act_as_cpu(device);
    if (check_small() && test->conv == RT_CONV_GEMM)
        prepare_products(device);
    rt_device_set_conv(device, test->conv);
    assert_ok(rt_device_set_math(device, bits ? RT_MATH_EXACT : RT_MATH_FAST));
    if (rt_verify(device, expected, RT_VERIFY_ALL, &results, bits) < 0)
        fail_msg("%s, %s, vectors of %d, groups of %d, %s", test->name,
                 rt_device_describe(device)->name, rt_device_vector(device),
                 rt_device_group(device), rt_error_message());
    rt_device_close(device);
}

/* Exact mode has one way for each convolution: it is enough that it takes the cases of one; where
 * kernels are interpreted of two, the first of which is a CPU's. */
static bool is_exact(const struct op_case *test)
{
    const struct variant *only = only_variant();
    const bool gpu = check_small() && only && only->vector >= 4 && only->group > 1;
    return test->conv == RT_CONV_AUTO || test->conv == RT_CONV_WINOGRAD ||
           (gpu && test->conv == RT_CONV_WINOGRAD4);
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
    const bool fast = !leaves_out("fast") && !is_too_large(test, false);
    const bool exact = is_exact(test) && !leaves_out("exact") && !is_too_large(test, true);
    if (!fast && !exact)
        return;
    assert_ok(rt_expected_create(&expected, &verified));
    for (size_t i = 0; fast && (device = check_variant(i)); i++)
        check_run(test, expected, device, NULL);
    for (size_t i = 0; exact && (device = check_variant(i)); i++)
        check_run(test, expected, device, &bits);
    rt_expected_destroy(expected);
}
