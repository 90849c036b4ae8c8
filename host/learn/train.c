#include <math.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/memory.h"
#include "base/process.h"
#include "learn/batch.h"
#include "learn/memory.h"
#include "learn/metrics.h"
#include "learn/run.h"
#include "learn/schedule.h"

static uint64_t steps_done(const struct rt_run *run)
{
    return (uint64_t)run->place.epoch * (uint64_t)run->steps + (uint64_t)run->place.step;
}

static uint64_t steps_in_all(const struct rt_run *run)
{
    return (uint64_t)run->options->epochs * (uint64_t)run->steps;
}

static rt_status check_loss(const struct rt_run *run, const char *which, double loss)
{
    const struct rt_place *place = &run->place;
    if (isfinite(loss))
        return RT_OK;
    return rt_fail(
        RT_ERROR_DIVERGED,
        "the %s loss is %g in epoch %d at step %d of %d, with a learning rate of %g: "
        "begin again with a tenth of it; %s",
        which, loss, place->epoch + 1, place->step, run->steps, (double)run->options->rate,
        place->epoch > 0 ? "the weights of the epoch before are kept" : "no weights were saved");
}

/* The state comes last: until it is there, a resume begins before what the other files tell. */
static rt_status save(struct rt_run *run)
{
    rt_status status = rt_model_save(run->student, run->folder.last);
    if (status < 0)
        return status;
    return rt_state_write(run->folder.state, &run->place, run->student, run->moments,
                          rt_optimizer_moments(&run->options->optimizer));
}

/* Patches first to first + count - 1 of a batch, without where they come from. */
static struct rt_batch part_of(const struct rt_batch *batch, int first, int count, int patch)
{
    size_t pixels = (size_t)first * (size_t)patch * (size_t)patch;
    return (struct rt_batch){count, batch->images + 3 * pixels, batch->labels + pixels, NULL};
}

/* The loss of a part of a step, whose first patch has this number, and the gradients by it alone.
 */
static rt_status differentiate(struct rt_run *run, const struct rt_batch *part, int first,
                               bool whole)
{
    struct rt_tensor logits, dlogits; /* [part->count, classes, patch, patch] */
    rt_status status = RT_OK;
    RT_TRY(rt_batch_upload_images(part, run->student));
    RT_TRY(rt_teachers_run(&run->teachers, part));
    RT_TRY(rt_model_forward_part(run->student, part->count, first, run->options->seed,
                                 (uint32_t)steps_done(run), &logits));
    RT_TRY(rt_model_gradient(run->student, &dlogits));
    if (whole)
        RT_TRY(rt_loss_run(run->loss, &logits, run->labels, run->teachers.logits,
                           run->teachers.count, &dlogits));
    else
        RT_TRY(rt_loss_add(run->loss, &logits, run->labels, first, run->teachers.logits,
                           run->teachers.count, &dlogits));
    status = rt_model_backward(run->student);
end:
    return status;
}

/* The same for a step that goes in parts; the gradients are added up in run->gradient_sums. */
static rt_status differentiate_parts(struct rt_run *run, const struct rt_batch *batch)
{
    const struct rt_model_slabs slabs = rt_model_slabs(run->student);
    const int patch = run->options->data.patch;
    const struct rt_shape whole = {batch->count, rt_model_describe(run->student)->palette.count,
                                   patch, patch};
    rt_status status = RT_OK;
    RT_TRY(rt_loss_count(run->loss, whole, run->labels));
    RT_TRY(rt_buffer_fill(run->gradient_sums, 0, slabs.trained * sizeof(float), 0));
    for (int first = 0; first < batch->count; first += run->way.together) {
        int left = batch->count - first;
        struct rt_batch part =
            part_of(batch, first, left < run->way.together ? left : run->way.together, patch);
        RT_TRY(differentiate(run, &part, first, false));
        RT_TRY(rt_gradients_add(run->device, run->gradient_sums, slabs.gradients, slabs.trained));
    }
end:
    return status;
}

/* Queues a step's work for the device. */
static rt_status queue_step(struct rt_run *run, const struct rt_batch *batch)
{
    const struct rt_train_options *options = run->options;
    const struct rt_model_slabs slabs = rt_model_slabs(run->student);
    const bool whole = batch->count <= run->way.together;
    uint64_t step = steps_done(run);
    float rate = rt_schedule_rate(options->schedule, options->rate, step, steps_in_all(run));
    rt_status status = RT_OK;
    RT_TRY(rt_batch_upload_labels(batch, options->data.patch, run->labels));
    if (whole)
        RT_TRY(differentiate(run, batch, 0, true));
    else
        RT_TRY(differentiate_parts(run, batch));
    status = rt_optimizer_step(run->device, &options->optimizer, slabs.values,
                               whole ? slabs.gradients : run->gradient_sums, run->moments,
                               slabs.trained, rate, step + 1);
end:
    return status;
}

static rt_status train_step(struct rt_run *run, const struct rt_batch *batch)
{
    struct rt_place *place = &run->place;
    struct rt_loss_values values;
    rt_status status = RT_OK;
    RT_TRY(queue_step(run, batch));
    RT_TRY(rt_loss_read(run->loss, &values));
    place->step++;
    place->loss_sum += values.total * batch->count;
    place->patches += (uint64_t)batch->count;
    status = check_loss(run, "training", values.total);
end:
    return status;
}

/* Builds the kernels of a step, while the loader's thread decodes the first batch. */
static rt_status rehearse(struct rt_run *run)
{
    const size_t patch = (size_t)run->options->data.patch;
    const size_t pixels = (size_t)run->batch * patch * patch;
    float *images = NULL;
    uint8_t *labels = NULL;
    rt_status status = RT_OK;
    rt_device_rehearse(run->device, true);
    RT_TRY(rt_alloc(&images, pixels, 3 * sizeof *images));
    RT_TRY(rt_alloc(&labels, pixels, sizeof *labels));
    status = queue_step(run, &(struct rt_batch){run->batch, images, labels, NULL});
end:
    rt_device_rehearse(run->device, false);
    free(images);
    free(labels);
    return status;
}

/* The run's pace, from which the time that is left is estimated. */
struct pace {
    double started;
    uint64_t steps_before; /* done by earlier sessions */
};

static struct rt_progress describe_progress(const struct rt_run *run, const struct pace *pace)
{
    const struct rt_place *place = &run->place;
    double elapsed = rt_clock_seconds() - pace->started;
    double done = (double)(steps_done(run) - pace->steps_before);
    double left = (double)(steps_in_all(run) - steps_done(run));
    return (struct rt_progress){
        .epoch = place->epoch + 1,
        .epochs = run->options->epochs,
        .step = place->step,
        .steps = run->steps,
        .loss = place->loss_sum / (double)place->patches,
        .images_per_second = (double)place->patches / place->train_seconds,
        .seconds_left = done > 0 ? elapsed / done * left : 0,
    };
}

static void tell(const struct rt_run *run, const struct rt_progress *progress)
{
    if (run->options->progress)
        run->options->progress(run->options->user, progress);
}

static rt_status stop_if_asked(struct rt_run *run)
{
    const struct rt_train_options *options = run->options;
    if (!options->stop || !options->stop(options->user))
        return RT_OK;
    rt_status status = save(run);
    if (status < 0)
        return status;
    return rt_fail(RT_ERROR_INTERRUPTED,
                   "interrupted in epoch %d after step %d of %d; the run in %s is saved and can be "
                   "resumed",
                   run->place.epoch + 1, run->place.step, run->steps, options->out);
}

/* What is left of the epoch under way. */
static rt_status train_epoch(struct rt_run *run, const struct pace *pace)
{
    rt_status status = RT_OK;
    struct rt_place *place = &run->place;
    struct rt_batch batch;
    RT_TRY(rt_loader_start(run->loader, (uint64_t)place->epoch));
    if (steps_done(run) == pace->steps_before)
        RT_TRY(rehearse(run));
    for (int step = 0; step < place->step; step++)
        RT_TRY(rt_loader_next(run->loader, &batch));
    while (place->step < run->steps) {
        double started = rt_clock_seconds();
        RT_TRY(rt_loader_next(run->loader, &batch));
        RT_TRY(train_step(run, &batch));
        place->train_seconds += rt_clock_seconds() - started;
        struct rt_progress progress = describe_progress(run, pace);
        tell(run, &progress);
        RT_TRY(stop_if_asked(run));
    }
end:
    return status;
}

/* Judges the weights after an epoch; fills in its row of the log. */
static rt_status judge_epoch(struct rt_run *run, struct rt_epoch_row *row)
{
    rt_status status = RT_OK;
    const struct rt_palette *palette = &rt_model_describe(run->student)->palette;
    struct rt_place *place = &run->place;
    double started = rt_clock_seconds();
    RT_TRY(rt_judge_run(run->judge, run->verdict));
    RT_TRY(check_loss(run, "validation", run->verdict->loss));
    rt_metrics_from(run->metrics, palette->count, palette->unlabeled, run->verdict->confusion,
                    NULL);
    size_t peak = rt_device_peak_bytes(run->device);
    if (peak > place->peak_device_bytes)
        place->peak_device_bytes = peak;
    *row = (struct rt_epoch_row){
        .epoch = place->epoch + 1,
        .train_loss = place->loss_sum / (double)place->patches,
        .val_loss = run->verdict->loss,
        .val_accuracy = run->metrics->accuracy,
        .val_mean_iou = run->metrics->mean_iou,
        .seconds = place->train_seconds + rt_clock_seconds() - started,
        .images_per_second = (double)place->patches / place->train_seconds,
        .peak_device_bytes = place->peak_device_bytes,
    };
end:
    return status;
}

/* Writes what an epoch came to, and moves the place to the next one. */
static rt_status end_epoch(struct rt_run *run, const struct pace *pace)
{
    rt_status status = RT_OK;
    struct rt_place *place = &run->place;
    struct rt_epoch_row row;
    RT_TRY(judge_epoch(run, &row));
    struct rt_progress progress = describe_progress(run, pace);
    progress.epoch_done = true;
    progress.val_loss = row.val_loss;
    progress.val_accuracy = row.val_accuracy;
    progress.val_mean_iou = row.val_mean_iou;

    RT_TRY(rt_run_folder_log(&run->folder, &row));
    if (place->best_epoch == 0 || row.val_mean_iou > place->best_mean_iou) {
        RT_TRY(rt_model_save(run->student, run->folder.best));
        place->best_epoch = row.epoch;
        place->best_mean_iou = row.val_mean_iou;
    }
    place->epoch++;
    place->step = 0;
    place->seconds += row.seconds;
    place->loss_sum = place->train_seconds = 0;
    place->patches = 0;
    RT_TRY(save(run));
    tell(run, &progress);
end:
    return status;
}

static bool out_of_patience(const struct rt_run *run)
{
    int patience = run->options->patience;
    return patience > 0 && run->place.epoch - run->place.best_epoch >= patience;
}

static rt_status train(struct rt_run *run)
{
    rt_status status = RT_OK;
    const struct pace pace = {rt_clock_seconds(), steps_done(run)};
    while (run->place.epoch < run->options->epochs && !out_of_patience(run)) {
        RT_TRY(train_epoch(run, &pace));
        RT_TRY(end_epoch(run, &pace));
    }
    if (run->place.epoch < run->options->epochs)
        rt_info("stopped after epoch %d: the best was epoch %d", run->place.epoch,
                run->place.best_epoch);
end:
    return status;
}

/* What the device fails in leaves the files as they were saved last. */
static rt_status tell_kept(const struct rt_run *run, rt_status status)
{
    if (status != RT_ERROR_DEVICE && status != RT_ERROR_BUILD)
        return status;
    return rt_fail_context(status,
                           "the run in %s has stopped and can be resumed: ", run->options->out);
}

rt_status rt_train(struct rt_device *device, const struct rt_train_options *options,
                   struct rt_train_result *result)
{
    struct rt_run run;
    rt_status status = rt_run_init(&run, device, options);
    if (status < 0)
        return status;
    RT_TRY(rt_run_folder_begin(&run.folder, options, rt_device_describe(device)->name));
    rt_memory_tell(&run);
    status = train(&run);
    if (status < 0)
        RT_TRY(tell_kept(&run, status));
    if (result)
        *result = (struct rt_train_result){
            .epochs = run.place.epoch,
            .best_mean_iou = run.place.best_mean_iou,
            .best_epoch = run.place.best_epoch,
            .seconds = run.place.seconds,
            .peak_device_bytes = run.place.peak_device_bytes,
        };
end:
    rt_run_finish(&run);
    return status;
}
