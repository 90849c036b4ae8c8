/* Operations that, outside training, are done with the one before them. */
#include <stdlib.h>

#include "base/memory.h"
#include "graph/internal.h"

rt_status rt_graph_find_fold(struct rt_graph *graph, size_t i)
{
    const struct rt_node *node = &graph->nodes[i];
    for (int j = 0; j < node->op->inputs; j++)
        graph->nodes[node->inputs[j]].folds = 0; /* it has a second reader */
    struct rt_node *before = &graph->nodes[node->inputs[0]];
    if (!node->op->fold || !before->op || before->last_reader > 0)
        return RT_OK;
    free(before->folded); /* of a reader that was not added after all */
    rt_status status = rt_alloc(&before->folded, 1, before->op->attributes_size);
    if (status < 0)
        return status;
    if (node->op->fold(node->attributes, before->op, before->attributes, before->folded))
        before->folds = i;
    return RT_OK;
}

int rt_node_folded_shapes(const struct rt_graph *graph, const struct rt_node *node,
                          struct rt_shape shapes[RT_OP_PARAMETERS])
{
    struct rt_parameter parameters[RT_OP_PARAMETERS];
    struct rt_shape x[RT_OP_INPUTS];
    for (int j = 0; j < node->op->inputs; j++)
        x[j] = graph->nodes[node->inputs[j]].shape;
    int count = node->op->parameters(node->folded, x, parameters);
    for (int j = 0; j < count; j++)
        shapes[j] = parameters[j].shape;
    return count;
}

void rt_graph_fold_call(const struct rt_graph *graph, size_t i, struct rt_op_call *call)
{
    const struct rt_node *node = &graph->nodes[i];
    call->attributes = node->folded;
    for (int j = 0; j < RT_OP_PARAMETERS; j++)
        call->p[j] = node->folded_p[j];
}

static void find_parameters(const struct rt_graph *graph, const struct rt_node *node,
                            struct rt_tensor p[RT_OP_PARAMETERS])
{
    for (int j = 0; j < RT_OP_PARAMETERS; j++)
        p[j] = j < node->parameters ? rt_node_parameter(graph, node, j, graph->values)
                                    : RT_TENSOR_NONE;
}

rt_status rt_graph_fold(struct rt_graph *graph)
{
    rt_status status = RT_OK;
    for (size_t i = 1; i < graph->count && !graph->folded; i++) {
        const struct rt_node *node = &graph->nodes[i], *reader = &graph->nodes[node->folds];
        struct rt_tensor p[RT_OP_PARAMETERS], before[RT_OP_PARAMETERS];
        if (!node->folds)
            continue;
        find_parameters(graph, node, before);
        find_parameters(graph, reader, p);
        RT_TRY(reader->op->fold_parameters(graph->device, reader->attributes, p, before,
                                           node->folded_p));
    }
    graph->folded = !rt_device_rehearses(graph->device);
end:
    return status;
}

void rt_graph_values_changed(struct rt_graph *graph)
{
    graph->folded = false;
}
