/* Checks an operation on a device: forward against its reference in double, backward against
 * central differences of that same reference. Every tensor is surrounded by guard words, every
 * output is poisoned first, and images lie further apart than they are long. */
#ifndef RT_OPS_VERIFY_H
#define RT_OPS_VERIFY_H

#include "ops/reference.h"

#define RT_VERIFY_TOLERANCE 2e-5 /* of the largest magnitude in a tensor (at least 1) */

/* What is compared of an operation. */
enum rt_verify_part { RT_VERIFY_FORWARD = 1, RT_VERIFY_DATA = 2, RT_VERIFY_PARAMETERS = 4 };
#define RT_VERIFY_ALL 7u

struct rt_verify_case {
    const struct rt_op *op;
    const void *attributes;
    struct rt_shape x[RT_OP_INPUTS];
    bool training;                                /* with the backward pass */
    double tolerance;                             /* 0 means RT_VERIFY_TOLERANCE */
    void (*prepare)(struct rt_reference *inputs); /* changes the random inputs; may be NULL */
};

struct rt_expected; /* what the reference says of a case, for any device */

/* Errors: ARGUMENT (shapes that do not fit), MEMORY. The case must outlive it. */
rt_status rt_expected_create(struct rt_expected **expected, const struct rt_verify_case *test);
void rt_expected_destroy(struct rt_expected *expected);

/* What came out of some comparisons: of the one that came nearest to what is allowed, or went
 * beyond it. */
struct rt_verified {
    double error, bound;
};

/* Adds a comparison: an error, which may be NaN, against what is allowed. False: it is beyond. */
bool rt_verified_add(struct rt_verified *verified, double error, double bound);

/* Of every tensor that runs in exact math leave, in their order, what the first of these runs left:
 * the others, of any vectors and groups, must leave the same bits. */
struct rt_bits {
    uint64_t hashes[64];
    size_t count;
};

/* Runs the operation, compares the parts (RT_VERIFY_*, ored) and adds to *verified; errors are
 * shares of the largest magnitude in a tensor (at least 1). `bits`, for a device in exact math, are
 * compared, too, or noted where there are none; else NULL. Errors: DEVICE (a result is wrong: the
 * tensor, the element, what was expected; or a guard word changed; or as for any launch), BUILD,
 * MEMORY. */
rt_status rt_verify(struct rt_device *device, const struct rt_expected *expected, unsigned parts,
                    struct rt_verified *verified, struct rt_bits *bits);

#endif
