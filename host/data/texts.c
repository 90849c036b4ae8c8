#include "data/texts.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

rt_status rt_texts_add(struct rt_texts *texts, const char *format, ...)
{
    rt_status status = rt_grow(&texts->items, &texts->capacity, texts->count + 1, sizeof(char *));
    if (status < 0)
        return status;
    va_list arguments;
    va_start(arguments, format);
    int length = vasprintf(&texts->items[texts->count], format, arguments);
    va_end(arguments);
    if (length < 0)
        return rt_fail(RT_ERROR_MEMORY, "cannot allocate a text");
    texts->count++;
    return RT_OK;
}

void rt_texts_finish(struct rt_texts *texts)
{
    for (size_t i = 0; i < texts->count; i++)
        free(texts->items[i]);
    free(texts->items);
    *texts = (struct rt_texts){0};
}

static int compare(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

void rt_texts_sort(struct rt_texts *texts)
{
    if (texts->count > 0)
        qsort(texts->items, texts->count, sizeof(char *), compare);
}
