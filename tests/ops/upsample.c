#include "ops/check.h"

#include "base/memory.h"

static const struct rt_upsample nearest = {RT_UPSAMPLE_NEAREST}, bilinear = {RT_UPSAMPLE_BILINEAR};

/* The pixel, that of the nearest edge where it lies outside the plane. */
static double clamped(const double *array, struct rt_shape s, int n, int c, int y, int x)
{
    y = y < 0 ? 0 : y < s.h ? y : s.h - 1;
    x = x < 0 ? 0 : x < s.w ? x : s.w - 1;
    return at(array, s, n, c, y, x);
}

/* Pixel i of y lies at (i + 1/2) / 2 - 1/2 = `first` + `share` in x. */
static void place(int i, int *first, double *share)
{
    *first = (i + 1) / 2 - 1;
    *share = i % 2 ? 0.25 : 0.75;
}

static double value(const struct reference *r, int n, int c, int i, int j)
{
    const struct rt_upsample *upsample = r->attributes;
    const struct rt_shape s = r->x_shape[0];
    int y, x;
    double dy, dx;
    if (upsample->mode == RT_UPSAMPLE_NEAREST)
        return at(r->x[0], s, n, c, i / 2, j / 2);
    place(i, &y, &dy);
    place(j, &x, &dx);
    return (1 - dy) * (1 - dx) * clamped(r->x[0], s, n, c, y, x) +
           (1 - dy) * dx * clamped(r->x[0], s, n, c, y, x + 1) +
           dy * (1 - dx) * clamped(r->x[0], s, n, c, y + 1, x) +
           dy * dx * clamped(r->x[0], s, n, c, y + 1, x + 1);
}

static void reference_upsample(struct reference *r)
{
    const struct rt_shape o = r->y_shape;
    double *y = r->y;
    for (int n = 0; n < o.n; n++)
        for (int c = 0; c < o.c; c++)
            for (int i = 0; i < o.h; i++)
                for (int j = 0; j < o.w; j++)
                    *y++ = value(r, n, c, i, j);
}

static void agrees_with_the_reference(void **state)
{
    (void)state;
    static const struct rt_shape shapes[] = {
        {1, 1, 1, 1},  {2, 3, 2, 2},  {1, 2, 3, 1},   {2, 1, 1, 5},  {3, 2, 2, 7},  {1, 5, 4, 15},
        {2, 2, 3, 16}, {1, 3, 5, 17}, {2, 1, 16, 16}, {1, 2, 9, 31}, {1, 1, 6, 33}, {3, 2, 3, 100}};
    for (size_t i = 0; i < RT_COUNT(shapes); i++) {
        check_op(&(struct op_case){.name = "nearest upsampling",
                                   .op = &rt_op_upsample,
                                   .attributes = &nearest,
                                   .x = {shapes[i]},
                                   .reference = reference_upsample,
                                   .training = true});
        check_op(&(struct op_case){.name = "bilinear upsampling",
                                   .op = &rt_op_upsample,
                                   .attributes = &bilinear,
                                   .x = {shapes[i]},
                                   .reference = reference_upsample,
                                   .training = true});
    }
}

/* torch.nn.functional.interpolate(scale_factor=2, mode="bilinear") of [[0, 4], [8, 16]] */
static void bilinear_is_that_of_pytorch(void **state)
{
    (void)state;
    static const double want[16] = {0, 1,    3,     4,  2, 3.25, 5.75, 7,
                                    6, 7.75, 11.25, 13, 8, 10,   14,   16};
    double x[4] = {0, 4, 8, 16}, y[16];
    struct reference r = {.attributes = &bilinear,
                          .x_shape = {{1, 1, 2, 2}},
                          .y_shape = {1, 1, 4, 4},
                          .x = {x},
                          .y = y};
    reference_upsample(&r);
    for (int i = 0; i < 16; i++)
        assert_true(y[i] == want[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees_with_the_reference),
        cmocka_unit_test(bilinear_is_that_of_pytorch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
