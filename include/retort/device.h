/* OpenCL devices: which there are, and opening one. */
#ifndef RETORT_DEVICE_H
#define RETORT_DEVICE_H

#include <stdbool.h>
#include <stddef.h>

#include "retort/status.h"

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

enum rt_device_type { RT_DEVICE_GPU, RT_DEVICE_CPU, RT_DEVICE_ACCELERATOR };

/* What a device says of itself; every figure is queried. */
struct rt_device_info {
    int index;            /* place in the list of all devices, from 0 */
    int platform, device; /* the OpenCL platform, and the device within it, from 0 */
    char platform_name[128], name[128], vendor[128], driver[128], version[128];
    enum rt_device_type type;
    bool integrated;         /* shares the host's memory */
    int units;               /* compute units */
    int mhz;                 /* highest clock, 0 if unknown */
    size_t memory_bytes;     /* global memory */
    size_t buffer_bytes;     /* the largest single buffer */
    size_t local_bytes;      /* local memory of a work-group */
    size_t cache_bytes;      /* the cache of global memory, 0 if there is none */
    size_t group_size;       /* the largest work-group, in work-items */
    size_t group_sizes[3];   /* the same by dimension */
    bool fp16;               /* has cl_khr_fp16 */
    int vector_width;        /* preferred vector width for float, in floats */
    int native_vector_width; /* native vector width for float, in floats */
    char problem[64];        /* why it cannot be used; "" if it can */
};

/* The type's name: "gpu", "cpu" or "accelerator". */
const char *rt_device_type_name(enum rt_device_type type);

/* All devices of all platforms; *devices (released by free()) holds *count, which may be 0. A
 * platform that fails counts as one without devices. Errors: MEMORY. */
rt_status rt_device_list(struct rt_device_info **devices, size_t *count);

/* An open device: a context, an in-order queue, compiled programs. For one thread at a time, with
 * all that lives on it; a device may be open several times. */
struct rt_device;

/* Opens the device that `which` names: an index ("1"), "platform:device" ("0:1"), a type ("gpu",
 * "cpu"), or part of a device's or platform's name, without regard to case. NULL or "" takes the
 * environment's RETORT_DEVICE, else any. Of several it takes one that can be used, a discrete GPU
 * before an integrated one before a CPU.
 * What is compiled for the device is kept in $XDG_CACHE_HOME/retort, else ~/.cache/retort, unless
 * its driver does so itself. RETORT_CACHE_DIR names another folder, then for any driver, or, empty,
 * none. The folder may be deleted at any time.
 * What `retort tune` measured, and what `retort doctor` found to be wrong and replaced, is read
 * from the device's profile in $XDG_CONFIG_HOME/retort, else
 * ~/.config/retort; RETORT_PROFILE_DIR names another folder, or, empty, none. A profile that cannot
 * be used is no error: a warning names it. Where it says nothing, and RETORT_PROFILE_DIR is not
 * empty, a profile that comes with retort for the platform's devices of the type may.
 * Errors: DEVICE (none at all, or it cannot be opened), ARGUMENT (no device of that name; the
 * message lists what there is), MEMORY. */
rt_status rt_device_open(struct rt_device **device, const char *which);

/* Waits for the device and releases everything; takes NULL. Its models must be destroyed before. */
void rt_device_close(struct rt_device *device);

/* Owned by the device. */
const struct rt_device_info *rt_device_describe(const struct rt_device *device);

/* How convolutions are computed. What a way does not support - WINOGRAD is for CPUs, all
 * three Winograds for 3x3 filters, they, DIRECT and TILED for stride 1 - is computed in another.
 * WINOGRAD2 and WINOGRAD4 are F(2x2, 3x3) and F(4x4, 3x3) for any device. RT_CONV_AUTO, the state
 * at start, lets the device's profile choose, and where that says nothing, retort: TILED, except on
 * CPUs. */
enum rt_conv {
    RT_CONV_AUTO,
    RT_CONV_DIRECT,
    RT_CONV_GEMM,
    RT_CONV_WINOGRAD,
    RT_CONV_TILED,
    RT_CONV_WINOGRAD2,
    RT_CONV_WINOGRAD4
};
void rt_device_set_conv(struct rt_device *device, enum rt_conv conv);

/* FAST, the state at start, computes in whatever order the device is fastest in. EXACT computes
 * every operation in the one order that its kernels state, whatever the device, with the same bits
 * on all that conform to OpenCL 1.2 and keep denormal numbers; profiles and rt_device_set_conv have
 * no say in it. To be set before anything is computed. Errors: UNSUPPORTED (EXACT on a device that
 * drops denormal numbers, rounds otherwise than to nearest, or is big-endian). */
enum rt_math { RT_MATH_FAST, RT_MATH_EXACT };
rt_status rt_device_set_math(struct rt_device *device, enum rt_math math);

/* The most device memory that buffers have held at one time since the last reset, in bytes. */
size_t rt_device_peak_bytes(const struct rt_device *device);
void rt_device_reset_peak(struct rt_device *device);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif
#endif
