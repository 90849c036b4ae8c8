#include "device/replaced.h"

#include <stdio.h>
#include <string.h>

#include "base/json.h"

static bool copy_text(const json_t *from, const char *name, char *to, size_t size)
{
    const char *text = json_string_value(json_object_get(from, name));
    return text && *text && (size_t)snprintf(to, size, "%s", text) < size;
}

static bool is_shape(json_int_t vector, json_int_t group)
{
    return (vector == 0 || vector == 1 || vector == 4 || vector == 8 || vector == 16) &&
           group >= 0 && group <= 1024 && (group & (group - 1)) == 0;
}

bool rt_replaced_read(struct rt_replaced *replaced, const json_t *value)
{
    const json_t *avoided = json_object_get(value, "avoided");
    const json_int_t vector = json_integer_value(json_object_get(value, "vector")),
                     group = json_integer_value(json_object_get(value, "group"));
    *replaced = (struct rt_replaced){0};
    if (!value)
        return true;
    if (!json_is_array(avoided) || json_array_size(avoided) > RT_AVOIDED_MAX ||
        !is_shape(vector, group))
        return false;
    for (size_t i = 0; i < json_array_size(avoided); i++) {
        const json_t *item = json_array_get(avoided, i);
        struct rt_avoided *to = &replaced->avoided[i];
        if (!copy_text(item, "what", to->what, sizeof to->what) ||
            !copy_text(item, "variant", to->variant, sizeof to->variant) ||
            !copy_text(item, "why", to->why, sizeof to->why)) {
            *replaced = (struct rt_replaced){0};
            return false;
        }
        replaced->count = i + 1;
    }
    replaced->vector = (int)vector;
    replaced->group = (int)group;
    return true;
}

json_t *rt_replaced_json(const struct rt_replaced *replaced)
{
    json_t *avoided = json_array();
    for (size_t i = 0; i < replaced->count; i++)
        rt_json_append(&avoided,
                       json_pack("{s:s, s:s, s:s}", "what", replaced->avoided[i].what, "variant",
                                 replaced->avoided[i].variant, "why", replaced->avoided[i].why));
    return json_pack("{s:i, s:i, s:o}", "vector", replaced->vector, "group", replaced->group,
                     "avoided", avoided);
}

bool rt_replaced_avoids(const struct rt_replaced *replaced, const char *key, const char *variant)
{
    for (size_t i = 0; i < replaced->count; i++) {
        const struct rt_avoided *avoided = &replaced->avoided[i];
        const size_t length = strlen(avoided->what);
        if (strncmp(key, avoided->what, length) == 0 && (key[length] == ' ' || !key[length]) &&
            strcmp(avoided->variant, variant) == 0)
            return true;
    }
    return false;
}

void rt_replaced_add(struct rt_replaced *replaced, const char *what, const char *variant,
                     const char *why)
{
    if (replaced->count == RT_AVOIDED_MAX || rt_replaced_avoids(replaced, what, variant))
        return;
    struct rt_avoided *to = &replaced->avoided[replaced->count++];
    snprintf(to->what, sizeof to->what, "%s", what);
    snprintf(to->variant, sizeof to->variant, "%s", variant);
    snprintf(to->why, sizeof to->why, "%s", *why ? why : "-");
    for (char *letter = to->why; *letter; letter++)
        if ((unsigned char)*letter < 32 || (unsigned char)*letter > 126)
            *letter = ' '; /* a compiler's log may be no UTF-8 */
}
