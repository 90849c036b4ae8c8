/* Running a planned graph. */
#include <stdio.h>

#include "graph/internal.h"

static struct rt_tensor images(struct rt_tensor tensor, int n)
{
    tensor.shape.n = n;
    return tensor;
}

/* `n` images of a node's output from number `first` on, as this phase has it. */
static struct rt_tensor output(const struct rt_node *node, enum rt_phase phase, int first, int n)
{
    struct rt_tensor y = images(phase == RT_PHASE_FORWARD ? node->y : node->again, n);
    y.offset += node->passing ? 0 : (size_t)first * y.stride;
    return y;
}

static struct rt_op_call call_of(const struct rt_graph *graph, size_t i, enum rt_phase phase,
                                 const struct rt_graph_pass *pass, int first, int n)
{
    const struct rt_node *node = &graph->nodes[i];
    struct rt_op_call call = {.device = graph->device,
                              .attributes = node->attributes,
                              .y = output(node, phase, first, n),
                              .scratch = node->scratch[phase],
                              .training = pass->training,
                              .again = phase == RT_PHASE_AGAIN,
                              .seed = pass->seed,
                              .node = (uint32_t)i,
                              .step = pass->step,
                              .image = pass->image + (uint32_t)first};
    for (int j = 0; j < node->op->inputs; j++)
        call.x[j] = output(&graph->nodes[node->inputs[j]], phase, first, n);
    for (int j = 0; j < node->parameters; j++)
        call.p[j] = rt_node_parameter(graph, node, j, graph->values);
    if (!pass->training && node->folds) {
        call.y = output(&graph->nodes[node->folds], phase, first, n);
        rt_graph_fold_call(graph, i, &call);
    }
    return call;
}

/* Whether there is nothing to do for an operation that puts its inputs side by side: all of them
 * lie there already, or are not wanted. Where only some do, the operation leaves those alone. */
static bool in_place(const struct rt_op *op, const struct rt_tensor *whole,
                     const struct rt_tensor *parts)
{
    size_t offset = whole->offset;
    for (int j = 0; j < op->inputs; j++) {
        if (parts[j].buffer && (parts[j].buffer != whole->buffer || parts[j].offset != offset))
            return false;
        offset += rt_image_stride(parts[j].shape);
    }
    return op->identity;
}

/* Whether node i's operation can write the output of node i + 1, a max pooling of its own output,
 * as it goes. */
static bool pools_next(const struct rt_graph *graph, size_t i, const struct rt_op_call *call,
                       const struct rt_stage *stage)
{
    const struct rt_node *node = &graph->nodes[i];
    if (i + 1 >= stage->end || !rt_may_pool(graph, i + 1))
        return false;
    const struct rt_shape x[RT_OP_INPUTS] = {call->x[0].shape, call->x[1].shape};
    return node->op->pools(graph->device, node->attributes, x);
}

/* Names what is launched from here on, such as "conv2d forward 16x256x256". */
static rt_status label(const struct rt_op *op, const struct rt_op_call *call,
                       enum rt_direction direction)
{
    char text[96];
    struct rt_shape shapes[RT_OP_INPUTS];
    for (int j = 0; j < op->inputs; j++)
        shapes[j] = call->x[j].shape;
    struct rt_cost cost = op->cost(call->attributes, shapes, direction);
    snprintf(text, sizeof text, "%s %s %dx%dx%d", op->name,
             direction == RT_FORWARD ? "forward" : "backward", call->y.shape.c, call->y.shape.h,
             call->y.shape.w);
    return rt_profile_label(call->device, text, cost.flops, cost.bytes);
}

/* What is launched next is no part of the last operation. */
static rt_status end_label(const struct rt_graph *graph)
{
    return rt_profile_label(graph->device, "other", 0, 0);
}

static rt_status check_pass(const struct rt_graph *graph, const struct rt_graph_pass *pass)
{
    if (!graph->slabs)
        return rt_fail(RT_ERROR_ARGUMENT, "a graph must be planned before it runs");
    if (pass->n < 1 || pass->n > graph->nodes[0].y.shape.n)
        return rt_fail(RT_ERROR_ARGUMENT, "cannot run %d images: the plan is for up to %d", pass->n,
                       graph->nodes[0].y.shape.n);
    if (pass->training && !graph->gradients)
        return rt_fail(RT_ERROR_ARGUMENT, "cannot train: the plan has no gradients");
    return RT_OK;
}

static rt_status run_forward(const struct rt_op *op, const struct rt_op_call *call)
{
    if (in_place(op, &call->y, call->x))
        return RT_OK;
    rt_status status = label(op, call, RT_FORWARD);
    return status == RT_OK ? op->forward(call) : status;
}

static rt_status run_stage(struct rt_graph *graph, const struct rt_stage *stage,
                           const struct rt_graph_pass *pass, int first, int n)
{
    rt_status status = RT_OK;
    for (size_t i = stage->first; i < stage->end; i++) {
        const struct rt_op *op = graph->nodes[i].op;
        if (!pass->training && rt_node_is_folded(graph, i))
            continue;
        struct rt_op_call call = call_of(graph, i, RT_PHASE_FORWARD, pass, first, n);
        const bool pools = pools_next(graph, i, &call, stage);
        if (pools)
            call.pooled = output(&graph->nodes[i + 1], RT_PHASE_FORWARD, first, n);
        RT_TRY(run_forward(op, &call));
        RT_TRY(rt_graph_look(graph, i, &call, RT_FORWARD));
        i += pools;
    }
end:
    return status;
}

rt_status rt_graph_forward(struct rt_graph *graph, const struct rt_graph_pass *pass)
{
    rt_status status = RT_OK;
    RT_TRY(check_pass(graph, pass));
    if (pass->training)
        rt_graph_values_changed(graph); /* by what follows such a pass, and running statistics */
    else
        RT_TRY(rt_graph_fold(graph));
    graph->check.image = pass->image + rt_random_below(&graph->check.random, (uint32_t)pass->n);
    for (size_t s = 0; s < graph->stage_count; s++) {
        const struct rt_stage *stage = &graph->stages[s];
        for (int first = 0; first < pass->n; first += stage->together) {
            const int left = pass->n - first;
            RT_TRY(run_stage(graph, stage, pass, first,
                             left < stage->together ? left : stage->together));
        }
    }
    status = end_label(graph);
end:
    return status;
}

/* The last of a tensor's readers, which is the first to run backward, overwrites its gradient; the
 * others add to it. */
static bool adds(const struct rt_graph *graph, size_t i, int j)
{
    const struct rt_node *node = &graph->nodes[i];
    for (int k = 0; k < j; k++)
        if (node->inputs[k] == node->inputs[j])
            return true;
    return graph->nodes[node->inputs[j]].last_reader != i;
}

static struct rt_op_call backward_call_of(const struct rt_graph *graph, size_t i,
                                          const struct rt_graph_pass *pass)
{
    const struct rt_node *node = &graph->nodes[i];
    struct rt_op_call call = call_of(graph, i, RT_PHASE_BACKWARD, pass, 0, pass->n);
    call.dy = images(node->dy, pass->n);
    call.dp_add = pass->add;
    for (int j = 0; j < node->op->inputs; j++) {
        call.dx[j] = images(graph->nodes[node->inputs[j]].dy, pass->n);
        call.dx_add[j] = adds(graph, i, j);
        if (!node->op->backward_reads_x)
            call.x[j].buffer = NULL;
    }
    for (int j = 0; j < node->parameters; j++) {
        const struct rt_graph_parameter *p = &graph->parameters[node->first_parameter + (size_t)j];
        if (p->parameter.trained)
            call.dp[j] = rt_node_parameter(graph, node, j, graph->gradients);
    }
    if (!node->op->backward_reads_y)
        call.y.buffer = NULL;
    return call;
}

/* Computes what the plan dropped of nodes first to last. */
static rt_status run_again(const struct rt_graph *graph, size_t first, size_t last,
                           const struct rt_graph_pass *pass)
{
    rt_status status = RT_OK;
    for (size_t i = first; i <= last; i++) {
        struct rt_op_call call = call_of(graph, i, RT_PHASE_AGAIN, pass, 0, pass->n);
        if (graph->nodes[i].recomputed)
            RT_TRY(run_forward(graph->nodes[i].op, &call));
    }
end:
    return status;
}

rt_status rt_graph_backward(struct rt_graph *graph, const struct rt_graph_pass *pass)
{
    rt_status status = RT_OK;
    RT_TRY(check_pass(graph, pass));
    for (size_t i = graph->count; i-- > 1;) {
        const struct rt_op *op = graph->nodes[i].op;
        RT_TRY(run_again(graph, rt_graph_segment_ending(graph, i), i, pass));
        struct rt_op_call call = backward_call_of(graph, i, pass);
        if (!call.dy.buffer || in_place(op, &call.dy, call.dx))
            continue;
        RT_TRY(label(op, &call, RT_BACKWARD));
        RT_TRY(op->backward(&call));
        RT_TRY(rt_graph_look(graph, i, &call, RT_BACKWARD));
    }
    status = end_label(graph);
end:
    return status;
}
