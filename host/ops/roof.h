/* What a device does at most: the roof that an operation's speed is judged by (Williams, Waterman,
 * Patterson, "Roofline", CACM 2009). */
#ifndef RT_OPS_ROOF_H
#define RT_OPS_ROOF_H

#include "device/device.h"
#include "ops/op.h"

/* Both a second. A multiply-add is two FLOPs; a copied byte is one read and one written. */
struct rt_roof {
    double flops, bytes;
};

/* Measures both on this device, in about a second and with launches that take about a tenth of one
 * at most, since a display's watchdog stops long ones. Takes up to 512 MiB of device memory for
 * that time. Errors: DEVICE (also where the kernels' results are wrong), BUILD, MEMORY. */
rt_status rt_roof_measure(struct rt_device *device, struct rt_roof *roof);

/* The least seconds that this work can take below that roof: its multiply-adds or its memory,
 * whichever takes longer. Data that stay in a cache can be faster. */
double rt_roof_seconds(const struct rt_roof *roof, struct rt_cost cost);

/* How many sums a work-item of rt_roof_fma has: as many independent ones as hide the latency of a
 * multiply-add, no more than fit into the registers of a CPU with vectors of this device's width.
 */
int rt_roof_sums(const struct rt_device *device);

/* The kernels, queued. Of `sums`, whole vectors of the device's width, one a work-item, each float
 * x becomes the total of n = rt_roof_sums() sums that begin with x, x + 1, ... x + n - 1 and are
 * halved and increased by 1 `rounds` times. */
rt_status rt_roof_fma(struct rt_device *device, struct rt_buffer *sums, size_t items,
                      uint32_t rounds);
/* Copies whole vectors of the device's width from the start of one buffer to that of another. */
rt_status rt_roof_copy(struct rt_device *device, struct rt_buffer *from, struct rt_buffer *to,
                       size_t vectors);

#endif
