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
            return rt_fail(RT_ERROR_DEVICE, "cannot set argument %zu of %s on %s: %s (%d)", i,
                           launch->kernel, device->info.name, rt_cl_error_name(code), (int)code);
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

rt_status rt_device_launch(struct rt_device *device, const struct rt_launch *launch)
{
    const struct rt_kernel *kernel;
    rt_status status = RT_OK;
    RT_TRY(rt_device_kernel(device, launch->file, launch->kernel,
                            launch->options ? launch->options : "", &kernel));
    RT_TRY(set_arguments(device, launch, kernel->kernel));
    size_t global[3], local[3];
    for (int d = 0; d < 3; d++) {
        global[d] = launch->global[d] ? launch->global[d] : 1;
        local[d] = launch->local[d] ? launch->local[d] : 1;
    }
    if (!launch->local[0])
        choose_group(device, kernel, global, local);
    for (int d = 0; d < 3; d++)
        global[d] = (global[d] + local[d] - 1) / local[d] * local[d];
    cl_event event = NULL;
    cl_int code = clEnqueueNDRangeKernel(device->queue, kernel->kernel, 3, NULL, global, local, 0,
                                         NULL, rt_profile_running(device) ? &event : NULL);
    if (code != CL_SUCCESS)
        return rt_fail(RT_ERROR_DEVICE,
                       "cannot launch %s (%zu x %zu x %zu in groups of %zu x %zu x %zu) on %s: "
                       "%s (%d)",
                       launch->kernel, global[0], global[1], global[2], local[0], local[1],
                       local[2], device->info.name, rt_cl_error_name(code), (int)code);
    if (event)
        status = rt_profile_add(device, NULL, event);
end:
    return status;
}
