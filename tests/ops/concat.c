#include "ops/check.h"

#include <string.h>

#include "base/memory.h"

static void agrees_with_the_reference(void **state)
{
    (void)state;
    static const struct rt_shape shapes[] = {
        {1, 1, 1, 1},  {2, 3, 2, 2},  {3, 2, 1, 3},  {1, 4, 3, 5},   {2, 5, 1, 7},
        {1, 2, 3, 15}, {2, 1, 4, 16}, {1, 3, 2, 17}, {3, 1, 31, 31}, {1, 2, 70, 100}};
    for (size_t i = 0; i < RT_COUNT(shapes); i++) {
        struct rt_shape other = shapes[i];
        other.c = (int)i % 3 + 1;
        check_op(&(struct op_case){
            .name = "concat", .op = &rt_op_concat, .x = {shapes[i], other}, .training = true});
    }
}

static void shapes_must_fit(void **state)
{
    (void)state;
    const struct rt_shape x[2] = {{1, 2, 4, 6}, {1, 2, 4, 7}};
    struct rt_shape y;
    assert_fails(rt_op_concat.infer(NULL, x, &y), RT_ERROR_ARGUMENT,
                 "cannot concatenate 1 images of 6 x 4 pixels with 1 of 7 x 4");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees_with_the_reference),
        cmocka_unit_test(shapes_must_fit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
