#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/memory.h"
#include "base/process.h"
#include "base/random.h"
#include "ops/conv2d.h"

#define SAMPLES_MAX 512
#define SAMPLES_MIN 32
#define SAMPLE_WORK ((size_t)1 << 27) /* multiply-adds on the host for all samples */
#define RUNS 5
#define LONG_SECONDS 1.0   /* a run that takes longer is not repeated */
#define TIMED_SECONDS 0.02 /* what is timed at once takes about as long */
#define REPEATS_MAX 100

/* A convolution relates the input's, the output's and the weights' arrays; each of its parts
 * computes one of them, or its gradient, from the two others (and forward from the bias). */
enum side { X, Y, W, BIAS, SIDES };
static const enum side result_of[RT_CONV2D_PARTS] = {
    [RT_CONV2D_FORWARD] = Y,
    [RT_CONV2D_BACKWARD_DATA] = X,
    [RT_CONV2D_BACKWARD_WEIGHTS] = W,
};

struct measure {
    struct rt_device *device;
    const struct rt_conv2d_variant *variant;
    double best;
    struct rt_conv2d attributes;
    enum rt_conv2d_part part;
    enum side result;
    struct rt_tensor tensors[SIDES], scratch;
    float *values[SIDES]; /* on the host; of the result: what the device computed */
};

/* --- the data ------------------------------------------------------------------------------- */

/* Uniform with deviation `scale`. */
static void fill(float *values, size_t size, double scale, uint64_t seed, uint64_t stream)
{
    struct rt_random random = rt_random_start(seed, stream);
    for (size_t i = 0; i < size; i++)
        values[i] = (float)(scale * sqrt(3.0) * (2 * (double)rt_random_unit(&random) - 1));
}

/* Parameters are contiguous, unlike other tensors. */
static rt_status create_parameter(struct rt_tensor *tensor, struct rt_device *device,
                                  struct rt_shape shape)
{
    rt_status status =
        rt_tensor_init(tensor, device, (struct rt_shape){1, 1, 1, (int)rt_shape_size(shape)});
    tensor->shape = shape;
    tensor->plane = (size_t)shape.h * (size_t)shape.w;
    tensor->stride = (size_t)shape.c * tensor->plane;
    return status;
}

static rt_status create(struct measure *m, struct rt_shape x, uint64_t seed)
{
    const struct rt_conv2d *a = &m->attributes;
    const struct rt_shape w = {a->channels, x.c, a->kernel, a->kernel};
    const double scale = 1 / sqrt((double)x.c * a->kernel * a->kernel);
    const size_t scratch = m->variant->scratch ? m->variant->scratch(m->device, a, x, m->part) : 0;
    struct rt_shape y;
    rt_status status = RT_OK;
    RT_TRY(rt_op_conv2d.infer(a, &x, &y));
    RT_TRY(rt_tensor_init(&m->tensors[X], m->device, x));
    RT_TRY(rt_tensor_init(&m->tensors[Y], m->device, y));
    RT_TRY(create_parameter(&m->tensors[W], m->device, w));
    RT_TRY(create_parameter(&m->tensors[BIAS], m->device, (struct rt_shape){1, y.c, 1, 1}));
    RT_TRY(create_parameter(&m->scratch, m->device, (struct rt_shape){1, 1, 1, (int)scratch}));
    for (int side = 0; side < SIDES; side++) {
        const size_t size = rt_shape_size(m->tensors[side].shape);
        RT_TRY(rt_alloc(&m->values[side], size, sizeof(float)));
        fill(m->values[side], size, side == W ? scale : 1, seed, (uint64_t)side);
        RT_TRY(rt_tensor_write(&m->tensors[side], m->values[side]));
    }
end:
    return status;
}

static void release(struct measure *m)
{
    for (int side = 0; side < SIDES; side++) {
        rt_tensor_finish(&m->tensors[side]);
        free(m->values[side]);
    }
    rt_tensor_finish(&m->scratch);
}

/* --- running -------------------------------------------------------------------------------- */

/* Runs the variant so often, and waits; *seconds is what one of the runs took. */
static rt_status run(const struct measure *m, int repeats, double *seconds)
{
    rt_status status = RT_OK;
    struct rt_op_call call = {.device = m->device,
                              .attributes = &m->attributes,
                              .x = {m->tensors[X]},
                              .y = m->tensors[Y],
                              .dy = m->tensors[Y],
                              .dx = {m->tensors[X]},
                              .p = {m->tensors[W], m->tensors[BIAS]},
                              .dp = {m->tensors[W]},
                              .scratch = m->scratch};
    const struct rt_cost cost = rt_op_conv2d.cost(&m->attributes, &m->tensors[X].shape, RT_FORWARD);
    const double start = rt_clock_seconds();
    for (int i = 0; i < repeats; i++) {
        /* The label's FLOPs say into which slices a launch is cut. */
        RT_TRY(rt_profile_label(m->device, m->variant->name, cost.flops, cost.bytes));
        RT_TRY(m->variant->run[m->part](&call));
    }
    status = rt_device_finish(m->device);
    *seconds = (rt_clock_seconds() - start) / repeats;
end:
    return status;
}

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static rt_status take_time(const struct measure *m, double *seconds)
{
    rt_status status = RT_OK;
    double runs[RUNS];
    RT_TRY(run(m, 1, seconds));
    /* A short run has not shown its time: starting it may take longer. */
    const double hopeless = m->best > 0 ? fmax(2 * m->best, TIMED_SECONDS) : LONG_SECONDS;
    if (*seconds > fmin(hopeless, LONG_SECONDS))
        return RT_OK;
    const double repeats = fmin(fmax(TIMED_SECONDS / *seconds, 1), REPEATS_MAX);
    for (int i = 0; i < RUNS; i++)
        RT_TRY(run(m, (int)repeats, &runs[i]));
    qsort(runs, RUNS, sizeof *runs, compare_doubles);
    *seconds = runs[RUNS / 2];
end:
    return status;
}

/* --- the results' check --------------------------------------------------------------------- */

static double at(const struct measure *m, enum side side, int n, int c, int y, int x)
{
    const struct rt_shape s = m->tensors[side].shape;
    if (y < 0 || x < 0 || y >= s.h || x >= s.w)
        return 0;
    return (double)m
        ->values[side][((size_t)(n * s.c + c) * (size_t)s.h + (size_t)y) * (size_t)s.w + (size_t)x];
}

struct place {
    int n, c, y, x;
};

static double forward_at(const struct measure *m, struct place p)
{
    const int kernel = m->attributes.kernel, stride = m->attributes.stride, pad = kernel / 2;
    double sum = (double)m->values[BIAS][p.c];
    for (int c = 0; c < m->tensors[X].shape.c; c++)
        for (int u = 0; u < kernel; u++)
            for (int v = 0; v < kernel; v++)
                sum += at(m, W, p.c, c, u, v) *
                       at(m, X, p.n, c, p.y * stride + u - pad, p.x * stride + v - pad);
    return sum;
}

/* The element of dy that (y, x) of the input reaches through one of the filter's weights. */
static double reached(const struct measure *m, int n, int c, int y, int x)
{
    const int stride = m->attributes.stride;
    return y % stride == 0 && x % stride == 0 ? at(m, Y, n, c, y / stride, x / stride) : 0;
}

static double backward_data_at(const struct measure *m, struct place p)
{
    const int kernel = m->attributes.kernel, pad = kernel / 2;
    double sum = 0;
    for (int c = 0; c < m->attributes.channels; c++)
        for (int u = 0; u < kernel; u++)
            for (int v = 0; v < kernel; v++)
                sum += at(m, W, c, p.c, u, v) * reached(m, p.n, c, p.y + pad - u, p.x + pad - v);
    return sum;
}

static double backward_weights_at(const struct measure *m, struct place p)
{
    const int stride = m->attributes.stride, pad = m->attributes.kernel / 2;
    const struct rt_shape out = m->tensors[Y].shape;
    double sum = 0;
    for (int n = 0; n < out.n; n++)
        for (int i = 0; i < out.h; i++)
            for (int j = 0; j < out.w; j++)
                sum += at(m, Y, n, p.n, i, j) *
                       at(m, X, n, p.c, i * stride + p.y - pad, j * stride + p.x - pad);
    return sum;
}

static double (*const reference_at[RT_CONV2D_PARTS])(const struct measure *, struct place) = {
    [RT_CONV2D_FORWARD] = forward_at,
    [RT_CONV2D_BACKWARD_DATA] = backward_data_at,
    [RT_CONV2D_BACKWARD_WEIGHTS] = backward_weights_at,
};

/* Often the first or the last: kernels go wrong at edges. */
static int draw(struct rt_random *random, int count)
{
    const uint32_t which = rt_random_below(random, 4);
    return which == 0 ? 0 : which == 1 ? count - 1 : (int)rt_random_below(random, (uint32_t)count);
}

static size_t sample_count(const struct measure *m)
{
    struct rt_shape w = m->tensors[W].shape, y = m->tensors[Y].shape;
    y.c = 1;
    if (m->part == RT_CONV2D_FORWARD)
        w.n = 1;
    else
        w.c = 1;
    const size_t terms = m->result == W ? rt_shape_size(y) : rt_shape_size(w);
    const size_t count = SAMPLE_WORK / terms;
    return count < SAMPLES_MIN ? SAMPLES_MIN : count > SAMPLES_MAX ? SAMPLES_MAX : count;
}

static rt_status check(struct measure *m, double *error)
{
    rt_status status = RT_OK;
    const struct rt_shape s = m->tensors[m->result].shape;
    struct rt_random random = rt_random_start(rt_shape_size(s), SIDES);
    double largest = 1, difference = 0;
    RT_TRY(rt_tensor_read(&m->tensors[m->result], m->values[m->result]));
    for (size_t i = 0; i < rt_shape_size(s); i++)
        if (!isfinite(m->values[m->result][i]))
            return rt_fail(RT_ERROR_DEVICE, "its result number %zu of %zu is %g", i,
                           rt_shape_size(s), (double)m->values[m->result][i]);
    for (size_t i = 0, count = sample_count(m); i < count; i++) {
        const struct place p = {draw(&random, s.n), draw(&random, s.c), draw(&random, s.h),
                                draw(&random, s.w)};
        const double expected = reference_at[m->part](m, p);
        largest = fmax(largest, fabs(expected));
        difference = fmax(difference, fabs(at(m, m->result, p.n, p.c, p.y, p.x) - expected));
    }
    *error = difference / largest;
end:
    return status;
}

static rt_status measure(struct rt_device *device, const struct rt_conv2d_trial *trial, int batch,
                         struct rt_choice_variant *measured)
{
    rt_status status = RT_OK;
    struct measure m = {.device = device, .variant = trial->variant, .best = trial->best};
    struct rt_shape x;
    RT_TRY(rt_conv2d_parse_key(trial->key, &m.attributes, &x, &m.part));
    x.n = batch;
    m.attributes.bias = true;
    m.result = result_of[m.part];
    if (!m.variant->supports(device, &m.attributes, x, m.part))
        RT_TRY(
            rt_fail(RT_ERROR_UNSUPPORTED, "%s does not support %s", m.variant->name, trial->key));
    RT_TRY(create(&m, x, trial->seed));
    const struct rt_tensor *result = &m.tensors[m.result];
    RT_TRY(
        rt_buffer_fill(result->buffer, 0, rt_buffer_bytes(result->buffer), 0x7fc00000)); /* NaN */
    RT_TRY(rt_device_finish(device));
    RT_TRY(run(&m, 1, &measured->seconds)); /* builds the kernels */
    RT_TRY(check(&m, &measured->error));
    status = take_time(&m, &measured->seconds);
end:
    release(&m);
    return status;
}

rt_status rt_conv2d_measure(struct rt_device *device, const struct rt_conv2d_trial *trial,
                            struct rt_choice_variant *measured)
{
    *measured = (struct rt_choice_variant){0};
    snprintf(measured->name, sizeof measured->name, "%s", trial->variant->name);
    if (trial->best > 0 && trial->batch > 1) {
        rt_status status = measure(device, trial, 1, measured);
        if (status < 0 || measured->seconds > trial->best) {
            measured->seconds *= trial->batch;
            return status;
        }
    }
    return measure(device, trial, trial->batch, measured);
}
