/* A look at an operation's work while a network trains: a tile of what it computed is computed
 * again on the host, from what it read. */
#ifndef RT_OPS_SELF_CHECK_H
#define RT_OPS_SELF_CHECK_H

#include "base/random.h"
#include "ops/reference.h"

/* What a difference may be: this share of the largest sum of absolute values among those looked
 * at, and of what that would be were all of the input as large as its largest element. The latter
 * is for kernels that transform tiles, where the rounding of one place reaches its neighbours. Both
 * are far more than rounding makes and far less than what is wrong. */
#define RT_SELF_CHECK_TOLERANCE 1e-4
#define RT_SELF_CHECK_SPREAD 1e-6

/* To be called right after the operation's forward pass: reads y, and of x and the parameters what
 * the tile needs, and changes nothing. Errors: DEVICE (the element, what it is and should be, the
 * difference and what is allowed; or as for any read), MEMORY. */
rt_status rt_self_check_forward(const struct rt_op *op, const struct rt_op_call *call,
                                struct rt_random *random);

/* To be called right after the operation's backward pass, where rt_op.reference_data is not NULL:
 * likewise some of the gradients by x, where those were not added to others, and by the first
 * parameter. dy must still be what the backward pass made of it. */
rt_status rt_self_check_backward(const struct rt_op *op, const struct rt_op_call *call,
                                 struct rt_random *random);

#endif
