/* What every use of GDAL begins and ends with. */
#ifndef RT_DATA_GDAL_SETUP_H
#define RT_DATA_GDAL_SETUP_H

#include <stdbool.h>

#include "base/error.h"

/* What GDAL has complained of in between, on this thread: its first failure. */
struct rt_gdal_ear {
    bool failed;
    char message[512];
};

/* Sets GDAL up where that is still to be done, and has the ear hear what it says; rt_gdal_end
 * gives that back to whoever had it before. GDAL prints nothing in between. */
void rt_gdal_begin(struct rt_gdal_ear *ear);
void rt_gdal_end(void);

/* What it said, in parentheses for the end of a sentence; "" for nothing. Valid as the ear is. */
const char *rt_gdal_said(struct rt_gdal_ear *ear);

#endif
