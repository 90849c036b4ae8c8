/* The version of libretort. While the first number is 0, any release may change the interface. */
#ifndef RETORT_VERSION_H
#define RETORT_VERSION_H

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

/* Of the headers that a program was compiled with; meson.build has the same, or does not build. */
#define RT_VERSION "0.1.0"
#define RT_VERSION_MAJOR 0
#define RT_VERSION_MINOR 1
#define RT_VERSION_PATCH 0

/* Of the library that the program runs with, as RT_VERSION; a static string. */
const char *rt_version(void);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif
#endif
