/* A static graph of operations: built once, planned once, run many times. */
#ifndef RT_GRAPH_GRAPH_H
#define RT_GRAPH_GRAPH_H

#include "base/random.h"
#include "ops/op.h"

struct rt_graph;

rt_status rt_graph_create(struct rt_graph **graph, struct rt_device *device);
void rt_graph_destroy(struct rt_graph *graph);

/* Adds the input node, images of so many channels, and returns it in *node. One a graph. */
rt_status rt_graph_input(struct rt_graph *graph, int channels, int *node);

/* Adds an operation on earlier nodes; its attributes are copied. `name`, by which messages and
 * other programs know it, prefixes its parameters: "down.0.0" has "down.0.0.weight". The last node
 * added is the graph's output. Errors: ARGUMENT (shapes that do not fit), MEMORY. */
rt_status rt_graph_add(struct rt_graph *graph, const struct rt_op *op, const void *attributes,
                       const int *inputs, const char *name, int *node);

/* Ends a segment of the graph and begins the next; see RT_PLAN_RECOMPUTING. */
void rt_graph_cut(struct rt_graph *graph);

/* Every parameter and state in the order of their nodes, with its place in the slabs: floats
 * offset .. offset + size of the value slab. Trained ones come first in the slabs. */
struct rt_graph_parameter {
    char name[64];
    struct rt_parameter parameter;
    size_t offset;
};
const struct rt_graph_parameter *rt_graph_parameters(const struct rt_graph *graph, size_t *count);

/* A node as it was added; what it points to is the graph's. */
struct rt_graph_node {
    const struct rt_op *op; /* NULL: the input, which is node 0 and has nothing else */
    const void *attributes;
    const int *inputs; /* as many nodes as the operation takes */
    const char *name;
    size_t first_parameter; /* in rt_graph_parameters, where its others follow */
    int parameters;
};
size_t rt_graph_node_count(const struct rt_graph *graph);
struct rt_graph_node rt_graph_node(const struct rt_graph *graph, size_t i);

/* The slabs' lengths in floats: of the trained parameters, and with the states. */
void rt_graph_slab_sizes(const struct rt_graph *graph, size_t *trained, size_t *total);

/* What a plan is for: passes forward alone; training; or training in less memory: a segment's
 * outputs that it alone reads are dropped, but for the last segment's, and the backward pass
 * computes them again before it comes to the segment (Chen et al., "Training deep nets with
 * sublinear memory cost", arXiv 1604.06174). The gradients are the same bits. */
enum rt_plan { RT_PLAN_FORWARD, RT_PLAN_TRAINING, RT_PLAN_RECOMPUTING };

/* Outside training a normalisation after a convolution is done by the convolution, with parameters
 * that are made of both and lie in the plan's memory.
 *
 * Gives every tensor its place for batches of up to `batch` images and allocates the memory: few
 * slabs, none above the device's largest buffer; tensors share memory where their lives do not
 * overlap; inputs of a concatenation are written side by side where that takes no more (then x[i]
 * and its part of y, dx[i] and its part of dy, begin at the same float, and the operation leaves
 * them alone). values and gradients are the parameter slabs (gradients: not read for forward passes
 * alone). The old plan is released. Errors: ARGUMENT, DEVICE (names the bytes needed), MEMORY. */
rt_status rt_graph_plan(struct rt_graph *graph, struct rt_shape input, enum rt_plan kind,
                        struct rt_buffer *values, struct rt_buffer *gradients);
size_t rt_graph_planned_bytes(const struct rt_graph *graph);

/* What rt_graph_planned_bytes would be after such a plan; plans and allocates nothing.
 * Errors: ARGUMENT, DEVICE (a tensor above the largest buffer), MEMORY. */
rt_status rt_graph_plan_bytes(const struct rt_graph *graph, struct rt_shape input,
                              enum rt_plan kind, size_t *bytes);

/* Takes the device's memory that passes over images of this shape need beside the plan, once for
 * all graphs; rt_graph_plan does so, too. Errors: ARGUMENT, DEVICE, MEMORY. */
rt_status rt_graph_reserve(const struct rt_graph *graph, struct rt_shape input, bool training);

/* The FLOPs that the plan computes again, as a share of those of both passes; 0: none. */
double rt_graph_recomputed_share(const struct rt_graph *graph);

/* To be called after the value slab was written, before the next pass, unless that pass is one of
 * training: outside training weights are used as they were when they were first. */
void rt_graph_values_changed(struct rt_graph *graph);

struct rt_graph_pass {
    int n; /* images, up to the planned batch */
    bool training;
    uint64_t seed;
    uint32_t step;
    uint32_t image; /* the number of the first image, where a step's images come in parts */
    bool add;       /* backward adds to the parameters' gradients, in exact mode alone */
};
rt_status rt_graph_forward(struct rt_graph *graph, const struct rt_graph_pass *pass);
/* From the gradient that the caller wrote to rt_graph_gradient(output), with the pass of the last
 * forward. */
rt_status rt_graph_backward(struct rt_graph *graph, const struct rt_graph_pass *pass);

/* The next pass forward, and the one backward that follows it, look at one operation that the
 * numbers choose, forward or backward, and compare a tile of what it computed with the same
 * computed on the host (ops/self_check.h); nothing else changes. The pass then fails with DEVICE
 * where that differs: the operation, its kernels, the device, the difference. */
void rt_graph_self_check(struct rt_graph *graph, struct rt_random random);

/* Where the planned input, the output, and the output's gradient are. The input stands until the
 * caller overwrites it, the output until the next pass, be it forward or backward; the output's
 * gradient is to be written after a forward pass. */
const struct rt_tensor *rt_graph_input_tensor(const struct rt_graph *graph);
const struct rt_tensor *rt_graph_output_tensor(const struct rt_graph *graph);
const struct rt_tensor *rt_graph_output_gradient(const struct rt_graph *graph);

/* An operation as passes over images of some shape run it. */
struct rt_graph_call {
    const struct rt_op *op;
    const void *attributes; /* owned by the graph */
    struct rt_shape x[RT_OP_INPUTS];
    bool backward;         /* training runs it backward, too */
    bool dx[RT_OP_INPUTS]; /* and wants these gradients */
};

/* All of them in the order of the nodes; *calls (released by free()) holds *count. Errors: ARGUMENT
 * (images that do not fit), MEMORY. */
rt_status rt_graph_calls(const struct rt_graph *graph, struct rt_shape input,
                         struct rt_graph_call **calls, size_t *count);

/* FLOPs and bytes of one pass. */
struct rt_cost rt_graph_cost(const struct rt_graph *graph, struct rt_shape input,
                             enum rt_direction direction);

#endif
