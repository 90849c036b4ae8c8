/* An open device as the layers above see it: buffers, launches, profiling. */
#ifndef RT_DEVICE_DEVICE_H
#define RT_DEVICE_DEVICE_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "retort/device.h"

/* --- buffers: bytes of device memory ------------------------------------------------------ */

struct rt_buffer;

/* Not initialised. Errors: DEVICE (names the size and what is in use), MEMORY. */
rt_status rt_buffer_create(struct rt_buffer **buffer, struct rt_device *device, size_t bytes);
void rt_buffer_destroy(struct rt_buffer *buffer);
size_t rt_buffer_bytes(const struct rt_buffer *buffer);

/* The bytes that all buffers hold now. */
size_t rt_device_bytes(const struct rt_device *device);

/* Blocking copies; offset and bytes in bytes. Errors: DEVICE, ARGUMENT (outside the buffer). */
rt_status rt_buffer_write(struct rt_buffer *buffer, size_t offset, size_t bytes, const void *from);
rt_status rt_buffer_read(struct rt_buffer *buffer, size_t offset, size_t bytes, void *to);

/* Rows of `bytes` bytes that lie `pitch` bytes apart in a buffer and together on the host; blocking
 * copies as above. */
struct rt_rows {
    size_t offset, bytes, count, pitch;
};
rt_status rt_buffer_write_rows(struct rt_buffer *buffer, const struct rt_rows *rows,
                               const void *from);
rt_status rt_buffer_read_rows(struct rt_buffer *buffer, const struct rt_rows *rows, void *to);

/* Fills with a 4-byte pattern, queued; offset and bytes are multiples of 4. */
rt_status rt_buffer_fill(struct rt_buffer *buffer, size_t offset, size_t bytes, uint32_t pattern);

/* Copies within the device, queued. */
rt_status rt_buffer_copy(struct rt_buffer *to, size_t to_offset, struct rt_buffer *from,
                         size_t from_offset, size_t bytes);

/* --- launches ----------------------------------------------------------------------------- */

enum rt_argument_kind { RT_ARGUMENT_BUFFER, RT_ARGUMENT_VALUE, RT_ARGUMENT_LOCAL };

/* A kernel's argument; made by the functions below. */
struct rt_argument {
    enum rt_argument_kind kind;
    size_t bytes; /* of a value, or of local memory */
    union {
        struct rt_buffer *buffer; /* NULL passes a null pointer */
        int32_t i;
        uint32_t u;
        uint64_t l;
        float f;
    } value;
};

static inline struct rt_argument rt_buffer_argument(struct rt_buffer *buffer)
{
    return (struct rt_argument){.kind = RT_ARGUMENT_BUFFER, .value.buffer = buffer};
}
static inline struct rt_argument rt_int(int value) /* int in the kernel */
{
    return (struct rt_argument){RT_ARGUMENT_VALUE, 4, {.i = value}};
}
static inline struct rt_argument rt_uint(uint32_t value) /* uint */
{
    return (struct rt_argument){RT_ARGUMENT_VALUE, 4, {.u = value}};
}
static inline struct rt_argument rt_ulong(uint64_t value) /* ulong */
{
    return (struct rt_argument){RT_ARGUMENT_VALUE, 8, {.l = value}};
}
static inline struct rt_argument rt_float(float value) /* float */
{
    return (struct rt_argument){RT_ARGUMENT_VALUE, 4, {.f = value}};
}
static inline struct rt_argument rt_local(size_t bytes) /* __local pointer */
{
    return (struct rt_argument){.kind = RT_ARGUMENT_LOCAL, .bytes = bytes};
}

/* One launch of one kernel. The file is built, with the options, when it is first asked for, and
 * kept. The first two ranges are rounded up to whole work-groups, so every kernel guards by index
 * there; the third is not, so that it can count images.
 *
 * A GPU that also draws the screen does nothing else during a command, and its driver ends one that
 * takes seconds. So a launch that may be long, going by the label's FLOPs, is queued as several
 * commands, slices of the range: a kernel finds its place by get_global_id, which counts on through
 * the slices, and takes sizes as arguments. */
struct rt_launch {
    const char *file;    /* "conv2d.cl" */
    const char *kernel;  /* "conv2d_forward" */
    const char *options; /* "-DKERNEL=3 -DTILE=4", or NULL; VEC is defined unless they do so */
    size_t global[3];    /* work-items; 0 counts as 1 */
    size_t local[3];     /* work-group; all 0 lets the device choose (1 on a CPU) */
    const struct rt_argument *arguments;
    size_t count;
};

/* Queues the launch. Errors: BUILD (with options and the compiler's log), DEVICE, MEMORY. */
rt_status rt_device_launch(struct rt_device *device, const struct rt_launch *launch);

/* The most work-items that a work-group of this kernel can have, with these options (not NULL): a
 * kernel with many registers or much local memory gets fewer than the device has. Errors: as above.
 */
rt_status rt_device_kernel_items(struct rt_device *device, const char *file, const char *name,
                                 const char *options, size_t *items);

/* rt_device_launch with the arguments written in place. */
#define RT_LAUNCH(device, launch_file, launch_kernel, launch_options, launch_global, ...)          \
    rt_device_launch(                                                                              \
        device, &(struct rt_launch){.file = (launch_file),                                         \
                                    .kernel = (launch_kernel),                                     \
                                    .options = (launch_options),                                   \
                                    .global = RT_RANGE launch_global,                              \
                                    .arguments = (const struct rt_argument[]){__VA_ARGS__},        \
                                    .count = sizeof((const struct rt_argument[]){__VA_ARGS__}) /   \
                                             sizeof(struct rt_argument)})
#define RT_RANGE(x, y, z)                                                                          \
    {                                                                                              \
        (size_t)(x), (size_t)(y), (size_t)(z)                                                      \
    }

/* From now on launches have their kernels built and are not queued, or are again: so kernels are
 * built while that which they shall work on is still being prepared. */
void rt_device_rehearse(struct rt_device *device, bool rehearsing);
bool rt_device_rehearses(const struct rt_device *device);

/* Waits until all that was queued is done. Errors: DEVICE. */
rt_status rt_device_finish(struct rt_device *device);

/* The vector width, in floats, that kernels should use on this device: 16, 8, 4 or 1. */
int rt_device_vector(const struct rt_device *device);

/* The work-items that should share a work-group on this device, a power of two: 1 on a CPU. */
int rt_device_group(const struct rt_device *device);

/* Before the first launch: another vector width (16, 8, 4, 1) and group size; 0: the device's own.
 */
void rt_device_force(struct rt_device *device, int vector, int group);

/* For tests: the FLOPs that one command may have. Without it, a GPU gets what takes well under a
 * second, and a CPU has no limit. */
void rt_device_force_slice(struct rt_device *device, double flops);

/* True for a device whose work-items are threads of a CPU: give one work-item much to do. */
bool rt_device_is_cpu(const struct rt_device *device);

enum rt_conv rt_device_conv(const struct rt_device *device);

/* Whether kernels, built with EXACT=1, compute in their stated orders; see rt_device_set_math. */
bool rt_device_is_exact(const struct rt_device *device);

/* --- choices among variants --------------------------------------------------------------- */

#define RT_CHOICE_KEY_BYTES 96

/* The name of the variant that was the fastest for a key such as "conv2d forward 16x256x256 to 16,
 * kernel 3, stride 1", as the device's profile has it (device/choices.h); NULL where it says
 * nothing. Owned by the device. A key does not hold the batch: what is planned for a batch also
 * runs smaller ones. With exact math there are no choices. */
const char *rt_device_choice(const struct rt_device *device, const char *key);

/* Whether a variant must not be run for a key (or "conv2d forward", what all keys of a kind begin
 * with): `retort doctor` found it wrong on this device, or device/quirks.c says so. */
bool rt_device_avoids(const struct rt_device *device, const char *key, const char *variant);

/* To be called where the choice for a key is no variant's name: warns, once a device. */
void rt_device_doubt_choice(const struct rt_device *device, const char *key);

/* --- profiling ---------------------------------------------------------------------------- */

/* The time that all launches under one label took. */
struct rt_profile_entry {
    char label[96];
    double seconds, flops, bytes; /* device time; the work that the operations said they do */
    long launches;                /* one that was queued in slices counts as many */
};

/* From now on the times of launches are collected, or no more; collected ones are dropped. */
rt_status rt_profile_start(struct rt_device *device);
/* What was collected, in order of first appearance; owned by the device until the next start.
 * Waits for the device and stops collecting. */
rt_status rt_profile_stop(struct rt_device *device, const struct rt_profile_entry **entries,
                          size_t *count);
/* Launches from here on count under this label; adds the work to it. Each of them is taken for as
 * long as the whole. */
rt_status rt_profile_label(struct rt_device *device, const char *label, double flops, double bytes);

/* The names of the kernels that were launched under the present label, "a, b", as many as fit;
 * owned by the device. */
#define RT_LAUNCHED_BYTES 192
const char *rt_device_launched(const struct rt_device *device);

#endif
