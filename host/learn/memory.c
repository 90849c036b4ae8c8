#include "learn/memory.h"

#include <stdio.h>

#include "base/log.h"
#include "base/size.h"
#include "learn/names.h"
#include "model/unet.h"

/* What a run may hold, and who says so. */
struct limit {
    size_t bytes;
    bool given; /* by the options; else it is the device's memory */
};

static struct limit limit_of(const struct rt_run *run)
{
    const size_t device = rt_device_describe(run->device)->memory_bytes;
    const size_t given = run->options->memory_limit;
    if (given > 0 && given < device)
        return (struct limit){given, true};
    return (struct limit){device, false};
}

static bool has_dice(const struct rt_run *run)
{
    return run->options->loss == RT_HARD_DICE || run->options->loss == RT_HARD_DICE_FOCAL;
}

/* A step goes in parts for whoever asked for a limit, and with a loss that is a sum over patches.
 */
static bool may_divide(const struct rt_run *run)
{
    return run->options->memory_limit > 0 && !has_dice(run);
}

/* The bytes that the run will hold in all with steps of `batch` patches, `together` at a time.
 * Errors: DEVICE (one tensor is too large for the device). */
static rt_status measure(const struct rt_run *run, int batch, int together, size_t *bytes)
{
    rt_status status = RT_OK;
    const int patch = run->options->data.patch;
    const struct rt_loss loss = rt_run_judged_loss(run);
    size_t plan;
    *bytes = rt_device_bytes(run->device);
    *bytes += (size_t)batch * (size_t)patch * (size_t)patch; /* the labels */
    *bytes += rt_judge_bytes(run->student, together, &loss, false);
    if (together < batch)
        *bytes += rt_model_slabs(run->student).trained * sizeof(float); /* gradient_sums */
    for (int i = 0; i < run->teachers.count; i++) {
        RT_TRY(rt_model_plan_bytes(run->teachers.models[i], together, patch, patch, false, &plan));
        *bytes += plan;
    }
    RT_TRY(rt_model_plan_bytes(run->student, together, patch, patch, true, &plan));
    *bytes += plan;
end:
    return status;
}

static bool fits(const struct rt_run *run, int batch, int together)
{
    size_t bytes;
    return measure(run, batch, together, &bytes) == RT_OK && bytes <= limit_of(run).bytes;
}

/* The largest batch below the one asked for that could be trained with; 0: not even 1. */
static int largest_batch(const struct rt_run *run)
{
    int fitting = 0, too_large = run->batch;
    while (too_large - fitting > 1) {
        int batch = fitting + (too_large - fitting) / 2;
        if (fits(run, batch, batch) || (may_divide(run) && fits(run, batch, 1)))
            fitting = batch;
        else
            too_large = batch;
    }
    return fitting;
}

/* "steps of 8 patches need 412 MiB (431755264 bytes) of device memory, and the limit is ..." */
static void describe_need(const struct rt_run *run, char *text, size_t size)
{
    char needed[RT_SIZE_TEXT], most[RT_SIZE_TEXT];
    const struct limit limit = limit_of(run);
    const int together = may_divide(run) ? 1 : run->batch;
    size_t bytes;
    if (measure(run, run->batch, together, &bytes) < 0)
        snprintf(text, size, "steps of %d patches do not fit: %s", run->batch, rt_error_message());
    else
        snprintf(text, size,
                 "steps of %d patches%s need %s (%zu bytes) of device memory, and %s %s (%zu)",
                 run->batch, may_divide(run) ? ", even one at a time," : "",
                 rt_size_text(needed, bytes), bytes,
                 limit.given ? "the limit is" : rt_device_describe(run->device)->name,
                 rt_size_text(most, limit.bytes), limit.bytes);
}

static rt_status fail_too_large(const struct rt_run *run)
{
    const rt_status status = limit_of(run).given ? RT_ERROR_ARGUMENT : RT_ERROR_DEVICE;
    const int batch = largest_batch(run);
    char need[512];
    describe_need(run, need, sizeof need);
    if (batch == 0)
        return rt_fail(status, "%s; not even --batch 1 fits: use smaller patches or networks",
                       need);
    if (run->options->memory_limit > 0 && has_dice(run))
        return rt_fail(RT_ERROR_ARGUMENT,
                       "%s; the %s loss is one figure of a whole batch, which cannot go in parts: "
                       "use another loss, or --batch %d or less",
                       need, rt_hard_loss_names[run->options->loss], batch);
    return rt_fail(status, "%s; use --batch %d or less%s", need, batch,
                   run->options->memory_limit > 0 || has_dice(run)
                       ? ""
                       : ", or --memory-limit, with which a step goes in parts");
}

static void warn_of_normalisation(const struct rt_run *run)
{
    struct rt_unet unet;
    if (rt_unet_parse(&unet, run->options->network) == RT_OK && unet.norm == RT_UNET_BATCH_NORM)
        rt_warn("batch normalisation takes its statistics from the %d patches that fit at a time, "
                "not from all %d of a step: the result differs from a run without a memory limit",
                run->together, run->batch);
}

rt_status rt_memory_divide(struct rt_run *run)
{
    for (run->together = run->batch;; run->together /= 2) {
        size_t bytes;
        rt_status status = measure(run, run->batch, run->together, &bytes);
        if (status == RT_ERROR_MEMORY) /* the host's, not the device's */
            return status;
        if (status == RT_OK && bytes <= limit_of(run).bytes)
            break;
        if (run->together == 1 || !may_divide(run))
            return fail_too_large(run);
    }
    if (run->together < run->batch)
        warn_of_normalisation(run);
    return RT_OK;
}

void rt_memory_tell(const struct rt_run *run)
{
    char held[RT_SIZE_TEXT], most[RT_SIZE_TEXT], parts[64] = "";
    if (run->together < run->batch)
        snprintf(parts, sizeof parts, ", %d of a step's %d patches at a time", run->together,
                 run->batch);
    rt_info("device memory: %s of %s%s", rt_size_text(held, rt_device_peak_bytes(run->device)),
            rt_size_text(most, limit_of(run).bytes), parts);
}
