#include "base/duration.h"

#include <stdio.h>

const char *rt_duration_text(char text[RT_DURATION_TEXT], double seconds)
{
    if (!(seconds >= 0 && seconds < 1e12)) {
        snprintf(text, RT_DURATION_TEXT, "?");
        return text;
    }
    const long whole = (long)(seconds + 0.5), minutes = (whole + 30) / 60;
    if (seconds < 9.95)
        snprintf(text, RT_DURATION_TEXT, "%.2g s", seconds < 0.001 ? 0 : seconds);
    else if (whole < 60)
        snprintf(text, RT_DURATION_TEXT, "%ld s", whole);
    else if (whole < 3600)
        snprintf(text, RT_DURATION_TEXT, "%ld min %ld s", whole / 60, whole % 60);
    else if (minutes < 24 * 60)
        snprintf(text, RT_DURATION_TEXT, "%ld h %ld min", minutes / 60, minutes % 60);
    else
        snprintf(text, RT_DURATION_TEXT, "%ld d %ld h", minutes / 1440, minutes / 60 % 24);
    return text;
}
