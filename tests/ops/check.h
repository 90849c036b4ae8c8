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

/* Fails the running test with the case, the device, the tensor and the element that is wrong. A
 * case that is not small is left out where check_small() says so, and what is not the math that
 * RETORT_TEST_MATH names, `fast` or `exact`. */
void check_op(const struct op_case *test);

/* Opens the devices one after the other: the device for `index`, NULL past the last. */
struct rt_device *check_device(size_t index);

/* Likewise, but every device comes in several vector widths and group sizes. Where
 * RETORT_TEST_VARIANTS is `drawn`, it comes in one of them, drawn anew whenever `index` is 0; where
 * it names one (`8x1`: vectors of 8, groups of 1), in that one, here and in check_device(). */
struct rt_device *check_variant(size_t index);

/* Whether kernels are interpreted (RETORT_TEST_SMALL), so that only small tensors can be computed;
 * devices in groups of 1 are then CPUs. */
bool check_small(void);

/* Likewise, and each of them computes fast and then exactly. */
struct rt_device *check_math(size_t index);

/* Skips the running test where the machine has no device. In CI (CI=true) it fails instead. */
void check_any_device(void);

#define POISON RT_POISON
#define GAP RT_GAP
#define guarded rt_guarded /* struct guarded, whose functions fail the running test */

struct guarded guarded_create(struct rt_device *device, struct rt_shape shape, size_t gap);
void guarded_write(const struct guarded *g, const double *from);

void words_fill(struct rt_buffer *buffer, uint32_t word);

/* The tensor's values, released by free(); fails where a word around them changed. */
float *guarded_read(const struct guarded *g, const char *name);

#endif
