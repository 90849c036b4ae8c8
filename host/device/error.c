#include "device/internal.h"

const char *rt_cl_error_name(cl_int code)
{
#define NAME(code)                                                                                 \
    case code:                                                                                     \
        return #code
    switch (code) {
        NAME(CL_DEVICE_NOT_FOUND);
        NAME(CL_DEVICE_NOT_AVAILABLE);
        NAME(CL_COMPILER_NOT_AVAILABLE);
        NAME(CL_MEM_OBJECT_ALLOCATION_FAILURE);
        NAME(CL_OUT_OF_RESOURCES);
        NAME(CL_OUT_OF_HOST_MEMORY);
        NAME(CL_PROFILING_INFO_NOT_AVAILABLE);
        NAME(CL_MEM_COPY_OVERLAP);
        NAME(CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST);
        NAME(CL_BUILD_PROGRAM_FAILURE);
        NAME(CL_INVALID_VALUE);
        NAME(CL_INVALID_DEVICE);
        NAME(CL_INVALID_CONTEXT);
        NAME(CL_INVALID_MEM_OBJECT);
        NAME(CL_INVALID_BINARY);
        NAME(CL_INVALID_BUILD_OPTIONS);
        NAME(CL_INVALID_PROGRAM_EXECUTABLE);
        NAME(CL_INVALID_KERNEL_NAME);
        NAME(CL_INVALID_KERNEL);
        NAME(CL_INVALID_KERNEL_ARGS);
        NAME(CL_INVALID_ARG_INDEX);
        NAME(CL_INVALID_ARG_VALUE);
        NAME(CL_INVALID_ARG_SIZE);
        NAME(CL_INVALID_WORK_GROUP_SIZE);
        NAME(CL_INVALID_WORK_ITEM_SIZE);
        NAME(CL_INVALID_GLOBAL_WORK_SIZE);
        NAME(CL_INVALID_BUFFER_SIZE);
        NAME(CL_INVALID_QUEUE_PROPERTIES);
        NAME(CL_INVALID_COMMAND_QUEUE);
        NAME(CL_INVALID_OPERATION);
    }
#undef NAME
    return "OpenCL error";
}

const char *rt_cl_advice(cl_int code)
{
    switch (code) {
    case CL_DEVICE_NOT_FOUND:
    case CL_DEVICE_NOT_AVAILABLE:
    case CL_INVALID_DEVICE:
    case CL_INVALID_CONTEXT:
    case CL_INVALID_COMMAND_QUEUE:
        return "; the device is lost, be it taken away or its driver begun anew: try again once "
               "retort devices tells of no problem with it";
    case CL_MEM_OBJECT_ALLOCATION_FAILURE:
        return "; its memory is exhausted: end other programs that use it, or use a smaller batch "
               "or patch";
    case CL_OUT_OF_RESOURCES:
    case CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST:
        return "; its memory is exhausted or its driver has ended the work: end other programs "
               "that use it, use a smaller batch or patch, and see the system's log";
    case CL_OUT_OF_HOST_MEMORY:
        return "; its driver finds too little memory on the host: end other programs";
    default:
        return "";
    }
}

rt_status rt_cl_fail(const struct rt_device *device, cl_int code, const char *doing)
{
    rt_status status = code == CL_OUT_OF_HOST_MEMORY ? RT_ERROR_MEMORY : RT_ERROR_DEVICE;
    return rt_fail(status, "cannot %s on %s: %s (%d)%s", doing, device->info.name,
                   rt_cl_error_name(code), (int)code, rt_cl_advice(code));
}
