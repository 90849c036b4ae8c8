/* Shared by the files of this folder alone: what a graph holds. */
#ifndef RT_GRAPH_INTERNAL_H
#define RT_GRAPH_INTERNAL_H

#include "graph/graph.h"

/* The phases of a step for a node: AGAIN where the plan recomputes it, before BACKWARD. */
enum rt_phase { RT_PHASE_FORWARD, RT_PHASE_AGAIN, RT_PHASE_BACKWARD, RT_PHASES };

struct rt_node {
    const struct rt_op *op; /* NULL: the input, which is node 0 */
    char name[48];
    void *attributes;
    int inputs[RT_OP_INPUTS];
    size_t first_parameter; /* in the graph's list, where the others follow it */
    int parameters;
    size_t last_reader;    /* the last node that takes the output; 0: none */
    struct rt_shape shape; /* of the output for a nominal input */
    bool differentiable;   /* it or what it reads has a trained parameter */
    int segment;           /* how many cuts came before it */
    size_t folds;          /* the node that, outside training, is done with this one; 0: none */
    void *folded;          /* this one's attributes where it is; its operation's size */
    /* As planned, for a whole batch. y is the output as the forward pass leaves it, again as the
     * backward pass finds it, which is elsewhere where it is recomputed. dy without a buffer: not
     * wanted. scratch: by phase. */
    struct rt_tensor y, again, dy, scratch[RT_PHASES];
    struct rt_tensor folded_p[RT_OP_PARAMETERS]; /* its parameters where it folds another */
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
    struct {
        size_t node;    /* 0: nothing is looked at */
        uint32_t image; /* likewise, its number */
        enum rt_direction direction;
        struct rt_random random;
    } check;
    bool folded; /* folded_p of all nodes are those of the values */
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

/* Whether, outside training, the node is done with the one before it. */
static inline bool rt_node_is_folded(const struct rt_graph *graph, size_t i)
{
    return graph->nodes[graph->nodes[i].inputs[0]].folds == i && i > 0;
}

/* To be called when a node was added: finds out whether it is folded into the one before, and that
 * none is any more whose input it shares. Errors: MEMORY. */
rt_status rt_graph_find_fold(struct rt_graph *graph, size_t i);

/* The shapes of the parameters of a node that folds another; returns their number. */
int rt_node_folded_shapes(const struct rt_graph *graph, const struct rt_node *node,
                          struct rt_shape shapes[RT_OP_PARAMETERS]);

/* Makes a node's call that of one that folds another, but for the output. */
void rt_graph_fold_call(const struct rt_graph *graph, size_t i, struct rt_op_call *call);

/* Makes folded_p what the values say, unless it is. */
rt_status rt_graph_fold(struct rt_graph *graph);

/* A parameter or its gradient, which are contiguous. */
static inline struct rt_tensor rt_parameter_at(struct rt_buffer *slab, size_t offset,
                                               struct rt_shape shape)
{
    const size_t plane = (size_t)shape.h * (size_t)shape.w;
    return (struct rt_tensor){slab, offset, (size_t)shape.c * plane, plane, shape};
}

/* Parameter j of a node in a slab. */
static inline struct rt_tensor rt_node_parameter(const struct rt_graph *graph,
                                                 const struct rt_node *node, int j,
                                                 struct rt_buffer *slab)
{
    const struct rt_graph_parameter *p = &graph->parameters[node->first_parameter + (size_t)j];
    return rt_parameter_at(slab, p->offset, p->parameter.shape);
}

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

/* To be called after node i ran so: looks at it where it is the one that rt_graph_self_check chose,
 * and the call has the chosen image. */
rt_status rt_graph_look(struct rt_graph *graph, size_t i, const struct rt_op_call *call,
                        enum rt_direction direction);

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
