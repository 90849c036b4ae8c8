#include "device/internal.h"

static rt_status set_arguments(struct rt_device *device, const struct rt_launch *launch,
                               cl_kernel kernel)
{
    for (size_t i = 0; i < launch->count; i++) {
        const struct rt_argument *argument = &launch->arguments[i];
        cl_int code = CL_INVALID_ARG_VALUE;
        switch (argument->kind) {
        case RT_ARGUMENT_BUFFER: {
            cl_mem memory = argument->value.buffer ? argument->value.buffer->memory : NULL;
            code = clSetKernelArg(kernel, (cl_uint)i, sizeof memory, &memory);
            break;
        }
        case RT_ARGUMENT_VALUE:
            code = clSetKernelArg(kernel, (cl_uint)i, argument->bytes, &argument->value);
            break;
        case RT_ARGUMENT_LOCAL:
            code = clSetKernelArg(kernel, (cl_uint)i, argument->bytes, NULL);
            break;
        }
        if (code != CL_SUCCESS)
            return rt_fail(RT_ERROR_DEVICE, "cannot set argument %zu of %s on %s: %s (%d)%s", i,
                           launch->kernel, device->info.name, rt_cl_error_name(code), (int)code,
                           rt_cl_advice(code));
    }
    return RT_OK;
}

/* A work-group for a launch that leaves it open: up to what the device likes, the first dimension
 * first. The third range is never rounded up. */
static void choose_group(const struct rt_device *device, const struct rt_kernel *kernel,
                         const size_t *global, size_t *local)
{
    size_t room = (size_t)rt_device_group(device);
    if (room > kernel->group_size)
        room = kernel->group_size;
    for (int d = 0; d < 3; d++) {
        size_t most = device->info.group_sizes[d] < room ? device->info.group_sizes[d] : room;
        local[d] = 1;
        while (local[d] * 2 <= most && local[d] < global[d] &&
               (d < 2 || global[d] % (local[d] * 2) == 0))
            local[d] *= 2;
        room /= local[d];
    }
}

/* A launch as it is queued: a range of work-groups. */
struct range {
    size_t from[3], groups[3]; /* the first of them and their number, by dimension */
    const size_t *local;       /* work-items in each */
};

rt_status rt_device_queued(struct rt_device *device, double flops)
{
    /* However short, sixteen commands are worth a start. */
    device->unflushed += flops / rt_device_slice(device) + 1.0 / 16;
    if (device->unflushed < 1)
        return RT_OK;
    device->unflushed = 0;
    cl_int code = clFlush(device->queue);
    return code == CL_SUCCESS ? RT_OK : rt_cl_fail(device, code, "start what is queued");
}

static rt_status enqueue(struct rt_device *device, const char *name, cl_kernel kernel,
                         const struct range *range, double flops)
{
    size_t from[3], global[3];
    cl_event event = NULL;
    for (int d = 0; d < 3; d++) {
        from[d] = range->from[d] * range->local[d];
        global[d] = range->groups[d] * range->local[d];
    }
    cl_int code = clEnqueueNDRangeKernel(device->queue, kernel, 3, from, global, range->local, 0,
                                         NULL, rt_profile_running(device) ? &event : NULL);
    if (code != CL_SUCCESS)
        return rt_fail(RT_ERROR_DEVICE,
                       "cannot launch %s (%zu x %zu x %zu in groups of %zu x %zu x %zu) on %s: "
                       "%s (%d)%s",
                       name, global[0], global[1], global[2], range->local[0], range->local[1],
                       range->local[2], device->info.name, rt_cl_error_name(code), (int)code,
                       rt_cl_advice(code));
    rt_status status = event ? rt_profile_add(device, NULL, event) : RT_OK;
    return status < 0 ? status : rt_device_queued(device, flops);
}

/* Halves the range, along its longest dimension, until no one has more than a slice's FLOPs. */
static rt_status enqueue_slices(struct rt_device *device, const char *name, cl_kernel kernel,
                                const struct range *range, double flops)
{
    int longest = 2;
    for (int d = 1; d >= 0; d--)
        longest = range->groups[d] > range->groups[longest] ? d : longest;
    const size_t groups = range->groups[longest];
    if (flops <= rt_device_slice(device) || groups < 2)
        return enqueue(device, name, kernel, range, flops);
    struct range first = *range, second = *range;
    first.groups[longest] = groups / 2;
    second.groups[longest] -= groups / 2;
    second.from[longest] += groups / 2;
    const double share = flops * (double)first.groups[longest] / (double)groups;
    rt_status status = enqueue_slices(device, name, kernel, &first, share);
    return status < 0 ? status : enqueue_slices(device, name, kernel, &second, flops - share);
}

rt_status rt_device_launch(struct rt_device *device, const struct rt_launch *launch)
{
    const struct rt_kernel *kernel;
    rt_status status = RT_OK;
    RT_TRY(rt_device_kernel(device, launch->file, launch->kernel,
                            launch->options ? launch->options : "", &kernel));
    if (device->rehearsing)
        return RT_OK;
    RT_TRY(set_arguments(device, launch, kernel->kernel));
    size_t global[3], local[3];
    for (int d = 0; d < 3; d++) {
        global[d] = launch->global[d] ? launch->global[d] : 1;
        local[d] = launch->local[d] ? launch->local[d] : 1;
    }
    if (!launch->local[0])
        choose_group(device, kernel, global, local);
    struct range range = {.local = local};
    for (int d = 0; d < 3; d++)
        range.groups[d] = (global[d] + local[d] - 1) / local[d];
    status = enqueue_slices(device, launch->kernel, kernel->kernel, &range, device->label_flops);
end:
    return status;
}
