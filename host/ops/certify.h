/* Every kernel that retort may run on a device, in each variant, against the host: the list that
 * `retort doctor` goes through, each check in a process of its own. */
#ifndef RT_OPS_CERTIFY_H
#define RT_OPS_CERTIFY_H

#include "ops/verify.h"

struct rt_check {
    const char *section; /* under which it is shown: "kernels", ... */
    const char *what;    /* "conv2d forward" */
    const char *variant; /* "winograd"; NULL: there is but one way */
    /* Adds to *verified. Errors: UNSUPPORTED (the device never runs this), ARGUMENT, DEVICE, BUILD:
     * what is wrong; MEMORY. */
    rt_status (*run)(struct rt_device *device, const struct rt_check *check,
                     struct rt_verified *verified);
};

/* All of them. A check of another kind - of golden values, say - is one more line there. */
const struct rt_check *rt_checks(size_t *count);

/* certify_training.c */
rt_status rt_certify_fold(struct rt_device *device, const struct rt_check *check,
                          struct rt_verified *verified);
rt_status rt_certify_loss(struct rt_device *device, const struct rt_check *check,
                          struct rt_verified *verified);
rt_status rt_certify_optimizer(struct rt_device *device, const struct rt_check *check,
                               struct rt_verified *verified);
rt_status rt_certify_metrics(struct rt_device *device, const struct rt_check *check,
                             struct rt_verified *verified);

#endif
