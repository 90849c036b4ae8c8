/* Checks an operation on every device: forward against a reference in double, backward against
 * central differences of that same reference, in several vector widths and group sizes. Every
 * tensor is surrounded by guard words, every output is poisoned first, and images lie further apart
 * than they are long. */
#ifndef RT_TESTS_OPS_CHECK_H
#define RT_TESTS_OPS_CHECK_H

#include "test.h"

#include "ops/op.h"

/* What a reference sees: contiguous arrays in double. */
struct reference {
    const void *attributes;
    struct rt_shape x_shape[RT_OP_INPUTS], y_shape;
    struct rt_parameter parameters[RT_OP_PARAMETERS];
    double *x[RT_OP_INPUTS], *p[RT_OP_PARAMETERS]; /* p: written too, where training updates it */
    double *y;
    bool training;
    uint64_t seed;
    uint32_t node, step, image;
};

struct op_case {
    const char *name;
    const struct rt_op *op;
    const void *attributes;
    struct rt_shape x[RT_OP_INPUTS];
    void (*reference)(struct reference *reference);
    bool training;
    double tolerance; /* of the largest magnitude in a tensor (at least 1); 0 means 2e-5 */
    enum rt_conv conv;
    void (*prepare)(struct reference *reference); /* changes the random inputs; may be NULL */
};

/* Fails the running test with the case, the device, the tensor and the element that is wrong. A
 * case that is not small is left out where check_small() says so. */
void check_op(const struct op_case *test);

/* Opens the devices one after the other: the device for `index`, NULL past the last. */
struct rt_device *check_device(size_t index);

/* Likewise, but every device comes in several vector widths and group sizes. Where
 * RETORT_TEST_VARIANTS is `drawn`, it comes in one of them, drawn anew whenever `index` is 0; where
 * it names one (`8x1`: vectors of 8, groups of 1), in that one, here and in check_device(). */
struct rt_device *check_variant(size_t index);

/* Whether kernels are interpreted (RETORT_TEST_SMALL), so that only small tensors can be computed.
 */
bool check_small(void);

/* Skips the running test where the machine has no device. In CI (CI=true) it fails instead. */
void check_any_device(void);

#define POISON 0x7fc0dead /* a NaN; each buffer counts on from it */
#define GAP 5             /* floats between planes and images, so that strides matter */

/* A poisoned tensor with guards before and after it, and a gap after every plane and image. */
struct guarded {
    struct rt_tensor tensor;
    size_t floats; /* in the buffer */
    uint32_t poison;
};

struct guarded guarded_create(struct rt_device *device, struct rt_shape shape, size_t gap);
void guarded_write(const struct guarded *g, const double *from);

/* Writes the word all over a buffer. This and guarded_write() write whole buffers at once, because
 * Oclgrind takes what the host does not write along with the rest for uninitialised. */
void words_fill(struct rt_buffer *buffer, uint32_t word);

/* The tensor's values, released by free(); fails where a word around them changed. */
float *guarded_read(const struct guarded *g, const char *name);

/* The value of element (n, c, i, j) of r->y after the activation, dropout drawn as cl/common.cl
 * says. */
double reference_activation(const struct reference *r, const struct rt_activation *activation,
                            double value, int n, int c, int i, int j);

/* The element of a contiguous array, 0 outside the plane. */
static inline double at(const double *array, struct rt_shape s, int n, int c, int y, int x)
{
    if (y < 0 || x < 0 || y >= s.h || x >= s.w)
        return 0;
    return array[((size_t)(n * s.c + c) * (size_t)s.h + (size_t)y) * (size_t)s.w + (size_t)x];
}

static inline void set(double *array, struct rt_shape s, int n, int c, int y, int x, double value)
{
    array[((size_t)(n * s.c + c) * (size_t)s.h + (size_t)y) * (size_t)s.w + (size_t)x] = value;
}

#endif
