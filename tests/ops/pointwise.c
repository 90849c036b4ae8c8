#include "ops/check.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "base/memory.h"

static const struct {
    const char *name;
    struct rt_pointwise attributes;
} maps[] = {
    {"ReLU alone", {RT_POINTWISE_CLIP, 0, INFINITY}},
    {"ReLU6", {RT_POINTWISE_CLIP, 0, 0.75f}}, /* within what random inputs reach */
    {"leaky ReLU", {RT_POINTWISE_LEAKY, 0.01f, 0}},
    {"sigmoid", {RT_POINTWISE_SIGMOID, 0, 0}},
};

static void agrees_with_the_reference(void **state)
{
    (void)state;
    static const struct rt_shape shapes[] = {{1, 1, 1, 1},   {2, 3, 2, 2},   {3, 2, 1, 3},
                                             {1, 2, 3, 15},  {2, 1, 4, 16},  {1, 3, 2, 17},
                                             {3, 1, 31, 31}, {1, 2, 70, 100}};
    for (size_t m = 0; m < RT_COUNT(maps); m++)
        for (size_t i = 0; i < RT_COUNT(shapes); i++)
            check_op(&(struct op_case){.name = maps[m].name,
                                       .op = &rt_op_pointwise,
                                       .attributes = &maps[m].attributes,
                                       .x = {shapes[i]},
                                       .training = true});
}

static void make_extreme(struct rt_reference *r)
{
    static const double values[] = {0,    (double)FLT_MAX, -(double)FLT_MAX, 88, -88, 120, -120,
                                    1e-30};
    for (size_t i = 0; i < rt_shape_size(r->x_shape[0]); i++)
        r->x[0][i] = values[i % RT_COUNT(values)];
}

static void takes_extremes(void **state)
{
    (void)state;
    for (size_t m = 0; m < RT_COUNT(maps); m++)
        check_op(&(struct op_case){.name = maps[m].name,
                                   .op = &rt_op_pointwise,
                                   .attributes = &maps[m].attributes,
                                   .x = {{2, 2, 6, 34}},
                                   .prepare = make_extreme});
}

static void nonsense_is_refused(void **state)
{
    (void)state;
    const struct rt_shape x = {1, 1, 2, 2};
    struct rt_shape y;
    assert_fails(rt_op_pointwise.infer(&(struct rt_pointwise){RT_POINTWISE_LEAKY, 0, 0}, &x, &y),
                 RT_ERROR_ARGUMENT, "a slope above 0, not 0");
    assert_fails(rt_op_pointwise.infer(&(struct rt_pointwise){RT_POINTWISE_CLIP, 6, 0}, &x, &y),
                 RT_ERROR_ARGUMENT, "nothing lies within 6 and 0");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees_with_the_reference),
        cmocka_unit_test(takes_extremes),
        cmocka_unit_test(nonsense_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
