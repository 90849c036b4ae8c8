/* Shared by the files of this folder alone: what an open device holds. */
#ifndef RT_DEVICE_INTERNAL_H
#define RT_DEVICE_INTERNAL_H

#ifdef __APPLE__
#include <OpenCL/opencl.h>
#else
#include <CL/cl.h>
#endif

#include "device/choices.h"

struct rt_kernel; /* program.c */
struct rt_program;
struct rt_profile; /* profile.c */

struct rt_device {
    struct rt_device_info info;
    cl_device_id id;
    cl_context context;
    cl_command_queue queue;
    struct rt_program *programs;
    struct rt_kernel *kernels;
    struct rt_profile *profile;
    struct rt_choices *choices;
    enum rt_conv conv;
    enum rt_math math;
    bool rehearsing;               /* launches are not queued */
    bool gemm_checked, gemm_packs; /* the latter: never by CLBlast's kernel for small products */
    struct rt_buffer *gemm_memory; /* gemm.c: what CLBlast packs operands into; may be NULL */
    int vector, group;             /* what rt_device_force asked for; 0: the device's own */
    double slice;                  /* what rt_device_force_slice asked for, likewise */
    double label_flops;            /* as the present label says; no launch is longer */
    double unflushed;              /* slices queued since the driver was last told to start */
    size_t bytes, peak_bytes;      /* held by buffers now, and at most */
};

struct rt_buffer {
    struct rt_device *device;
    cl_mem memory;
    size_t bytes;
};

struct rt_kernel {
    char *key; /* file, kernel and options */
    cl_kernel kernel;
    size_t group_size; /* the largest work-group this kernel can have on this device */
    struct rt_kernel *next;
};

/* "CL_OUT_OF_RESOURCES" for -5; a static string. */
const char *rt_cl_error_name(cl_int code);

/* What the user can do about it, "; end other programs" or empty; a static string. */
const char *rt_cl_advice(cl_int code);

/* Fails with DEVICE (or MEMORY for CL_OUT_OF_HOST_MEMORY): "cannot DOING on DEVICE: NAME (code)",
 * and the advice. */
rt_status rt_cl_fail(const struct rt_device *device, cl_int code, const char *doing);

/* The platform's and device's handles that belong to an entry of the list. */
rt_status rt_device_handles(const struct rt_device_info *info, cl_platform_id *platform,
                            cl_device_id *device);

/* The entry that `which` names; see rt_device_open. */
rt_status rt_device_select(const struct rt_device_info *devices, size_t count, const char *which,
                           size_t *index);

/* The kernel of this file, name and options (never NULL), built when first asked for. */
rt_status rt_device_kernel(struct rt_device *device, const char *file, const char *name,
                           const char *options, const struct rt_kernel **kernel);
void rt_device_release_programs(struct rt_device *device);

/* The FLOPs that one command may have; INFINITY on a CPU. */
double rt_device_slice(const struct rt_device *device);

/* To be called after a command of so many FLOPs was queued: sees that the driver starts what is
 * queued now and then, so that neither does the device wait nor the driver's list grow. Errors:
 * DEVICE. */
rt_status rt_device_queued(struct rt_device *device, double flops);

/* Releases what CLBlast keeps for the device. */
void rt_gemm_release(struct rt_device *device);

/* Takes the event of a launch and releases it once its times were read. For a launch of several
 * commands: the event of its last one, and in `before` what was done before its first, else NULL.
 */
rt_status rt_profile_add(struct rt_device *device, cl_event before, cl_event event);
bool rt_profile_running(const struct rt_device *device);
void rt_profile_destroy(struct rt_profile *profile);

#endif
