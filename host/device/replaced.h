/* What `retort doctor` found a device to do wrong and what is done instead, kept in the device's
 * profile (device/choices.h):
 *   "replaced": {"vector": 4, "group": 1,
 *                "avoided": [{"what": "conv2d forward", "variant": "winograd", "why": "..."}]}
 * where vector and group, what kernels are built for, are 0 for the device's own. Unlike the
 * choices it also holds for the kernels of other versions of retort: until the doctor's next visit.
 */
#ifndef RT_DEVICE_REPLACED_H
#define RT_DEVICE_REPLACED_H

#include <jansson.h>

#include "device/device.h"

#define RT_AVOIDED_MAX 64

struct rt_avoided {
    char what[48], variant[24]; /* "conv2d forward", "winograd" */
    char why[200];
};

struct rt_replaced {
    int vector, group;
    size_t count;
    struct rt_avoided avoided[RT_AVOIDED_MAX];
};

/* False where it is none of the form above; *replaced is empty then. `value` NULL: nothing is
 * replaced. */
bool rt_replaced_read(struct rt_replaced *replaced, const json_t *value);
/* NULL: out of memory, or a text is no UTF-8. */
json_t *rt_replaced_json(const struct rt_replaced *replaced);

/* Whether `key`, which begins with what is to be done, must not be done by this variant. */
bool rt_replaced_avoids(const struct rt_replaced *replaced, const char *key, const char *variant);

/* Adds one, unless it is there or there are too many. */
void rt_replaced_add(struct rt_replaced *replaced, const char *what, const char *variant,
                     const char *why);

#endif
