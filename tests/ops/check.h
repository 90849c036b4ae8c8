/* Checks an operation on every device, in several vector widths and group sizes, as ops/verify.h
 * says. */
#ifndef RT_TESTS_OPS_CHECK_H
#define RT_TESTS_OPS_CHECK_H

#include "test.h"

#include "ops/guarded.h"
#include "ops/verify.h"

struct op_case {
    const char *name;
    const struct rt_op *op;
    const void *attributes;
    struct rt_shape x[RT_OP_INPUTS];
    bool training;
    double tolerance; /* of the largest magnitude in a tensor (at least 1); 0 means 2e-5 */
    enum rt_conv conv;
    void (*prepare)(struct rt_reference *reference); /* changes the random inputs; may be NULL */
};

/* Fails the running test with the case, the device, the tensor and the element that is wrong. */
void check_op(const struct op_case *test);

/* Opens the devices one after the other: the device for `index`, NULL past the last. */
struct rt_device *check_device(size_t index);

/* Likewise, but every device comes in several vector widths and group sizes. */
struct rt_device *check_variant(size_t index);

/* Likewise, and each of them computes fast and then exactly. */
struct rt_device *check_math(size_t index);

/* Skips the running test where the machine has no device. In CI (CI=true) it fails instead. */
void check_any_device(void);

#define POISON RT_POISON
#define GAP RT_GAP
#define guarded rt_guarded /* struct guarded, whose functions fail the running test */

struct guarded guarded_create(struct rt_device *device, struct rt_shape shape, size_t gap);
void guarded_write(const struct guarded *g, const double *from);

/* The tensor's values, released by free(); fails where a word around them changed. */
float *guarded_read(const struct guarded *g, const char *name);

#endif
