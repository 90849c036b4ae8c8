/* The functions of cl/exact.cl: their error, and the same bits on every device. */
#include "ops/check.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/memory.h"
#include "base/random.h"
#include "data_files.h"
#include "device/sources.h"

/* Each of the functions of two arrays of numbers; EXP, LOG and SQRT are of the first one's. */
static const char kernel_text[] =
    "__kernel void apply(__global const float *a, __global const float *b, __global float *y,\n"
    "                    uint count)\n"
    "{\n"
    "    const uint i = get_global_id(0) * VEC;\n"
    "    if (i >= count)\n"
    "        return;\n"
    "    const vec n = LOAD(a + i), d = LOAD(b + i);\n"
    "    STORE(EXP(n), y + i);\n"
    "    STORE(LOG(n), y + count + i);\n"
    "    STORE(SQRT(n), y + 2 * count + i);\n"
    "    STORE(DIVIDE(n, d), y + 3 * count + i);\n"
    "    for (uint j = i; j < i + VEC; j++) {\n"
    "        y[4 * count + j] = SQRT1(a[j]);\n"
    "        y[5 * count + j] = DIVIDE1(a[j], b[j]);\n"
    "    }\n"
    "    STORE(n * d + n, y + 6 * count + i);\n"
    "}\n";

enum { EXP, LOG, SQRT, DIVIDE, SQRT1, DIVIDE1, APART, FUNCTIONS };
static const char *const names[] = {
    "exp", "log", "sqrt", "divide", "sqrt1", "divide1", "product, then sum,"};
static const double bounds[] = {0.7, 0.8, 0.5, 0.5, 0.5, 0.5, 0}; /* in units of the last place */

static float from_bits(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* Fractions whose roundings are awkward: at both ends, about half-way, about sqrt(2). */
static const uint32_t fractions[] = {0,        1,        2,        3,        0x3fffff, 0x400000,
                                     0x400001, 0x3504f2, 0x3504f3, 0x3504f4, 0x555555, 0x2aaaaa,
                                     0x7ffffd, 0x7ffffe, 0x7fffff, 0x7f0000};
#define FRACTIONS 128 /* of each sign and exponent: these and random ones */
#define SPECIALS 48
#define PER_EXPONENT ((size_t)512 * FRACTIONS)
#define CLOSE ((size_t)1 << 18) /* quotients about 1, and about the smallest floats */
#define COUNT (PER_EXPONENT + SPECIALS * SPECIALS + CLOSE)

static float special(size_t i)
{
    static const uint32_t magnitudes[SPECIALS / 2] = {
        0,          1,          2,          3,          0x3fffff,   0x400000,
        0x7fffff,   0x800000,   0x800001,   0xffffff,   0x1000000,  0x3effffff,
        0x3f000000, 0x3f7fffff, 0x3f800000, 0x3f800001, 0x40000000, 0x4b800000,
        0x7e800000, 0x7f000000, 0x7f7ffffe, 0x7f7fffff, 0x7f800000, 0x7fc00000};
    return from_bits(magnitudes[i / 2] | (uint32_t)(i % 2) << 31);
}

/* For exp: what has a result, near and beyond where it overflows and vanishes. */
static float exponent_of(struct rt_random *random)
{
    return (2 * rt_random_unit(random) - 1) * 106;
}

static void make_inputs(float *a, float *b)
{
    struct rt_random random = rt_random_start(8, 15);
    size_t i = 0;
    for (; i < PER_EXPONENT; i++) {
        const size_t k = i % FRACTIONS;
        const uint32_t word = rt_random_word(&random), top = (uint32_t)(i / FRACTIONS) << 23;
        a[i] = from_bits(top | (k < RT_COUNT(fractions) ? fractions[k] : word & 0x7fffff));
        b[i] = from_bits(rt_random_word(&random));
    }
    for (size_t j = 0; j < SPECIALS * SPECIALS; j++, i++) {
        a[i] = special(j / SPECIALS);
        b[i] = special(j % SPECIALS);
    }
    for (size_t j = 0; j < CLOSE; j++, i++) {
        a[i] = exponent_of(&random);
        const int shift = j % 2 ? 0 : 120 + (int)(j / 2 % 32);
        b[i] = ldexpf(a[i] * (1 + rt_random_unit(&random)), shift);
    }
}

static double expected(int function, double a, double b)
{
    volatile const float product = (float)a * (float)b; /* rounded, whatever the compiler likes */
    switch (function) {
    case EXP:
        return exp(a);
    case LOG:
        return log(a);
    case SQRT:
    case SQRT1:
        return sqrt(a);
    case APART:
        return (double)(product + (float)a);
    default:
        return a / b;
    }
}

/* The distance of two floats beside each other, next to this value. */
static double place_of(double value)
{
    int exponent;
    frexp(value, &exponent);
    return ldexp(1, exponent - 24 < -149 ? -149 : exponent - 24);
}

/* Division and root are correctly rounded where their result is the double's, rounded: one of twice
 * as many bits and two more is never rounded twice to another float (Figueroa, 1995), but below the
 * normal ones, which the bound on the error covers. */
static void check_value(int function, float a, float b, float got)
{
    const double want = expected(function, (double)a, (double)b);
    bool good = isnan(want) ? isnan(got) : (double)got == want && !signbit(got) == !signbit(want);
    if (isfinite(want) && want != 0 && !good) {
        const bool tiny = fabs(want) < 0x1p-126;
        const double bound = function == EXP && tiny ? 1 : bounds[function];
        const double error = fabs((double)got - want) / place_of(want);
        /* beyond the largest float the next place would be 2^128 */
        good = isinf(got) ? fabs(want) >= 0x1.ffffffp+127 && (got > 0) == (want > 0)
                          : error <= bound && (bound > 0.5 || tiny || got == (float)want);
    }
    if (!good)
        fail_msg("%s of %a and %a is %a, not %a", names[function], (double)a, (double)b,
                 (double)got, want);
}

/* Of what all devices compute; to be changed where a function is. */
static const uint64_t golden[] = {0x8bfd41d34d75191a, 0xe8ed7aaa76475114, 0xff7466d700996807,
                                  0x35b47516fc678ad5, 0xff7466d700996807, 0x35b47516fc678ad5,
                                  0x480cc45731b728e9};

static void check_results(const float *a, const float *b, float *y, const char *device)
{
    for (int f = 0; f < FUNCTIONS; f++) {
        float *results = y + (size_t)f * COUNT;
        for (size_t i = 0; i < COUNT; i++) {
            check_value(f, a[i], b[i], results[i]);
            if (isnan(results[i]))
                results[i] = 0; /* its bits are any */
        }
        const uint64_t hash = rt_hash(results, COUNT * sizeof *results);
        if (hash != golden[f])
            fail_msg("%s, %s: the results have the hash 0x%llx, not 0x%llx", device, names[f],
                     (unsigned long long)hash, (unsigned long long)golden[f]);
    }
}

static void run(struct rt_device *device, const float *a, const float *b, float *y)
{
    struct rt_buffer *buffers[3];
    assert_ok(rt_buffer_create(&buffers[0], device, COUNT * sizeof *a));
    assert_ok(rt_buffer_create(&buffers[1], device, COUNT * sizeof *b));
    assert_ok(rt_buffer_create(&buffers[2], device, FUNCTIONS * COUNT * sizeof *y));
    assert_ok(rt_buffer_write(buffers[0], 0, COUNT * sizeof *a, a));
    assert_ok(rt_buffer_write(buffers[1], 0, COUNT * sizeof *b, b));
    assert_ok(rt_buffer_fill(buffers[2], 0, FUNCTIONS * COUNT * sizeof *y, POISON));
    assert_ok(RT_LAUNCH(device, "apply.cl", "apply", NULL,
                        (COUNT / (size_t)rt_device_vector(device), 1, 1),
                        rt_buffer_argument(buffers[0]), rt_buffer_argument(buffers[1]),
                        rt_buffer_argument(buffers[2]), rt_uint((uint32_t)COUNT)));
    assert_ok(rt_buffer_read(buffers[2], 0, FUNCTIONS * COUNT * sizeof *y, y));
    for (size_t i = 0; i < RT_COUNT(buffers); i++)
        rt_buffer_destroy(buffers[i]);
}

static void have_the_same_bits_and_few_errors(void **state)
{
    (void)state;
    _Static_assert(COUNT % 16 == 0, "whole vectors");
    check_any_device();
    float *a = calloc(COUNT, sizeof *a), *b = calloc(COUNT, sizeof *b);
    float *y = calloc(FUNCTIONS * COUNT, sizeof *y);
    make_inputs(a, b);
    struct rt_device *device;
    for (size_t i = 0; (device = check_variant(i)); i++) {
        char name[160];
        snprintf(name, sizeof name, "%s, vectors of %d", rt_device_describe(device)->name,
                 rt_device_vector(device));
        rt_device_set_math(device, RT_MATH_EXACT);
        run(device, a, b, y);
        check_results(a, b, y, name);
        rt_device_close(device);
    }
    free(a);
    free(b);
    free(y);
}

static void write_kernel(const char *folder, const char *name, const char *text)
{
    char *path = test_path(folder, name);
    write_text(path, text);
    free(path);
}

/* The kernel files of the library, and one with the kernel above. */
static int make_kernels(void **state)
{
    static char folder[64];
    *state = folder;
    make_test_folder(folder);
    for (const struct rt_source *source = rt_sources; source->name; source++)
        write_kernel(folder, source->name, source->text);
    write_kernel(folder, "apply.cl", kernel_text);
    setenv("RETORT_CL_DIR", folder, 1);
    return 0;
}

static int remove_kernels(void **state)
{
    remove_test_folder(*state);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(have_the_same_bits_and_few_errors)};
    return cmocka_run_group_tests(tests, make_kernels, remove_kernels);
}
