/* Log lines, sent to the function that rt_log_set named. */
#ifndef RT_BASE_LOG_H
#define RT_BASE_LOG_H

#include "retort/status.h"

void rt_log(enum rt_log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

#define rt_debug(...) rt_log(RT_LOG_DEBUG, __VA_ARGS__)
#define rt_info(...) rt_log(RT_LOG_INFO, __VA_ARGS__)
#define rt_warn(...) rt_log(RT_LOG_WARNING, __VA_ARGS__)

#endif
