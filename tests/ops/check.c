#include "ops/check.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/random.h"

#define DIFFERENCES 60    /* elements of a tensor that are checked by differences */
#define SMALL_FLOPS 40000 /* of a forward pass: seconds on an interpreter */

void words_fill(struct rt_buffer *buffer, uint32_t word)
{
    const size_t bytes = rt_buffer_bytes(buffer);
    uint32_t *words = malloc(bytes);
    for (size_t i = 0; i < bytes / sizeof *words; i++)
        words[i] = word;
    assert_ok(rt_buffer_write(buffer, 0, bytes, words));
    free(words);
}

struct guarded guarded_create(struct rt_device *device, struct rt_shape shape, size_t gap)
{
    static uint32_t word = POISON;
    struct guarded g = {.poison = word++};
    g.tensor.shape = shape;
    g.tensor.offset = RT_TENSOR_GUARD;
    g.tensor.plane = (size_t)shape.h * (size_t)shape.w + gap;
    g.tensor.stride = (size_t)shape.c * g.tensor.plane + gap;
    g.floats = (size_t)shape.n * g.tensor.stride + 2 * RT_TENSOR_GUARD;
    assert_ok(rt_buffer_create(&g.tensor.buffer, device, g.floats * sizeof(float)));
    words_fill(g.tensor.buffer, g.poison);
    return g;
}

/* Whether float i of the buffer is an element of the tensor. */
static bool is_inside(const struct rt_tensor *t, size_t i)
{
    const size_t place = i - t->offset; /* wraps before the tensor */
    return i >= t->offset && place < (size_t)t->shape.n * t->stride &&
           place % t->stride < (size_t)t->shape.c * t->plane &&
           place % t->stride % t->plane < (size_t)t->shape.h * (size_t)t->shape.w;
}

void guarded_write(const struct guarded *g, const double *from)
{
    float *floats = malloc(g->floats * sizeof *floats);
    assert_ok(rt_buffer_read(g->tensor.buffer, 0, g->floats * sizeof *floats, floats));
    for (size_t i = 0; i < g->floats; i++)
        if (is_inside(&g->tensor, i))
            floats[i] = (float)*from++;
    assert_ok(rt_buffer_write(g->tensor.buffer, 0, g->floats * sizeof *floats, floats));
    free(floats);
}

float *guarded_read(const struct guarded *g, const char *name)
{
    uint32_t *words = calloc(g->floats, sizeof *words);
    assert_ok(rt_buffer_read(g->tensor.buffer, 0, g->floats * sizeof *words, words));
    for (size_t i = 0; i < g->floats; i++)
        if (!is_inside(&g->tensor, i) && words[i] != g->poison)
            fail_msg("%s: word %zu outside the tensor was overwritten", name, i);
    free(words);
    float *values = calloc(rt_shape_size(g->tensor.shape) + 1, sizeof *values);
    assert_ok(rt_tensor_read(&g->tensor, values));
    return values;
}

/* What the reference says, computed once a case. */
struct expected {
    struct reference reference; /* its inputs, and y */
    int parameters;
    double *weights; /* the loss is the sum of weights * y */
    double *p[RT_OP_PARAMETERS];
    double *dx[RT_OP_INPUTS], *dp[RT_OP_PARAMETERS]; /* NAN where it was not computed */
};

/* One device's turn. */
struct run {
    const struct op_case *test;
    const struct expected *expected;
    struct rt_device *device;
    struct rt_op_call call;
    struct guarded x[RT_OP_INPUTS], y, p[RT_OP_PARAMETERS];
    struct guarded dy, dx[RT_OP_INPUTS], dp[RT_OP_PARAMETERS], scratch;
};

static double *random_array(struct rt_shape shape, uint64_t stream, double scale)
{
    struct rt_random random = rt_random_start(42, stream);
    size_t size = rt_shape_size(shape);
    double *values = calloc(size + 1, sizeof *values);
    for (size_t i = 0; i < size; i++)
        values[i] = (double)(float)(scale * (double)rt_random_normal(&random));
    return values;
}

static double *copy_array(const double *values, struct rt_shape shape)
{
    double *copy = calloc(rt_shape_size(shape) + 1, sizeof *copy);
    memcpy(copy, values, rt_shape_size(shape) * sizeof *copy);
    return copy;
}

static void prepare_reference(const struct op_case *test, struct expected *expected)
{
    struct reference *r = &expected->reference;
    *r = (struct reference){.attributes = test->attributes,
                            .training = test->training,
                            .seed = 0x123456789abcdef,
                            .node = 3,
                            .step = 17,
                            .image = 5};
    memcpy(r->x_shape, test->x, sizeof r->x_shape);
    assert_ok(test->op->infer(test->attributes, test->x, &r->y_shape));
    if (test->op->parameters)
        expected->parameters = test->op->parameters(test->attributes, test->x, r->parameters);
    for (int i = 0; i < test->op->inputs; i++)
        r->x[i] = random_array(test->x[i], 10 + (uint64_t)i, 1);
    for (int i = 0; i < expected->parameters; i++) {
        struct rt_parameter *p = &r->parameters[i];
        r->p[i] = random_array(p->shape, 20 + (uint64_t)i, p->fan_in ? 1 / sqrt(p->fan_in) : 0.5);
        for (size_t j = 0; j < rt_shape_size(p->shape); j++)
            r->p[i][j] = p->trained ? r->p[i][j] : fabs(r->p[i][j]) + 0.5;
    }
    r->y = random_array(r->y_shape, 30, 0);
    expected->weights = random_array(r->y_shape, 31, 1);
    if (test->prepare)
        test->prepare(r);
}

static double loss(const struct op_case *test, struct expected *expected)
{
    struct reference *r = &expected->reference;
    test->reference(r);
    double sum = 0;
    for (size_t i = 0; i < rt_shape_size(r->y_shape); i++)
        sum += expected->weights[i] * r->y[i];
    return sum;
}

/* The gradient of the loss by `values`, by central differences; NAN where it was not computed. */
static double *differences(const struct op_case *test, struct expected *expected, double *values,
                           struct rt_shape shape)
{
    size_t size = rt_shape_size(shape);
    size_t step = size / DIFFERENCES + 1;
    double *gradient = calloc(size + 1, sizeof *gradient);
    for (size_t i = 0; i < size; i++) {
        gradient[i] = NAN;
        if (i % step != 0 && i != size - 1)
            continue;
        double value = values[i], h = 1e-6;
        values[i] = value + h;
        double above = loss(test, expected);
        values[i] = value - h;
        double below = loss(test, expected);
        values[i] = value;
        gradient[i] = (above - below) / (2 * h);
    }
    return gradient;
}

static bool has_backward(const struct op_case *test)
{
    return test->op->backward && test->training;
}

static void expect(const struct op_case *test, struct expected *expected)
{
    struct reference *r = &expected->reference;
    double *before[RT_OP_PARAMETERS] = {0};
    prepare_reference(test, expected);
    for (int i = 0; i < expected->parameters; i++)
        before[i] = copy_array(r->p[i], r->parameters[i].shape);
    for (int i = 0; has_backward(test) && i < test->op->inputs; i++)
        expected->dx[i] = differences(test, expected, r->x[i], r->x_shape[i]);
    for (int i = 0; has_backward(test) && i < expected->parameters; i++)
        if (r->parameters[i].trained)
            expected->dp[i] = differences(test, expected, r->p[i], r->parameters[i].shape);
    /* The parameters as they were: the reference updates the running statistics. */
    for (int i = 0; i < expected->parameters; i++)
        memcpy(r->p[i], before[i], rt_shape_size(r->parameters[i].shape) * sizeof(double));
    test->reference(r);
    for (int i = 0; i < expected->parameters; i++) {
        expected->p[i] = r->p[i];
        r->p[i] = before[i];
    }
}

static void expected_finish(struct expected *expected)
{
    struct reference *r = &expected->reference;
    for (int i = 0; i < RT_OP_INPUTS; i++) {
        free(r->x[i]);
        free(expected->dx[i]);
    }
    for (int i = 0; i < RT_OP_PARAMETERS; i++) {
        free(r->p[i]);
        free(expected->p[i]);
        free(expected->dp[i]);
    }
    free(r->y);
    free(expected->weights);
}

static void create_scratch(struct run *run, enum rt_direction direction)
{
    const struct rt_op *op = run->test->op;
    size_t floats =
        op->scratch ? op->scratch(run->device, run->test->attributes, run->test->x, direction) : 0;
    run->scratch = guarded_create(run->device, (struct rt_shape){1, 1, 1, (int)floats}, 0);
    run->call.scratch = run->scratch.tensor;
}

static void prepare_device(struct run *run)
{
    const struct op_case *test = run->test;
    const struct reference *r = &run->expected->reference;
    struct rt_op_call *call = &run->call;
    *call = (struct rt_op_call){.device = run->device,
                                .attributes = test->attributes,
                                .training = test->training,
                                .seed = r->seed,
                                .node = r->node,
                                .step = r->step,
                                .image = r->image};
    for (int i = 0; i < test->op->inputs; i++) {
        run->x[i] = guarded_create(run->device, r->x_shape[i], GAP);
        guarded_write(&run->x[i], r->x[i]);
        call->x[i] = run->x[i].tensor;
    }
    for (int i = 0; i < run->expected->parameters; i++) {
        run->p[i] = guarded_create(run->device, r->parameters[i].shape, 0);
        guarded_write(&run->p[i], r->p[i]);
        call->p[i] = run->p[i].tensor;
    }
    run->y = guarded_create(run->device, r->y_shape, GAP);
    call->y = run->y.tensor;
    create_scratch(run, RT_FORWARD);
}

static void run_finish(struct run *run)
{
    for (int i = 0; i < run->test->op->inputs; i++)
        rt_buffer_destroy(run->x[i].tensor.buffer);
    for (int i = 0; i < run->expected->parameters; i++)
        rt_buffer_destroy(run->p[i].tensor.buffer);
    rt_buffer_destroy(run->y.tensor.buffer);
    rt_buffer_destroy(run->scratch.tensor.buffer);
    rt_device_close(run->device);
}

static void compare(const struct run *run, const struct guarded *got, const double *want,
                    const char *tensor)
{
    char name[256];
    snprintf(name, sizeof name, "%s, %s, vectors of %d, groups of %d, %s", run->test->name,
             rt_device_describe(run->device)->name, rt_device_vector(run->device),
             rt_device_group(run->device), tensor);
    float *values = guarded_read(got, name);
    size_t size = want ? rt_shape_size(got->tensor.shape) : 0;
    double largest = 1, tolerance = run->test->tolerance > 0 ? run->test->tolerance : 2e-5;
    for (size_t i = 0; i < size; i++)
        largest = isnan(want[i]) ? largest : fmax(largest, fabs(want[i]));
    for (size_t i = 0; i < size; i++)
        if (!isnan(want[i]) && !(fabs((double)values[i] - want[i]) <= tolerance * largest))
            fail_msg("%s: element %zu is %.9g, expected %.9g (tolerance %.2g)", name, i,
                     (double)values[i], want[i], tolerance * largest);
    free(values);
}

/* The maxima of 2x2 elements of y. */
static double *reference_maxima(const struct reference *r)
{
    const struct rt_shape y = r->y_shape;
    const int width = y.w / 2, planes = y.n * y.c, rows = y.h / 2;
    double *maxima = calloc((size_t)planes * (size_t)rows * (size_t)width, sizeof *maxima),
           *to = maxima;
    for (int plane = 0; plane < planes; plane++)
        for (int i = 0; i < rows; i++)
            for (int j = 0; j < width; j++) {
                const double *upper =
                    r->y + ((size_t)plane * (size_t)y.h + 2 * (size_t)i) * (size_t)y.w + 2 * j;
                *to++ = fmax(fmax(upper[0], upper[1]), fmax(upper[y.w], upper[y.w + 1]));
            }
    return maxima;
}

/* Forward with the maxima, where the operation writes them for this case. */
static void check_maxima(struct run *run)
{
    const struct reference *r = &run->expected->reference;
    const struct rt_op *op = run->test->op;
    if (!op->pools || !op->pools(run->device, run->test->attributes, r->x_shape))
        return;
    struct rt_shape shape = r->y_shape;
    shape.h /= 2;
    shape.w /= 2;
    const struct guarded pooled = guarded_create(run->device, shape, GAP);
    double *maxima = reference_maxima(r);
    run->call.pooled = pooled.tensor;
    assert_ok(op->forward(&run->call));
    compare(run, &pooled, maxima, "maxima");
    compare(run, &run->y, r->y, "y beside the maxima");
    run->call.pooled = (struct rt_tensor){0};
    rt_buffer_destroy(pooled.tensor.buffer);
    free(maxima);
}

static void check_forward(struct run *run)
{
    const struct expected *expected = run->expected;
    const struct reference *r = &expected->reference;
    assert_ok(run->test->op->forward(&run->call));
    compare(run, &run->y, r->y, "y");
    check_maxima(run);
    for (int i = 0; i < expected->parameters; i++) {
        compare(run, &run->p[i], expected->p[i], r->parameters[i].name);
        guarded_write(&run->p[i], r->p[i]);
    }
    for (int i = 0; i < run->test->op->inputs; i++)
        compare(run, &run->x[i], r->x[i], "x (unchanged)");
    compare(run, &run->scratch, NULL, "scratch");
}

/* Everything that backward writes, poisoned; with `add`, dx holds x. */
static void prepare_backward(struct run *run, bool add)
{
    const struct reference *r = &run->expected->reference;
    struct rt_op_call *call = &run->call;
    run->dy = guarded_create(run->device, r->y_shape, GAP);
    guarded_write(&run->dy, run->expected->weights);
    call->dy = run->dy.tensor;
    for (int i = 0; i < run->test->op->inputs; i++) {
        run->dx[i] = guarded_create(run->device, r->x_shape[i], GAP);
        if (add)
            guarded_write(&run->dx[i], r->x[i]);
        call->dx[i] = run->dx[i].tensor;
        call->dx_add[i] = add;
    }
    for (int i = 0; i < run->expected->parameters; i++) {
        run->dp[i] = guarded_create(run->device, r->parameters[i].shape, 0);
        call->dp[i] = r->parameters[i].trained ? run->dp[i].tensor : RT_TENSOR_NONE;
    }
    for (int i = 0; i < run->test->op->inputs; i++)
        if (!run->test->op->backward_reads_x)
            call->x[i].buffer = NULL;
    if (!run->test->op->backward_reads_y)
        call->y.buffer = NULL;
    rt_buffer_destroy(run->scratch.tensor.buffer);
    create_scratch(run, RT_BACKWARD);
}

/* With `add`, the gradient must be added to what stands in dx. */
static void check_backward(struct run *run, bool add)
{
    const struct expected *expected = run->expected;
    const struct reference *r = &expected->reference;
    prepare_backward(run, add);
    assert_ok(run->test->op->backward(&run->call));
    for (int i = 0; i < run->test->op->inputs; i++) {
        double *want = copy_array(expected->dx[i], r->x_shape[i]);
        for (size_t j = 0; add && j < rt_shape_size(r->x_shape[i]); j++)
            want[j] += r->x[i][j];
        compare(run, &run->dx[i], want, i ? "dx[1]" : "dx[0]");
        free(want);
        rt_buffer_destroy(run->dx[i].tensor.buffer);
        run->call.x[i] = run->x[i].tensor;
    }
    for (int i = 0; i < expected->parameters; i++) {
        compare(run, &run->dp[i], expected->dp[i], r->parameters[i].name);
        rt_buffer_destroy(run->dp[i].tensor.buffer);
    }
    compare(run, &run->dy, NULL, "dy");
    compare(run, &run->scratch, NULL, "scratch");
    rt_buffer_destroy(run->dy.tensor.buffer);
    run->call.y = run->y.tensor;
}

/* Philox-4x32-7, written independently of the kernels. */
static void philox7(uint64_t key, uint32_t c[4])
{
    uint32_t k0 = (uint32_t)key, k1 = (uint32_t)(key >> 32);
    for (int round = 0; round < 7; round++, k0 += 0x9E3779B9u, k1 += 0xBB67AE85u) {
        uint64_t a = 0xD2511F53ull * c[0], b = 0xCD9E8D57ull * c[2];
        uint32_t next[4] = {(uint32_t)(b >> 32) ^ c[1] ^ k0, (uint32_t)b,
                            (uint32_t)(a >> 32) ^ c[3] ^ k1, (uint32_t)a};
        memcpy(c, next, sizeof next);
    }
}

double reference_activation(const struct reference *r, const struct rt_activation *activation,
                            double value, int n, int c, int i, int j)
{
    if (activation->relu && value < 0)
        value = 0;
    if (!r->training || activation->dropout <= 0)
        return value;
    uint32_t words[4], threshold = (uint32_t)lrint(activation->dropout * 65536.0);
    rt_philox(r->seed, (uint32_t[4]){r->node, 0, 0, 0x64726f70}, words);
    uint32_t counter[4] = {(uint32_t)(i / 2 * r->y_shape.w + j), (uint32_t)c / 4,
                           r->image + (uint32_t)n, r->step};
    philox7(words[0] | (uint64_t)words[1] << 32, counter);
    uint32_t bits = i % 2 ? counter[c % 4] >> 16 : counter[c % 4] & 0xffff;
    return bits < threshold ? 0 : value * 65536.0 / (65536.0 - threshold);
}

/* As a CPU with AVX-512 has it, one with AVX, a GPU, and a device that has nothing. */
static const struct variant {
    const char *name;
    int vector, group;
} variants[] = {{"16x1", 16, 1}, {"8x1", 8, 1}, {"4x64", 4, 64}, {"1x8", 1, 8}};

static const char *wanted_variants(void)
{
    const char *wanted = getenv("RETORT_TEST_VARIANTS");
    return wanted ? wanted : "";
}

/* The one that RETORT_TEST_VARIANTS names, if it names one. */
static const struct variant *only_variant(void)
{
    for (size_t i = 0; i < RT_COUNT(variants); i++)
        if (strcmp(wanted_variants(), variants[i].name) == 0)
            return &variants[i];
    return NULL;
}

static struct rt_device *open_device(size_t index, const struct variant *variant)
{
    struct rt_device_info *devices;
    size_t count;
    struct rt_device *device = NULL;
    assert_ok(rt_device_list(&devices, &count));
    free(devices);
    if (index < count) {
        char which[24];
        snprintf(which, sizeof which, "%zu", index);
        assert_ok(rt_device_open(&device, which));
        if (variant)
            rt_device_force(device, variant->vector, variant->group);
    }
    return device;
}

struct rt_device *check_device(size_t index)
{
    return open_device(index, only_variant());
}

void check_any_device(void)
{
    struct rt_device_info *devices;
    size_t count;
    assert_ok(rt_device_list(&devices, &count));
    free(devices);
    if (count > 0)
        return;
    if (getenv("CI"))
        fail_msg("there is no OpenCL device, and in CI there must be one");
    print_message("skipped: there is no OpenCL device\n");
    skip();
}

struct rt_device *check_variant(size_t index)
{
    static struct rt_random random = {0};
    static size_t drawn;
    if (only_variant())
        return check_device(index);
    if (strcmp(wanted_variants(), "drawn") != 0)
        return open_device(index / RT_COUNT(variants), &variants[index % RT_COUNT(variants)]);
    if (index == 0)
        drawn = rt_random_below(&random, RT_COUNT(variants));
    return open_device(index, &variants[drawn]);
}

bool check_small(void)
{
    const char *small = getenv("RETORT_TEST_SMALL");
    return small && *small;
}

/* CLBlast pads small matrices to large ones. */
static bool is_too_large(const struct op_case *test)
{
    const double flops = test->op->cost(test->attributes, test->x, RT_FORWARD).flops;
    return check_small() && flops > (test->conv == RT_CONV_GEMM ? 100 : SMALL_FLOPS);
}

void check_op(const struct op_case *test)
{
    struct expected expected = {0};
    struct rt_device *device;
    check_any_device();
    if (is_too_large(test))
        return;
    expect(test, &expected);
    for (size_t i = 0; (device = check_variant(i)); i++) {
        struct run run = {.test = test, .expected = &expected, .device = device};
        rt_device_set_conv(device, test->conv);
        prepare_device(&run);
        check_forward(&run);
        if (has_backward(test)) {
            check_backward(&run, false);
            check_backward(&run, true);
        }
        run_finish(&run);
    }
    expected_finish(&expected);
}
