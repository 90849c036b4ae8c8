#include "ops/check.h"

#include <stdio.h>
#include <string.h>

static const struct rt_activation none, relu = {.relu = true}, full = {true, 0.2f};

static void check_all(enum rt_conv conv, struct rt_shape x, struct rt_conv2d attributes)
{
    char name[128];
    snprintf(name, sizeof name,
             "%dx%dx%dx%d to %d, kernel %d, stride %d, bias %d, relu %d %g, groups %d, way %d", x.n,
             x.c, x.h, x.w, attributes.channels, attributes.kernel, attributes.stride,
             attributes.bias, attributes.activation.relu, (double)attributes.activation.dropout,
             attributes.groups, (int)conv);
    for (int training = 0; training < 2; training++)
        check_op(&(struct op_case){.name = name,
                                   .op = &rt_op_conv2d,
                                   .attributes = &attributes,
                                   .x = {x},
                                   .training = training,
                                   .conv = conv});
}

static void check_as(enum rt_conv conv, struct rt_shape x, int channels, int kernel, int stride,
                     bool bias, struct rt_activation activation)
{
    check_all(conv, x, (struct rt_conv2d){channels, kernel, stride, bias, activation, 1});
}

static void check(struct rt_shape x, int channels, int kernel, int stride, bool bias,
                  struct rt_activation activation)
{
    check_as(RT_CONV_DIRECT, x, channels, kernel, stride, bias, activation);
}

static void odd_sizes(void **state)
{
    (void)state;
    static const int widths[] = {1, 2, 3, 15, 16, 17, 31, 33, 48};
    for (size_t i = 0; i < sizeof widths / sizeof *widths; i++)
        check((struct rt_shape){1 + (int)i % 3, 1 + (int)i % 5, 1 + (int)(i * 7) % 11, widths[i]},
              1 + (int)(i * 3) % 7, 3, 1, true, relu);
    check((struct rt_shape){1, 1, 1, 1}, 1, 3, 1, true, relu);
    check((struct rt_shape){2, 3, 40, 70}, 5, 3, 1, true, full);
}

static void filters(void **state)
{
    (void)state;
    static const int kernels[] = {1, 3, 5, 7};
    for (int k = 0; k < 4; k++)
        for (int stride = 1; stride <= 2; stride++) {
            check((struct rt_shape){2, 3, 9, 21}, 6, kernels[k], stride, true, none);
            check((struct rt_shape){1, 5, 12, 16}, 3, kernels[k], stride, false, relu);
        }
    for (int width = 16; width <= 20; width++)
        check((struct rt_shape){1, 1, 3, width}, 2, 7, 1, true, relu);
    check((struct rt_shape){1, 2, 2, 2}, 3, 7, 1, true, relu); /* a filter larger than the image */
}

static void activations(void **state)
{
    (void)state;
    for (int stride = 1; stride <= 2; stride++) {
        check((struct rt_shape){3, 4, 11, 19}, 9, 3, stride, true, full);
        check((struct rt_shape){2, 4, 8, 32}, 8, 3, stride, true, relu);
    }
}

static void deep(void **state)
{
    (void)state;
    check((struct rt_shape){2, 64, 4, 16}, 32, 3, 1, true, full);
    check((struct rt_shape){1, 96, 3, 5}, 6, 1, 1, true, none);
}

static void products_of_matrices(void **state)
{
    (void)state;
    check_as(RT_CONV_GEMM, (struct rt_shape){1, 1, 1, 1}, 1, 3, 1, true, relu);
    check_as(RT_CONV_GEMM, (struct rt_shape){2, 3, 9, 21}, 6, 1, 1, true, full);
    check_as(RT_CONV_GEMM, (struct rt_shape){3, 5, 11, 19}, 9, 3, 1, true, full);
    check_as(RT_CONV_GEMM, (struct rt_shape){2, 4, 12, 33}, 3, 5, 1, false, relu);
    check_as(RT_CONV_GEMM, (struct rt_shape){2, 3, 12, 37}, 5, 3, 2, true, relu);
    check_as(RT_CONV_GEMM, (struct rt_shape){2, 3, 11, 16}, 5, 1, 2, false, none);
    check_as(RT_CONV_GEMM, (struct rt_shape){1, 2, 2, 2}, 3, 7, 2, true, none);
}

/* The same sizes and more: tiles past every edge, vectors of several rows and images, channels that
 * fill no group. */
static void check_winograd(enum rt_conv conv, size_t each)
{
    static const struct {
        struct rt_shape x;
        int channels;
    } cases[] = {
        {{1, 1, 1, 1}, 1},   {{2, 3, 9, 21}, 6},    {{3, 5, 7, 3}, 9},   {{1, 9, 4, 64}, 17},
        {{5, 2, 4, 16}, 3},  {{2, 4, 13, 70}, 12},  {{1, 2, 5, 129}, 8}, {{3, 16, 8, 8}, 16},
        {{2, 40, 6, 10}, 4}, {{1, 20, 12, 33}, 70},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i += each)
        check_as(conv, cases[i].x, cases[i].channels, 3, 1, i % 3 != 1,
                 i % 2   ? full
                 : i % 4 ? relu
                         : none);
}

static void winograd(void **state)
{
    (void)state;
    check_winograd(RT_CONV_WINOGRAD, 1);
}

static void winograd_in_steps(void **state)
{
    (void)state;
    check_winograd(RT_CONV_WINOGRAD2, 3);
    check_winograd(RT_CONV_WINOGRAD4, 1);
}

/* Groups past every edge; channels and filter rows that fill no group, and several; steps of one
 * row and of more; chunks of several bands, and bands that an image does not fill; more chunks than
 * are summed up at once. */
static void tiled(void **state)
{
    (void)state;
    static const struct {
        struct rt_shape x;
        int channels, kernel;
    } cases[] = {
        {{1, 1, 1, 1}, 1, 3},    {{2, 3, 9, 21}, 6, 1},   {{3, 5, 11, 19}, 9, 3},
        {{2, 4, 12, 33}, 3, 5},  {{1, 2, 2, 2}, 3, 7},    {{2, 3, 13, 18}, 5, 7},
        {{1, 18, 6, 65}, 20, 3}, {{2, 9, 5, 7}, 33, 3},   {{2, 1, 4, 300}, 2, 3},
        {{9, 2, 33, 3}, 4, 3},   {{2, 70, 3, 8}, 40, 1},  {{3, 35, 17, 16}, 17, 5},
        {{1, 3, 1, 40}, 64, 3},  {{2, 3, 40, 70}, 5, 1},  {{3, 4, 33, 66}, 3, 3},
        {{3, 1, 101, 33}, 1, 1}, {{1, 136, 1, 2}, 40, 1}, {{1, 2, 5, 18}, 9, 3},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        check_as(RT_CONV_TILED, cases[i].x, cases[i].channels, cases[i].kernel, 1, i % 3 != 1,
                 i % 4 == 3 ? none
                 : i % 2    ? relu
                            : full);
    check_as(RT_CONV_TILED, (struct rt_shape){2, 3, 12, 37}, 5, 3, 2, true, relu);
    check_as(RT_CONV_TILED, (struct rt_shape){1, 2, 5, 12}, 3, 9, 1, true, relu);
}

/* Depth-wise, with several filters a channel, and in groups: tiles past every edge, filters larger
 * than the image, rows of several vectors; and asked for by the name of what cannot do it. */
static void groups(void **state)
{
    (void)state;
    static const struct {
        struct rt_shape x;
        int channels, kernel, stride, groups;
    } cases[] = {
        {{2, 6, 9, 21}, 6, 3, 1, 6},
        {{1, 4, 7, 50}, 8, 3, 2, 4},
        {{1, 8, 6, 33}, 16, 3, 2, 2},
        {{1, 4, 2, 2}, 4, 5, 1, 4},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        check_all(RT_CONV_AUTO, cases[i].x,
                  (struct rt_conv2d){cases[i].channels, cases[i].kernel, cases[i].stride,
                                     i % 3 != 1, i % 2 ? full : none, cases[i].groups});
    check_all(RT_CONV_GEMM, (struct rt_shape){1, 32, 3, 18},
              (struct rt_conv2d){32, 3, 1, true, relu, 32});
}

static void sizes_that_do_not_fit_are_refused(void **state)
{
    (void)state;
    const struct rt_shape x = {1, 6, 8, 8};
    const struct rt_conv2d uneven = {.channels = 6, .kernel = 3, .stride = 1, .groups = 4},
                           few = {.channels = 4, .kernel = 3, .stride = 1, .groups = 3},
                           wide = {.channels = 4, .kernel = 65, .stride = 1};
    struct rt_shape y;
    assert_fails(rt_op_conv2d.infer(&uneven, &x, &y), RT_ERROR_ARGUMENT, "6 channels to 6");
    assert_fails(rt_op_conv2d.infer(&few, &x, &y), RT_ERROR_ARGUMENT, "in 3 groups");
    assert_fails(rt_op_conv2d.infer(&wide, &x, &y), RT_ERROR_ARGUMENT, "at most 63");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(odd_sizes),
        cmocka_unit_test(filters),
        cmocka_unit_test(activations),
        cmocka_unit_test(deep),
        cmocka_unit_test(products_of_matrices),
        cmocka_unit_test(winograd),
        cmocka_unit_test(winograd_in_steps),
        cmocka_unit_test(tiled),
        cmocka_unit_test(groups),
        cmocka_unit_test(sizes_that_do_not_fit_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
