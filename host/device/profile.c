#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "device/internal.h"

/* A launch: one command's event, or the last of several that began once `before` was done. */
struct timed {
    size_t entry;
    cl_event before, event;
};

struct rt_profile {
    bool running;
    struct rt_profile_entry *entries;
    size_t count, capacity;
    struct timed *events;
    size_t event_count, event_capacity;
    size_t current; /* the entry that launches count under */
};

static void release(const struct timed *timed)
{
    if (timed->before)
        clReleaseEvent(timed->before);
    clReleaseEvent(timed->event);
}

static void forget_events(struct rt_profile *profile)
{
    for (size_t i = 0; i < profile->event_count; i++)
        release(&profile->events[i]);
    profile->event_count = 0;
}

void rt_profile_destroy(struct rt_profile *profile)
{
    if (!profile)
        return;
    forget_events(profile);
    free(profile->events);
    free(profile->entries);
    free(profile);
}

bool rt_profile_running(const struct rt_device *device)
{
    return device->profile && device->profile->running;
}

rt_status rt_profile_start(struct rt_device *device)
{
    if (!device->profile) {
        rt_status status = rt_alloc(&device->profile, 1, sizeof *device->profile);
        if (status < 0)
            return status;
    }
    struct rt_profile *profile = device->profile;
    forget_events(profile);
    profile->count = 0;
    profile->running = true;
    return rt_profile_label(device, "other", 0, 0);
}

rt_status rt_profile_label(struct rt_device *device, const char *label, double flops, double bytes)
{
    struct rt_profile *profile = device->profile;
    device->label_flops = flops;
    device->launched[0] = 0;
    if (!rt_profile_running(device))
        return RT_OK;
    const size_t length = sizeof profile->entries->label - 1;
    size_t i = 0;
    while (i < profile->count && strncmp(profile->entries[i].label, label, length) != 0)
        i++;
    if (i == profile->count) {
        rt_status status =
            rt_grow(&profile->entries, &profile->capacity, i + 1, sizeof *profile->entries);
        if (status < 0)
            return status;
        memset(&profile->entries[i], 0, sizeof profile->entries[i]);
        snprintf(profile->entries[i].label, sizeof profile->entries[i].label, "%s", label);
        profile->count++;
    }
    profile->entries[i].flops += flops;
    profile->entries[i].bytes += bytes;
    profile->current = i;
    return RT_OK;
}

rt_status rt_profile_add(struct rt_device *device, cl_event before, cl_event event)
{
    struct rt_profile *profile = device->profile;
    const struct timed timed = {profile->current, before, event};
    rt_status status = rt_grow(&profile->events, &profile->event_capacity, profile->event_count + 1,
                               sizeof *profile->events);
    if (status < 0) {
        release(&timed);
        return status;
    }
    profile->events[profile->event_count++] = timed;
    return RT_OK;
}

static double seconds(const struct timed *timed)
{
    cl_ulong from = 0, to = 0;
    if (timed->before)
        clGetEventProfilingInfo(timed->before, CL_PROFILING_COMMAND_END, sizeof from, &from, NULL);
    else
        clGetEventProfilingInfo(timed->event, CL_PROFILING_COMMAND_START, sizeof from, &from, NULL);
    clGetEventProfilingInfo(timed->event, CL_PROFILING_COMMAND_END, sizeof to, &to, NULL);
    return to > from ? 1e-9 * (double)(to - from) : 0;
}

rt_status rt_profile_stop(struct rt_device *device, const struct rt_profile_entry **entries,
                          size_t *count)
{
    struct rt_profile *profile = device->profile;
    *entries = NULL;
    *count = 0;
    rt_status status = rt_device_finish(device);
    if (status < 0 || !profile)
        return status;
    for (size_t i = 0; i < profile->event_count; i++) {
        const struct timed *timed = &profile->events[i];
        struct rt_profile_entry *entry = &profile->entries[timed->entry];
        entry->seconds += seconds(timed);
        entry->launches++;
    }
    forget_events(profile);
    profile->running = false;
    *entries = profile->entries;
    *count = profile->count;
    return RT_OK;
}
