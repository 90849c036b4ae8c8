#include "device/gemm.h"

#include <clblast_c.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/memory.h"
#include "base/process.h"
#include "base/random.h"
#include "device/internal.h"

/* --- CLBlast's parameters ----------------------------------------------------------------- */

static const char *const xgemm_names[] = {"GEMMK", "KREG",  "KWG",   "KWI", "MDIMA", "MDIMC",
                                          "MWG",   "NDIMB", "NDIMC", "NWG", "SA",    "SB",
                                          "STRM",  "STRN",  "VWM",   "VWN"};
static const char *const direct_names[] = {"KWID", "MDIMAD", "MDIMCD", "NDIMBD", "NDIMCD",
                                           "PADA", "PADB",   "VWMD",   "VWND",   "WGD"};
static const char *const routine_names[] = {"XGEMM_MIN_INDIRECT_SIZE"};

/* Values for one of CLBlast's kernels, in the order of its names. */
struct tuning {
    const char *kernel;
    const char *const *names;
    size_t count, values[RT_COUNT(xgemm_names)];
};

/* Small tiles and scalars, which every device can run. */
static const struct tuning plain_tuning[] = {
    {"Xgemm",
     xgemm_names,
     RT_COUNT(xgemm_names),
     {0, 1, 16, 2, 8, 8, 32, 8, 8, 32, 0, 0, 0, 0, 1, 1}},
    {"XgemmDirect", direct_names, RT_COUNT(direct_names), {2, 8, 8, 8, 8, 1, 1, 1, 1, 8}},
};

static rt_status fail_clblast(const struct rt_device *device, CLBlastStatusCode code,
                              const char *doing)
{
    return rt_fail(RT_ERROR_DEVICE, "CLBlast cannot %s on %s: %s (%d)%s", doing, device->info.name,
                   rt_cl_error_name((cl_int)code), (int)code, rt_cl_advice((cl_int)code));
}

static rt_status tune(const struct rt_device *device, const struct tuning *tunings, size_t count)
{
    for (const struct tuning *tuning = tunings; tuning < tunings + count; tuning++) {
        CLBlastStatusCode code =
            CLBlastOverrideParameters(device->id, tuning->kernel, CLBlastPrecisionSingle,
                                      tuning->count, (const char **)tuning->names, tuning->values);
        if (code != CLBlastSuccess)
            return fail_clblast(device, code, "take parameters");
    }
    return RT_OK;
}

/* For a CPU, of which CLBlast's database knows hardly any: work-groups of one, which share nothing,
 * with a tile of vectors in registers, 4 x 6 in the 32 registers of AVX-512 or 2 x 6 in 16; and
 * always the kernel that packs its operands. On PoCL 3.1 with AVX-512 that is two to five times
 * as fast as the defaults. */
static rt_status take_registers(const struct rt_device *device)
{
    const size_t vector = (size_t)rt_device_vector(device), tile = vector * (vector < 16 ? 2 : 4);
    const struct tuning tunings[] = {
        {"Xgemm",
         xgemm_names,
         RT_COUNT(xgemm_names),
         {0, 1, 16, 1, 1, 1, tile, 1, 1, 6, 0, 0, 0, 0, vector, 1}},
        {"GemmRoutine", routine_names, RT_COUNT(routine_names), {1}},
    };
    return tune(device, tunings, RT_COUNT(tunings));
}

/* The values of one set for the packing kernel, which then computes all products: its tiles are MWG
 * x NWG, kept in local memory with SA and SB. None has GEMMK = 1, with which CLBlast before 1.6.3
 * may be wrong. */
static const struct {
    const char *name;
    size_t values[RT_COUNT(xgemm_names)];
} tile_sets[] = {
    {"32x32", {0, 1, 16, 2, 8, 8, 32, 8, 8, 32, 0, 0, 0, 0, 1, 1}},
    {"64x64", {0, 1, 16, 2, 8, 8, 64, 8, 8, 64, 0, 0, 0, 0, 4, 4}},
    {"64x64 local", {0, 1, 16, 2, 8, 8, 64, 8, 8, 64, 1, 1, 0, 0, 4, 4}},
    {"128x64 local", {0, 1, 16, 2, 16, 16, 128, 8, 8, 64, 1, 1, 0, 0, 4, 4}},
    {"128x128 local", {0, 1, 16, 2, 16, 16, 128, 16, 16, 128, 1, 1, 0, 0, 4, 4}},
};

const char *rt_gemm_set(size_t index)
{
    static const char *const others[] = {"default", "registers"};
    if (index < RT_COUNT(others))
        return others[index];
    index -= RT_COUNT(others);
    return index < RT_COUNT(tile_sets) ? tile_sets[index].name : NULL;
}

static bool is_set(const char *name)
{
    size_t i = 0;
    while (rt_gemm_set(i) && strcmp(rt_gemm_set(i), name) != 0)
        i++;
    return rt_gemm_set(i) != NULL;
}

static rt_status take_set(struct rt_device *device, const char *name)
{
    rt_debug("products of matrices take the set '%s' of CLBlast's parameters", name);
    device->gemm_packs = strcmp(name, "default") != 0;
    if (strcmp(name, "registers") == 0)
        return take_registers(device);
    for (size_t i = 0; i < RT_COUNT(tile_sets); i++) {
        if (strcmp(tile_sets[i].name, name) != 0)
            continue;
        struct tuning tunings[] = {
            {"Xgemm", xgemm_names, RT_COUNT(xgemm_names), {0}},
            {"GemmRoutine", routine_names, RT_COUNT(routine_names), {1}},
        };
        memcpy(tunings[0].values, tile_sets[i].values, sizeof tile_sets[i].values);
        return tune(device, tunings, RT_COUNT(tunings));
    }
    return RT_OK;
}

/* The set of the device's profile, or what is right for most devices of its type. */
static const char *set_of(const struct rt_device *device)
{
    const char *chosen = rt_device_choice(device, RT_GEMM_KEY);
    if (chosen && !is_set(chosen)) {
        rt_device_doubt_choice(device, RT_GEMM_KEY);
        chosen = NULL;
    }
    if (chosen)
        return chosen;
    return rt_device_is_cpu(device) ? "registers" : "default";
}

/* --- the product -------------------------------------------------------------------------- */

struct product {
    size_t m, n, k;
    struct rt_matrix a, b, c;
    float beta;
};

/* CLBlast counts floats in ints. */
static rt_status check_matrix(const char *name, size_t rows, size_t columns,
                              const struct rt_matrix *matrix)
{
    if (matrix->transpose) {
        size_t swap = rows;
        rows = columns;
        columns = swap;
    }
    size_t room = rt_buffer_bytes(matrix->buffer) / sizeof(float);
    if (room > INT_MAX)
        room = INT_MAX;
    if (rows == 0 || columns == 0 || matrix->leading < columns || matrix->offset > room ||
        columns > room - matrix->offset ||
        rows - 1 > (room - matrix->offset - columns) / matrix->leading)
        return rt_fail(RT_ERROR_ARGUMENT,
                       "matrix %s of a product, %zu x %zu at %zu with rows %zu apart, does not fit "
                       "into a buffer of %zu floats",
                       name, rows, columns, matrix->offset, matrix->leading, room);
    return RT_OK;
}

/* Makes the memory that CLBlast packs its operands into at least as large as this product needs.
 * Growing is safe while products are queued: OpenCL frees a buffer after its last command. */
static rt_status reserve(struct rt_device *device, size_t bytes)
{
    if (device->gemm_memory && rt_buffer_bytes(device->gemm_memory) >= bytes)
        return RT_OK;
    rt_buffer_destroy(device->gemm_memory);
    return rt_buffer_create(&device->gemm_memory, device, bytes);
}

static CLBlastTranspose transposed(const struct rt_matrix *matrix)
{
    return matrix->transpose ? CLBlastTransposeYes : CLBlastTransposeNo;
}

/* The memory that CLBlast packs operands into. Row-major c = a b is column-major c' = b' a', which
 * it computes with fewer copies. */
static rt_status packed_bytes(struct rt_device *device, const struct product *p, size_t *bytes)
{
    CLBlastStatusCode code = CLBlastSGemmTempBufferSize(
        CLBlastLayoutColMajor, transposed(&p->b), transposed(&p->a), p->n, p->m, p->k, p->b.offset,
        p->b.leading, p->a.offset, p->a.leading, p->c.offset, p->c.leading, &device->queue, bytes);
    return code == CLBlastSuccess ? RT_OK : fail_clblast(device, code, "size its memory");
}

static rt_status multiply(struct rt_device *device, const struct product *p, cl_event *event)
{
    rt_status status = RT_OK;
    size_t bytes = 0;
    RT_TRY(packed_bytes(device, p, &bytes));
    RT_TRY(reserve(device, bytes));
    CLBlastStatusCode code = CLBlastSgemmWithTempBuffer(
        CLBlastLayoutColMajor, transposed(&p->b), transposed(&p->a), p->n, p->m, p->k, 1,
        p->b.buffer->memory, p->b.offset, p->b.leading, p->a.buffer->memory, p->a.offset,
        p->a.leading, p->beta, p->c.buffer->memory, p->c.offset, p->c.leading, &device->queue,
        event, device->gemm_memory->memory);
    if (code != CLBlastSuccess)
        status = fail_clblast(device, code, "multiply");
end:
    return status;
}

/* --- the check at first use --------------------------------------------------------------- */

struct check {
    size_t m, n, k;
    bool a_transpose, b_transpose;
};

/* Small products take CLBlast's direct kernel, larger ones pack their operands. Its database has
 * the border between the two at up to 1984 cubed; all other sets have it at 1. */
static const struct check small_checks[] = {
    {7, 5, 3, false, false}, {35, 61, 67, true, false}, {61, 67, 35, false, true}};
static const struct check large_check_packed = {131, 257, 67, false, false};
static const struct check large_check = {1987, 1999, 2003, false, false};

struct sample {
    float *a, *b, *c;
    float *weights; /* n of them */
    struct rt_buffer *buffers[3];
};

static rt_status sample_create(struct sample *sample, struct rt_device *device,
                               const struct check *check)
{
    rt_status status = RT_OK;
    const size_t sizes[3] = {check->m * check->k, check->k * check->n, check->m * check->n};
    struct rt_random random = rt_random_start(check->k, check->n);
    RT_TRY(rt_alloc(&sample->a, sizes[0], sizeof(float)));
    RT_TRY(rt_alloc(&sample->b, sizes[1], sizeof(float)));
    RT_TRY(rt_alloc(&sample->c, sizes[2], sizeof(float)));
    RT_TRY(rt_alloc(&sample->weights, check->n, sizeof(float)));
    for (size_t i = 0; i < sizes[0]; i++)
        sample->a[i] = (float)rt_random_below(&random, 7) - 3;
    for (size_t i = 0; i < sizes[1]; i++)
        sample->b[i] = (float)rt_random_below(&random, 7) - 3;
    for (size_t i = 0; i < check->n; i++)
        sample->weights[i] = (float)rt_random_below(&random, 7) - 3;
    for (int i = 0; i < 3; i++)
        RT_TRY(rt_buffer_create(&sample->buffers[i], device, sizes[i] * sizeof(float)));
    RT_TRY(rt_buffer_write(sample->buffers[0], 0, sizes[0] * sizeof(float), sample->a));
    RT_TRY(rt_buffer_write(sample->buffers[1], 0, sizes[1] * sizeof(float), sample->b));
    RT_TRY(rt_buffer_fill(sample->buffers[2], 0, sizes[2] * sizeof(float), 0x7fc00000)); /* NaN */
end:
    return status;
}

static void sample_destroy(struct sample *sample)
{
    for (int i = 0; i < 3; i++)
        rt_buffer_destroy(sample->buffers[i]);
    free(sample->a);
    free(sample->b);
    free(sample->c);
    free(sample->weights);
}

static float element(const float *values, size_t rows, size_t columns, bool transpose, size_t i,
                     size_t j)
{
    return transpose ? values[j * rows + i] : values[i * columns + j];
}

/* Freivalds' check: c w = a (b w) for random weights w, in n^2 steps instead of n^3. All values are
 * small integers, so that both sides are exact and the comparison needs no tolerance.
 * *wrong is the first row that differs, m if none does. */
static rt_status compare(const struct sample *sample, const struct check *check, size_t *wrong)
{
    double *bw;
    rt_status status = rt_alloc(&bw, check->k, sizeof *bw);
    if (status < 0)
        return status;
    for (size_t p = 0; p < check->k; p++)
        for (size_t j = 0; j < check->n; j++)
            bw[p] += (double)element(sample->b, check->k, check->n, check->b_transpose, p, j) *
                     (double)sample->weights[j];
    for (*wrong = 0; *wrong < check->m; ++*wrong) {
        double expected = 0, found = 0;
        for (size_t p = 0; p < check->k; p++)
            expected +=
                (double)element(sample->a, check->m, check->k, check->a_transpose, *wrong, p) *
                bw[p];
        for (size_t j = 0; j < check->n; j++)
            found += (double)sample->c[*wrong * check->n + j] * (double)sample->weights[j];
        if (!(found == expected))
            break;
    }
    free(bw);
    return RT_OK;
}

static rt_status check_product(struct rt_device *device, const struct check *check)
{
    rt_status status = RT_OK;
    struct sample sample = {0};
    size_t wrong;
    RT_TRY(sample_create(&sample, device, check));
    struct product product = {
        .m = check->m,
        .n = check->n,
        .k = check->k,
        .a = {sample.buffers[0], 0, check->a_transpose ? check->m : check->k, check->a_transpose},
        .b = {sample.buffers[1], 0, check->b_transpose ? check->k : check->n, check->b_transpose},
        .c = {sample.buffers[2], 0, check->n, false},
    };
    RT_TRY(multiply(device, &product, NULL));
    RT_TRY(rt_buffer_read(sample.buffers[2], 0, check->m * check->n * sizeof(float), sample.c));
    RT_TRY(compare(&sample, check, &wrong));
    if (wrong < check->m)
        status =
            rt_fail(RT_ERROR_DEVICE,
                    "CLBlast's product of %zu x %zu and %zu x %zu is wrong on %s, first in row "
                    "%zu; choose direct convolutions, or another version of CLBlast",
                    check->m, check->k, check->k, check->n, device->info.name, wrong);
end:
    sample_destroy(&sample);
    return status;
}

static rt_status check_products(struct rt_device *device)
{
    rt_status status = RT_OK;
    for (size_t i = 0; i < RT_COUNT(small_checks); i++)
        RT_TRY(check_product(device, &small_checks[i]));
    RT_TRY(check_product(device, device->gemm_packs ? &large_check_packed : &large_check));
end:
    rt_buffer_destroy(device->gemm_memory);
    device->gemm_memory = NULL;
    return status;
}

/* CLBlast before 1.6.3 computes wrong products with some of the parameters that its database holds
 * (GEMMK = 1 with MWG != NWG), and what the database gives for a device cannot be asked. */
static rt_status prepare(struct rt_device *device)
{
    rt_status status = RT_OK;
    if (device->gemm_checked)
        return RT_OK;
    RT_TRY(take_set(device, set_of(device)));
    status = check_products(device);
    if (status == RT_ERROR_DEVICE) {
        rt_warn("%s; trying plain parameters", rt_error_message());
        RT_TRY(tune(device, plain_tuning, RT_COUNT(plain_tuning)));
        status = check_products(device);
    }
    device->gemm_checked = status == RT_OK;
end:
    return status;
}

/* multiply() with its time taken. */
static rt_status multiply_profiled(struct rt_device *device, const struct product *p)
{
    cl_event before = NULL, after = NULL;
    /* One product is several commands of which CLBlast tells the last: time from a marker on. */
    cl_int code = clEnqueueMarkerWithWaitList(device->queue, 0, NULL, &before);
    if (code != CL_SUCCESS)
        return rt_cl_fail(device, code, "queue a marker");
    rt_status status = multiply(device, p, &after);
    if (status < 0)
        clReleaseEvent(before);
    else
        status = rt_profile_add(device, before, after);
    return status;
}

rt_status rt_gemm(struct rt_device *device, size_t m, size_t n, size_t k, struct rt_matrix a,
                  struct rt_matrix b, float beta, struct rt_matrix c)
{
    rt_status status = RT_OK;
    const struct product product = {m, n, k, a, b, c, beta};
    RT_TRY(check_matrix("a", m, k, &a));
    RT_TRY(check_matrix("b", k, n, &b));
    RT_TRY(check_matrix("c", m, n, &c));
    RT_TRY(prepare(device));
    if (device->rehearsing)
        return RT_OK;
    RT_TRY(rt_profile_running(device) ? multiply_profiled(device, &product)
                                      : multiply(device, &product, NULL));
    status = rt_device_queued(device, 2.0 * (double)m * (double)n * (double)k);
end:
    return status;
}

#define RUNS 5

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

rt_status rt_gemm_measure(struct rt_device *device, const char *set,
                          struct rt_choice_variant *measured)
{
    rt_status status = RT_OK;
    /* A convolution of 64 to 64 channels over 64 x 64 pixels. */
    static const struct check usual = {.m = 64, .n = 4096, .k = 576};
    struct sample sample = {0};
    double runs[RUNS + 1];
    *measured = (struct rt_choice_variant){0};
    snprintf(measured->name, sizeof measured->name, "%s", set);
    if (!is_set(set))
        return rt_fail(RT_ERROR_ARGUMENT, "there is no variant '%s'", set);
    RT_TRY(take_set(device, set));
    RT_TRY(check_products(device));
    device->gemm_checked = true;
    RT_TRY(sample_create(&sample, device, &usual));
    for (int i = 0; i <= RUNS; i++) {
        const double start = rt_clock_seconds();
        RT_TRY(rt_gemm(device, usual.m, usual.n, usual.k,
                       (struct rt_matrix){.buffer = sample.buffers[0], .leading = usual.k},
                       (struct rt_matrix){.buffer = sample.buffers[1], .leading = usual.n}, 0,
                       (struct rt_matrix){.buffer = sample.buffers[2], .leading = usual.n}));
        RT_TRY(rt_device_finish(device));
        runs[i] = rt_clock_seconds() - start;
    }
    qsort(runs + 1, RUNS, sizeof *runs, compare_doubles); /* the first built the kernels */
    measured->seconds = runs[1 + RUNS / 2];
end:
    sample_destroy(&sample);
    return status;
}

rt_status rt_gemm_reserve(struct rt_device *device, size_t m, size_t n, size_t k)
{
    rt_status status = RT_OK;
    size_t bytes = 0;
    const struct product product = {.m = m,
                                    .n = n,
                                    .k = k,
                                    .a = {.offset = 1, .leading = k},
                                    .b = {.offset = 1, .leading = n},
                                    .c = {.offset = 1, .leading = n}};
    RT_TRY(prepare(device));
    RT_TRY(packed_bytes(device, &product, &bytes));
    status = reserve(device, bytes);
end:
    return status;
}

void rt_gemm_release(struct rt_device *device)
{
    rt_buffer_destroy(device->gemm_memory);
    if (device->gemm_checked)
        CLBlastClearCache(); /* its programs hold the context */
}
