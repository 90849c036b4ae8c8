#include "test.h"

#include <clblast_c.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/random.h"
#include "device/gemm.h"
#include "device/internal.h"
#include "ops/check.h"

struct gemm_case {
    size_t m, n, k;
    bool a_transpose, b_transpose;
    float beta;
    size_t offset, gap; /* floats before a matrix, and between its rows */
};

static const struct gemm_case cases[] = {
    {1, 1, 1, false, false, 0, 0, 0},      {1, 37, 5, false, false, 0, 3, 2},
    {37, 1, 5, true, false, 1, 1, 0},      {5, 7, 1, false, true, 0, 0, 1},
    {13, 17, 11, true, true, 0.5f, 5, 3},  {16, 1024, 27, false, false, 0, 0, 0},
    {64, 128, 64, false, false, 0, 64, 0}, {65, 129, 67, false, false, 1, 64, 7},
    {131, 67, 93, true, false, 0, 7, 1},   {67, 131, 93, false, true, 1, 0, 16},
    {99, 101, 103, true, true, -2, 1, 1},  {16, 147, 5000, false, true, 0, 64, 80},
    {6, 4099, 16, false, false, 0, 64, 5}, {144, 4100, 16, true, false, 0, 64, 0},
};

/* A matrix in memory, and its values as the product sees them. */
struct operand {
    struct rt_matrix matrix;
    size_t rows, columns; /* as stored */
    float *values;        /* the whole buffer */
    size_t floats;
};

static struct operand operand_create(struct rt_device *device, const struct gemm_case *test,
                                     size_t rows, size_t columns, bool transpose)
{
    struct operand o = {.rows = transpose ? columns : rows, .columns = transpose ? rows : columns};
    struct rt_random random = rt_random_start(rows, columns);
    o.matrix = (struct rt_matrix){
        .offset = test->offset, .leading = o.columns + test->gap, .transpose = transpose};
    o.floats = o.matrix.offset + o.rows * o.matrix.leading + 33;
    o.values = malloc(o.floats * sizeof *o.values);
    for (size_t i = 0; i < o.floats; i++)
        memcpy(&o.values[i], &(uint32_t){POISON}, 4);
    for (size_t i = 0; i < o.rows; i++)
        for (size_t j = 0; j < o.columns; j++)
            o.values[o.matrix.offset + i * o.matrix.leading + j] = rt_random_normal(&random);
    assert_ok(rt_buffer_create(&o.matrix.buffer, device, o.floats * sizeof(float)));
    assert_ok(rt_buffer_write(o.matrix.buffer, 0, o.floats * sizeof(float), o.values));
    return o;
}

static void operand_destroy(struct operand *o)
{
    rt_buffer_destroy(o->matrix.buffer);
    free(o->values);
}

static double value(const struct operand *o, size_t i, size_t j)
{
    const struct rt_matrix *m = &o->matrix;
    return (double)o->values[m->offset + (m->transpose ? j * m->leading + i : i * m->leading + j)];
}

static void check_result(const struct gemm_case *t, const struct operand *a,
                         const struct operand *b, const struct operand *c)
{
    float *got = malloc(c->floats * sizeof *got);
    assert_ok(rt_buffer_read(c->matrix.buffer, 0, c->floats * sizeof *got, got));
    for (size_t i = 0; i < t->m; i++) {
        for (size_t j = 0; j < t->n; j++) {
            double sum = t->beta != 0 ? (double)t->beta * value(c, i, j) : 0;
            for (size_t p = 0; p < t->k; p++)
                sum += value(a, i, p) * value(b, p, j);
            float *found = &got[c->matrix.offset + i * c->matrix.leading + j];
            if (!(fabs((double)*found - sum) <= 1e-5 * sqrt((double)t->k) + 1e-5))
                fail_msg("%zu x %zu x %zu: c[%zu, %zu] is %.9g, expected %.9g", t->m, t->n, t->k, i,
                         j, (double)*found, sum);
            *found = c->values[c->matrix.offset + i * c->matrix.leading + j];
        }
    }
    /* With the matrix put back, all that was around it must be as before. */
    assert_memory_equal(got, c->values, c->floats * sizeof *got);
    free(got);
}

static void run_case(struct rt_device *device, const struct gemm_case *t)
{
    struct operand a = operand_create(device, t, t->m, t->k, t->a_transpose);
    struct operand b = operand_create(device, t, t->k, t->n, t->b_transpose);
    struct operand c = operand_create(device, t, t->m, t->n, false);
    if (t->beta == 0) /* what stands in c must not be used */
        assert_ok(rt_buffer_fill(c.matrix.buffer, 0, c.floats * sizeof(float), POISON));
    if (t->beta == 0)
        for (size_t i = 0; i < c.floats; i++)
            memcpy(&c.values[i], &(uint32_t){POISON}, 4);
    assert_ok(rt_gemm(device, t->m, t->n, t->k, a.matrix, b.matrix, t->beta, c.matrix));
    check_result(t, &a, &b, &c);
    operand_destroy(&a);
    operand_destroy(&b);
    operand_destroy(&c);
}

static void products_agree_with_double(void **state)
{
    (void)state;
    check_any_device();
    struct rt_device *device;
    for (size_t d = 0; (device = check_device(d)); d++) {
        for (size_t i = 0; i < RT_COUNT(cases); i++)
            run_case(device, &cases[i]);
        rt_device_close(device);
    }
}

/* CLBlast 1.5.3 computes nonsense with these parameters; a device whose entry in CLBlast's database
 * is like that must be found out and given others. */
static void wrong_parameters_are_found_out(void **state)
{
    (void)state;
    check_any_device();
    const char *names[] = {"GEMMK", "KREG", "KWG", "KWI", "MDIMA", "MDIMC", "MWG", "NDIMB",
                           "NDIMC", "NWG",  "SA",  "SB",  "STRM",  "STRN",  "VWM", "VWN"};
    const size_t values[] = {1, 1, 1, 1, 4, 4, 32, 4, 4, 16, 0, 0, 0, 0, 1, 1};
    const char *border[] = {"XGEMM_MIN_INDIRECT_SIZE"};
    const size_t one[] = {1};
    struct rt_device *device;
    for (size_t d = 0; (device = check_device(d)); d++) {
        device->info.type = RT_DEVICE_ACCELERATOR; /* one that retort has no parameters for */
        assert_int_equal(CLBlastOverrideParameters(device->id, "Xgemm", CLBlastPrecisionSingle, 16,
                                                   names, values),
                         CLBlastSuccess);
        assert_int_equal(CLBlastOverrideParameters(device->id, "GemmRoutine",
                                                   CLBlastPrecisionSingle, 1, border, one),
                         CLBlastSuccess);
        for (size_t i = 0; i < RT_COUNT(cases); i++)
            run_case(device, &cases[i]);
        rt_device_close(device);
    }
}

static void bad_arguments_are_refused(void **state)
{
    (void)state;
    check_any_device();
    struct rt_device *device = check_device(0);
    struct rt_buffer *buffer;
    assert_ok(rt_buffer_create(&buffer, device, 64 * sizeof(float)));
    const struct rt_matrix whole = {buffer, 0, 8, false}, late = {buffer, 1, 8, false},
                           narrow = {buffer, 0, 7, false}, far = {buffer, SIZE_MAX, 8, false};
    assert_fails(rt_gemm(device, 8, 8, 8, whole, late, 0, whole), RT_ERROR_ARGUMENT, "matrix b");
    assert_fails(rt_gemm(device, 8, 8, 8, narrow, whole, 0, whole), RT_ERROR_ARGUMENT, "matrix a");
    assert_fails(rt_gemm(device, 8, 8, 8, whole, whole, 0, far), RT_ERROR_ARGUMENT, "matrix c");
    assert_fails(rt_gemm(device, 9, 8, 8, whole, whole, 0, whole), RT_ERROR_ARGUMENT, "matrix a");
    assert_fails(rt_gemm(device, 8, 8, 0, whole, whole, 0, whole), RT_ERROR_ARGUMENT, "matrix a");
    rt_buffer_destroy(buffer);
    rt_device_close(device);
}

static void products_are_profiled(void **state)
{
    (void)state;
    check_any_device();
    struct rt_device *device = check_device(0);
    const struct rt_profile_entry *entries;
    size_t count;
    assert_ok(rt_profile_start(device));
    assert_ok(rt_profile_label(device, "gemm", 10, 20));
    run_case(device, &cases[RT_COUNT(cases) - 1]);
    assert_ok(rt_profile_stop(device, &entries, &count));
    assert_int_equal(count, 2);
    assert_int_equal(entries[1].launches, 1);
    assert_true(entries[1].seconds > 0 && entries[1].seconds < 60);
    rt_device_close(device);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(products_agree_with_double),
        cmocka_unit_test(wrong_parameters_are_found_out),
        cmocka_unit_test(bad_arguments_are_refused),
        cmocka_unit_test(products_are_profiled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
