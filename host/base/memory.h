/* Host memory: allocations that check their size and leave a message when they fail. */
#ifndef RT_BASE_MEMORY_H
#define RT_BASE_MEMORY_H

#include <stddef.h>

#include "base/error.h"

#define RT_COUNT(array) (sizeof(array) / sizeof *(array))

/* count * size zeroed bytes in *pointer (the address of any pointer), released by free().
 * RT_ERROR_MEMORY, with *pointer NULL, where the product overflows or memory is short. A count of
 * zero gives a pointer that may be freed. */
rt_status rt_alloc(void *pointer, size_t count, size_t size);

/* The array in *pointer grown to hold at least `needed` items of `size` bytes; *capacity counts
 * items. New items are zeroed. On failure the old array stands. */
rt_status rt_grow(void *pointer, size_t *capacity, size_t needed, size_t size);

/* A printf into a new string, released by free(); *text is NULL on failure. */
rt_status rt_format(char **text, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* A copy of text, released by free(). */
rt_status rt_copy_text(char **copy, const char *text);

#endif
