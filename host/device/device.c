#include <math.h>
#include <stdlib.h>

#include "base/memory.h"
#include "device/internal.h"

static rt_status open_queue(struct rt_device *device)
{
    cl_platform_id platform;
    cl_int code;
    rt_status status = RT_OK;
    if (device->info.problem[0])
        return rt_fail(RT_ERROR_DEVICE, "cannot open %s: %s", device->info.name,
                       device->info.problem);
    RT_TRY(rt_device_handles(&device->info, &platform, &device->id));
    cl_context_properties properties[] = {CL_CONTEXT_PLATFORM, (cl_context_properties)platform, 0};
    device->context = clCreateContext(properties, 1, &device->id, NULL, NULL, &code);
    if (code != CL_SUCCESS)
        return rt_cl_fail(device, code, "create a context");
    device->queue =
        clCreateCommandQueue(device->context, device->id, CL_QUEUE_PROFILING_ENABLE, &code);
    if (code != CL_SUCCESS)
        return rt_cl_fail(device, code, "create a queue");
end:
    return status;
}

rt_status rt_device_open(struct rt_device **device, const char *which)
{
    rt_status status = RT_OK;
    struct rt_device_info *devices = NULL;
    size_t count, index;
    *device = NULL;
    RT_TRY(rt_device_list(&devices, &count));
    RT_TRY(rt_device_select(devices, count, which, &index));
    RT_TRY(rt_alloc(device, 1, sizeof **device));
    (*device)->info = devices[index];
    RT_TRY(open_queue(*device));
    RT_TRY(rt_choices_create(&(*device)->choices, &(*device)->info));
    const struct rt_replaced *replaced = rt_choices_replaced((*device)->choices);
    rt_device_force(*device, replaced->vector, replaced->group);
end:
    free(devices);
    if (status < 0) {
        rt_device_close(*device);
        *device = NULL;
    }
    return status;
}

void rt_device_close(struct rt_device *device)
{
    if (!device)
        return;
    if (device->queue)
        clFinish(device->queue);
    rt_profile_destroy(device->profile);
    rt_choices_destroy(device->choices);
    rt_device_release_programs(device);
    rt_gemm_release(device);
    if (device->queue)
        clReleaseCommandQueue(device->queue);
    if (device->context)
        clReleaseContext(device->context);
    free(device);
}

const struct rt_device_info *rt_device_describe(const struct rt_device *device)
{
    return &device->info;
}

void rt_device_set_conv(struct rt_device *device, enum rt_conv conv)
{
    device->conv = conv;
}

enum rt_conv rt_device_conv(const struct rt_device *device)
{
    return device->conv;
}

/* What a device lacks for results that have the same bits everywhere; NULL: nothing. */
static const char *missing_for_exact(cl_device_id device)
{
    cl_device_fp_config floats = 0;
    cl_bool little = CL_FALSE;
    clGetDeviceInfo(device, CL_DEVICE_SINGLE_FP_CONFIG, sizeof floats, &floats, NULL);
    clGetDeviceInfo(device, CL_DEVICE_ENDIAN_LITTLE, sizeof little, &little, NULL);
    return !(floats & CL_FP_DENORM)             ? "takes denormal numbers for 0"
           : !(floats & CL_FP_INF_NAN)          ? "has no infinities and NaN"
           : !(floats & CL_FP_ROUND_TO_NEAREST) ? "does not round to nearest"
           : !little                            ? "is big-endian"
                                                : NULL;
}

rt_status rt_device_set_math(struct rt_device *device, enum rt_math math)
{
    const char *missing = math == RT_MATH_EXACT ? missing_for_exact(device->id) : NULL;
    if (missing)
        return rt_fail(RT_ERROR_UNSUPPORTED,
                       "cannot compute exactly on %s, which %s: take fast math, or another device",
                       device->info.name, missing);
    device->math = math;
    return RT_OK;
}

bool rt_device_is_exact(const struct rt_device *device)
{
    return device->math == RT_MATH_EXACT;
}

size_t rt_device_bytes(const struct rt_device *device)
{
    return device->bytes;
}

size_t rt_device_peak_bytes(const struct rt_device *device)
{
    return device->peak_bytes;
}

void rt_device_reset_peak(struct rt_device *device)
{
    device->peak_bytes = device->bytes;
}

bool rt_device_is_cpu(const struct rt_device *device)
{
    return device->info.type == RT_DEVICE_CPU;
}

void rt_device_force(struct rt_device *device, int vector, int group)
{
    device->vector = vector;
    device->group = group;
}

int rt_device_group(const struct rt_device *device)
{
    if (device->group)
        return device->group;
    /* On a CPU the kernel's own vectors are the lanes. */
    return rt_device_is_cpu(device) || device->info.group_size < 64 ? 1 : 64;
}

int rt_device_vector(const struct rt_device *device)
{
    if (device->vector)
        return device->vector;
    /* A GPU's lanes are its work-items; four floats make one wide load. */
    int width = rt_device_is_cpu(device) ? device->info.native_vector_width : 4;
    return width >= 16 ? 16 : width >= 8 ? 8 : 4;
}

void rt_device_force_slice(struct rt_device *device, double flops)
{
    device->slice = flops;
}

double rt_device_slice(const struct rt_device *device)
{
    const double mhz = device->info.mhz > 0 ? device->info.mhz : 1000;
    if (device->slice > 0)
        return device->slice;
    /* A quarter of a second at one multiply-add a clock and compute unit, where even slow kernels
     * on small GPUs do several. */
    return rt_device_is_cpu(device) ? INFINITY : 0.25 * 2e6 * mhz * device->info.units;
}

void rt_device_rehearse(struct rt_device *device, bool rehearsing)
{
    device->rehearsing = rehearsing;
}

bool rt_device_rehearses(const struct rt_device *device)
{
    return device->rehearsing;
}

rt_status rt_device_finish(struct rt_device *device)
{
    cl_int code = clFinish(device->queue);
    return code == CL_SUCCESS ? RT_OK : rt_cl_fail(device, code, "wait for the queue");
}
