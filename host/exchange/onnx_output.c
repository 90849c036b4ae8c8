/* What a file does after the logits: softmax, the largest of the classes, another layout. None of
 * it is run, because losses and predictions take logits. */
#include <string.h>

#include "base/log.h"
#include "base/memory.h"
#include "exchange/onnx_read.h"

static const struct {
    const char *kind;
    bool looks_along; /* it looks along an axis, which must be that of the classes */
    int64_t axis;     /* where it does not say which, of the present versions */
} left_out[] = {{"Softmax", true, -1},  {"LogSoftmax", true, -1}, {"ArgMax", true, 0},
                {"Identity", false, 0}, {"Dropout", false, 0},    {"Cast", false, 0},
                {"Transpose", false, 0}};

#define SOFTMAX_OF_ONE_AXIS 13 /* the opset; before, it took all axes from its own on for one */
#define TAIL_MAX 16

/* The place among those; -1: none of them. */
static int find(const Onnx__NodeProto *node)
{
    for (size_t i = 0; i < RT_COUNT(left_out); i++)
        if (node->op_type && strcmp(node->op_type, left_out[i].kind) == 0)
            return (int)i;
    return -1;
}

/* Where the axis of the classes goes; -1: the permutation is none of four axes. */
static int64_t permuted(const Onnx__NodeProto *node, int64_t classes)
{
    const Onnx__AttributeProto *perm = rt_onnx_attribute(node, "perm");
    for (int64_t i = 0; perm && perm->n_ints == 4 && i < 4; i++)
        if (perm->ints[i] == classes)
            return i;
    return -1;
}

static rt_status fail_axis(const struct rt_onnx_reading *r, const Onnx__NodeProto *node)
{
    return rt_fail(RT_ERROR_UNSUPPORTED,
                   "%s cannot be used: the %s that ends its network does not look along the "
                   "classes alone, which are the second axis of the logits",
                   r->path, node->op_type);
}

/* Whether the nodes, from the last to the first, follow logits [n, classes, h, w]. */
static rt_status check_tail(const struct rt_onnx_reading *r, const size_t *tail, int count)
{
    int64_t classes = 1;
    for (int i = count - 1; i >= 0; i--) {
        const Onnx__NodeProto *node = r->proto->node[tail[i]];
        const int which = find(node);
        const bool softmax = strstr(node->op_type, "Softmax") != NULL,
                   early = softmax && r->opset < SOFTMAX_OF_ONE_AXIS;
        if (strcmp(node->op_type, "Transpose") == 0)
            classes = permuted(node, classes);
        if (!left_out[which].looks_along)
            continue;
        int64_t axis = rt_onnx_whole(node, "axis", early ? 1 : left_out[which].axis);
        axis += axis < 0 ? 4 : 0;
        if (axis != classes || (early && axis != 3))
            return fail_axis(r, node);
        rt_info("%s: the %s at its end is left out; what comes before it is taken for logits",
                r->path, node->op_type);
    }
    return RT_OK;
}

rt_status rt_onnx_output(struct rt_onnx_reading *r)
{
    size_t tail[TAIL_MAX];
    int count = 0;
    if (r->proto->n_output == 0)
        return rt_fail(RT_ERROR_FORMAT, "%s is damaged: its graph has no output", r->path);
    struct rt_onnx_value *value = rt_onnx_find(r, r->proto->output[0]->name);
    if (r->proto->n_output > 1)
        rt_info("%s has %zu outputs, of which the first is used", r->path, r->proto->n_output);
    while (value && value->giver != SIZE_MAX && count < TAIL_MAX) {
        const Onnx__NodeProto *node = r->proto->node[value->giver];
        if (find(node) < 0 || rt_onnx_out(r, node) != value)
            break;
        tail[count++] = value->giver;
        value = rt_onnx_in(r, node, 0);
    }
    if (!value)
        return rt_fail(RT_ERROR_FORMAT, "%s is damaged: no node gives its output", r->path);
    r->output = value;
    return check_tail(r, tail, count);
}
