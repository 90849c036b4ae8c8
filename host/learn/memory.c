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

/* Errors: MEMORY. */
static rt_status find_batch_norm(const struct rt_run *run, bool *found)
{
    struct rt_unet unet;
    rt_status status = rt_unet_parse(&unet, run->options->network);
    *found = status == RT_OK && unet.norm == RT_UNET_BATCH_NORM;
    return status;
}

/* Whoever asked for a limit gets steps that take less memory. */
static bool is_limited(const struct rt_run *run)
{
    return run->options->memory_limit > 0;
}

/* They go in parts with a loss that is a sum over patches. */
static bool may_divide(const struct rt_run *run)
{
    return is_limited(run) && !has_dice(run);
}

/* The way that takes the least. */
static struct rt_way frugal_way(const struct rt_run *run, int batch)
{
    return (struct rt_way){may_divide(run) ? 1 : batch,
                           is_limited(run) ? RT_PLAN_RECOMPUTING : RT_PLAN_TRAINING};
}

/* The bytes that the run will hold in all with steps of `batch` patches.
 * Errors: DEVICE (one tensor is too large for the device). */
static rt_status measure(const struct rt_run *run, int batch, struct rt_way way, size_t *bytes)
{
    rt_status status = RT_OK;
    const int patch = run->options->data.patch, together = way.together;
    const struct rt_loss loss = rt_run_judged_loss(run);
    size_t plan;
    *bytes = rt_device_bytes(run->device);
    *bytes += (size_t)batch * (size_t)patch * (size_t)patch; /* the labels */
    *bytes += rt_judge_bytes(run->student, together, &loss, false);
    if (together < batch && !rt_device_is_exact(run->device))
        *bytes += rt_model_slabs(run->student).trained * sizeof(float); /* gradient_sums */
    for (int i = 0; i < run->teachers.count; i++) {
        RT_TRY(rt_model_plan_bytes(run->teachers.models[i], together, patch, patch, RT_PLAN_FORWARD,
                                   &plan));
        *bytes += plan;
    }
    RT_TRY(rt_model_plan_bytes(run->student, together, patch, patch, way.plan, &plan));
    *bytes += plan;
end:
    return status;
}

/* The first way that fits of those with at least so many patches together: it is quicker to divide
 * a step than to recompute. way->together is 0 where none does. Errors: MEMORY (the host's). */
static rt_status find_way(const struct rt_run *run, int batch, int least, struct rt_way *way)
{
    const enum rt_plan last = frugal_way(run, batch).plan;
    for (way->plan = RT_PLAN_TRAINING; way->plan <= last; way->plan++)
        for (way->together = batch; way->together >= least; way->together /= 2) {
            size_t bytes;
            rt_status status = measure(run, batch, *way, &bytes);
            if (status == RT_ERROR_MEMORY)
                return status;
            if (status == RT_OK && bytes <= limit_of(run).bytes)
                return RT_OK;
        }
    way->together = 0;
    return RT_OK;
}

/* The largest batch below the one asked for that could be trained with; 0: not even 1.
 * Errors: MEMORY. */
static rt_status find_largest_batch(const struct rt_run *run, int *largest)
{
    rt_status status = RT_OK;
    int too_large = run->batch;
    *largest = 0;
    while (too_large - *largest > 1) {
        int batch = *largest + (too_large - *largest) / 2;
        struct rt_way way;
        RT_TRY(find_way(run, batch, frugal_way(run, batch).together, &way));
        if (way.together > 0)
            *largest = batch;
        else
            too_large = batch;
    }
end:
    return status;
}

/* "steps of 8 patches need 412 MiB (431755264 bytes) of device memory, and the limit is ..." */
static void describe_need(const struct rt_run *run, char *text, size_t size)
{
    char needed[RT_SIZE_TEXT], most[RT_SIZE_TEXT];
    const struct limit limit = limit_of(run);
    const char *less = may_divide(run) ? ", even one at a time and with activations computed again,"
                       : is_limited(run) ? ", even with activations computed again,"
                                         : "";
    size_t bytes;
    if (measure(run, run->batch, frugal_way(run, run->batch), &bytes) < 0)
        snprintf(text, size, "steps of %d patches do not fit: %s", run->batch, rt_error_message());
    else
        snprintf(text, size,
                 "steps of %d patches%s need %s (%zu bytes) of device memory, and %s %s (%zu)",
                 run->batch, less, rt_size_text(needed, bytes), bytes,
                 limit.given ? "the limit is" : rt_device_describe(run->device)->name,
                 rt_size_text(most, limit.bytes), limit.bytes);
}

static rt_status fail_too_large(const struct rt_run *run)
{
    const rt_status status = limit_of(run).given ? RT_ERROR_ARGUMENT : RT_ERROR_DEVICE;
    char need[512];
    int batch;
    if (find_largest_batch(run, &batch) < 0)
        return RT_ERROR_MEMORY;
    describe_need(run, need, sizeof need);
    if (batch == 0)
        return rt_fail(status, "%s; not even --batch 1 fits: use smaller patches or networks",
                       need);
    if (is_limited(run) && has_dice(run))
        return rt_fail(RT_ERROR_ARGUMENT,
                       "%s; the %s loss is one figure of a whole batch, which cannot go in parts: "
                       "use another loss, or --batch %d or less",
                       need, rt_hard_loss_names[run->options->loss], batch);
    return rt_fail(status, "%s; use --batch %d or less%s", need, batch,
                   is_limited(run)
                       ? ""
                       : ", or --memory-limit, with which a step takes more time and less memory");
}

rt_status rt_memory_choose(struct rt_run *run)
{
    /* Batch normalisation: the largest parts, be it with more work. */
    const int smallest = frugal_way(run, run->batch).together;
    rt_status status = RT_OK;
    bool batch_norm;
    RT_TRY(find_batch_norm(run, &batch_norm));
    int least = batch_norm ? run->batch : smallest;
    RT_TRY(find_way(run, run->batch, least, &run->way));
    while (run->way.together == 0) {
        least /= 2;
        if (least < smallest)
            return fail_too_large(run);
        RT_TRY(find_way(run, run->batch, least, &run->way));
    }
    if (run->way.together < run->batch && batch_norm)
        rt_warn("batch normalisation takes its statistics from the %d patches that fit at a time, "
                "not from all %d of a step: the result differs from a run without a memory limit",
                run->way.together, run->batch);
end:
    return status;
}

void rt_memory_tell(const struct rt_run *run)
{
    char held[RT_SIZE_TEXT], most[RT_SIZE_TEXT], parts[64] = "", again[96] = "";
    if (run->way.together < run->batch)
        snprintf(parts, sizeof parts, ", %d of a step's %d patches at a time", run->way.together,
                 run->batch);
    if (run->way.plan == RT_PLAN_RECOMPUTING)
        snprintf(again, sizeof again, ", activations computed again (%.0f %% more work)",
                 100 * rt_model_recomputed_share(run->student));
    rt_info("device memory: %s of %s%s%s", rt_size_text(held, rt_device_peak_bytes(run->device)),
            rt_size_text(most, limit_of(run).bytes), parts, again);
}
