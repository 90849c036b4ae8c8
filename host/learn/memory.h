/* The device memory of a run, known before it is taken. */
#ifndef RT_LEARN_MEMORY_H
#define RT_LEARN_MEMORY_H

#include "learn/run.h"

/* Decides how a step goes through the network, run->way: the whole batch at once where that fits.
 * Else, under a memory limit, in the largest parts of batch / 2, batch / 4, ... patches that do,
 * where the loss is a sum over patches; else with activations that the backward pass computes
 * again, whole or in parts. Batch normalisation looks at a batch, so there parts are the last
 * resort. Everything of the run that does not depend on it is there already; allocates nothing.
 * Errors: ARGUMENT (the limit is too low), DEVICE (the device's memory is); both name the bytes
 * that are needed and the largest batch that fits. MEMORY. */
rt_status rt_memory_choose(struct rt_run *run);

/* Says in the log how much the run takes, all of which is allocated by now. */
void rt_memory_tell(const struct rt_run *run);

#endif
