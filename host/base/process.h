/* What the operating system knows of this process. */
#ifndef RT_BASE_PROCESS_H
#define RT_BASE_PROCESS_H

#include <stddef.h>

/* Seconds since an arbitrary start; never goes back. */
double rt_clock_seconds(void);

/* Seconds since 1970, as the system's clock has it. */
double rt_clock_wall(void);

/* The most resident memory this process has had so far, in bytes; 0 where it is not known. */
size_t rt_process_peak_bytes(void);

#endif
