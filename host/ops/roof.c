#include "ops/roof.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/process.h"
#include "ops/share.h"

#define LONG_ENOUGH 0.05        /* seconds, to be timed */
#define AMOUNT_MAX (1u << 24)   /* where a clock stands still */
#define REPEATS 8               /* the fastest counts */
#define ROUNDS 64               /* of a launch at least: then sums come to 2 from wherever */
#define ITEMS_A_UNIT 32         /* times the group size: fills a GPU's unit, evens out a CPU's */
#define COPY_BYTES (256u << 20) /* of each buffer: far more than a cache holds */
#define PATTERN 0x3f8ccccdu     /* what is copied: 1.1 */

int rt_roof_sums(const struct rt_device *device)
{
    return rt_device_vector(device) == 16 ? 16 : 12; /* of 32 registers, or of 16 */
}

rt_status rt_roof_fma(struct rt_device *device, struct rt_buffer *sums, size_t items,
                      uint32_t rounds)
{
    char options[32];
    snprintf(options, sizeof options, "-DSUMS=%d", rt_roof_sums(device));
    return RT_LAUNCH(device, "roof.cl", "roof_fma", options, (items, 1, 1),
                     rt_buffer_argument(sums), rt_uint((uint32_t)items), rt_uint(rounds),
                     rt_float(0.5f), rt_float(1));
}

rt_status rt_roof_copy(struct rt_device *device, struct rt_buffer *from, struct rt_buffer *to,
                       size_t vectors)
{
    const size_t vector = (size_t)rt_device_vector(device);
    const struct rt_share share = rt_share(device, vectors * vector, 1);
    return RT_LAUNCH(device, "roof.cl", "roof_copy", NULL, (share.across, 1, 1),
                     rt_buffer_argument(from), rt_buffer_argument(to), rt_uint((uint32_t)vectors),
                     rt_uint((uint32_t)((size_t)share.columns / vector)));
}

double rt_roof_seconds(const struct rt_roof *roof, struct rt_cost cost)
{
    return fmax(cost.flops / roof->flops, cost.bytes / roof->bytes);
}

/* What is measured: an amount of it is queued, and timed until it is done. */
struct work {
    struct rt_device *device;
    struct rt_buffer *buffers[2];
    size_t size; /* work-items, or vectors */
    rt_status (*queue)(const struct work *work, uint32_t amount);
};

static rt_status queue_fma(const struct work *work, uint32_t amount)
{
    return rt_roof_fma(work->device, work->buffers[0], work->size, amount * ROUNDS);
}

static rt_status queue_copy(const struct work *work, uint32_t amount)
{
    rt_status status = RT_OK;
    for (uint32_t i = 0; i < amount && status == RT_OK; i++)
        status = rt_roof_copy(work->device, work->buffers[0], work->buffers[1], work->size);
    return status;
}

static rt_status time_work(const struct work *work, uint32_t amount, double *seconds)
{
    rt_status status = RT_OK;
    const double start = rt_clock_seconds();
    RT_TRY(work->queue(work, amount));
    status = rt_device_finish(work->device);
    *seconds = rt_clock_seconds() - start;
end:
    return status;
}

/* The amount a second: doubles it until it takes long enough, then repeats that. */
static rt_status measure(const struct work *work, double *rate)
{
    rt_status status = RT_OK;
    uint32_t amount = 1;
    double seconds, least;
    RT_TRY(time_work(work, amount, &seconds)); /* builds the kernel */
    RT_TRY(time_work(work, amount, &least));
    while (least < LONG_ENOUGH && amount < AMOUNT_MAX)
        RT_TRY(time_work(work, amount *= 2, &least));
    for (int i = 0; i < REPEATS; i++) {
        RT_TRY(time_work(work, amount, &seconds));
        least = fmin(least, seconds);
    }
    *rate = amount / least;
end:
    return status;
}

static rt_status fail_wrong(const struct rt_device *device, const char *what, float got,
                            float expected)
{
    return rt_fail(RT_ERROR_DEVICE,
                   "%s computes a wrong %s on the way to its peak: %g instead of %g; "
                   "its driver may need an update",
                   rt_device_describe(device)->name, what, (double)got, (double)expected);
}

static rt_status measure_fma(struct rt_device *device, double *flops)
{
    rt_status status = RT_OK;
    const size_t vector = (size_t)rt_device_vector(device);
    const size_t units = (size_t)rt_device_describe(device)->units;
    struct work work = {.device = device, .queue = queue_fma};
    const float total = 2 * (float)rt_roof_sums(device); /* where every sum goes to 2 */
    float *totals = NULL;
    double rate;
    work.size = units * (size_t)rt_device_group(device) * ITEMS_A_UNIT;
    const size_t count = work.size * vector;
    RT_TRY(rt_alloc(&totals, count, sizeof *totals));
    RT_TRY(rt_buffer_create(&work.buffers[0], device, count * sizeof *totals));
    RT_TRY(rt_buffer_fill(work.buffers[0], 0, count * sizeof *totals, 0));
    RT_TRY(measure(&work, &rate));
    RT_TRY(rt_buffer_read(work.buffers[0], 0, count * sizeof *totals, totals));
    for (size_t i = 0; i < count; i++) /* every sum goes to 2 */
        if (!(fabsf(totals[i] - total) < 1e-4f)) {
            status = fail_wrong(device, "sum", totals[i], total);
            goto end;
        }
    *flops = rate * ROUNDS * 2 * rt_roof_sums(device) * (double)count;
end:
    rt_buffer_destroy(work.buffers[0]);
    free(totals);
    return status;
}

static rt_status measure_copy(struct rt_device *device, double *bytes)
{
    rt_status status = RT_OK;
    const struct rt_device_info *info = rt_device_describe(device);
    const size_t vector = (size_t)rt_device_vector(device) * sizeof(float);
    struct work work = {.device = device, .queue = queue_copy};
    size_t size = COPY_BYTES;
    uint32_t last = 0;
    float got, expected;
    double rate;
    size = size < info->buffer_bytes ? size : info->buffer_bytes;
    size = size < info->memory_bytes / 8 ? size : info->memory_bytes / 8;
    work.size = size / vector;
    size = work.size * vector;
    for (int i = 0; i < 2; i++) {
        RT_TRY(rt_buffer_create(&work.buffers[i], device, size));
        RT_TRY(rt_buffer_fill(work.buffers[i], 0, size, i == 0 ? PATTERN : 0));
    }
    RT_TRY(measure(&work, &rate));
    RT_TRY(rt_buffer_read(work.buffers[1], size - sizeof last, sizeof last, &last));
    if (last != PATTERN) {
        memcpy(&got, &last, sizeof got);
        memcpy(&expected, &(uint32_t){PATTERN}, sizeof expected);
        status = fail_wrong(device, "copy", got, expected);
    }
    *bytes = rate * 2 * (double)size;
end:
    for (int i = 0; i < 2; i++)
        rt_buffer_destroy(work.buffers[i]);
    return status;
}

rt_status rt_roof_measure(struct rt_device *device, struct rt_roof *roof)
{
    rt_status status = RT_OK;
    RT_TRY(measure_fma(device, &roof->flops));
    status = measure_copy(device, &roof->bytes);
end:
    return status;
}
