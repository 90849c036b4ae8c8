/* Looking at one operation of a pass. */
#include <stdio.h>

#include "graph/internal.h"
#include "ops/self_check.h"

static bool can_check(const struct rt_node *node, enum rt_direction direction)
{
    return !node->op->identity &&
           (direction == RT_FORWARD || (node->op->reference_data && node->differentiable));
}

void rt_graph_self_check(struct rt_graph *graph, struct rt_random random)
{
    graph->check.node = 0;
    if (graph->count < 2)
        return;
    graph->check.direction = rt_random_below(&random, 2) ? RT_FORWARD : RT_BACKWARD;
    /* From a random node on, the first that can be checked. */
    size_t node = 1 + rt_random_below(&random, (uint32_t)graph->count - 1);
    for (size_t tried = 1; tried < graph->count; tried++) {
        if (can_check(&graph->nodes[node], graph->check.direction)) {
            graph->check.node = node;
            break;
        }
        node = node + 1 < graph->count ? node + 1 : 1;
    }
    graph->check.random = random;
}

/* Says which operation, kernels and device made the difference that the message tells. */
static rt_status fail_check(const struct rt_graph *graph, size_t i, const struct rt_op_call *call,
                            enum rt_direction direction)
{
    const struct rt_node *node = &graph->nodes[i];
    const struct rt_device_info *info = rt_device_describe(graph->device);
    char difference[512];
    snprintf(difference, sizeof difference, "%s", rt_error_message());
    return rt_fail(RT_ERROR_DEVICE,
                   "%s (driver %s) computes nonsense: of %s %s %dx%dx%d%s%s, by the kernels %s, "
                   "%s. retort doctor finds what is wrong there, and replaces it",
                   info->name, info->driver, node->op->name,
                   direction == RT_FORWARD ? "forward" : "backward", call->y.shape.c,
                   call->y.shape.h, call->y.shape.w, node->parameters > 0 ? ", " : "",
                   node->parameters > 0 ? graph->parameters[node->first_parameter].name : "",
                   rt_device_launched(graph->device), difference);
}

/* Whether the call is of the operation that was chosen, or of the one before, which did its work,
 * and has the chosen image. */
static bool is_chosen(const struct rt_graph *graph, size_t i, const struct rt_op_call *call,
                      enum rt_direction direction)
{
    const size_t node = graph->check.node;
    const uint32_t images = (uint32_t)call->y.shape.n;
    return node > 0 && (node == i || (call->pooled.buffer && node == i + 1)) &&
           graph->check.direction == direction && graph->check.image - call->image < images;
}

rt_status rt_graph_look(struct rt_graph *graph, size_t i, const struct rt_op_call *call,
                        enum rt_direction direction)
{
    const struct rt_node *node = &graph->nodes[i];
    if (!is_chosen(graph, i, call, direction) || rt_device_rehearses(graph->device))
        return RT_OK;
    graph->check.node = 0;
    rt_status status = direction == RT_FORWARD
                           ? rt_self_check_forward(node->op, call, &graph->check.random)
                           : rt_self_check_backward(node->op, call, &graph->check.random);
    return status == RT_ERROR_DEVICE ? fail_check(graph, i, call, direction) : status;
}
