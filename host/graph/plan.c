/* The memory plan: how long every tensor lives, which are parts of others, and where they lie.
 *
 * The steps of a graph of N nodes: node i runs forward at step i, the caller's loss reads the
 * output and writes its gradient at step N, node i runs backward at step 2 N - i. */
#include <limits.h>
#include <stdlib.h>

#include "base/memory.h"
#include "graph/internal.h"

/* The memory of a tensor: a block of its own, or a part of the block of a concatenation. */
struct part {
    size_t whole;  /* the node whose block it lies in: the node itself, or a later one */
    size_t offset; /* floats from the start of the whole's image */
};

/* The blocks of a node. */
enum { OUTPUT, GRADIENT, SCRATCH, FOLDED = SCRATCH + 2, BLOCKS };

struct plan {
    const struct rt_graph *graph;
    bool training;
    struct rt_shape *shapes; /* of each node */
    struct part *parts;      /* of each node */
    struct rt_block *blocks; /* [BLOCKS] of each node */
    size_t *slabs;           /* lengths in floats */
    size_t slab_count;
};

static struct rt_block *output_block(const struct plan *plan, size_t node)
{
    return &plan->blocks[BLOCKS * plan->parts[node].whole + OUTPUT];
}

static struct rt_block *gradient_block(const struct plan *plan, size_t node)
{
    return &plan->blocks[BLOCKS * plan->parts[node].whole + GRADIENT];
}

static struct rt_block *scratch_block(const struct plan *plan, size_t node,
                                      enum rt_direction direction)
{
    return &plan->blocks[BLOCKS * node + SCRATCH + direction];
}

/* The parameters of a node that folds another. */
static struct rt_block *folded_block(const struct plan *plan, size_t node)
{
    return &plan->blocks[BLOCKS * node + FOLDED];
}

/* An input of a concatenation is a part of it where the concatenation is its last reader: then
 * all others read it before, and, backward, add to its gradient after the concatenation's readers
 * have written the whole. The caller's input stays apart. */
static void find_parts(const struct plan *plan)
{
    const struct rt_graph *graph = plan->graph;
    for (size_t i = 0; i < graph->count; i++)
        plan->parts[i].whole = i;
    for (size_t i = 1; i < graph->count; i++) {
        const struct rt_node *node = &graph->nodes[i];
        size_t offset = 0;
        for (int j = 0; node->op->identity && j < node->op->inputs; j++) {
            size_t input = (size_t)node->inputs[j];
            struct part *part = &plan->parts[input];
            if (input != 0 && graph->nodes[input].last_reader == i && part->whole == input)
                *part = (struct part){i, offset};
            offset += rt_image_stride(plan->shapes[input]);
        }
    }
    for (size_t i = graph->count; i-- > 0;) { /* parts of parts */
        const struct part *whole = &plan->parts[plan->parts[i].whole];
        if (plan->parts[i].whole != i)
            plan->parts[i] = (struct part){whole->whole, plan->parts[i].offset + whole->offset};
    }
}

static void live(struct rt_block *block, size_t step)
{
    block->first = (int)step < block->first ? (int)step : block->first;
    block->last = (int)step > block->last ? (int)step : block->last;
}

static void find_lives(const struct plan *plan)
{
    const struct rt_graph *graph = plan->graph;
    size_t loss = graph->count, end = 2 * graph->count;
    for (size_t i = 0; i < BLOCKS * graph->count; i++)
        plan->blocks[i] = (struct rt_block){.first = INT_MAX, .last = -1};
    live(output_block(plan, 0), 0); /* the input: always */
    live(output_block(plan, 0), end);
    live(output_block(plan, graph->count - 1), loss);
    live(gradient_block(plan, graph->count - 1), loss);
    for (size_t i = 1; i < graph->count; i++) {
        const struct rt_node *node = &graph->nodes[i];
        size_t forward = i, backward = end - i;
        bool differentiated = plan->training && node->differentiable;
        live(output_block(plan, i), forward);
        if (node->folds)
            live(output_block(plan, node->folds), forward);
        live(folded_block(plan, i), 0); /* until gradients change what it is made of */
        live(folded_block(plan, i), loss);
        live(scratch_block(plan, i, RT_FORWARD), forward);
        live(scratch_block(plan, i, RT_BACKWARD), backward);
        if (differentiated && node->op->backward_reads_y)
            live(output_block(plan, i), backward);
        if (differentiated)
            live(gradient_block(plan, i), backward);
        for (int j = 0; j < node->op->inputs; j++) {
            size_t input = (size_t)node->inputs[j];
            live(output_block(plan, input), forward);
            if (differentiated && node->op->backward_reads_x)
                live(output_block(plan, input), backward);
            if (differentiated && graph->nodes[input].differentiable)
                live(gradient_block(plan, input), backward);
        }
    }
}

/* The most that a node needs for any number of images up to the planned one: an operation may cut
 * fewer images into more pieces. */
static size_t scratch_floats(const struct plan *plan, const struct rt_node *node,
                             enum rt_direction direction)
{
    struct rt_shape x[RT_OP_INPUTS];
    size_t most = 0;
    rt_node_input_shapes(node, plan->shapes, x);
    for (int n = x[0].n; n > 0; n--) {
        for (int j = 0; j < node->op->inputs; j++)
            x[j].n = n;
        size_t floats = node->op->scratch(plan->graph->device, node->attributes, x, direction);
        most = floats > most ? floats : most;
    }
    return most;
}

static size_t folded_floats(const struct rt_graph *graph, const struct rt_node *node)
{
    struct rt_shape shapes[RT_OP_PARAMETERS];
    size_t floats = 0;
    for (int j = node->folds ? rt_node_folded_shapes(graph, node, shapes) : 0; j > 0; j--)
        floats += rt_aligned(rt_shape_size(shapes[j - 1]));
    return floats;
}

static void find_sizes(const struct plan *plan)
{
    const struct rt_graph *graph = plan->graph;
    for (size_t i = 0; i < graph->count; i++) {
        const struct rt_node *node = &graph->nodes[i];
        size_t floats = (size_t)plan->shapes[i].n * rt_image_stride(plan->shapes[i]);
        const bool folds = node->folds && !plan->training; /* then nothing is between the two */
        const bool folded = rt_node_is_folded(graph, i) && !plan->training;
        folded_block(plan, i)->floats = folded_floats(graph, node);
        if (plan->parts[i].whole == i && !folds) {
            output_block(plan, i)->floats = floats;
            gradient_block(plan, i)->floats = plan->training && node->differentiable ? floats : 0;
        }
        if (i == 0 || !node->op->scratch || folded)
            continue;
        for (int d = RT_FORWARD; d <= RT_BACKWARD; d++)
            if (d == RT_FORWARD || (plan->training && node->differentiable))
                scratch_block(plan, i, (enum rt_direction)d)->floats =
                    scratch_floats(plan, node, (enum rt_direction)d);
    }
}

void rt_graph_release_plan(struct rt_graph *graph)
{
    for (size_t i = 0; i < graph->slab_count; i++)
        rt_buffer_destroy(graph->slabs[i]);
    free(graph->slabs);
    graph->slabs = NULL;
    graph->slab_count = 0;
}

static rt_status reserve(const struct rt_graph *graph, const struct rt_shape *shapes, bool training)
{
    rt_status status = RT_OK;
    for (size_t i = 1; i < graph->count; i++) {
        const struct rt_node *node = &graph->nodes[i];
        struct rt_shape x[RT_OP_INPUTS];
        if (!node->op->reserve)
            continue;
        rt_node_input_shapes(node, shapes, x);
        RT_TRY(node->op->reserve(graph->device, node->attributes, x, RT_FORWARD));
        if (training && node->differentiable)
            RT_TRY(node->op->reserve(graph->device, node->attributes, x, RT_BACKWARD));
    }
end:
    return status;
}

rt_status rt_graph_reserve(const struct rt_graph *graph, struct rt_shape input, bool training)
{
    struct rt_shape *shapes;
    rt_status status = rt_graph_infer(graph, input, &shapes);
    if (status == RT_OK)
        status = reserve(graph, shapes, training);
    free(shapes);
    return status;
}

static size_t plan_bytes(const struct plan *plan)
{
    size_t floats = 0;
    for (size_t i = 0; i < plan->slab_count; i++)
        floats += plan->slabs[i];
    return floats * sizeof(float);
}

static rt_status allocate(struct rt_graph *graph, const struct plan *plan)
{
    const struct rt_device_info *info = rt_device_describe(graph->device);
    rt_status status = RT_OK;
    if (plan_bytes(plan) > info->memory_bytes)
        return rt_fail(RT_ERROR_DEVICE,
                       "%zu bytes of device memory are needed, and %s has %zu; use a smaller batch "
                       "or patch",
                       plan_bytes(plan), info->name, info->memory_bytes);
    RT_TRY(rt_alloc(&graph->slabs, plan->slab_count, sizeof *graph->slabs));
    for (; graph->slab_count < plan->slab_count; graph->slab_count++)
        RT_TRY(rt_buffer_create(&graph->slabs[graph->slab_count], graph->device,
                                plan->slabs[graph->slab_count] * sizeof(float)));
end:
    if (status < 0)
        rt_graph_release_plan(graph);
    return status;
}

/* The tensor at `offset` of every image of a block whose images are `stride` apart. */
static struct rt_tensor tensor_in(const struct rt_graph *graph, const struct rt_block *block,
                                  size_t offset, size_t stride, struct rt_shape shape)
{
    if (block->floats == 0)
        return (struct rt_tensor){.shape = shape};
    return (struct rt_tensor){graph->slabs[block->slab], block->offset + offset, stride,
                              rt_shape_plane(shape), shape};
}

static void place_folded(const struct plan *plan, struct rt_graph *graph, size_t i)
{
    struct rt_node *node = &graph->nodes[i];
    const struct rt_block *block = folded_block(plan, i);
    struct rt_shape shapes[RT_OP_PARAMETERS];
    const int count = node->folds ? rt_node_folded_shapes(graph, node, shapes) : 0;
    size_t offset = block->offset;
    for (int j = 0; j < count; j++) {
        node->folded_p[j] = rt_parameter_at(graph->slabs[block->slab], offset, shapes[j]);
        offset += rt_aligned(rt_shape_size(shapes[j]));
    }
}

static void place_tensors(const struct plan *plan, struct rt_graph *graph)
{
    for (size_t i = 0; i < graph->count; i++) {
        struct rt_node *node = &graph->nodes[i];
        struct part part = plan->parts[i];
        size_t stride = rt_image_stride(plan->shapes[part.whole]);
        node->y = tensor_in(graph, output_block(plan, i), part.offset, stride, plan->shapes[i]);
        node->dy = tensor_in(graph, gradient_block(plan, i), part.offset, stride, plan->shapes[i]);
        if (!node->differentiable)
            node->dy.buffer = NULL; /* a part of a gradient that is otherwise wanted */
        for (int d = RT_FORWARD; d <= RT_BACKWARD; d++) {
            const struct rt_block *scratch = scratch_block(plan, i, (enum rt_direction)d);
            node->scratch[d] =
                tensor_in(graph, scratch, 0, scratch->floats, (struct rt_shape){1, 1, 1, 1});
        }
        place_folded(plan, graph, i);
    }
}

static rt_status check(const struct rt_graph *graph, struct rt_shape input)
{
    if (graph->count < 2)
        return rt_fail(RT_ERROR_ARGUMENT, "a graph without operations cannot be planned");
    for (size_t i = 0; i + 1 < graph->count; i++)
        if (graph->nodes[i].last_reader == 0)
            return rt_fail(RT_ERROR_ARGUMENT, "nothing reads the output of the graph's node %zu",
                           i);
    if (input.n < 1 || input.h < 1 || input.w < 1 || input.c != graph->nodes[0].shape.c)
        return rt_fail(RT_ERROR_ARGUMENT,
                       "cannot plan for %d images of %d channels and %d x %d pixels: the network "
                       "takes %d channels",
                       input.n, input.c, input.w, input.h, graph->nodes[0].shape.c);
    if ((double)input.n * input.c * input.h * input.w > 0x1p40)
        return rt_fail(RT_ERROR_ARGUMENT,
                       "%d images of %d x %d pixels are more than any device "
                       "holds; use a smaller batch or patch",
                       input.n, input.w, input.h);
    return RT_OK;
}

/* Everything about a plan but the memory itself: the slabs' lengths in floats. */
static rt_status plan_init(struct plan *plan, const struct rt_graph *graph, struct rt_shape input,
                           bool training)
{
    rt_status status = RT_OK;
    size_t limit = rt_device_describe(graph->device)->buffer_bytes / sizeof(float);
    *plan = (struct plan){.graph = graph, .training = training};
    RT_TRY(check(graph, input));
    RT_TRY(rt_graph_infer(graph, input, &plan->shapes));
    RT_TRY(rt_alloc(&plan->parts, graph->count, sizeof *plan->parts));
    RT_TRY(rt_alloc(&plan->blocks, BLOCKS * graph->count, sizeof *plan->blocks));
    find_parts(plan);
    find_lives(plan);
    find_sizes(plan);
    status = rt_blocks_place(plan->blocks, BLOCKS * graph->count, limit, &plan->slabs,
                             &plan->slab_count);
end:
    return status;
}

static void plan_finish(struct plan *plan)
{
    free(plan->shapes);
    free(plan->parts);
    free(plan->blocks);
    free(plan->slabs);
}

rt_status rt_graph_plan_bytes(const struct rt_graph *graph, struct rt_shape input, bool training,
                              size_t *bytes)
{
    struct plan plan;
    rt_status status = plan_init(&plan, graph, input, training);
    *bytes = status == RT_OK ? plan_bytes(&plan) : 0;
    plan_finish(&plan);
    return status;
}

rt_status rt_graph_plan(struct rt_graph *graph, struct rt_shape input, struct rt_buffer *values,
                        struct rt_buffer *gradients)
{
    rt_status status = RT_OK;
    struct plan plan;
    rt_graph_release_plan(graph);
    RT_TRY(plan_init(&plan, graph, input, gradients != NULL));
    RT_TRY(reserve(graph, plan.shapes, plan.training));
    RT_TRY(allocate(graph, &plan));
    place_tensors(&plan, graph);
    graph->values = values;
    graph->gradients = gradients;
    graph->folded = false;
end:
    plan_finish(&plan);
    return status;
}

size_t rt_graph_planned_bytes(const struct rt_graph *graph)
{
    size_t bytes = 0;
    for (size_t i = 0; i < graph->slab_count; i++)
        bytes += rt_buffer_bytes(graph->slabs[i]);
    return bytes;
}

const struct rt_tensor *rt_graph_input_tensor(const struct rt_graph *graph)
{
    return &graph->nodes[0].y;
}

const struct rt_tensor *rt_graph_output_tensor(const struct rt_graph *graph)
{
    return &graph->nodes[graph->count - 1].y;
}

const struct rt_tensor *rt_graph_output_gradient(const struct rt_graph *graph)
{
    return &graph->nodes[graph->count - 1].dy;
}
