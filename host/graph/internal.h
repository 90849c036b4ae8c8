/* Shared by the files of this folder alone: what a graph holds. */
#ifndef RT_GRAPH_INTERNAL_H
#define RT_GRAPH_INTERNAL_H

#include "graph/graph.h"

/* The phases of a step for a node: AGAIN where the plan recomputes it, before BACKWARD. */
enum rt_phase { RT_PHASE_FORWARD, RT_PHASE_AGAIN, RT_PHASE_BACKWARD, RT_PHASES };

struct rt_node {
    const struct rt_op *op; /* NULL: the input, which is node 0 */
    void *attributes;
    int inputs[RT_OP_INPUTS];
    size_t first_parameter; /* in the graph's list, where the others follow it */
    int parameters;
    size_t last_reader;    /* the last node that takes the output; 0: none */
    struct rt_shape shape; /* of the output for a nominal input */
    bool differentiable;   /* it or what it reads has a trained parameter */
    int segment;           /* how many cuts came before it */
    /* As planned, for a whole batch. y is the output as the forward pass leaves it, again as the
     * backward pass finds it, which is elsewhere where it is recomputed. dy without a buffer: not
     * wanted. scratch: by phase. */
    struct rt_tensor y, again, dy, scratch[RT_PHASES];
    bool recomputed;
    bool passing; /* y holds the images of its stage's turn alone */
};

/* Nodes first to end - 1, run one after the other for so many images together, then for the next.
 */
struct rt_stage {
    size_t first, end;
    int together;
};

struct rt_graph {
    struct rt_device *device;
    struct rt_node *nodes;
    size_t count, capacity;
    int cuts;
    struct rt_graph_parameter *parameters;
    size_t parameter_count, parameter_capacity;
    size_t trained, total; /* lengths of the parameter slabs */
    /* the plan */
    struct rt_stage *stages; /* of the forward pass */
    size_t stage_count;
    struct rt_buffer **slabs;
    size_t slab_count;
    struct rt_buffer *values, *gradients; /* the caller's */
};

/* Tensors begin at multiples of 64 bytes, the widest vector. */
static inline size_t rt_aligned(size_t floats)
{
    return (floats + 15) / 16 * 16;
}

/* From one image of an activation to the next, in floats. */
static inline size_t rt_image_stride(struct rt_shape shape)
{
    return (size_t)shape.c * rt_shape_plane(shape);
}

/* Whether a node may find its output written by the one before, whose maxima it takes. */
bool rt_may_pool(const struct rt_graph *graph, size_t node);

/* The inputs' shapes out of the shapes of all nodes. */
void rt_node_input_shapes(const struct rt_node *node, const struct rt_shape *shapes,
                          struct rt_shape x[RT_OP_INPUTS]);

/* The output shape of every node, in *shapes (released by free()), for an input of this shape. */
rt_status rt_graph_infer(const struct rt_graph *graph, struct rt_shape input,
                         struct rt_shape **shapes);

/* The first node of the segment that ends with node i; i + 1 where none does. */
size_t rt_graph_segment_ending(const struct rt_graph *graph, size_t i);

/* The stages of a forward pass over images of these shapes, in *stages (released by free()).
 * Errors: MEMORY. */
rt_status rt_stages_find(const struct rt_graph *graph, const struct rt_shape *shapes, bool training,
                         struct rt_stage **stages, size_t *count);

void rt_graph_release_plan(struct rt_graph *graph);

/* A stretch of device memory that is in use from step `first` to step `last`, both included. */
struct rt_block {
    size_t floats; /* 0: there is no such block */
    int first, last;
    size_t slab, offset; /* its place; the offset in floats, a multiple of 16 */
};

/* Finds a place for every block, so that no two that are in use at the same step overlap, in few
 * slabs of up to `limit` floats, guards included. *slabs (released by free()) are their lengths in
 * floats. Errors: DEVICE (a block above the limit), MEMORY. */
rt_status rt_blocks_place(struct rt_block *blocks, size_t count, size_t limit, size_t **slabs,
                          size_t *slab_count);

#endif
