/* What follows a convolution or a normalisation within the same kernel: ReLU, then dropout. */
#ifndef RT_OPS_ACTIVATION_H
#define RT_OPS_ACTIVATION_H

#include "ops/op.h"

/* Dropout as the kernels take it: `uint threshold, float scale, ulong key, uint step,
 * uint image`; see `dropout` in cl/common.cl. */
struct rt_dropout {
    uint32_t threshold; /* 65536 times the share to drop; 0: none */
    float scale;        /* of what is kept */
    uint64_t key;       /* of the run and the node */
    uint32_t step, image;
};

#define RT_DROPOUT(d)                                                                              \
    rt_uint((d).threshold), rt_float((d).scale), rt_ulong((d).key), rt_uint((d).step),             \
        rt_uint((d).image)

/* The dropout of this call: none outside training. */
struct rt_dropout rt_dropout_of(const struct rt_op_call *call,
                                const struct rt_activation *activation);

/* Floats of scratch that rt_activation_backward needs for a gradient of this shape. */
size_t rt_activation_scratch(struct rt_shape y);

/* Turns call->dy in place into the gradient before the activation (reading call->y) and writes its
 * sums over n, h, w to dbias, c floats, unless that has no buffer. */
rt_status rt_activation_backward(const struct rt_op_call *call,
                                 const struct rt_activation *activation,
                                 const struct rt_tensor *dbias);

/* to[i] = sum over k < chunks of from[k * count + i], both from their tensor's offset. What stands
 * in `from` is lost. */
rt_status rt_sum_chunks(struct rt_device *device, const struct rt_tensor *from,
                        const struct rt_tensor *to, size_t count, size_t chunks);

/* The same, if `add` from what stands in `to` on. */
rt_status rt_add_chunks(struct rt_device *device, const struct rt_tensor *from,
                        const struct rt_tensor *to, size_t count, size_t chunks, bool add);

#endif
