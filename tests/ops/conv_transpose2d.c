#include "ops/check.h"

#include <stdio.h>

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
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(sizes)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
