/* What jansson leaves to its callers: noticing that memory was short, and what is not there. */
#ifndef RT_BASE_JSON_H
#define RT_BASE_JSON_H

#include <jansson.h>

#include "base/error.h"

/* Adds the item to the array, and owns it from here on. Where that fails, or the item is NULL, the
 * array is released and becomes NULL, with which json_pack fails; a NULL array stays so. */
void rt_json_append(json_t **array, json_t *item);

/* The members of both objects, those of `more` behind; owns both. NULL where one of them is, or out
 * of memory. */
json_t *rt_json_join(json_t *object, json_t *more);

/* A number; null for one that JSON has no word for (nan, inf). NULL: out of memory. */
json_t *rt_json_number(double value);

/* The value as text, released by free(); json_dumps may leave out a word when memory is short.
 * Errors: MEMORY, also for a NULL value. */
rt_status rt_json_text(char **text, const json_t *value, size_t flags);

/* The object's member of this name: the text, owned by the object, or "" where it is none; the
 * number, or NAN where it is none. NULL is an object without members. */
const char *rt_json_member_text(const json_t *object, const char *name);
double rt_json_member_number(const json_t *object, const char *name);

#endif
