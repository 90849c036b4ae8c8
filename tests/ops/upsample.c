#include "ops/check.h"

#include "base/memory.h"

static const struct rt_upsample nearest = {RT_UPSAMPLE_NEAREST}, bilinear = {RT_UPSAMPLE_BILINEAR};

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
                                   .training = true});
        check_op(&(struct op_case){.name = "bilinear upsampling",
                                   .op = &rt_op_upsample,
                                   .attributes = &bilinear,
                                   .x = {shapes[i]},
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
    struct rt_reference r = {.attributes = &bilinear,
                             .x_shape = {{1, 1, 2, 2}},
                             .y_shape = {1, 1, 4, 4},
                             .x = {x},
                             .y = y};
    const struct rt_tile whole = rt_tile_whole(r.y_shape);
    rt_reference_upsample(&r, &whole);
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
