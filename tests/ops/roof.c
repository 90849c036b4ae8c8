#include "ops/roof.h"

#include <stdlib.h>

#include "ops/check.h"

/* The sums' definition, exact in single precision while the rounds are few. */
static double reference_sum(double x, int sums, int rounds)
{
    double total = 0;
    for (int i = 0; i < sums; i++) {
        double sum = x + i;
        for (int round = 0; round < rounds; round++)
            sum = sum / 2 + 1;
        total += sum;
    }
    return total;
}

/* A buffer of whole vectors with poison behind them: numbers of its own, since arithmetic leaves a
 * NaN as it is, and a copy what is equal. */
static struct guarded vectors_create(struct rt_device *device, size_t vectors)
{
    const int floats = (int)vectors * rt_device_vector(device);
    struct guarded g = guarded_create(device, (struct rt_shape){1, 1, 1, floats}, 0);
    g.tensor.offset = 0;
    g.poison -= 0x40000000;
    words_fill(g.tensor.buffer, g.poison);
    return g;
}

static double *count_up(size_t floats)
{
    double *values = calloc(floats, sizeof *values);
    for (size_t i = 0; i < floats; i++)
        values[i] = (double)i - 7;
    return values;
}

static void check_sums(struct rt_device *device, size_t items, int rounds)
{
    struct guarded g = vectors_create(device, items);
    const size_t floats = (size_t)g.tensor.shape.w;
    const int sums = rt_roof_sums(device);
    double *values = count_up(floats);
    guarded_write(&g, values);
    assert_ok(rt_roof_fma(device, g.tensor.buffer, items, (uint32_t)rounds));
    float *got = guarded_read(&g, "sums");
    for (size_t i = 0; i < floats; i++)
        if ((double)got[i] != reference_sum(values[i], sums, rounds))
            fail_msg("%d rounds of %zu items: float %zu is %.9g, expected %.9g", rounds, items, i,
                     (double)got[i], reference_sum(values[i], sums, rounds));
    free(got);
    free(values);
    rt_buffer_destroy(g.tensor.buffer);
}

static void check_copy(struct rt_device *device, size_t vectors)
{
    struct guarded from = vectors_create(device, vectors), to = vectors_create(device, vectors);
    const size_t floats = (size_t)from.tensor.shape.w;
    double *values = count_up(floats);
    guarded_write(&from, values);
    assert_ok(rt_roof_copy(device, from.tensor.buffer, to.tensor.buffer, vectors));
    float *got = guarded_read(&to, "copy");
    for (size_t i = 0; i < floats; i++)
        assert_true((double)got[i] == values[i]);
    free(got);
    free(values);
    rt_buffer_destroy(from.tensor.buffer);
    rt_buffer_destroy(to.tensor.buffer);
}

static void kernels_do_all_the_work(void **state)
{
    (void)state;
    static const size_t counts[] = {1, 7, 64, 65, 1000};
    check_any_device();
    struct rt_device *device;
    for (size_t d = 0; (device = check_variant(d)); d++) {
        for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
            check_sums(device, counts[i], (int)i);
            check_copy(device, counts[i]);
        }
        if (!check_small())
            check_copy(device, 4096 + 13); /* more than one item on a CPU */
        rt_device_close(device);
    }
}

static void a_roof_is_measured(void **state)
{
    (void)state;
    check_any_device();
    if (check_small())
        skip();
    struct rt_device *device;
    for (size_t d = 0; (device = check_device(d)); d++) {
        struct rt_roof roof = {0};
        rt_device_reset_peak(device);
        assert_ok(rt_roof_measure(device, &roof));
        print_message("%.1f GFLOPS, %.1f GB/s\n", 1e-9 * roof.flops, 1e-9 * roof.bytes);
        /* from a phone of ten years ago to a hundred times what there is */
        assert_true(roof.flops > 1e8 && roof.flops < 1e16);
        assert_true(roof.bytes > 1e8 && roof.bytes < 1e15);
        assert_true(rt_device_peak_bytes(device) <= 512u << 20);
        rt_device_close(device);
    }
}

static void the_lower_part_of_the_roof_counts(void **state)
{
    (void)state;
    const struct rt_roof roof = {.flops = 100, .bytes = 10};
    assert_true(rt_roof_seconds(&roof, (struct rt_cost){.flops = 200, .bytes = 10}) == 2);
    assert_true(rt_roof_seconds(&roof, (struct rt_cost){.flops = 200, .bytes = 40}) == 4);
    assert_true(rt_roof_seconds(&roof, (struct rt_cost){.bytes = 5}) == 0.5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kernels_do_all_the_work),
        cmocka_unit_test(a_roof_is_measured),
        cmocka_unit_test(the_lower_part_of_the_roof_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
