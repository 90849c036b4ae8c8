#include "base/json.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

#include "base/memory.h"

void rt_json_append(json_t **array, json_t *item)
{
    if (json_array_append_new(*array, item) == 0)
        return;
    json_decref(*array);
    *array = NULL;
}

json_t *rt_json_join(json_t *object, json_t *more)
{
    const bool joined = json_object_update(object, more) == 0;
    json_decref(more);
    if (joined)
        return object;
    json_decref(object);
    return NULL;
}

json_t *rt_json_number(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}

rt_status rt_json_text(char **text, const json_t *value, size_t flags)
{
    *text = NULL;
    size_t size = value ? json_dumpb(value, NULL, 0, flags) : 0;
    if (size == 0)
        return rt_fail(RT_ERROR_MEMORY, "cannot write JSON: out of memory");
    rt_status status = rt_alloc(text, size + 1, 1);
    if (status < 0 || json_dumpb(value, *text, size, flags) == size)
        return status;
    free(*text);
    *text = NULL;
    return rt_fail(RT_ERROR_MEMORY, "cannot write JSON: out of memory");
}

const char *rt_json_member_text(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));
    return text ? text : "";
}

double rt_json_member_number(const json_t *object, const char *name)
{
    const json_t *value = json_object_get(object, name);
    return json_is_number(value) ? json_number_value(value) : NAN;
}
