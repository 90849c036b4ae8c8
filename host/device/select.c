#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "device/internal.h"

/* A discrete GPU, then an integrated one, then an accelerator, then a CPU; one with a problem only
 * where there is no other. */
static int preference(const struct rt_device_info *info)
{
    if (info->problem[0])
        return 0;
    if (info->type == RT_DEVICE_GPU)
        return info->integrated ? 3 : 4;
    return info->type == RT_DEVICE_ACCELERATOR ? 2 : 1;
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
    const struct rt_device_info *best = NULL;
    for (const struct rt_device_info *info = devices; info < devices + count; info++)
        if ((!which || !*which || matches(info, which)) &&
            (!best || preference(info) > preference(best)))
            best = info;
    if (best) {
        *index = (size_t)(best - devices);
        return RT_OK;
    }
    char list[2048] = "";
    size_t length = 0;
    for (size_t i = 0; i < count && length < sizeof list - 1; i++)
        length +=
            (size_t)snprintf(list + length, sizeof list - length, "%s%zu (%s, %s)", i ? ", " : "",
                             i, rt_device_type_name(devices[i].type), devices[i].name);
    return rt_fail(RT_ERROR_ARGUMENT, "no device is called '%s'; there is: %s", which, list);
}
