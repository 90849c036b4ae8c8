/* How kernels share out a tensor among work-items. */
#ifndef RT_OPS_SHARE_H
#define RT_OPS_SHARE_H

#include "device/device.h"

/* The whole groups of `size` that hold `count`. */
static inline size_t rt_ceil_div(size_t count, size_t size)
{
    return (count + size - 1) / size;
}

static inline size_t rt_smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

static inline size_t rt_larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

/* Element-wise kernels: a work-item takes some rows of some columns. */
struct rt_share {
    int columns, rows;   /* of one work-item; columns is a multiple of the vector width */
    size_t across, down; /* work-items */
};

/* A CPU's work-item takes a few thousand floats, so that starting it costs nothing; a GPU's takes
 * one vector, so that neighbours touch neighbouring memory. */
static inline struct rt_share rt_share(const struct rt_device *device, size_t columns, size_t rows)
{
    size_t most = rt_device_group(device) == 1 ? 4096 : (size_t)rt_device_vector(device);
    size_t down = columns < most ? most / columns : 1;
    return (struct rt_share){(int)most, (int)down, rt_ceil_div(columns, most),
                             rt_ceil_div(rows, down)};
}

#endif
