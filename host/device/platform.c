#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "device/internal.h"

const char *rt_device_type_name(enum rt_device_type type)
{
    static const char *const names[] = {"gpu", "cpu", "accelerator"};
    return names[type];
}

/* Queries that a device does not answer leave the zero that stands there. */
#define QUERY(device, what, to) clGetDeviceInfo(device, what, sizeof(to), &(to), NULL)

static void device_text(cl_device_id device, cl_device_info what, char *text, size_t bytes)
{
    size_t needed = 0;
    char *whole = NULL;
    if (clGetDeviceInfo(device, what, 0, NULL, &needed) == CL_SUCCESS &&
        rt_alloc(&whole, needed + 1, 1) == RT_OK &&
        clGetDeviceInfo(device, what, needed, whole, NULL) == CL_SUCCESS) {
        size_t length = strlen(whole) < bytes - 1 ? strlen(whole) : bytes - 1;
        memcpy(text, whole, length);
    }
    free(whole);
}

static bool has_extension(cl_device_id device, const char *name)
{
    size_t needed = 0;
    char *list = NULL;
    bool found = false;
    if (clGetDeviceInfo(device, CL_DEVICE_EXTENSIONS, 0, NULL, &needed) == CL_SUCCESS &&
        rt_alloc(&list, needed + 1, 1) == RT_OK &&
        clGetDeviceInfo(device, CL_DEVICE_EXTENSIONS, needed, list, NULL) == CL_SUCCESS)
        found = strstr(list, name) != NULL;
    free(list);
    return found;
}

static void describe(cl_device_id device, struct rt_device_info *info)
{
    cl_device_type type = 0;
    cl_bool unified = CL_FALSE, available = CL_TRUE, compiler = CL_TRUE;
    cl_uint units = 0, mhz = 0, preferred = 0, native = 0;
    cl_ulong memory = 0, buffer = 0, local = 0, cache = 0;

    QUERY(device, CL_DEVICE_TYPE, type);
    QUERY(device, CL_DEVICE_HOST_UNIFIED_MEMORY, unified);
    QUERY(device, CL_DEVICE_MAX_COMPUTE_UNITS, units);
    QUERY(device, CL_DEVICE_MAX_CLOCK_FREQUENCY, mhz);
    QUERY(device, CL_DEVICE_PREFERRED_VECTOR_WIDTH_FLOAT, preferred);
    QUERY(device, CL_DEVICE_NATIVE_VECTOR_WIDTH_FLOAT, native);
    QUERY(device, CL_DEVICE_GLOBAL_MEM_SIZE, memory);
    QUERY(device, CL_DEVICE_MAX_MEM_ALLOC_SIZE, buffer);
    QUERY(device, CL_DEVICE_LOCAL_MEM_SIZE, local);
    QUERY(device, CL_DEVICE_GLOBAL_MEM_CACHE_SIZE, cache);
    QUERY(device, CL_DEVICE_MAX_WORK_GROUP_SIZE, info->group_size);
    size_t sizes[16] = {0}; /* a device has at least three dimensions */
    QUERY(device, CL_DEVICE_MAX_WORK_ITEM_SIZES, sizes);
    memcpy(info->group_sizes, sizes, sizeof info->group_sizes);

    QUERY(device, CL_DEVICE_AVAILABLE, available);
    QUERY(device, CL_DEVICE_COMPILER_AVAILABLE, compiler);
    snprintf(info->problem, sizeof info->problem, "%s",
             !available  ? "its driver says that it is not available"
             : !compiler ? "its driver has no compiler"
                         : "");

    info->type = type & CL_DEVICE_TYPE_GPU   ? RT_DEVICE_GPU
                 : type & CL_DEVICE_TYPE_CPU ? RT_DEVICE_CPU
                                             : RT_DEVICE_ACCELERATOR;
    info->integrated = unified;
    info->units = units > 0 ? (int)units : 1; /* work is divided among them */
    info->mhz = (int)mhz;
    info->vector_width = (int)preferred;
    info->native_vector_width = (int)native;
    info->memory_bytes = (size_t)memory;
    info->buffer_bytes = (size_t)buffer;
    info->local_bytes = (size_t)local;
    info->cache_bytes = (size_t)cache;
    info->fp16 = has_extension(device, "cl_khr_fp16");
    device_text(device, CL_DEVICE_NAME, info->name, sizeof info->name);
    device_text(device, CL_DEVICE_VENDOR, info->vendor, sizeof info->vendor);
    device_text(device, CL_DRIVER_VERSION, info->driver, sizeof info->driver);
    device_text(device, CL_DEVICE_VERSION, info->version, sizeof info->version);
}

#define PLATFORMS_MAX 32
#define DEVICES_MAX 64

static cl_uint platform_ids(cl_platform_id *platforms)
{
    cl_uint count = 0;
    if (clGetPlatformIDs(PLATFORMS_MAX, platforms, &count) != CL_SUCCESS)
        return 0; /* the loader's way to say that there is none */
    return count < PLATFORMS_MAX ? count : PLATFORMS_MAX;
}

static cl_uint device_ids(cl_platform_id platform, cl_device_id *devices)
{
    cl_uint count = 0;
    if (clGetDeviceIDs(platform, CL_DEVICE_TYPE_ALL, DEVICES_MAX, devices, &count) != CL_SUCCESS)
        return 0; /* a platform without devices */
    return count < DEVICES_MAX ? count : DEVICES_MAX;
}

rt_status rt_device_list(struct rt_device_info **devices, size_t *count)
{
    rt_status status = RT_OK;
    cl_platform_id platforms[PLATFORMS_MAX];
    cl_device_id ids[DEVICES_MAX];
    size_t capacity = 0;
    *devices = NULL;
    *count = 0;
    cl_uint platform_count = platform_ids(platforms);
    for (cl_uint p = 0; p < platform_count; p++) {
        cl_uint device_count = device_ids(platforms[p], ids);
        for (cl_uint d = 0; d < device_count; d++) {
            RT_TRY(rt_grow(devices, &capacity, *count + 1, sizeof **devices));
            struct rt_device_info *info = &(*devices)[*count];
            info->index = (int)(*count)++;
            info->platform = (int)p;
            info->device = (int)d;
            clGetPlatformInfo(platforms[p], CL_PLATFORM_NAME, sizeof info->platform_name - 1,
                              info->platform_name, NULL);
            describe(ids[d], info);
        }
    }
end:
    if (status < 0) {
        free(*devices);
        *devices = NULL;
        *count = 0;
    }
    return status;
}

rt_status rt_device_handles(const struct rt_device_info *info, cl_platform_id *platform,
                            cl_device_id *device)
{
    cl_platform_id platforms[PLATFORMS_MAX];
    cl_device_id ids[DEVICES_MAX];
    if (info->platform >= (int)platform_ids(platforms) ||
        info->device >= (int)device_ids(platforms[info->platform], ids))
        return rt_fail(RT_ERROR_DEVICE, "the device %s is gone", info->name);
    *platform = platforms[info->platform];
    *device = ids[info->device];
    return RT_OK;
}
