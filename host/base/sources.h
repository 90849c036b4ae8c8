/* Text files that are embedded at build time by tools/embed.py, in arrays that end with a NULL
 * name.
 */
#ifndef RT_BASE_SOURCES_H
#define RT_BASE_SOURCES_H

struct rt_source {
    const char *name; /* "conv2d.cl", "pocl-cpu.json" */
    const char *text;
};

#endif
