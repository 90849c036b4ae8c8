/* The OpenCL sources that were embedded at build time. */
#ifndef RT_DEVICE_SOURCES_H
#define RT_DEVICE_SOURCES_H

struct rt_source {
    const char *name; /* "conv2d.cl" */
    const char *text;
};

/* Ends with a NULL name. */
extern const struct rt_source rt_sources[];

#endif
