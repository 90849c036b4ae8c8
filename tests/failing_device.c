#include "failing_device.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Calls come from one thread, as the library makes them. */
static struct {
    bool armed, failed, lasting;
    enum call_kind kind;
    long left; /* calls of the kind until one fails */
    cl_int code;
    const char *first; /* call that failed */
    const char *only;  /* the one function that is counted; NULL: all of the kind */
    long objects;
} state;

void fail_call(enum call_kind kind, long number, cl_int code, bool lasting)
{
    state.kind = kind;
    state.left = number;
    state.code = code;
    state.lasting = lasting;
    state.failed = false;
    state.first = "";
    state.armed = true;
}

bool end_failures(void)
{
    state.armed = false;
    return state.failed;
}

const char *failed_call(void)
{
    return state.first;
}

long live_objects(void)
{
    return state.objects;
}

/* The code with which this call fails, or CL_SUCCESS. */
static cl_int fate(enum call_kind kind, const char *name)
{
    if (!state.armed)
        return CL_SUCCESS;
    if (state.failed)
        return state.lasting ? state.code : CL_SUCCESS;
    if ((state.only ? strcmp(name, state.only) != 0 : kind != state.kind) || state.left-- > 0)
        return CL_SUCCESS;
    state.failed = true;
    state.first = name;
    return state.code;
}

/* A program is told by its environment: RETORT_TEST_FAULT="FUNCTION NUMBER CODE [lasting]". */
__attribute__((constructor)) static void read_environment(void)
{
    static char name[64];
    const char *text = getenv("RETORT_TEST_FAULT");
    long number;
    int code;
    if (!text || sscanf(text, "%63s %ld %d", name, &number, &code) != 3)
        return;
    state.only = name;
    fail_call(CALLS_OF_WORK, number, code, strstr(text, " lasting") != NULL);
}

/* A function that returns its code. */
#define CODED(kind, name, parameters, arguments)                                                   \
    cl_int __real_##name parameters;                                                               \
    cl_int __wrap_##name parameters;                                                               \
    cl_int __wrap_##name parameters                                                                \
    {                                                                                              \
        const cl_int code = fate(kind, #name);                                                     \
        return code == CL_SUCCESS ? __real_##name arguments : code;                                \
    }

/* A function that returns what it creates, and its code in *error. */
#define CREATING(kind, type, name, parameters, arguments)                                          \
    type __real_##name parameters;                                                                 \
    type __wrap_##name parameters;                                                                 \
    type __wrap_##name parameters                                                                  \
    {                                                                                              \
        *error = fate(kind, #name);                                                                \
        if (*error != CL_SUCCESS)                                                                  \
            return NULL;                                                                           \
        type created = __real_##name arguments;                                                    \
        state.objects += created != NULL;                                                          \
        return created;                                                                            \
    }

#define RELEASING(name, type)                                                                      \
    cl_int __real_##name(type object);                                                             \
    cl_int __wrap_##name(type object);                                                             \
    cl_int __wrap_##name(type object)                                                              \
    {                                                                                              \
        state.objects--;                                                                           \
        return __real_##name(object);                                                              \
    }

/* --- work ----------------------------------------------------------------------------------- */

CREATING(CALLS_OF_WORK, cl_mem, clCreateBuffer,
         (cl_context context, cl_mem_flags flags, size_t size, void *host, cl_int *error),
         (context, flags, size, host, error))

CODED(CALLS_OF_WORK, clSetKernelArg,
      (cl_kernel kernel, cl_uint index, size_t size, const void *value),
      (kernel, index, size, value))

CODED(CALLS_OF_WORK, clEnqueueNDRangeKernel,
      (cl_command_queue queue, cl_kernel kernel, cl_uint dimensions, const size_t *from,
       const size_t *global, const size_t *local, cl_uint count, const cl_event *events,
       cl_event *event),
      (queue, kernel, dimensions, from, global, local, count, events, event))

CODED(CALLS_OF_WORK, clEnqueueWriteBuffer,
      (cl_command_queue queue, cl_mem buffer, cl_bool blocking, size_t offset, size_t size,
       const void *host, cl_uint count, const cl_event *events, cl_event *event),
      (queue, buffer, blocking, offset, size, host, count, events, event))

CODED(CALLS_OF_WORK, clEnqueueReadBuffer,
      (cl_command_queue queue, cl_mem buffer, cl_bool blocking, size_t offset, size_t size,
       void *host, cl_uint count, const cl_event *events, cl_event *event),
      (queue, buffer, blocking, offset, size, host, count, events, event))

CODED(CALLS_OF_WORK, clEnqueueWriteBufferRect,
      (cl_command_queue queue, cl_mem buffer, cl_bool blocking, const size_t *origin,
       const size_t *host_origin, const size_t *region, size_t row, size_t slice, size_t host_row,
       size_t host_slice, const void *host, cl_uint count, const cl_event *events, cl_event *event),
      (queue, buffer, blocking, origin, host_origin, region, row, slice, host_row, host_slice, host,
       count, events, event))

CODED(CALLS_OF_WORK, clEnqueueReadBufferRect,
      (cl_command_queue queue, cl_mem buffer, cl_bool blocking, const size_t *origin,
       const size_t *host_origin, const size_t *region, size_t row, size_t slice, size_t host_row,
       size_t host_slice, void *host, cl_uint count, const cl_event *events, cl_event *event),
      (queue, buffer, blocking, origin, host_origin, region, row, slice, host_row, host_slice, host,
       count, events, event))

CODED(CALLS_OF_WORK, clEnqueueFillBuffer,
      (cl_command_queue queue, cl_mem buffer, const void *pattern, size_t pattern_size,
       size_t offset, size_t size, cl_uint count, const cl_event *events, cl_event *event),
      (queue, buffer, pattern, pattern_size, offset, size, count, events, event))

CODED(CALLS_OF_WORK, clEnqueueCopyBuffer,
      (cl_command_queue queue, cl_mem from, cl_mem to, size_t from_offset, size_t to_offset,
       size_t size, cl_uint count, const cl_event *events, cl_event *event),
      (queue, from, to, from_offset, to_offset, size, count, events, event))

CODED(CALLS_OF_WORK, clFlush, (cl_command_queue queue), (queue))
CODED(CALLS_OF_WORK, clFinish, (cl_command_queue queue), (queue))
RELEASING(clReleaseMemObject, cl_mem)

/* --- setup ---------------------------------------------------------------------------------- */

CREATING(CALLS_OF_SETUP, cl_context, clCreateContext,
         (const cl_context_properties *properties, cl_uint count, const cl_device_id *devices,
          void(CL_CALLBACK *notify)(const char *, const void *, size_t, void *), void *user,
          cl_int *error),
         (properties, count, devices, notify, user, error))

CREATING(CALLS_OF_SETUP, cl_command_queue, clCreateCommandQueue,
         (cl_context context, cl_device_id device, cl_command_queue_properties properties,
          cl_int *error),
         (context, device, properties, error))

CREATING(CALLS_OF_SETUP, cl_program, clCreateProgramWithSource,
         (cl_context context, cl_uint count, const char **texts, const size_t *lengths,
          cl_int *error),
         (context, count, texts, lengths, error))

CREATING(CALLS_OF_SETUP, cl_program, clCreateProgramWithBinary,
         (cl_context context, cl_uint count, const cl_device_id *devices, const size_t *lengths,
          const unsigned char **binaries, cl_int *taken, cl_int *error),
         (context, count, devices, lengths, binaries, taken, error))

CREATING(CALLS_OF_SETUP, cl_kernel, clCreateKernel,
         (cl_program program, const char *name, cl_int *error), (program, name, error))

CODED(CALLS_OF_SETUP, clBuildProgram,
      (cl_program program, cl_uint count, const cl_device_id *devices, const char *options,
       void(CL_CALLBACK *notify)(cl_program, void *), void *user),
      (program, count, devices, options, notify, user))

CODED(CALLS_OF_SETUP, clGetPlatformIDs, (cl_uint most, cl_platform_id *platforms, cl_uint *count),
      (most, platforms, count))

CODED(CALLS_OF_SETUP, clGetPlatformInfo,
      (cl_platform_id platform, cl_platform_info what, size_t size, void *value, size_t *needed),
      (platform, what, size, value, needed))

CODED(CALLS_OF_SETUP, clGetDeviceIDs,
      (cl_platform_id platform, cl_device_type type, cl_uint most, cl_device_id *devices,
       cl_uint *count),
      (platform, type, most, devices, count))

CODED(CALLS_OF_SETUP, clGetDeviceInfo,
      (cl_device_id device, cl_device_info what, size_t size, void *value, size_t *needed),
      (device, what, size, value, needed))

CODED(CALLS_OF_SETUP, clGetKernelWorkGroupInfo,
      (cl_kernel kernel, cl_device_id device, cl_kernel_work_group_info what, size_t size,
       void *value, size_t *needed),
      (kernel, device, what, size, value, needed))

CODED(CALLS_OF_SETUP, clGetProgramInfo,
      (cl_program program, cl_program_info what, size_t size, void *value, size_t *needed),
      (program, what, size, value, needed))

CODED(CALLS_OF_SETUP, clGetProgramBuildInfo,
      (cl_program program, cl_device_id device, cl_program_build_info what, size_t size,
       void *value, size_t *needed),
      (program, device, what, size, value, needed))

RELEASING(clReleaseContext, cl_context)
RELEASING(clReleaseCommandQueue, cl_command_queue)
RELEASING(clReleaseProgram, cl_program)
RELEASING(clReleaseKernel, cl_kernel)
