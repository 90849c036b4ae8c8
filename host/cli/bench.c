/* retort bench: how fast this device infers, trains and distils. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/process.h"
#include "base/random.h"
#include "cli/commands.h"
#include "cli/common.h"
#include "model/model.h"
#include "ops/loss.h"
#include "ops/optimizer.h"

#define SHARES_MAX 256

struct share {
    char label[96];
    double share, gflops; /* of the device's time, and its own rate */
};

/* One measured case: the median of the steps, and where its time goes. */
struct result {
    const char *name;
    double seconds, gflops;
    size_t peak_device_bytes;
    struct share shares[SHARES_MAX];
    size_t share_count;
};

/* What the steps work on. */
struct bench {
    struct rt_device *device;
    int batch, patch, steps;
    const char *teacher_network, *student_network;
    struct rt_model *teacher, *student;
    struct rt_buffer *labels, *moments[2];
    struct rt_loss_state *loss;
    struct rt_optimizer optimizer;
    uint32_t step;
};

static rt_status create_model(struct bench *bench, const char *network, bool training,
                              struct rt_model **model)
{
    rt_status status = RT_OK;
    struct rt_model_info info = {
        .channels = 3, .palette = *rt_palette_builtin("synth"), .patch = bench->patch};
    snprintf(info.network, sizeof info.network, "%s", network);
    RT_TRY(rt_model_create(model, bench->device, &info, 1));
    status = rt_model_plan(*model, bench->batch, bench->patch, bench->patch, training);
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

static rt_status fill_labels(struct bench *bench, int classes)
{
    rt_status status = RT_OK;
    size_t size = (size_t)bench->batch * (size_t)bench->patch * (size_t)bench->patch;
    struct rt_random random = rt_random_start(2, 0);
    uint8_t *labels = NULL;
    RT_TRY(rt_alloc(&labels, size, 1));
    for (size_t i = 0; i < size; i++)
        labels[i] = (uint8_t)rt_random_below(&random, (uint32_t)classes);
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
                           .alpha = 0.1f,
                           .temperature = 4};
    int classes = rt_model_describe(model)->palette.count;
    size_t bytes = rt_model_slabs(model).trained * sizeof(float);
    for (int i = 0; i < classes; i++)
        loss.weights[i] = 1;
    RT_TRY(rt_loss_create(&bench->loss, bench->device, &loss, classes));
    for (int i = 0; i < rt_optimizer_moments(&bench->optimizer); i++) {
        RT_TRY(rt_buffer_create(&bench->moments[i], bench->device, bytes));
        RT_TRY(rt_buffer_fill(bench->moments[i], 0, bytes, 0));
    }
    status = fill_labels(bench, classes);
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
    return rt_model_forward(bench->teacher, bench->batch, false, 1, 0, &logits);
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
        RT_TRY(rt_model_forward(bench->teacher, bench->batch, false, 1, 0, &teacher_logits));
    RT_TRY(rt_model_forward(bench->student, bench->batch, true, 1, bench->step, &logits));
    RT_TRY(rt_model_gradient(bench->student, &dlogits));
    RT_TRY(rt_profile_label(bench->device, "loss", 0, 0));
    RT_TRY(rt_loss_run(bench->loss, &logits, bench->labels, &teacher_logits, teachers, &dlogits));
    RT_TRY(rt_model_backward(bench->student));
    RT_TRY(rt_profile_label(bench->device, "optimizer", 0, 0));
    RT_TRY(rt_optimizer_step(bench->device, &bench->optimizer, slabs.values, slabs.gradients,
                             bench->moments, slabs.trained, 1e-3f, ++bench->step));
    status = rt_loss_read(bench->loss, &values);
end:
    return status;
}

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static int compare_shares(const void *a, const void *b)
{
    const struct share *x = a, *y = b;
    return (x->share < y->share) - (x->share > y->share);
}

static rt_status timed_step(struct bench *bench, rt_status (*step)(struct bench *), double *seconds)
{
    rt_status status = RT_OK;
    double start = rt_clock_seconds();
    RT_TRY(step(bench));
    status = rt_device_finish(bench->device);
    *seconds = rt_clock_seconds() - start;
end:
    return status;
}

/* One more step, profiled, tells the shares and counts the FLOPs. */
static rt_status profile(struct bench *bench, rt_status (*step)(struct bench *),
                         struct result *result)
{
    rt_status status = RT_OK;
    const struct rt_profile_entry *entries;
    size_t count;
    double seconds = 0, flops = 0;
    RT_TRY(rt_profile_start(bench->device));
    RT_TRY(step(bench));
    RT_TRY(rt_profile_stop(bench->device, &entries, &count));
    for (size_t i = 0; i < count; i++) {
        seconds += entries[i].seconds;
        flops += entries[i].flops;
    }
    for (size_t i = 0; i < count && result->share_count < SHARES_MAX; i++) {
        if (entries[i].launches == 0)
            continue;
        struct share *share = &result->shares[result->share_count++];
        memcpy(share->label, entries[i].label, sizeof share->label);
        share->share = entries[i].seconds / seconds;
        share->gflops = 1e-9 * entries[i].flops / entries[i].seconds;
    }
    qsort(result->shares, result->share_count, sizeof *result->shares, compare_shares);
    result->gflops = 1e-9 * flops / result->seconds;
end:
    return status;
}

/* Steps once to build the kernels, then takes the median. */
static rt_status measure(struct bench *bench, const char *name, rt_status (*step)(struct bench *),
                         struct result *result)
{
    rt_status status = RT_OK;
    double *seconds = NULL, first;
    *result = (struct result){.name = name};
    RT_TRY(rt_alloc(&seconds, (size_t)bench->steps, sizeof *seconds));
    RT_TRY(timed_step(bench, step, &first));
    for (int i = 0; i < bench->steps; i++)
        RT_TRY(timed_step(bench, step, &seconds[i]));
    qsort(seconds, (size_t)bench->steps, sizeof *seconds, compare_doubles);
    result->seconds = seconds[bench->steps / 2];
    result->peak_device_bytes = rt_device_peak_bytes(bench->device);
    status = profile(bench, step, result);
end:
    free(seconds);
    return status;
}

static rt_status bench_infer(struct bench *bench, const char *name, const char *network,
                             struct result *result)
{
    rt_status status = RT_OK;
    rt_device_reset_peak(bench->device);
    RT_TRY(create_model(bench, network, false, &bench->teacher));
    RT_TRY(fill_input(bench->teacher));
    status = measure(bench, name, infer_step, result);
end:
    release(bench);
    return status;
}

static rt_status bench_train(struct bench *bench, const char *name, const char *network,
                             const char *teacher, struct result *result)
{
    rt_status status = RT_OK;
    rt_device_reset_peak(bench->device);
    RT_TRY(create_model(bench, network, true, &bench->student));
    RT_TRY(fill_input(bench->student));
    if (teacher) {
        RT_TRY(create_model(bench, teacher, false, &bench->teacher));
        RT_TRY(fill_input(bench->teacher));
    }
    RT_TRY(create_training(bench, bench->student, teacher != NULL));
    status = measure(bench, name, train_step, result);
end:
    release(bench);
    return status;
}

#define CASES 5

static rt_status run_cases(struct bench *bench, struct result *results)
{
    const char *teacher = bench->teacher_network, *student = bench->student_network;
    rt_status status = RT_OK;
    RT_TRY(bench_infer(bench, "teacher inference", teacher, &results[0]));
    RT_TRY(bench_train(bench, "teacher training", teacher, NULL, &results[1]));
    RT_TRY(bench_infer(bench, "student inference", student, &results[2]));
    RT_TRY(bench_train(bench, "student training", student, NULL, &results[3]));
    status = bench_train(bench, "distillation", student, teacher, &results[4]);
end:
    return status;
}

static void print_results(const struct bench *bench, const struct result *results)
{
    printf("%s, batch %d, %d x %d, teacher %s, student %s, median of %d steps\n\n",
           rt_device_describe(bench->device)->name, bench->batch, bench->patch, bench->patch,
           bench->teacher_network, bench->student_network, bench->steps);
    printf("%-20s %10s %10s %8s %16s\n", "", "s/step", "images/s", "GFLOPS", "device MiB");
    for (int i = 0; i < CASES; i++)
        printf("%-20s %10.4f %10.2f %8.1f %16.1f\n", results[i].name, results[i].seconds,
               bench->batch / results[i].seconds, results[i].gflops,
               (double)results[i].peak_device_bytes / (1 << 20));
    printf("\npeak resident memory of the process: %.0f MiB\n",
           (double)rt_process_peak_bytes() / (1 << 20));
    for (int i = 0; i < CASES; i++) {
        printf("\n%s\n", results[i].name);
        for (size_t j = 0; j < results[i].share_count && results[i].shares[j].share > 0.02; j++)
            printf("  %5.1f %% %8.1f GFLOPS  %s\n", 100 * results[i].shares[j].share,
                   results[i].shares[j].gflops, results[i].shares[j].label);
    }
}

static json_t *result_json(const struct bench *bench, const struct result *result)
{
    json_t *shares = json_array();
    for (size_t i = 0; i < result->share_count; i++)
        json_array_append_new(shares, json_pack("{ss sf sf}", "operation", result->shares[i].label,
                                                "share", result->shares[i].share, "gflops",
                                                result->shares[i].gflops));
    return json_pack("{ss sf sf sf sI so}", "case", result->name, "seconds", result->seconds,
                     "images_per_second", bench->batch / result->seconds, "gflops", result->gflops,
                     "peak_device_bytes", (json_int_t)result->peak_device_bytes, "operations",
                     shares);
}

static rt_status print_json(const struct bench *bench, const struct result *results)
{
    const struct rt_device_info *info = rt_device_describe(bench->device);
    json_t *cases = json_array();
    for (int i = 0; i < CASES; i++)
        json_array_append_new(cases, result_json(bench, &results[i]));
    json_t *root =
        json_pack("{ss ss si si ss ss si sI so}", "device", info->name, "driver", info->driver,
                  "batch", bench->batch, "patch", bench->patch, "teacher", bench->teacher_network,
                  "student", bench->student_network, "steps", bench->steps, "peak_resident_bytes",
                  (json_int_t)rt_process_peak_bytes(), "cases", cases);
    int failed = !root || json_dumpf(root, stdout, JSON_INDENT(2));
    json_decref(root);
    putchar('\n');
    return failed ? rt_fail(RT_ERROR_MEMORY, "cannot write the benchmark as JSON") : RT_OK;
}

rt_status run_bench(int argc, char **argv)
{
    rt_status status = RT_OK;
    struct bench bench = {
        .batch = 8,
        .patch = 256,
        .steps = 5,
        .teacher_network = "unet:16",
        .student_network = "unet:8",
        .optimizer = {.kind = RT_ADAM, .beta1 = 0.9f, .beta2 = 0.999f, .epsilon = 1e-7f},
    };
    struct device_choice choice = {0};
    struct result *results = NULL;
    bool json = false;
    struct command_line line = {
        .usage = "[--model NETWORK] [--json]",
        .about = "Times inference, training and distillation on one device: images per second,\n"
                 "GFLOPS, memory, and the share of each operation. Data are random.",
    };
    const struct option options[] = {
        OPTION_HEADING("Options"),
        OPTION(OPTION_TEXT, "model", &bench.teacher_network, .argument = "NETWORK",
               .help = "the teacher"),
        OPTION(OPTION_TEXT, "student", &bench.student_network, .argument = "NETWORK",
               .help = "the student"),
        OPTION(OPTION_INT, "batch", &bench.batch, .argument = "N", .least = 1, .most = 4096,
               .help = "images a step"),
        OPTION(OPTION_INT, "patch", &bench.patch, .argument = "N", .least = 1, .most = 16384,
               .help = "width and height of an image, pixels"),
        OPTION(OPTION_INT, "steps", &bench.steps, .argument = "N", .least = 1, .most = 1000,
               .help = "timed steps, of which the median counts"),
        OPTION(OPTION_FLAG, "json", &json, .help = "print JSON, with the shares"),
    };
    command_line_add(&line, options, RT_COUNT(options));
    add_device_options(&line, &choice);
    RT_TRY(command_line_parse(&line, argc, argv));
    RT_TRY(open_device(&bench.device, &choice));
    RT_TRY(rt_alloc(&results, CASES, sizeof *results));
    RT_TRY(run_cases(&bench, results));
    if (json)
        status = print_json(&bench, results);
    else
        print_results(&bench, results);
end:
    free(results);
    rt_device_close(bench.device);
    command_line_finish(&line);
    return status;
}
