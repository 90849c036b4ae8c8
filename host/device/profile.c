#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "device/internal.h"

struct timed {
    size_t entry;
    cl_event event;
};

struct rt_profile {
    bool running;
    struct rt_profile_entry *entries;
    size_t count, capacity;
    struct timed *events;
    size_t event_count, event_capacity;
    size_t current; /* the entry that launches count under */
};

static void forget_events(struct rt_profile *profile)
{
    for (size_t i = 0; i < profile->event_count; i++)
        clReleaseEvent(profile->events[i].event);
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
    if (!rt_profile_running(device))
        return RT_OK;
    size_t i = 0;
    while (i < profile->count && strcmp(profile->entries[i].label, label) != 0)
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

rt_status rt_profile_add(struct rt_device *device, cl_event event)
{
    struct rt_profile *profile = device->profile;
    rt_status status = rt_grow(&profile->events, &profile->event_capacity, profile->event_count + 1,
                               sizeof *profile->events);
    if (status < 0) {
        clReleaseEvent(event);
        return status;
    }
    profile->events[profile->event_count++] = (struct timed){profile->current, event};
    return RT_OK;
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
        cl_ulong from = 0, to = 0;
        cl_event event = profile->events[i].event;
        clGetEventProfilingInfo(event, CL_PROFILING_COMMAND_START, sizeof from, &from, NULL);
        clGetEventProfilingInfo(event, CL_PROFILING_COMMAND_END, sizeof to, &to, NULL);
        struct rt_profile_entry *entry = &profile->entries[profile->events[i].entry];
        entry->seconds += 1e-9 * (double)(to - from);
        entry->launches++;
    }
    forget_events(profile);
    profile->running = false;
    *entries = profile->entries;
    *count = profile->count;
    return RT_OK;
}
