/* The memory plan: how long every tensor lives, which are parts of others, and where they lie.
 *
 * The steps of a graph of N nodes: node i runs forward at step i, the caller's loss reads the
 * output and writes its gradient at step N; then the nodes run backward, the last first, those of a
 * segment after those among them that are recomputed. */
#include <limits.h>
#include <stdlib.h>

#include "base/memory.h"
#include "graph/internal.h"

/* The memory of a tensor: a block of its own, or a part of the block of a concatenation. */
struct part {
    size_t whole;  /* the node whose block it lies in: the node itself, or a later one */
    size_t offset; /* floats from the start of the whole's image */
    bool passing;  /* of the whole: nothing outside its stage reads it */
};

struct plan {
    const struct rt_graph *graph;
    enum rt_plan kind;
    struct rt_shape *shapes; /* of each node */
    bool *recomputed;        /* of each node */
    int (*steps)[RT_PHASES]; /* of each node: when it runs again, and backward */
    struct rt_stage *stages;
    size_t stage_count;
    struct part *parts[2];   /* of each node: its output, its gradient */
    struct rt_block *blocks; /* of each node, in the order below */
    size_t *slabs;           /* lengths in floats */
    size_t slab_count;
};

/* The output has a second block where it is recomputed; scratch has one a phase. */
enum { OUTPUT, AGAIN, GRADIENT, SCRATCH, FOLDED = SCRATCH + RT_PHASES, BLOCKS };

/* What holds the output at this phase. */
static struct rt_block *output_block(const struct plan *plan, size_t node, enum rt_phase phase)
{
    const bool again = plan->recomputed[node] && phase != RT_PHASE_FORWARD;
    return &plan->blocks[BLOCKS * plan->parts[0][node].whole + (again ? AGAIN : OUTPUT)];
}

static struct rt_block *gradient_block(const struct plan *plan, size_t node)
{
    return &plan->blocks[BLOCKS * plan->parts[1][node].whole + GRADIENT];
}

static struct rt_block *scratch_block(const struct plan *plan, size_t node, enum rt_phase phase)
{
    return &plan->blocks[BLOCKS * node + SCRATCH + phase];
}

/* The parameters of a node that folds another. */
static struct rt_block *folded_block(const struct plan *plan, size_t node)
{
    return &plan->blocks[BLOCKS * node + FOLDED];
}

static bool differentiated(const struct plan *plan, size_t node)
{
    return plan->kind != RT_PLAN_FORWARD && plan->graph->nodes[node].differentiable;
}

/* What lies in one segment, and is read there alone, is dropped after the forward pass; but not in
 * the last segment, whose backward pass follows at once. */
static void find_recomputed(const struct plan *plan)
{
    const struct rt_graph *graph = plan->graph;
    const struct rt_node *nodes = graph->nodes;
    for (size_t i = 1; i < graph->count; i++) {
        plan->recomputed[i] = plan->kind == RT_PLAN_RECOMPUTING &&
                              nodes[i].segment != nodes[graph->count - 1].segment;
        for (int j = 0; j < nodes[i].op->inputs; j++)
            if (nodes[nodes[i].inputs[j]].segment != nodes[i].segment)
                plan->recomputed[nodes[i].inputs[j]] = false;
    }
}

static void find_steps(const struct plan *plan)
{
    const struct rt_graph *graph = plan->graph;
    int step = (int)graph->count;
    for (size_t i = graph->count; i-- > 1;) {
        for (size_t j = rt_graph_segment_ending(graph, i); j <= i; j++)
            if (plan->recomputed[j])
                plan->steps[j][RT_PHASE_AGAIN] = ++step;
        plan->steps[i][RT_PHASE_BACKWARD] = ++step;
    }
}

/* Whether an input, or its gradient, may lie in its concatenation. A skip connection outlives the
 * other half by far, so a plan that recomputes keeps it apart from a whole that it drops; and its
 * gradient from any. */
static bool live_together(const struct plan *plan, size_t input, size_t whole, bool gradients)
{
    const struct rt_node *nodes = plan->graph->nodes;
    if (gradients && plan->kind == RT_PLAN_RECOMPUTING)
        return nodes[input].segment == nodes[whole].segment;
    return plan->recomputed[input] == plan->recomputed[whole];
}

/* An input of a concatenation is a part of it where the concatenation is its last reader: then
 * all others read it before, and, backward, add to its gradient after the concatenation's readers
 * have written the whole. The caller's input stays apart. */
static void find_parts(const struct plan *plan, bool gradients)
{
    const struct rt_graph *graph = plan->graph;
    struct part *parts = plan->parts[gradients];
    for (size_t i = 0; i < graph->count; i++)
        parts[i].whole = i;
    for (size_t i = 1; i < graph->count; i++) {
        const struct rt_node *node = &graph->nodes[i];
        size_t offset = 0;
        for (int j = 0; node->op->identity && j < node->op->inputs; j++) {
            size_t input = (size_t)node->inputs[j];
            if (input != 0 && graph->nodes[input].last_reader == i && parts[input].whole == input &&
                live_together(plan, input, i, gradients))
                parts[input] = (struct part){.whole = i, .offset = offset};
            offset += rt_image_stride(plan->shapes[input]);
        }
    }
    for (size_t i = graph->count; i-- > 0;) { /* parts of parts */
        const struct part *whole = &parts[parts[i].whole];
        if (parts[i].whole != i)
            parts[i] =
                (struct part){.whole = whole->whole, .offset = parts[i].offset + whole->offset};
    }
}

static const struct rt_stage *stage_of(const struct plan *plan, size_t node)
{
    const struct rt_stage *stage = plan->stages;
    while (node >= stage->end)
        stage++;
    return stage;
}

/* Outputs that only their own stage needs. Training keeps what it may need backward. */
static void find_passing(const struct plan *plan)
{
    const struct rt_graph *graph = plan->graph;
    struct part *parts = plan->parts[0];
    for (size_t i = 1; i < graph->count; i++)
        parts[i].passing = plan->kind == RT_PLAN_FORWARD;
    parts[0].passing = parts[graph->count - 1].passing = false;
    for (size_t i = 1; i < graph->count; i++) {
        const size_t whole = parts[i].whole;
        if (stage_of(plan, i) != stage_of(plan, whole) ||
            stage_of(plan, i) != stage_of(plan, graph->nodes[i].last_reader))
            parts[whole].passing = false;
    }
    for (size_t i = 1; i < graph->count; i++)
        parts[i].passing = parts[parts[i].whole].passing;
}

static void live(struct rt_block *block, int step)
{
    block->first = step < block->first ? step : block->first;
    block->last = step > block->last ? step : block->last;
}

/* What a node needs when it runs forward, its output perhaps with the node before. Where its stage
 * takes turns, it runs again after all others of the stage have. */
static void live_forward(const struct plan *plan, size_t i)
{
    const struct rt_node *node = &plan->graph->nodes[i];
    const struct rt_stage *stage = stage_of(plan, i);
    const bool turns = stage->together < plan->shapes[0].n;
    const int first = (int)(turns ? stage->first : i), last = (int)(turns ? stage->end - 1 : i);
    live(scratch_block(plan, i, RT_PHASE_FORWARD), (int)i);
    live(output_block(plan, i, RT_PHASE_FORWARD), first - (rt_may_pool(plan->graph, i) && !turns));
    live(output_block(plan, i, RT_PHASE_FORWARD), last);
    if (node->folds) /* whose output it then writes */
        live(output_block(plan, node->folds, RT_PHASE_FORWARD), first);
    for (int j = 0; j < node->op->inputs; j++) {
        struct rt_block *x = output_block(plan, (size_t)node->inputs[j], RT_PHASE_FORWARD);
        live(x, first);
        live(x, last);
    }
}

static void live_again(const struct plan *plan, size_t i)
{
    const struct rt_node *node = &plan->graph->nodes[i];
    const enum rt_phase phase = RT_PHASE_AGAIN;
    const int step = plan->steps[i][phase];
    live(scratch_block(plan, i, phase), step);
    live(output_block(plan, i, phase), step);
    for (int j = 0; j < node->op->inputs; j++)
        live(output_block(plan, (size_t)node->inputs[j], phase), step);
}

static void live_backward(const struct plan *plan, size_t i)
{
    const struct rt_node *node = &plan->graph->nodes[i];
    const enum rt_phase phase = RT_PHASE_BACKWARD;
    const int step = plan->steps[i][phase];
    live(scratch_block(plan, i, phase), step);
    live(gradient_block(plan, i), step);
    if (node->op->backward_reads_y)
        live(output_block(plan, i, phase), step);
    for (int j = 0; j < node->op->inputs; j++) {
        size_t input = (size_t)node->inputs[j];
        if (node->op->backward_reads_x)
            live(output_block(plan, input, phase), step);
        if (plan->graph->nodes[input].differentiable)
            live(gradient_block(plan, input), step);
    }
}

static void find_lives(const struct plan *plan)
{
    const struct rt_graph *graph = plan->graph;
    const int loss = (int)graph->count;
    for (size_t i = 0; i < BLOCKS * graph->count; i++)
        plan->blocks[i] = (struct rt_block){.first = INT_MAX, .last = -1};
    live(output_block(plan, 0, RT_PHASE_FORWARD), 0); /* the input: always */
    live(output_block(plan, 0, RT_PHASE_FORWARD), INT_MAX);
    live(output_block(plan, graph->count - 1, RT_PHASE_FORWARD), loss);
    live(gradient_block(plan, graph->count - 1), loss);
    for (size_t i = 1; i < graph->count; i++) {
        live_forward(plan, i);
        live(folded_block(plan, i), 0); /* until gradients change what it is made of */
        live(folded_block(plan, i), loss);
        if (plan->recomputed[i])
            live_again(plan, i);
        if (differentiated(plan, i))
            live_backward(plan, i);
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
        const int n = plan->parts[0][i].passing ? stage_of(plan, i)->together : plan->shapes[i].n;
        size_t floats = (size_t)n * rt_image_stride(plan->shapes[i]);
        const bool forward = plan->kind == RT_PLAN_FORWARD;
        const bool folds = node->folds && forward; /* then nothing is between the two */
        const bool folded = rt_node_is_folded(graph, i) && forward;
        folded_block(plan, i)->floats = folded_floats(graph, node);
        if (plan->parts[0][i].whole == i && !folds) {
            output_block(plan, i, RT_PHASE_FORWARD)->floats = floats;
            output_block(plan, i, RT_PHASE_BACKWARD)->floats = floats;
        }
        if (plan->parts[1][i].whole == i && differentiated(plan, i))
            gradient_block(plan, i)->floats = floats;
        if (i == 0 || !node->op->scratch || folded)
            continue;
        floats = scratch_floats(plan, node, RT_FORWARD);
        scratch_block(plan, i, RT_PHASE_FORWARD)->floats = floats;
        if (plan->recomputed[i])
            scratch_block(plan, i, RT_PHASE_AGAIN)->floats = floats;
        if (differentiated(plan, i))
            scratch_block(plan, i, RT_PHASE_BACKWARD)->floats =
                scratch_floats(plan, node, RT_BACKWARD);
    }
}

void rt_graph_release_plan(struct rt_graph *graph)
{
    for (size_t i = 0; i < graph->slab_count; i++)
        rt_buffer_destroy(graph->slabs[i]);
    free(graph->slabs);
    free(graph->stages);
    graph->stages = NULL;
    graph->stage_count = 0;
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

/* The output or the gradient of a node: a block, or the part of one that it has in every image. */
static struct rt_tensor activation_in(const struct plan *plan, const struct rt_graph *graph,
                                      size_t i, const struct rt_block *block,
                                      const struct part *parts)
{
    return tensor_in(graph, block, parts[i].offset, rt_image_stride(plan->shapes[parts[i].whole]),
                     plan->shapes[i]);
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
        const struct rt_block *first = output_block(plan, i, RT_PHASE_FORWARD);
        const struct rt_block *again = output_block(plan, i, RT_PHASE_BACKWARD);
        node->recomputed = plan->recomputed[i];
        node->passing = plan->parts[0][i].passing;
        node->y = activation_in(plan, graph, i, first, plan->parts[0]);
        node->again = activation_in(plan, graph, i, again, plan->parts[0]);
        node->dy = activation_in(plan, graph, i, gradient_block(plan, i), plan->parts[1]);
        if (!node->differentiable)
            node->dy.buffer = NULL; /* a part of a gradient that is otherwise wanted */
        for (int phase = 0; phase < RT_PHASES; phase++) {
            const struct rt_block *scratch = scratch_block(plan, i, (enum rt_phase)phase);
            node->scratch[phase] =
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
                           enum rt_plan kind)
{
    rt_status status = RT_OK;
    size_t limit = rt_device_describe(graph->device)->buffer_bytes / sizeof(float);
    *plan = (struct plan){.graph = graph, .kind = kind};
    RT_TRY(check(graph, input));
    RT_TRY(rt_graph_infer(graph, input, &plan->shapes));
    RT_TRY(rt_alloc(&plan->recomputed, graph->count, sizeof *plan->recomputed));
    RT_TRY(rt_alloc(&plan->steps, graph->count, sizeof *plan->steps));
    for (int i = 0; i < 2; i++)
        RT_TRY(rt_alloc(&plan->parts[i], graph->count, sizeof *plan->parts[i]));
    RT_TRY(rt_alloc(&plan->blocks, BLOCKS * graph->count, sizeof *plan->blocks));
    RT_TRY(rt_stages_find(graph, plan->shapes, kind != RT_PLAN_FORWARD, &plan->stages,
                          &plan->stage_count));
    find_recomputed(plan);
    find_steps(plan);
    find_parts(plan, false);
    find_parts(plan, true);
    find_passing(plan);
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
    free(plan->recomputed);
    free(plan->steps);
    free(plan->stages);
    free(plan->parts[0]);
    free(plan->parts[1]);
    free(plan->blocks);
    free(plan->slabs);
}

rt_status rt_graph_plan_bytes(const struct rt_graph *graph, struct rt_shape input,
                              enum rt_plan kind, size_t *bytes)
{
    struct plan plan;
    rt_status status = plan_init(&plan, graph, input, kind);
    *bytes = status == RT_OK ? plan_bytes(&plan) : 0;
    plan_finish(&plan);
    return status;
}

rt_status rt_graph_plan(struct rt_graph *graph, struct rt_shape input, enum rt_plan kind,
                        struct rt_buffer *values, struct rt_buffer *gradients)
{
    rt_status status = RT_OK;
    struct plan plan;
    rt_graph_release_plan(graph);
    RT_TRY(plan_init(&plan, graph, input, kind));
    RT_TRY(reserve(graph, plan.shapes, kind != RT_PLAN_FORWARD));
    RT_TRY(allocate(graph, &plan));
    place_tensors(&plan, graph);
    graph->stages = plan.stages;
    graph->stage_count = plan.stage_count;
    plan.stages = NULL;
    graph->values = values;
    graph->gradients = kind != RT_PLAN_FORWARD ? gradients : NULL;
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
