#include "base/memory.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

rt_status rt_alloc(void *pointer, size_t count, size_t size)
{
    void *memory = NULL;
    if (size == 0 || count <= SIZE_MAX / size)
        memory = calloc(count ? count : 1, size ? size : 1);
    memcpy(pointer, &memory, sizeof memory);
    if (!memory)
        return rt_fail(RT_ERROR_MEMORY, "cannot allocate %zu x %zu bytes of host memory", count,
                       size);
    return RT_OK;
}

rt_status rt_grow(void *pointer, size_t *capacity, size_t needed, size_t size)
{
    if (needed <= *capacity)
        return RT_OK;
    size_t room = *capacity ? *capacity : 16;
    while (room < needed && room <= SIZE_MAX / 2)
        room *= 2;
    void *old;
    memcpy(&old, pointer, sizeof old);
    void *memory = NULL;
    if (room >= needed && room <= SIZE_MAX / size)
        memory = realloc(old, room * size);
    if (!memory)
        return rt_fail(RT_ERROR_MEMORY, "cannot grow an array to %zu x %zu bytes of host memory",
                       needed, size);
    memset((char *)memory + *capacity * size, 0, (room - *capacity) * size);
    memcpy(pointer, &memory, sizeof memory);
    *capacity = room;
    return RT_OK;
}

rt_status rt_format(char **text, const char *format, ...)
{
    *text = NULL;
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    if (length < 0)
        return rt_fail(RT_ERROR_ARGUMENT, "cannot format a text");
    rt_status status = rt_alloc(text, (size_t)length + 1, 1);
    if (status < 0)
        return status;
    va_start(arguments, format);
    vsnprintf(*text, (size_t)length + 1, format, arguments);
    va_end(arguments);
    return RT_OK;
}

rt_status rt_copy_text(char **copy, const char *text)
{
    return rt_format(copy, "%s", text);
}
