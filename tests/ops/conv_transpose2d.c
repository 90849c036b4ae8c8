#include "ops/check.h"

#include <stdio.h>

static void reference(struct reference *r)
{
    struct rt_shape in = r->x_shape[0], out = r->y_shape, filter = r->parameters[0].shape;
    for (int n = 0; n < out.n; n++)
        for (int o = 0; o < out.c; o++)
            for (int i = 0; i < out.h; i++)
                for (int j = 0; j < out.w; j++) {
                    double sum = r->p[1][o];
                    for (int c = 0; c < in.c; c++)
                        sum += at(r->p[0], filter, c, o, i % 2, j % 2) *
                               at(r->x[0], in, n, c, i / 2, j / 2);
                    set(r->y, out, n, o, i, j, sum);
                }
}

static void check(struct rt_shape x, int channels)
{
    struct rt_conv_transpose2d attributes = {channels};
    char name[64];
    snprintf(name, sizeof name, "%dx%dx%dx%d to %d", x.n, x.c, x.h, x.w, channels);
    check_op(&(struct op_case){.name = name,
                               .op = &rt_op_conv_transpose2d,
                               .attributes = &attributes,
                               .x = {x},
                               .reference = reference,
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
