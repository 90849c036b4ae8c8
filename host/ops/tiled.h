/* Kernels whose work-groups share tiles in local memory: how a group is chosen, and the
 * convolutions that several operations have in common. */
#ifndef RT_OPS_TILED_H
#define RT_OPS_TILED_H

#include "ops/activation.h"
#include "ops/share.h"

/* Work-items of a group in each dimension, what it holds in local memory, and the options that say
 * so. */
struct rt_tile_group {
    size_t local[3];
    size_t local_bytes;
    char options[160];
};

/* The group that a kernel should have for a job, with so many work-items at most, which are up to
 * `times` as many as other kernels have: the more share a tile, the less of it each has to load. */
struct rt_tile_request {
    const char *file, *kernel, *options; /* those beside the group's */
    size_t times;
    struct rt_tile_group (*make)(const struct rt_device *device, int kernel, struct rt_shape in,
                                 struct rt_shape out, size_t items);
};

/* The largest power of two up to `most` (at least 1), but none above what holds `count`. */
size_t rt_tile_fit(size_t count, size_t most);

/* The largest group for which local memory has room and the built kernel has registers. Errors:
 * BUILD, DEVICE, MEMORY. */
rt_status rt_tile_group_choose(struct rt_device *device, const struct rt_tile_request *request,
                               int kernel, struct rt_shape in, struct rt_shape out,
                               struct rt_tile_group *group);

/* --- convolutions of stride 1: cl/conv2d_tiled.cl ------------------------------------------- */

struct rt_tiled_convolution {
    int kernel;            /* rows and columns of a filter */
    bool spread, gather;   /* the result's, or the input's, 2x2 blocks are channels of a pixel */
    int out_step, in_step; /* between the filters of neighbouring channels of either side */
    int turn;              /* filters are turned by 180 degrees */
    struct rt_tensor bias; /* without a buffer: none */
    int relu, add;         /* add: to what stands there */
    struct rt_dropout dropout;
};

/* y from x and the weights p[0]. The order of each sum - channels, then columns, then rows of the
 * filter - depends on neither device nor group. Errors: BUILD, DEVICE, MEMORY. */
rt_status rt_tiled_convolve(const struct rt_op_call *call, const struct rt_tensor *x,
                            const struct rt_tensor *y, const struct rt_tiled_convolution *c);

/* --- the gradient by filters: cl/conv2d_tiled_weights.cl ----------------------------------- */

struct rt_tiled_weights {
    int kernel;      /* rows and columns of a filter, at most 7; 1 if transposed */
    size_t channels; /* of the output */
    bool transposed; /* 2x2, of stride 2: filters are [in, channels, 2, 2] */
};

/* Floats of scratch for inputs of shape x. */
size_t rt_tiled_weights_scratch(const struct rt_device *device,
                                const struct rt_tiled_weights *weights, struct rt_shape x);

/* dp[0] from x[0] and dy. Errors: BUILD, DEVICE, MEMORY. */
rt_status rt_tiled_weights(const struct rt_op_call *call, const struct rt_tiled_weights *weights);

#endif
