#include "cli/bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/process.h"
#include "base/random.h"
#include "model/model.h"
#include "ops/loss.h"
#include "ops/optimizer.h"

/* --- what is measured ------------------------------------------------------------------------ */

/* What the steps work on. */
struct bench {
    struct rt_device *device;
    const struct bench_settings *settings;
    struct rt_model *teacher, *student;
    struct rt_buffer *labels, *moments[2];
    struct rt_loss_state *loss;
    struct rt_optimizer optimizer;
    uint32_t step;
};

static rt_status create_model(struct bench *bench, const char *network, enum rt_plan kind,
                              struct rt_model **model)
{
    rt_status status = RT_OK;
    const struct bench_settings *settings = bench->settings;
    struct rt_model_info info = {.channels = BENCH_CHANNELS,
                                 .palette = *rt_palette_builtin("synth"),
                                 .patch = settings->patch};
    info.palette.count = BENCH_CLASSES;
    snprintf(info.network, sizeof info.network, "%s", network);
    RT_TRY(rt_model_create(model, bench->device, &info, 1));
    status = rt_model_plan(*model, settings->batch, settings->patch, settings->patch, kind);
end:
    return status;
}

/* Random images, as scaled ones look; the same for every run. */
static rt_status fill_input(struct rt_model *model)
{
    rt_status status = RT_OK;
    const struct rt_tensor *input = rt_model_input(model);
    size_t size = rt_shape_size(input->shape);
    struct rt_random random = rt_random_start(1, 0);
    float *pixels = NULL;
    RT_TRY(rt_alloc(&pixels, size, sizeof *pixels));
    for (size_t i = 0; i < size; i++)
        pixels[i] = 2 * rt_random_unit(&random) - 1;
    status = rt_tensor_write(input, pixels);
end:
    free(pixels);
    return status;
}

static rt_status fill_labels(struct bench *bench)
{
    rt_status status = RT_OK;
    size_t size = (size_t)bench->settings->batch * (size_t)bench->settings->patch *
                  (size_t)bench->settings->patch;
    struct rt_random random = rt_random_start(2, 0);
    uint8_t *labels = NULL;
    RT_TRY(rt_alloc(&labels, size, 1));
    for (size_t i = 0; i < size; i++)
        labels[i] = (uint8_t)rt_random_below(&random, BENCH_CLASSES);
    RT_TRY(rt_buffer_create(&bench->labels, bench->device, size));
    status = rt_buffer_write(bench->labels, 0, size, labels);
end:
    free(labels);
    return status;
}

static rt_status create_training(struct bench *bench, struct rt_model *model, bool distil)
{
    rt_status status = RT_OK;
    struct rt_loss loss = {.hard = RT_HARD_CE,
                           .soft = distil ? RT_SOFT_KL : RT_SOFT_NONE,
                           .alpha = BENCH_ALPHA,
                           .temperature = BENCH_TEMPERATURE};
    size_t bytes = rt_model_slabs(model).trained * sizeof(float);
    for (int i = 0; i < BENCH_CLASSES; i++)
        loss.weights[i] = 1;
    RT_TRY(rt_loss_create(&bench->loss, bench->device, &loss, BENCH_CLASSES));
    for (int i = 0; i < rt_optimizer_moments(&bench->optimizer); i++) {
        RT_TRY(rt_buffer_create(&bench->moments[i], bench->device, bytes));
        RT_TRY(rt_buffer_fill(bench->moments[i], 0, bytes, 0));
    }
    status = fill_labels(bench);
end:
    return status;
}

static void release(struct bench *bench)
{
    rt_model_destroy(bench->teacher);
    rt_model_destroy(bench->student);
    rt_loss_destroy(bench->loss);
    rt_buffer_destroy(bench->labels);
    for (int i = 0; i < 2; i++)
        rt_buffer_destroy(bench->moments[i]);
    bench->teacher = bench->student = NULL;
    bench->loss = NULL;
    bench->labels = bench->moments[0] = bench->moments[1] = NULL;
}

static rt_status infer_step(struct bench *bench)
{
    struct rt_tensor logits;
    return rt_model_forward(bench->teacher, bench->settings->batch, false, 1, 0, &logits);
}

/* Read and written at least once: logits, teachers' logits, labels, and the gradient. */
static double loss_bytes(const struct rt_tensor *logits, int teachers)
{
    const struct rt_shape s = logits->shape;
    return (2 + teachers) * 4.0 * (double)rt_shape_size(s) + (double)s.n * s.h * s.w;
}

/* Reads the gradients; reads and writes the values and Adam's two moments. */
static double optimizer_bytes(size_t parameters)
{
    return 7 * 4.0 * (double)parameters;
}

/* Forward, loss, backward and optimiser of the student, with a teacher where there is one. */
static rt_status train_step(struct bench *bench)
{
    rt_status status = RT_OK;
    struct rt_tensor teacher_logits, logits, dlogits;
    struct rt_loss_values values;
    struct rt_model_slabs slabs = rt_model_slabs(bench->student);
    int teachers = bench->teacher ? 1 : 0;
    if (teachers)
        RT_TRY(
            rt_model_forward(bench->teacher, bench->settings->batch, false, 1, 0, &teacher_logits));
    RT_TRY(rt_model_forward(bench->student, bench->settings->batch, true, 1, bench->step, &logits));
    RT_TRY(rt_model_gradient(bench->student, &dlogits));
    RT_TRY(rt_profile_label(bench->device, "loss", 0, loss_bytes(&logits, teachers)));
    RT_TRY(rt_loss_run(bench->loss, &logits, bench->labels, &teacher_logits, teachers, &dlogits,
                       NULL));
    RT_TRY(rt_model_backward(bench->student));
    RT_TRY(rt_profile_label(bench->device, "optimizer", 0, optimizer_bytes(slabs.trained)));
    RT_TRY(rt_optimizer_step(bench->device, &bench->optimizer, slabs.values, slabs.gradients,
                             bench->moments, slabs.trained, 1e-3f, ++bench->step));
    status = rt_loss_read(bench->loss, &values);
end:
    return status;
}

/* --- measuring ------------------------------------------------------------------------------- */

typedef rt_status step_function(struct bench *bench);

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Sorts the values. */
static double median(double *values, int count)
{
    qsort(values, (size_t)count, sizeof *values, compare_doubles);
    return values[count / 2];
}

static rt_status timed_step(struct bench *bench, step_function *step, double *seconds)
{
    rt_status status = RT_OK;
    double start = rt_clock_seconds();
    RT_TRY(step(bench));
    status = rt_device_finish(bench->device);
    *seconds = rt_clock_seconds() - start;
end:
    return status;
}

static rt_status time_steps(struct bench *bench, step_function *step, double *seconds)
{
    rt_status status = RT_OK;
    const int steps = bench->settings->steps;
    double *samples = NULL;
    RT_TRY(rt_alloc(&samples, (size_t)steps, sizeof *samples));
    RT_TRY(timed_step(bench, step, seconds)); /* builds the kernels */
    for (int i = 0; i < steps; i++)
        RT_TRY(timed_step(bench, step, &samples[i]));
    *seconds = median(samples, steps);
end:
    free(samples);
    return status;
}

static int compare_operations(const void *a, const void *b)
{
    const struct bench_operation *x = a, *y = b;
    return (x->seconds < y->seconds) - (x->seconds > y->seconds);
}

/* The operations of a step; samples[j * steps + i] are the seconds of the j-th in step i. */
static void add_operations(struct bench_result *result, const struct rt_profile_entry *entries,
                           double *samples, int steps)
{
    double seconds = 0;
    for (size_t j = 0; j < result->count; j++) {
        struct bench_operation *operation = &result->operations[j];
        memcpy(operation->label, entries[j].label, sizeof operation->label);
        operation->launches = entries[j].launches;
        operation->seconds = median(samples + j * (size_t)steps, steps);
        operation->cost = (struct rt_cost){entries[j].flops, entries[j].bytes};
        seconds += operation->seconds;
        result->cost.flops += entries[j].flops;
        result->cost.bytes += entries[j].bytes;
    }
    for (size_t j = 0; j < result->count; j++)
        result->operations[j].share = seconds > 0 ? result->operations[j].seconds / seconds : 0;
    qsort(result->operations, result->count, sizeof *result->operations, compare_operations);
    while (result->count > 0 && result->operations[result->count - 1].launches == 0)
        result->count--;
}

static rt_status profile_steps(struct bench *bench, step_function *step,
                               struct bench_result *result)
{
    rt_status status = RT_OK;
    const int steps = bench->settings->steps;
    const struct rt_profile_entry *entries;
    double *samples = NULL;
    for (int i = 0; i < steps; i++) {
        RT_TRY(rt_profile_start(bench->device));
        RT_TRY(step(bench));
        RT_TRY(rt_profile_stop(bench->device, &entries, &result->count)); /* alike in all steps */
        if (!samples)
            RT_TRY(rt_alloc(&samples, result->count * (size_t)steps, sizeof *samples));
        for (size_t j = 0; j < result->count; j++)
            samples[j * (size_t)steps + (size_t)i] = entries[j].seconds;
    }
    RT_TRY(rt_alloc(&result->operations, result->count, sizeof *result->operations));
    add_operations(result, entries, samples, steps);
end:
    free(samples);
    return status;
}

static rt_status measure(struct bench *bench, const char *name, step_function *step,
                         struct bench_result *result)
{
    rt_status status = RT_OK;
    result->name = name;
    RT_TRY(time_steps(bench, step, &result->seconds));
    result->peak_device_bytes = rt_device_peak_bytes(bench->device);
    status = profile_steps(bench, step, result);
end:
    return status;
}

static rt_status measure_inference(struct bench *bench, const char *name, const char *network,
                                   struct bench_result *result)
{
    rt_status status = RT_OK;
    rt_device_reset_peak(bench->device);
    RT_TRY(create_model(bench, network, RT_PLAN_FORWARD, &bench->teacher));
    RT_TRY(fill_input(bench->teacher));
    status = measure(bench, name, infer_step, result);
end:
    release(bench);
    return status;
}

static rt_status measure_training(struct bench *bench, const char *name, const char *network,
                                  const char *teacher, struct bench_result *result)
{
    rt_status status = RT_OK;
    rt_device_reset_peak(bench->device);
    RT_TRY(create_model(bench, network, RT_PLAN_TRAINING, &bench->student));
    RT_TRY(fill_input(bench->student));
    if (teacher) {
        RT_TRY(create_model(bench, teacher, RT_PLAN_FORWARD, &bench->teacher));
        RT_TRY(fill_input(bench->teacher));
    }
    RT_TRY(create_training(bench, bench->student, teacher != NULL));
    status = measure(bench, name, train_step, result);
end:
    release(bench);
    return status;
}

rt_status bench_run(struct rt_device *device, const struct bench_settings *settings,
                    struct bench_result results[BENCH_CASES])
{
    const char *teacher = settings->teacher, *student = settings->student;
    rt_status status = RT_OK;
    struct bench bench = {
        .device = device,
        .settings = settings,
        .optimizer = {.kind = RT_ADAM, .beta1 = 0.9f, .beta2 = 0.999f, .epsilon = 1e-7f},
    };
    RT_TRY(measure_inference(&bench, "teacher inference", teacher, &results[0]));
    RT_TRY(measure_training(&bench, "teacher training", teacher, NULL, &results[1]));
    RT_TRY(measure_inference(&bench, "student inference", student, &results[2]));
    RT_TRY(measure_training(&bench, "student training", student, NULL, &results[3]));
    status = measure_training(&bench, "distillation", student, teacher, &results[4]);
end:
    return status;
}

void bench_finish(struct bench_result results[BENCH_CASES])
{
    for (int i = 0; i < BENCH_CASES; i++)
        free(results[i].operations);
}
