/* What retort asks of a device, and what this one has. */
#ifndef RT_DEVICE_LIMITS_H
#define RT_DEVICE_LIMITS_H

#include "device/device.h"

#define RT_LIMITS 8

struct rt_limit {
    const char *name;
    char found[96];
    const char *wanted;
    enum rt_limit_verdict {
        RT_LIMIT_FIT,
        RT_LIMIT_LESS, /* not needed to train; `wanted` says for what */
        RT_LIMIT_UNFIT
    } verdict;
};

/* Fills in all of them. Errors: DEVICE (it is gone). */
rt_status rt_device_limits(const struct rt_device_info *info, struct rt_limit limits[RT_LIMITS]);

#endif
