#include "device/memory_trial.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/process.h"

#define SHARED_BYTES_MAX ((size_t)1 << 30)
#define BUFFERS_MAX 1024
#define LEAST_BYTES ((size_t)1 << 20) /* of a buffer */

/* Bytes of the host's memory that no program uses; 0 where that cannot be asked. */
static size_t free_host_bytes(void)
{
#ifdef _SC_AVPHYS_PAGES
    const long pages = sysconf(_SC_AVPHYS_PAGES), bytes = sysconf(_SC_PAGESIZE);
    return pages > 0 && bytes > 0 ? (size_t)pages * (size_t)bytes : 0;
#else
    return 0;
#endif
}

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* How much is tried. A display and the driver need some of a GPU's own memory. */
static size_t amount(const struct rt_device *device, struct rt_memory_trial *trial)
{
    const struct rt_device_info *info = rt_device_describe(device);
    const size_t most = info->memory_bytes / 10 * 9;
    if (!rt_device_is_cpu(device) && !info->integrated)
        return most;
    const size_t quarter = free_host_bytes() / 4,
                 tried = smaller(
                     most, smaller(SHARED_BYTES_MAX, quarter > 0 ? quarter : SHARED_BYTES_MAX));
    snprintf(trial->why, sizeof trial->why,
             "its memory is this machine's, of which no more than a quarter of what is free, and 1 "
             "GiB at most, is tried");
    return tried;
}

struct trial {
    struct rt_buffer *buffers[BUFFERS_MAX];
    size_t count;
};

/* One more buffer, of `bytes` or what can be had below. False where there is none. */
static bool take(struct trial *held, struct rt_device *device, size_t bytes)
{
    for (; bytes >= LEAST_BYTES; bytes = bytes / 2 / 4 * 4) {
        struct rt_buffer **buffer = &held->buffers[held->count];
        if (rt_buffer_create(buffer, device, bytes) < 0)
            continue;
        /* Drivers often give memory only when it is used. */
        if (rt_buffer_fill(*buffer, 0, bytes, (uint32_t)held->count) == RT_OK &&
            rt_device_finish(device) == RT_OK) {
            held->count++;
            return true;
        }
        rt_buffer_destroy(*buffer);
    }
    return false;
}

/* The first, the middle and the last word of every buffer. */
static rt_status check_words(const struct trial *held)
{
    rt_status status = RT_OK;
    for (size_t i = 0; i < held->count; i++) {
        const size_t words = rt_buffer_bytes(held->buffers[i]) / sizeof(uint32_t),
                     places[] = {0, words / 2, words - 1};
        for (size_t j = 0; j < RT_COUNT(places); j++) {
            uint32_t word = ~(uint32_t)i;
            RT_TRY(rt_buffer_read(held->buffers[i], places[j] * sizeof word, sizeof word, &word));
            if (word != i)
                return rt_fail(RT_ERROR_DEVICE,
                               "of %zu buffers that were filled, number %zu has lost its contents",
                               held->count, i);
        }
    }
end:
    return status;
}

rt_status rt_device_try_memory(struct rt_device *device, double seconds,
                               struct rt_memory_trial *trial)
{
    struct trial *held;
    const double start = rt_clock_seconds();
    const size_t largest = rt_device_describe(device)->buffer_bytes / 4 * 4;
    *trial = (struct rt_memory_trial){0};
    rt_status status = rt_alloc(&held, 1, sizeof *held);
    if (status < 0)
        return status;
    trial->tried = amount(device, trial) / 4 * 4;
    trial->tried_buffer = smaller(trial->tried, largest);
    while (trial->tried - trial->had >= LEAST_BYTES && held->count < BUFFERS_MAX) {
        if (rt_clock_seconds() - start > seconds) {
            snprintf(trial->why, sizeof trial->why, "the time was up after %.0f s", seconds);
            break;
        }
        if (!take(held, device, smaller(trial->tried - trial->had, largest))) {
            snprintf(trial->why, sizeof trial->why, "%.160s", rt_error_message());
            break;
        }
        const size_t bytes = rt_buffer_bytes(held->buffers[held->count - 1]);
        trial->had += bytes;
        trial->had_buffer = bytes > trial->had_buffer ? bytes : trial->had_buffer;
    }
    status = check_words(held);
    while (held->count > 0)
        rt_buffer_destroy(held->buffers[--held->count]);
    free(held);
    trial->seconds = rt_clock_seconds() - start;
    return status;
}
