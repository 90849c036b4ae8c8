/* The OpenCL sources and the profiles that were embedded at build time. */
#ifndef RT_DEVICE_SOURCES_H
#define RT_DEVICE_SOURCES_H

#include "base/sources.h"

extern const struct rt_source rt_sources[], rt_shipped_profiles[];

#endif
