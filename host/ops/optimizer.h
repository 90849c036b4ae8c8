/* One optimiser step over one flat slab of parameters, in one launch. */
#ifndef RT_OPS_OPTIMIZER_H
#define RT_OPS_OPTIMIZER_H

#include "device/device.h"
#include "retort/loss.h"

/* The number of moment slabs, each as long as the parameters: 1 for SGD, 2 for Adam. */
int rt_optimizer_moments(const struct rt_optimizer *optimizer);

/* Queues step t (1, 2, ...) with learning rate `rate` on `count` floats of each slab, all from
 * their start; moments[] are zero before step 1 and unused beyond rt_optimizer_moments. */
rt_status rt_optimizer_step(struct rt_device *device, const struct rt_optimizer *optimizer,
                            struct rt_buffer *values, struct rt_buffer *gradients,
                            struct rt_buffer *const moments[2], size_t count, float rate,
                            uint64_t t);

/* Queues sums[i] += gradients[i] for `count` floats from the start of both: the gradients of a step
 * whose images come in parts. */
rt_status rt_gradients_add(struct rt_device *device, struct rt_buffer *sums,
                           struct rt_buffer *gradients, size_t count);

#endif
