/* How images are scaled for a network, in words. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "exchange/exchange.h"

static const struct {
    const char *name;
    struct rt_scaling scaling;
} known[] = {
    {"patch", {.mode = RT_SCALING_PATCH, .deviation = {1, 1, 1}}},
    {"unit", {.deviation = {255, 255, 255}}},
    {"symmetric", {.mean = {127.5f, 127.5f, 127.5f}, .deviation = {127.5f, 127.5f, 127.5f}}},
    {"imagenet", {.mean = {123.675f, 116.28f, 103.53f}, .deviation = {58.395f, 57.12f, 57.375f}}},
    {"none", {.deviation = {1, 1, 1}}},
};

rt_status rt_scaling_parse(struct rt_scaling *scaling, const char *text)
{
    struct rt_scaling s = {.mode = RT_SCALING_DATA};
    int length = 0;
    for (size_t i = 0; i < RT_COUNT(known); i++)
        if (strcmp(text, known[i].name) == 0) {
            *scaling = known[i].scaling;
            return RT_OK;
        }
    bool read = sscanf(text, "%f,%f,%f/%f,%f,%f%n", &s.mean[0], &s.mean[1], &s.mean[2],
                       &s.deviation[0], &s.deviation[1], &s.deviation[2], &length) == 6 &&
                !text[length];
    for (int i = 0; read && i < 3; i++)
        read = isfinite(s.mean[i]) && isfinite(s.deviation[i]) && s.deviation[i] > 0;
    if (!read)
        return rt_fail(RT_ERROR_ARGUMENT,
                       "a scaling is patch, unit, symmetric, imagenet, none, or three means and "
                       "three deviations above 0 as in 123.7,116.3,103.5/58.4,57.1,57.4, not '%s'",
                       text);
    *scaling = s;
    return RT_OK;
}
