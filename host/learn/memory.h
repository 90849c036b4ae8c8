/* The device memory of a run, known before it is taken. */
#ifndef RT_LEARN_MEMORY_H
#define RT_LEARN_MEMORY_H

#include "learn/run.h"

/* Decides how many patches of a step the device looks at together, run->together: the whole batch
 * where that fits, else, under a memory limit, the largest of batch / 2, batch / 4, ... that does.
 * Everything of the run that does not depend on it is there already; allocates nothing.
 * Errors: ARGUMENT (the limit is too low), DEVICE (the device's memory is); both name the bytes
 * that are needed and the largest batch that fits. MEMORY. */
rt_status rt_memory_divide(struct rt_run *run);

/* Says in the log how much the run takes, all of which is allocated by now. */
void rt_memory_tell(const struct rt_run *run);

#endif
