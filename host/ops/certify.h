/* Every kernel that retort may run on a device, in each variant, against the host: the list that
 * `retort doctor` goes through, each check in a process of its own. */
#ifndef RT_OPS_CERTIFY_H
#define RT_OPS_CERTIFY_H

#include "ops/verify.h"

#define RT_SECTION_EXACT "exact math" /* without it a device is still fit for training */

struct rt_check {
    const char *section; /* "kernels", or RT_SECTION_EXACT */
    const char *what;    /* "conv2d forward" */
    const char *variant; /* "winograd"; NULL: there is but one way */
    /* Adds to *verified. Errors: UNSUPPORTED (the device never runs this), ARGUMENT, DEVICE, BUILD:
     * what is wrong; MEMORY. */
    rt_status (*run)(struct rt_device *device, const struct rt_check *check,
                     struct rt_verified *verified);
};

/* All of them. */
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

/* certify_exact.c; on a device set to it since, in its own vectors or, `plain`, without. Errors:
 * UNSUPPORTED, too (it cannot compute so). */
rt_status rt_certify_exact(struct rt_device *device, const struct rt_check *check,
                           struct rt_verified *verified);

#endif
