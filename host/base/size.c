#include "base/size.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

const char *rt_size_text(char text[RT_SIZE_TEXT], size_t bytes)
{
    static const char *const units[] = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    double size = (double)bytes / 1024;
    size_t unit = 0;
    if (bytes < 1024) {
        snprintf(text, RT_SIZE_TEXT, "%zu bytes", bytes);
        return text;
    }
    for (; size >= 999.5 && unit + 1 < RT_COUNT(units); unit++)
        size /= 1024;
    snprintf(text, RT_SIZE_TEXT, "%.3g %s", size, units[unit]);
    return text;
}

rt_status rt_size_parse(const char *name, const char *text, size_t *bytes)
{
    static const char letters[] = "KMG";
    char *end;
    double size = strtod(text, &end);
    const char *letter = *end ? strchr(letters, *end) : NULL;
    if (letter) {
        size = ldexp(size, 10 * (int)(letter - letters + 1));
        end++;
    }
    if (text[0] < '0' || text[0] > '9' || *end || !(size >= 1) || !(size < (double)SIZE_MAX))
        return rt_fail(RT_ERROR_ARGUMENT, "%s takes a size such as 800M, 1.5G or 65536, not '%s'",
                       name, text);
    *bytes = (size_t)size;
    return RT_OK;
}
