#include "learn/schedule.h"

#include "base/real.h"

float rt_schedule_rate(enum rt_schedule schedule, float rate, uint64_t step, uint64_t steps)
{
    if (schedule == RT_SCHEDULE_CONSTANT)
        return rate;
    double turns = (double)step / (double)steps / 2;
    return (float)((double)rate * (1 + rt_cosine(turns)) / 2);
}
