/* How the learning rate changes over a run. */
#ifndef RT_LEARN_SCHEDULE_H
#define RT_LEARN_SCHEDULE_H

#include <stdint.h>

#include "retort/learn.h"

/* The learning rate of step `step` (from 0) of `steps`: with RT_SCHEDULE_COSINE
 * rate * (1 + cos(pi * step / steps)) / 2, as in arXiv 1608.03983 without restarts. */
float rt_schedule_rate(enum rt_schedule schedule, float rate, uint64_t step, uint64_t steps);

#endif
