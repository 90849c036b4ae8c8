/* How functions fail: a status, and one sentence for the user in a thread-local message. */
#ifndef RT_BASE_ERROR_H
#define RT_BASE_ERROR_H

#include "retort/status.h"

/* Sets the message of this thread and returns status, so that a function can `return rt_fail(...)`.
 */
rt_status rt_fail(rt_status status, const char *format, ...)
    __attribute__((format(printf, 2, 3), cold));

/* Puts a prefix before the message that stands, as in "reading RUN/config.json: ". */
rt_status rt_fail_context(rt_status status, const char *format, ...)
    __attribute__((format(printf, 2, 3), cold));

/* The analyser sees one file at a time: it is told that a failure returns its status. */
#ifdef __clang_analyzer__
#define rt_fail(status, ...) (rt_fail(status, __VA_ARGS__), status)
#define rt_fail_context(status, ...) (rt_fail_context(status, __VA_ARGS__), status)
#endif

/* In a function with `rt_status status = RT_OK;` and a label `end:` that releases what it holds. */
#define RT_TRY(call)                                                                               \
    do {                                                                                           \
        status = (call);                                                                           \
        if (status < 0)                                                                            \
            goto end;                                                                              \
    } while (0)

#endif
