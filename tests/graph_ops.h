/* Operations that compute on the host, so that the tests of the graph need no kernel. */
#ifndef RT_TESTS_GRAPH_OPS_H
#define RT_TESTS_GRAPH_OPS_H

#include "ops/op.h"

/* mix: y[c] = the sum over x's channels k of weight[c, k] * sin(x[k]); reads x backward.
 * It counts the forward passes of training in its state, but for those that are run again.
 * bend: y = tanh(x); reads y backward.
 * half: sums of 2x2 pixels; twice: every pixel four times. Neither reads anything backward.
 * join: a concatenation; join_copies counts the parts that it had to copy. */
extern const struct rt_op mix, bend, half, twice, join;
extern int join_copies;

struct mix {
    int channels;
};
#define MIX_SCRATCH_OF_ONE 40 /* floats a channel that one image takes, forward */

/* The tensor's values, released by free(); and back, freeing them. */
float *get(const struct rt_tensor *tensor);
void put(const struct rt_tensor *tensor, float *values);

#endif
