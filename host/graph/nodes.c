/* Building a graph: nodes, their shapes, and the places of their parameters. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "graph/internal.h"

/* Parameters do not depend on the size of the images, so nodes are added for images of this side,
 * which can be halved often. */
#define NOMINAL_SIDE (1 << 14)

rt_status rt_graph_create(struct rt_graph **graph, struct rt_device *device)
{
    rt_status status = rt_alloc(graph, 1, sizeof **graph);
    if (status == RT_OK)
        (*graph)->device = device;
    return status;
}

void rt_graph_destroy(struct rt_graph *graph)
{
    if (!graph)
        return;
    rt_graph_release_plan(graph);
    for (size_t i = 0; i < graph->count; i++) {
        free(graph->nodes[i].attributes);
        free(graph->nodes[i].folded);
    }
    free(graph->nodes);
    free(graph->parameters);
    free(graph);
}

rt_status rt_graph_input(struct rt_graph *graph, int channels, int *node)
{
    if (graph->count > 0)
        return rt_fail(RT_ERROR_ARGUMENT, "a graph has one input, and it is the first node");
    if (channels < 1)
        return rt_fail(RT_ERROR_ARGUMENT, "an input of %d channels makes no sense", channels);
    rt_status status = rt_grow(&graph->nodes, &graph->capacity, 1, sizeof *graph->nodes);
    if (status < 0)
        return status;
    graph->nodes[0] = (struct rt_node){.shape = {1, channels, NOMINAL_SIDE, NOMINAL_SIDE}};
    graph->count = 1;
    *node = 0;
    return RT_OK;
}

void rt_graph_cut(struct rt_graph *graph)
{
    graph->cuts++;
}

size_t rt_graph_segment_ending(const struct rt_graph *graph, size_t i)
{
    const struct rt_node *nodes = graph->nodes;
    if (i + 1 < graph->count && nodes[i + 1].segment == nodes[i].segment)
        return i + 1;
    while (i > 1 && nodes[i - 1].segment == nodes[i].segment)
        i--;
    return i;
}

bool rt_may_pool(const struct rt_graph *graph, size_t node)
{
    const struct rt_node *pool = &graph->nodes[node], *before = pool - 1;
    return pool->op == &rt_op_pool && (size_t)pool->inputs[0] == node - 1 && before->op &&
           before->op->pools && ((const struct rt_pool *)pool->attributes)->mode == RT_POOL_MAX;
}

void rt_node_input_shapes(const struct rt_node *node, const struct rt_shape *shapes,
                          struct rt_shape x[RT_OP_INPUTS])
{
    for (int i = 0; i < node->op->inputs; i++)
        x[i] = shapes[node->inputs[i]];
}

/* Offsets of all parameters: the trained ones, then the states, guards around each of the two. */
static void place_parameters(struct rt_graph *graph)
{
    size_t offset = RT_TENSOR_GUARD;
    for (int trained = 1; trained >= 0; trained--) {
        for (size_t i = 0; i < graph->parameter_count; i++) {
            struct rt_graph_parameter *p = &graph->parameters[i];
            if (p->parameter.trained != (bool)trained)
                continue;
            p->offset = offset;
            offset += rt_aligned(rt_shape_size(p->parameter.shape));
        }
        offset += RT_TENSOR_GUARD;
        if (trained)
            graph->trained = offset;
    }
    graph->total = offset;
}

static rt_status add_parameters(struct rt_graph *graph, struct rt_node *node, const char *name,
                                const struct rt_shape *x)
{
    struct rt_parameter parameters[RT_OP_PARAMETERS];
    node->first_parameter = graph->parameter_count;
    if (!node->op->parameters)
        return RT_OK;
    node->parameters = node->op->parameters(node->attributes, x, parameters);
    size_t count = graph->parameter_count + (size_t)node->parameters;
    rt_status status =
        rt_grow(&graph->parameters, &graph->parameter_capacity, count, sizeof *graph->parameters);
    if (status < 0)
        return status;
    for (int i = 0; i < node->parameters; i++) {
        struct rt_graph_parameter *p = &graph->parameters[graph->parameter_count + (size_t)i];
        int length = snprintf(p->name, sizeof p->name, "%s.%s", name, parameters[i].name);
        if (length >= (int)sizeof p->name)
            return rt_fail(RT_ERROR_ARGUMENT, "the name of the parameter %s is too long", p->name);
        p->parameter = parameters[i];
        node->differentiable |= parameters[i].trained;
    }
    graph->parameter_count = count;
    place_parameters(graph);
    return RT_OK;
}

rt_status rt_graph_add(struct rt_graph *graph, const struct rt_op *op, const void *attributes,
                       const int *inputs, const char *name, int *node)
{
    rt_status status = RT_OK;
    struct rt_node added = {.op = op, .segment = graph->cuts};
    struct rt_shape x[RT_OP_INPUTS] = {{0}};
    for (int i = 0; i < op->inputs; i++) {
        if (inputs[i] < 0 || (size_t)inputs[i] >= graph->count)
            return rt_fail(RT_ERROR_ARGUMENT, "%s: input %d is node %d, but the graph has %zu",
                           name, i, inputs[i], graph->count);
        added.inputs[i] = inputs[i];
        x[i] = graph->nodes[inputs[i]].shape;
        added.differentiable |= graph->nodes[inputs[i]].differentiable;
    }
    if (snprintf(added.name, sizeof added.name, "%s", name) >= (int)sizeof added.name)
        return rt_fail(RT_ERROR_ARGUMENT, "the name of the node %s is too long", name);
    RT_TRY(rt_alloc(&added.attributes, 1, op->attributes_size));
    if (op->attributes_size > 0)
        memcpy(added.attributes, attributes, op->attributes_size);
    status = op->infer(added.attributes, x, &added.shape);
    if (status < 0) {
        rt_fail_context(status, "%s: ", name);
        goto end;
    }
    RT_TRY(rt_grow(&graph->nodes, &graph->capacity, graph->count + 1, sizeof *graph->nodes));
    RT_TRY(add_parameters(graph, &added, name, x));
    graph->nodes[graph->count] = added;
    RT_TRY(rt_graph_find_fold(graph, graph->count));
    for (int i = 0; i < op->inputs; i++)
        graph->nodes[inputs[i]].last_reader = graph->count;
    *node = (int)graph->count++;
end:
    if (status < 0)
        free(added.attributes);
    return status;
}

const struct rt_graph_parameter *rt_graph_parameters(const struct rt_graph *graph, size_t *count)
{
    *count = graph->parameter_count;
    return graph->parameters;
}

size_t rt_graph_node_count(const struct rt_graph *graph)
{
    return graph->count;
}

struct rt_graph_node rt_graph_node(const struct rt_graph *graph, size_t i)
{
    const struct rt_node *node = &graph->nodes[i];
    return (struct rt_graph_node){
        .op = node->op,
        .attributes = node->attributes,
        .inputs = node->inputs,
        .name = node->name,
        .first_parameter = node->first_parameter,
        .parameters = node->parameters,
    };
}

void rt_graph_slab_sizes(const struct rt_graph *graph, size_t *trained, size_t *total)
{
    *trained = graph->trained;
    *total = graph->total;
}

rt_status rt_graph_infer(const struct rt_graph *graph, struct rt_shape input,
                         struct rt_shape **shapes)
{
    rt_status status = RT_OK;
    RT_TRY(rt_alloc(shapes, graph->count, sizeof **shapes));
    if (graph->count > 0)
        (*shapes)[0] = input;
    for (size_t i = 1; i < graph->count; i++) {
        struct rt_shape x[RT_OP_INPUTS];
        const struct rt_node *node = &graph->nodes[i];
        rt_node_input_shapes(node, *shapes, x);
        RT_TRY(node->op->infer(node->attributes, x, &(*shapes)[i]));
    }
end:
    if (status < 0) {
        free(*shapes);
        *shapes = NULL;
    }
    return status;
}

rt_status rt_graph_calls(const struct rt_graph *graph, struct rt_shape input,
                         struct rt_graph_call **calls, size_t *count)
{
    rt_status status = RT_OK;
    struct rt_shape *shapes = NULL;
    *calls = NULL;
    *count = 0;
    RT_TRY(rt_graph_infer(graph, input, &shapes));
    RT_TRY(rt_alloc(calls, graph->count, sizeof **calls));
    for (size_t i = 1; i < graph->count; i++) {
        const struct rt_node *node = &graph->nodes[i];
        struct rt_graph_call *call = &(*calls)[(*count)++];
        *call = (struct rt_graph_call){
            .op = node->op, .attributes = node->attributes, .backward = node->differentiable};
        rt_node_input_shapes(node, shapes, call->x);
        for (int j = 0; j < node->op->inputs; j++)
            call->dx[j] = graph->nodes[node->inputs[j]].differentiable;
    }
end:
    free(shapes);
    return status;
}

struct rt_cost rt_graph_cost(const struct rt_graph *graph, struct rt_shape input,
                             enum rt_direction direction)
{
    struct rt_cost sum = {0};
    struct rt_shape *shapes;
    if (rt_graph_infer(graph, input, &shapes) < 0)
        return sum;
    for (size_t i = 1; i < graph->count; i++) {
        struct rt_shape x[RT_OP_INPUTS];
        const struct rt_node *node = &graph->nodes[i];
        if (direction == RT_BACKWARD && !node->differentiable)
            continue;
        rt_node_input_shapes(node, shapes, x);
        struct rt_cost cost = node->op->cost(node->attributes, x, direction);
        sum.flops += cost.flops;
        sum.bytes += cost.bytes;
    }
    free(shapes);
    return sum;
}

double rt_graph_recomputed_share(const struct rt_graph *graph)
{
    const struct rt_shape input = graph->nodes[0].y.shape;
    double again = 0;
    for (size_t i = 1; i < graph->count; i++) {
        const struct rt_node *node = &graph->nodes[i];
        struct rt_shape x[RT_OP_INPUTS];
        for (int j = 0; j < node->op->inputs; j++)
            x[j] = graph->nodes[node->inputs[j]].y.shape;
        if (node->recomputed)
            again += node->op->cost(node->attributes, x, RT_FORWARD).flops;
    }
    return again / (rt_graph_cost(graph, input, RT_FORWARD).flops +
                    rt_graph_cost(graph, input, RT_BACKWARD).flops);
}
