#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "device/internal.h"

/* The default: a discrete GPU, then an integrated one, then an accelerator, then a CPU. */
static int preference(const struct rt_device_info *info)
{
    if (info->type == RT_DEVICE_GPU)
        return info->integrated ? 2 : 3;
    return info->type == RT_DEVICE_ACCELERATOR ? 1 : 0;
}

static size_t preferred(const struct rt_device_info *devices, size_t count)
{
    size_t best = 0;
    for (size_t i = 1; i < count; i++)
        if (preference(&devices[i]) > preference(&devices[best]))
            best = i;
    return best;
}

static bool matches(const struct rt_device_info *info, const char *which)
{
    char number[16], pair[32];
    snprintf(number, sizeof number, "%d", info->index);
    snprintf(pair, sizeof pair, "%d:%d", info->platform, info->device);
    if (which[0] >= '0' && which[0] <= '9' && strspn(which, "0123456789:") == strlen(which))
        return strcmp(which, number) == 0 || strcmp(which, pair) == 0;
    return strcasecmp(which, rt_device_type_name(info->type)) == 0 ||
           strcasestr(info->name, which) || strcasestr(info->platform_name, which);
}

rt_status rt_device_select(const struct rt_device_info *devices, size_t count, const char *which,
                           size_t *index)
{
    if (count == 0)
        return rt_fail(RT_ERROR_DEVICE,
                       "no OpenCL device was found; install your GPU's OpenCL driver, or "
                       "pocl-opencl-icd to use the CPU");
    if (!which || !*which)
        which = getenv("RETORT_DEVICE");
    if (!which || !*which) {
        *index = preferred(devices, count);
        return RT_OK;
    }
    for (size_t i = 0; i < count; i++) {
        if (matches(&devices[i], which)) {
            *index = i;
            return RT_OK;
        }
    }
    char list[2048] = "";
    size_t length = 0;
    for (size_t i = 0; i < count && length < sizeof list - 1; i++)
        length +=
            (size_t)snprintf(list + length, sizeof list - length, "%s%zu (%s, %s)", i ? ", " : "",
                             i, rt_device_type_name(devices[i].type), devices[i].name);
    return rt_fail(RT_ERROR_ARGUMENT, "no device is called '%s'; there is: %s", which, list);
}
