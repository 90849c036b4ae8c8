#include "base/log.h"

#include <pthread.h>
#include <stdio.h>

static rt_log_function *log_function;
static void *log_user;
static pthread_mutex_t log_mutex = PTHREAD_MUTEX_INITIALIZER;

void rt_log_set(rt_log_function *function, void *user)
{
    pthread_mutex_lock(&log_mutex);
    log_function = function;
    log_user = user;
    pthread_mutex_unlock(&log_mutex);
}

void rt_log(enum rt_log_level level, const char *format, ...)
{
    char line[2048];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    pthread_mutex_lock(&log_mutex);
    if (log_function)
        log_function(log_user, level, line);
    pthread_mutex_unlock(&log_mutex);
}
