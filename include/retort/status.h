/* Status codes, error messages and the log. */
#ifndef RETORT_STATUS_H
#define RETORT_STATUS_H

#include <stdarg.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

/* What every function that can fail returns. */
typedef enum rt_status {
    RT_OK = 0,
    RT_ERROR_ARGUMENT = -1,    /* the caller asked for something that makes no sense */
    RT_ERROR_IO = -2,          /* a file or folder cannot be read or written */
    RT_ERROR_FORMAT = -3,      /* a file was read, but its content is not what it should be */
    RT_ERROR_MEMORY = -4,      /* host memory is exhausted */
    RT_ERROR_DEVICE = -5,      /* an OpenCL or CLBlast call failed, or there is no device */
    RT_ERROR_BUILD = -6,       /* an OpenCL kernel does not build */
    RT_ERROR_UNSUPPORTED = -7, /* well-formed, but not something retort does */
    RT_ERROR_INTERRUPTED = -8, /* the caller's stop function asked for it; progress is saved */
    RT_ERROR_DIVERGED = -9,    /* training arrived at a loss that is no number */
} rt_status;

/* The code's name, such as "io"; a static string, "unknown" for a value that is no code. */
const char *rt_status_name(rt_status status);

/* The sentence that explains the last failure on this thread: what was being done, to which file
 * or device, what was found and what was expected. Never NULL; "" before any failure. To be asked
 * for right after a function of the library has failed on the same thread: any later call, also one
 * that succeeds, may replace it. Owned by the library: copy what is to be kept. */
const char *rt_error_message(void);

enum rt_log_level { RT_LOG_DEBUG, RT_LOG_INFO, RT_LOG_WARNING };

/* Receives one line without its line end, valid during the call. May be called from any thread of
 * the library, also from one that the caller has not made, one call at a time; it must not call the
 * library. */
typedef void rt_log_function(void *user, enum rt_log_level level, const char *message);

/* Sets where the log lines of the whole process go; NULL, the state at start, drops them. `user` is
 * handed on. Once it has returned, the function that was set before is not called any more. */
void rt_log_set(rt_log_function *function, void *user);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif
#endif
