#include "learn/run.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "learn/memory.h"
#include "model/unet.h"

void rt_train_defaults(struct rt_train_options *options)
{
    *options = (struct rt_train_options){
        .data = {.source = "synth",
                 .patch = 256,
                 .split = RT_SPLIT_IMAGE,
                 .validation = 0.2,
                 .seed = 1,
                 .scaling = RT_SCALING_DATA},
        .network = "unet:16",
        .epochs = 100,
        .batch = 16,
        .rate = 1e-3f,
        .schedule = RT_SCHEDULE_COSINE,
        .optimizer =
            {.kind = RT_ADAM, .momentum = 0.9f, .beta1 = 0.9f, .beta2 = 0.999f, .epsilon = 1e-8f},
        .loss = RT_HARD_CE,
        .seed = 1,
        .soft = RT_SOFT_KL,
        .alpha = 0.1f,
        .temperature = 4,
        .masks = 1,
        .self_check = 200,
    };
}

static rt_status check_options(const struct rt_train_options *options)
{
    struct rt_unet network;
    if (!options->out)
        return rt_fail(RT_ERROR_ARGUMENT, "a run needs a folder to write to");
    if (options->epochs < 1 || options->batch < 1 || options->patience < 0 ||
        options->self_check < 0)
        return rt_fail(RT_ERROR_ARGUMENT,
                       "cannot train %d epochs in batches of %d with a patience of %d and a "
                       "self-check every %d steps: expected at least 1, 1, 0 and 0",
                       options->epochs, options->batch, options->patience, options->self_check);
    if (!(options->rate > 0) || !isfinite(options->rate))
        return rt_fail(RT_ERROR_ARGUMENT, "the learning rate is %g: expected a number above 0",
                       (double)options->rate);
    if (options->teacher_count > 0 && options->soft == RT_SOFT_NONE)
        return rt_fail(RT_ERROR_ARGUMENT, "distillation needs a soft loss");
    return rt_unet_parse(&network, options->network); /* before the data, which may take long */
}

/* A student looks at the images as its teachers do. */
static rt_status choose_scaling(const struct rt_run *run, struct rt_scaling *scaling)
{
    const struct rt_data_recipe *data = &run->options->data;
    if (run->teachers.count > 0) {
        *scaling = rt_model_describe(run->teachers.models[0])->scaling;
        return RT_OK;
    }
    *scaling = (struct rt_scaling){.mode = data->scaling};
    if (data->scaling != RT_SCALING_DATA)
        return RT_OK;
    return rt_scaling_measure(run->material.dataset, &run->material.train, data->patch, scaling);
}

static rt_status create_student(struct rt_run *run)
{
    const struct rt_train_options *options = run->options;
    struct rt_model_info info = {.channels = 3, .patch = options->data.patch};
    info.palette = *rt_dataset_palette(run->material.dataset);
    info.view = *rt_dataset_view(run->material.dataset);
    if (strlen(options->network) >= sizeof info.network)
        return rt_fail(RT_ERROR_ARGUMENT, "the network's specification is too long: %s",
                       options->network);
    strcpy(info.network, options->network);
    rt_status status = choose_scaling(run, &info.scaling);
    if (status == RT_OK)
        status = rt_model_create(&run->student, run->device, &info, options->seed);
    return status;
}

static rt_status create_loader(struct rt_run *run)
{
    const struct rt_train_options *options = run->options;
    const struct rt_loader_options loader = {
        .dataset = run->material.dataset,
        .patches = &run->material.train,
        .size = options->data.patch,
        .batch = run->batch,
        .scaling = rt_model_describe(run->student)->scaling,
        .seed = options->seed,
        .shuffle = true,
        .augment = options->augment,
    };
    return rt_loader_create(&run->loader, &loader);
}

/* The moments start at zero. */
static rt_status create_moments(struct rt_run *run)
{
    size_t bytes = rt_model_slabs(run->student).trained * sizeof(float);
    rt_status status = RT_OK;
    for (int i = 0; i < rt_optimizer_moments(&run->options->optimizer); i++) {
        RT_TRY(rt_buffer_create(&run->moments[i], run->device, bytes));
        RT_TRY(rt_buffer_fill(run->moments[i], 0, bytes, 0));
    }
end:
    return status;
}

/* What is minimised. */
static struct rt_loss loss_of(const struct rt_run *run)
{
    const struct rt_train_options *options = run->options;
    struct rt_loss loss = {.hard = options->loss,
                           .soft = run->teachers.count > 0 ? options->soft : RT_SOFT_NONE,
                           .alpha = options->alpha,
                           .temperature = options->temperature};
    for (int c = 0; c < RT_CLASSES_MAX; c++)
        loss.weights[c] = 1;
    return loss;
}

struct rt_loss rt_run_judged_loss(const struct rt_run *run)
{
    struct rt_loss loss = loss_of(run);
    loss.soft = RT_SOFT_NONE;
    return loss;
}

static rt_status create_loss(struct rt_run *run)
{
    const struct rt_loss loss = loss_of(run);
    return rt_loss_create(&run->loss, run->device, &loss,
                          rt_dataset_palette(run->material.dataset)->count);
}

/* Patches that are judged at a time, of whose losses the mean counts. How many of a step fit into
 * the memory is up to the device: in exact math one, but where steps do not go in parts. */
static int judged_together(const struct rt_run *run)
{
    const enum rt_hard_loss loss = run->options->loss;
    const bool divides = loss != RT_HARD_DICE && loss != RT_HARD_DICE_FOCAL;
    return rt_device_is_exact(run->device) && divides ? 1 : run->way.together;
}

static rt_status create_judge(struct rt_run *run)
{
    const struct rt_loss loss = rt_run_judged_loss(run);
    return rt_judge_create(&run->judge, &(struct rt_judge_options){.device = run->device,
                                                                   .model = run->student,
                                                                   .material = &run->material,
                                                                   .batch = judged_together(run),
                                                                   .loss = &loss});
}

static bool goes_on(const struct rt_run *run)
{
    return run->options->resume && rt_path_exists(run->folder.state);
}

/* Not for a run that goes on: it computes in the way that it began with. */
static rt_status prepare(struct rt_run *run)
{
    const struct rt_train_options *options = run->options;
    const int teachers = run->teachers.count;
    struct rt_model **models = NULL;
    if (!options->prepare || goes_on(run))
        return RT_OK;
    rt_status status = rt_alloc(&models, (size_t)teachers + 1, sizeof *models);
    if (status < 0)
        return status;
    models[0] = run->student;
    for (int i = 0; i < teachers; i++)
        models[i + 1] = run->teachers.models[i];
    status = options->prepare(options->user, models, teachers + 1, run->batch);
    free(models);
    return status;
}

/* What a step needs for so many patches as it looks at together. The student's plan comes before
 * the judge, who makes do with it. */
static rt_status create_step(struct rt_run *run)
{
    int patch = run->options->data.patch;
    size_t pixels = (size_t)patch * (size_t)patch;
    size_t gradients = rt_model_slabs(run->student).trained * sizeof(float);
    rt_status status = RT_OK;
    for (int i = 0; i < run->teachers.count; i++)
        RT_TRY(rt_model_reserve(run->teachers.models[i], patch, patch, false));
    RT_TRY(rt_model_reserve(run->student, patch, patch, true));
    RT_TRY(rt_memory_choose(run));
    RT_TRY(rt_teachers_plan(&run->teachers, run->way.together));
    RT_TRY(rt_model_plan(run->student, run->way.together, patch, patch, run->way.plan));
    RT_TRY(rt_buffer_create(&run->labels, run->device, (size_t)run->batch * pixels));
    if (run->way.together < run->batch && !rt_device_is_exact(run->device))
        RT_TRY(rt_buffer_create(&run->gradient_sums, run->device, gradients));
    RT_TRY(create_judge(run));
end:
    return status;
}

/* Takes the run up where its state stands. */
static rt_status go_on(struct rt_run *run)
{
    int moments = rt_optimizer_moments(&run->options->optimizer);
    rt_status status =
        rt_state_read(run->folder.state, &run->place, run->student, run->moments, moments);
    if (status < 0)
        return status;
    if (run->place.train_patches != run->material.train.count)
        return rt_fail(RT_ERROR_ARGUMENT,
                       "cannot resume: the data has changed, it gave %zu training patches when the "
                       "run began and now %zu",
                       run->place.train_patches, run->material.train.count);
    if (run->place.step > run->steps)
        return rt_fail(RT_ERROR_FORMAT, "%s is damaged: it stands at step %d of %d",
                       run->folder.state, run->place.step, run->steps);
    return RT_OK;
}

void rt_run_finish(struct rt_run *run)
{
    rt_judge_destroy(run->judge);
    rt_loader_destroy(run->loader);
    rt_loss_destroy(run->loss);
    rt_buffer_destroy(run->moments[0]);
    rt_buffer_destroy(run->moments[1]);
    rt_buffer_destroy(run->gradient_sums);
    rt_buffer_destroy(run->labels);
    rt_model_destroy(run->student);
    rt_teachers_finish(&run->teachers);
    rt_material_close(&run->material);
    rt_run_folder_finish(&run->folder);
    free(run->verdict);
    free(run->metrics);
}

rt_status rt_run_init(struct rt_run *run, struct rt_device *device,
                      const struct rt_train_options *options)
{
    rt_status status = RT_OK;
    *run = (struct rt_run){.device = device, .options = options};
    rt_device_reset_peak(device);
    RT_TRY(check_options(options));
    RT_TRY(rt_run_folder_init(&run->folder, options->out));
    RT_TRY(rt_run_folder_check(&run->folder, options, device));
    RT_TRY(rt_alloc(&run->verdict, 1, sizeof *run->verdict));
    RT_TRY(rt_alloc(&run->metrics, 1, sizeof *run->metrics));
    RT_TRY(rt_material_open(&run->material, &options->data, options->data.patch));
    RT_TRY(rt_material_limit_labels(&run->material, options));
    size_t patches = run->material.train.count;
    run->place.train_patches = patches;
    run->batch = (size_t)options->batch < patches ? options->batch : (int)patches;
    run->steps = (int)((patches + (size_t)run->batch - 1) / (size_t)run->batch);
    RT_TRY(rt_teachers_init(&run->teachers, device, options, &run->material));
    if (run->teachers.count > 0)
        rt_material_look(&run->material, &options->data,
                         rt_model_describe(run->teachers.models[0]));
    RT_TRY(create_student(run));
    RT_TRY(create_moments(run));
    RT_TRY(create_loss(run));
    RT_TRY(prepare(run));
    RT_TRY(create_step(run));
    RT_TRY(create_loader(run));
    if (goes_on(run))
        RT_TRY(go_on(run));
end:
    if (status < 0)
        rt_run_finish(run);
    return status;
}
