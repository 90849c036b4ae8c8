#include "base/error.h"

#include <stdio.h>
#include <string.h>

#undef rt_fail
#undef rt_fail_context

#define MESSAGE_BYTES 16384 /* room for a kernel compiler's log */

static _Thread_local char message[MESSAGE_BYTES];

const char *rt_error_message(void)
{
    return message;
}

const char *rt_status_name(rt_status status)
{
    static const char *const names[] = {"ok",          "argument", "io",    "format",
                                        "memory",      "device",   "build", "unsupported",
                                        "interrupted", "diverged"};
    int index = -(int)status;
    if (index < 0 || index >= (int)(sizeof names / sizeof *names))
        return "unknown";
    return names[index];
}

rt_status rt_fail(rt_status status, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    return status;
}

rt_status rt_fail_context(rt_status status, const char *format, ...)
{
    char before[MESSAGE_BYTES];
    memcpy(before, message, sizeof before);
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    if (length >= 0 && (size_t)length < sizeof message)
        snprintf(message + length, sizeof message - (size_t)length, "%s", before);
    return status;
}
