/* Matrix products through CLBlast, the only place that knows it. */
#ifndef RT_DEVICE_GEMM_H
#define RT_DEVICE_GEMM_H

#include "device/choices.h"

/* A row-major matrix of floats within a buffer. */
struct rt_matrix {
    struct rt_buffer *buffer;
    size_t offset;  /* floats */
    size_t leading; /* floats from one row to the next */
    bool transpose; /* use its transpose in the product */
};

/* c[m, n] = a[m, k] * b[k, n] + beta * c[m, n], queued. The first call on a device checks
 * CLBlast's result on a small product against the host and fails where it is wrong.
 * Errors: DEVICE (CLBlast's code, or a wrong result), ARGUMENT, MEMORY. */
rt_status rt_gemm(struct rt_device *device, size_t m, size_t n, size_t k, struct rt_matrix a,
                  struct rt_matrix b, float beta, struct rt_matrix c);

/* Takes the memory into which CLBlast packs the operands of such a product, matrices that do not
 * begin with their buffers; it serves all products until the device is closed. Without it rt_gemm
 * takes it at first use. Errors: those of rt_gemm. */
rt_status rt_gemm_reserve(struct rt_device *device, size_t m, size_t n, size_t k);

/* CLBlast's parameters come in sets, of which the device's profile may name one for this key. */
#define RT_GEMM_KEY "gemm"

/* The name of a set: "default" (CLBlast's own), "registers" (for CPUs), or the tile of a
 * work-group. NULL past the last. */
const char *rt_gemm_set(size_t index);

/* Takes one of the sets, on a device without products so far, and times a product as U-Nets have
 * them: `seconds` is the median of five after one other. Its results were exact, or it fails:
 * `error` is 0. Errors: ARGUMENT (no such set), those of rt_gemm. */
rt_status rt_gemm_measure(struct rt_device *device, const char *set,
                          struct rt_choice_variant *measured);

#endif
