#include "retort/version.h"

const char *rt_version(void)
{
    return RT_VERSION;
}
