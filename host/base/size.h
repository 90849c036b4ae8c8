/* Bytes as people write them: "800M", and as they read them: "412 MiB". */
#ifndef RT_BASE_SIZE_H
#define RT_BASE_SIZE_H

#include <stddef.h>

#include "base/error.h"

#define RT_SIZE_TEXT 16 /* bytes that rt_size_text takes at most */

/* "512 bytes", "1.5 KiB", "412 MiB": three digits. Returns `text`. */
const char *rt_size_text(char text[RT_SIZE_TEXT], size_t bytes);

/* A number above 0, and after it K, M or G for 2^10, 2^20 or 2^30 bytes: "800M", "1.5G", "65536".
 * Errors: ARGUMENT (anything else, or more than a size_t holds; `name` says of what). */
rt_status rt_size_parse(const char *name, const char *text, size_t *bytes);

#endif
