#include "device/limits.h"

#include <stdio.h>
#include <string.h>

#include "device/internal.h"

#define MIB ((double)(1 << 20))
#define LEAST_LOCAL_BYTES ((size_t)16 << 10)
#define LEAST_BUFFER_BYTES ((size_t)128 << 20) /* what OpenCL 1.2 asks of every device */

static enum rt_limit_verdict at_least(bool fulfilled, enum rt_limit_verdict otherwise)
{
    return fulfilled ? RT_LIMIT_FIT : otherwise;
}

static struct rt_limit flag(const char *name, bool has, const char *wanted,
                            enum rt_limit_verdict otherwise)
{
    struct rt_limit limit = {.name = name, .wanted = wanted, .verdict = at_least(has, otherwise)};
    snprintf(limit.found, sizeof limit.found, "%s", has ? "yes" : "no");
    return limit;
}

static struct rt_limit language(cl_device_id id)
{
    struct rt_limit limit = {.name = "language", .wanted = "OpenCL C 1.2"};
    int major = 0, minor = 0;
    clGetDeviceInfo(id, CL_DEVICE_OPENCL_C_VERSION, sizeof limit.found - 1, limit.found, NULL);
    const bool told = sscanf(limit.found, "OpenCL C %d.%d", &major, &minor) == 2;
    limit.verdict = at_least(told && 10 * major + minor >= 12, RT_LIMIT_UNFIT);
    return limit;
}

static bool little_endian_host(void)
{
    const uint32_t one = 1;
    unsigned char first;
    memcpy(&first, &one, 1);
    return first == 1;
}

rt_status rt_device_limits(const struct rt_device_info *info, struct rt_limit limits[RT_LIMITS])
{
    cl_platform_id platform;
    cl_device_id id;
    cl_device_fp_config floats = 0;
    cl_bool little = CL_FALSE;
    rt_status status = rt_device_handles(info, &platform, &id);
    if (status < 0)
        return status;
    clGetDeviceInfo(id, CL_DEVICE_SINGLE_FP_CONFIG, sizeof floats, &floats, NULL);
    clGetDeviceInfo(id, CL_DEVICE_ENDIAN_LITTLE, sizeof little, &little, NULL);
    limits[0] = language(id);
    limits[1] = flag("the host's byte order", (little == CL_TRUE) == little_endian_host(),
                     "what is copied between them", RT_LIMIT_UNFIT);
    limits[2] = flag("rounding to nearest", floats & CL_FP_ROUND_TO_NEAREST, "the stated errors",
                     RT_LIMIT_UNFIT);
    limits[3] = flag("infinity and NaN", floats & CL_FP_INF_NAN, "noticing that a run diverges",
                     RT_LIMIT_LESS);
    limits[4] = flag("denormal numbers", floats & CL_FP_DENORM, "exact mode", RT_LIMIT_LESS);
    limits[5] =
        flag("fused multiply-add", floats & CL_FP_FMA, "exact mode, to be fast", RT_LIMIT_LESS);
    limits[6] = (struct rt_limit){
        .name = "local memory",
        .wanted = "16 KiB, for tiles that a work-group shares",
        .verdict = at_least(info->local_bytes >= LEAST_LOCAL_BYTES, RT_LIMIT_LESS)};
    snprintf(limits[6].found, sizeof limits[6].found, "%zu KiB", info->local_bytes >> 10);
    limits[7] = (struct rt_limit){
        .name = "one buffer",
        .wanted = "128 MiB, for a usual batch",
        .verdict = at_least(info->buffer_bytes >= LEAST_BUFFER_BYTES, RT_LIMIT_LESS)};
    snprintf(limits[7].found, sizeof limits[7].found, "%.0f MiB", (double)info->buffer_bytes / MIB);
    return RT_OK;
}
