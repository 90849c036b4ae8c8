/* A growing list of texts that owns them: paths, problems. */
#ifndef RT_DATA_TEXTS_H
#define RT_DATA_TEXTS_H

#include <stddef.h>

#include "base/error.h"

struct rt_texts {
    char **items;
    size_t count, capacity;
};

/* A printf into a new item. Errors: MEMORY. */
rt_status rt_texts_add(struct rt_texts *texts, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void rt_texts_finish(struct rt_texts *texts);

/* By their bytes, so that every machine has the same order. */
void rt_texts_sort(struct rt_texts *texts);

#endif
