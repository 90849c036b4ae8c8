/* The OpenCL sources and the profiles that were embedded at build time. */
#ifndef RT_DEVICE_SOURCES_H
#define RT_DEVICE_SOURCES_H

struct rt_source {
    const char *name; /* "conv2d.cl", "pocl-cpu.json" */
    const char *text;
};

/* Each ends with a NULL name. */
extern const struct rt_source rt_sources[], rt_shipped_profiles[];

#endif
