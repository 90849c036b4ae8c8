#include "learn/schedule.h"

#include <math.h>

float rt_schedule_rate(enum rt_schedule schedule, float rate, uint64_t step, uint64_t steps)
{
    if (schedule == RT_SCHEDULE_CONSTANT)
        return rate;
    double turn = acos(-1) * (double)step / (double)steps;
    return (float)((double)rate * (1 + cos(turn)) / 2);
}
