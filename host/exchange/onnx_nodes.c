/* An operation of ours for each node of an ONNX graph. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "exchange/onnx_nodes.h"

#define LEVELS_MAX 10 /* halvings */

/* More than any network has. A file of few bytes may ask for a graph that grows without end. */
#define OPERATIONS_MAX 4096
#define CHANNELS_MAX (1 << 15)
#define SIDE_MAX (1 << 22)
#define INVENTED_MAX ((size_t)1 << 22) /* floats of parameters that are not in the file */

/* --- inputs --------------------------------------------------------------------------------- */

const struct rt_onnx_constant *rt_onnx_numbers_in(const struct rt_onnx_reading *r,
                                                  const Onnx__NodeProto *node, size_t i)
{
    const struct rt_onnx_value *value = rt_onnx_in(r, node, i);
    return value && value->kind == RT_ONNX_CONSTANT ? value->constant : NULL;
}

static bool scaled_alike(const struct rt_onnx_value *a, const struct rt_onnx_value *b)
{
    for (size_t i = 0; i < RT_COUNT(a->factor); i++)
        if (a->factor[i] != b->factor[i] || a->shift[i] != b->shift[i])
            return false;
    return a->ranged == b->ranged;
}

/* The pixels as the first operation takes them: all that do must have them scaled alike. */
static bool take_pixels(struct rt_onnx_reading *r, const struct rt_onnx_value *x)
{
    if (r->is_scaled)
        return scaled_alike(x, &r->scaled);
    r->scaled = *x;
    r->is_scaled = true;
    return true;
}

rt_status rt_onnx_image_in(struct rt_onnx_reading *r, const Onnx__NodeProto *node, size_t i,
                           struct rt_onnx_image *image, bool *ready)
{
    const struct rt_onnx_value *x = rt_onnx_in(r, node, i);
    *ready = false;
    if (!x)
        return rt_onnx_problem(r, node, "its input %zu is missing", i);
    if (x->kind == RT_ONNX_NOTHING)
        return RT_OK; /* what gives it has been named */
    if (x->kind != RT_ONNX_IMAGE && x->kind != RT_ONNX_PIXELS)
        return rt_onnx_problem(r, node, "its input %zu, '%.64s', is no image", i, x->name);
    if (x->channels_last)
        return rt_onnx_problem(r, node, "its images have their channels last");
    if (x->margin > 0 && strcmp(node->op_type, "Conv") != 0 &&
        strcmp(node->op_type, "AveragePool") != 0)
        return rt_onnx_problem(r, node,
                               "zeros around images are supported before convolutions and "
                               "means alone");
    if (x->kind == RT_ONNX_PIXELS && !take_pixels(r, x))
        return rt_onnx_problem(r, node, "it takes the input scaled otherwise than other nodes do");
    *image = (struct rt_onnx_image){x->kind == RT_ONNX_PIXELS ? 0 : x->node, x->level, x->shape};
    *ready = true;
    return RT_OK;
}

/* --- outputs -------------------------------------------------------------------------------- */

void rt_onnx_give(struct rt_onnx_value *value, const struct rt_onnx_image *image)
{
    if (!value)
        return;
    value->kind = RT_ONNX_IMAGE;
    value->node = image->node;
    value->level = image->level;
    value->shape = image->shape;
}

rt_status rt_onnx_add_op(struct rt_onnx_reading *r, const Onnx__NodeProto *node,
                         const struct rt_op *op, const void *attributes,
                         const struct rt_onnx_image *x, struct rt_onnx_image *y, bool *added)
{
    struct rt_shape shapes[RT_OP_INPUTS];
    int inputs[RT_OP_INPUTS];
    char name[40], why[256];
    for (int i = 0; i < op->inputs; i++) {
        shapes[i] = x[i].shape;
        inputs[i] = x[i].node;
    }
    *added = false;
    for (int i = 0; i < op->inputs; i++)
        if (shapes[i].c > CHANNELS_MAX || shapes[i].h > SIDE_MAX || shapes[i].w > SIDE_MAX)
            return rt_onnx_problem(r, node,
                                   "its images of %d channels and %d x %d pixels are too "
                                   "large",
                                   shapes[i].c, shapes[i].w, shapes[i].h);
    if (rt_graph_node_count(r->graph) > OPERATIONS_MAX)
        return rt_fail(RT_ERROR_UNSUPPORTED,
                       "%s has more than %d operations, which is more than "
                       "retort runs",
                       r->path, OPERATIONS_MAX);
    if (op->infer(attributes, shapes, &y->shape) < 0) {
        snprintf(why, sizeof why, "%s", rt_error_message());
        return rt_onnx_problem(r, node, "%s", why);
    }
    snprintf(name, sizeof name, "%.20s.%zu", node->op_type, rt_graph_node_count(r->graph));
    rt_status status = rt_graph_add(r->graph, op, attributes, inputs, name, &y->node);
    if (status == RT_ERROR_ARGUMENT) {
        snprintf(why, sizeof why, "%s", rt_error_message());
        return rt_onnx_problem(r, node, "%s", why);
    }
    *added = status == RT_OK;
    return status;
}

rt_status rt_onnx_add_source(struct rt_onnx_reading *r, const struct rt_onnx_constant *constant,
                             float value)
{
    rt_status status =
        rt_grow(&r->sources, &r->source_capacity, r->source_count + 1, sizeof *r->sources);
    if (status < 0)
        return status;
    r->sources[r->source_count] =
        (struct rt_onnx_source){r->source_count, constant, value}; /* all parameters, in order */
    r->source_count++;
    return RT_OK;
}

bool rt_onnx_relu_follows(struct rt_onnx_reading *r, const struct rt_onnx_value **y)
{
    const struct rt_onnx_value *value = *y;
    if (!value || value->readers != 1 || value == r->output)
        return false;
    const Onnx__NodeProto *reader = r->proto->node[value->reader];
    if (strcmp(reader->op_type, "Relu") != 0 || !rt_onnx_out(r, reader))
        return false;
    r->done[value->reader] = true;
    *y = rt_onnx_out(r, reader);
    return true;
}

/* --- the nodes ------------------------------------------------------------------------------ */

/* What does nothing outside training. */
static rt_status pass(struct rt_onnx_reading *r, const Onnx__NodeProto *node)
{
    const struct rt_onnx_value *x = rt_onnx_in(r, node, 0);
    struct rt_onnx_value *y = rt_onnx_out(r, node);
    if (!x || !y || x->kind == RT_ONNX_NOTHING)
        return RT_OK;
    struct rt_onnx_value copy = *x;
    copy.name = y->name;
    copy.given = y->given;
    copy.needed = y->needed;
    copy.readers = y->readers;
    copy.reader = y->reader;
    copy.giver = y->giver;
    *y = copy;
    return RT_OK;
}

/* The same number of zeros on all four sides. */
static rt_status pad(struct rt_onnx_reading *r, const Onnx__NodeProto *node)
{
    const Onnx__AttributeProto *old = rt_onnx_attribute(node, "pads");
    const struct rt_onnx_constant *pads = rt_onnx_numbers_in(r, node, 1),
                                  *value = rt_onnx_numbers_in(r, node, 2);
    const struct rt_onnx_value *x = rt_onnx_in(r, node, 0);
    struct rt_onnx_value *y = rt_onnx_out(r, node);
    double margins[8];
    if (!x || !y || x->kind == RT_ONNX_NOTHING)
        return RT_OK;
    bool fits = (old && old->n_ints == 8) || (pads && pads->few && pads->count == 8);
    for (int i = 0; fits && i < 8; i++)
        margins[i] = old ? (double)old->ints[i] : pads->numbers[i];
    for (int i = 0; fits && i < 8; i++)
        fits = margins[i] == (i % 4 < 2 ? 0 : margins[2]);
    fits = fits && margins[2] >= 0 && margins[2] <= 1 << 10 &&
           rt_onnx_is(node, "mode", "constant", "constant") &&
           !(rt_onnx_real(node, "value", 0) != 0) &&
           (!rt_onnx_in(r, node, 2) ||
            (value && value->few && value->count == 1 && value->numbers[0] == 0));
    if (!fits || (margins[2] > 0 && (x->kind == RT_ONNX_PIXELS || x->channels_last || x->margin)))
        return rt_onnx_problem(r, node,
                               "only the same number of zeros on all four sides of an "
                               "operation's result is supported");
    rt_status status = pass(r, node);
    y->margin += (int)margins[2];
    return status;
}

/* Between TensorFlow's layout and ours. */
static rt_status transpose(struct rt_onnx_reading *r, const Onnx__NodeProto *node)
{
    static const int64_t to_first[] = {0, 3, 1, 2}, to_last[] = {0, 2, 3, 1};
    const struct rt_onnx_value *x = rt_onnx_in(r, node, 0);
    struct rt_onnx_value *y = rt_onnx_out(r, node);
    const Onnx__AttributeProto *perm = rt_onnx_attribute(node, "perm");
    if (!x || !y || x->kind == RT_ONNX_NOTHING)
        return RT_OK;
    const bool image = x->kind == RT_ONNX_IMAGE || x->kind == RT_ONNX_PIXELS;
    if (!image || !perm || perm->n_ints != 4 ||
        memcmp(perm->ints, x->channels_last ? to_first : to_last, sizeof to_first) != 0)
        return rt_onnx_problem(r, node,
                               "only the channels can be moved, to the second axis or the "
                               "last");
    rt_status status = pass(r, node);
    y->channels_last = !y->channels_last;
    return status;
}

static rt_status batch_norm(struct rt_onnx_reading *r, const Onnx__NodeProto *node)
{
    struct rt_batch_norm a = {.momentum = 0.1f, .epsilon = rt_onnx_real(node, "epsilon", 1e-5f)};
    const struct rt_onnx_value *out = rt_onnx_out(r, node);
    struct rt_onnx_image x, y;
    bool ready, added;
    rt_status status = RT_OK;
    if (rt_onnx_whole(node, "training_mode", 0) != 0)
        return rt_onnx_problem(r, node, "training_mode is on: export the network for inference");
    for (size_t i = 1; i < 5; i++)
        if (!rt_onnx_numbers_in(r, node, i))
            return rt_onnx_problem(r, node, "its input %zu is no constant", i);
    RT_TRY(rt_onnx_image_in(r, node, 0, &x, &ready));
    if (!ready)
        return RT_OK;
    for (size_t i = 1; i < 5; i++)
        if (rt_onnx_numbers_in(r, node, i)->count != (size_t)x.shape.c)
            return rt_onnx_problem(r, node, "its input %zu has %zu numbers for %d channels", i,
                                   rt_onnx_numbers_in(r, node, i)->count, x.shape.c);
    a.activation.relu = rt_onnx_relu_follows(r, &out);
    RT_TRY(rt_onnx_add_op(r, node, &rt_op_batch_norm, &a, &x, &y, &added));
    if (!added)
        return RT_OK;
    for (size_t i = 1; i < 5; i++)
        RT_TRY(rt_onnx_add_source(r, rt_onnx_numbers_in(r, node, i), 0));
    y.level = x.level;
    rt_onnx_give((struct rt_onnx_value *)out, &y);
end:
    return status;
}

/* y = x * factor + shift, by a constant of each channel: a normalisation of mean 0 and variance 1.
 */
static rt_status scale_image(struct rt_onnx_reading *r, const Onnx__NodeProto *node, size_t image,
                             const struct rt_onnx_constant *c)
{
    const bool product = strcmp(node->op_type, "Mul") == 0;
    const struct rt_batch_norm a = {.momentum = 0.1f};
    struct rt_onnx_image x, y;
    bool ready, added;
    rt_status status = RT_OK;
    RT_TRY(rt_onnx_image_in(r, node, image, &x, &ready));
    if (!ready)
        return RT_OK;
    const bool fits = c->count == 1 || (c->count == (size_t)x.shape.c && c->dimensions >= 3 &&
                                        c->shape[c->dimensions - 3] == c->count);
    if (!fits || (!product && strcmp(node->op_type, "Add") != 0))
        return rt_onnx_problem(r, node,
                               "of constants, only products with and sums of one number, "
                               "or one a channel, are supported");
    RT_TRY(rt_onnx_add_op(r, node, &rt_op_batch_norm, &a, &x, &y, &added));
    if (!added)
        return RT_OK;
    RT_TRY(rt_onnx_add_source(r, product ? c : NULL, 1));
    RT_TRY(rt_onnx_add_source(r, product ? NULL : c, 0));
    RT_TRY(rt_onnx_add_source(r, NULL, 0));
    RT_TRY(rt_onnx_add_source(r, NULL, 1));
    y.level = x.level;
    rt_onnx_give(rt_onnx_out(r, node), &y);
end:
    return status;
}

static rt_status combine(struct rt_onnx_reading *r, const Onnx__NodeProto *node)
{
    struct rt_add a = {.relu = false};
    const struct rt_onnx_value *out = rt_onnx_out(r, node);
    struct rt_onnx_image x[2], y;
    bool ready[2], added;
    rt_status status = RT_OK;
    for (size_t i = 0; i < 2; i++)
        if (rt_onnx_numbers_in(r, node, i))
            return scale_image(r, node, 1 - i, rt_onnx_numbers_in(r, node, i));
    if (strcmp(node->op_type, "Add") != 0 && strcmp(node->op_type, "Sum") != 0)
        return rt_onnx_problem(r, node, "of two images, only sums are supported");
    if (node->n_input != 2)
        return rt_onnx_problem(r, node, "only sums of two images are supported");
    for (size_t i = 0; i < 2; i++)
        RT_TRY(rt_onnx_image_in(r, node, i, &x[i], &ready[i]));
    if (!ready[0] || !ready[1])
        return RT_OK;
    a.relu = rt_onnx_relu_follows(r, &out);
    RT_TRY(rt_onnx_add_op(r, node, &rt_op_add, &a, x, &y, &added));
    y.level = x[0].level;
    if (added)
        rt_onnx_give((struct rt_onnx_value *)out, &y);
end:
    return status;
}

static rt_status concat(struct rt_onnx_reading *r, const Onnx__NodeProto *node)
{
    const int64_t axis = rt_onnx_whole(node, "axis", 1);
    struct rt_onnx_image x[2], y = {0};
    bool all = true, ready, added;
    rt_status status = RT_OK;
    if (axis != 1 && axis != -3)
        return rt_onnx_problem(r, node, "axis is %lld: only channels, axis 1, can be joined",
                               (long long)axis);
    for (size_t i = 0; i < node->n_input; i++) {
        RT_TRY(rt_onnx_image_in(r, node, i, &x[i > 0], &ready));
        all = all && ready;
        if (!all || i == 0)
            continue;
        RT_TRY(rt_onnx_add_op(r, node, &rt_op_concat, NULL, x, &y, &added));
        if (!added)
            return RT_OK;
        y.level = x[0].level;
        x[0] = y;
    }
    if (all && node->n_input > 0)
        rt_onnx_give(rt_onnx_out(r, node), &x[0]);
end:
    return status;
}

/* A bound of a Clip: an attribute in old versions, an input in new ones. */
static bool find_bound(const struct rt_onnx_reading *r, const Onnx__NodeProto *node, size_t input,
                       const char *name, float *bound)
{
    const struct rt_onnx_constant *c = rt_onnx_numbers_in(r, node, input);
    *bound = rt_onnx_real(node, name, *bound);
    if (!rt_onnx_in(r, node, input))
        return true;
    if (!c || c->count != 1)
        return false;
    *bound = (float)c->numbers[0];
    return true;
}

static rt_status map(struct rt_onnx_reading *r, const Onnx__NodeProto *node)
{
    struct rt_pointwise a = {RT_POINTWISE_CLIP, 0, INFINITY};
    struct rt_onnx_image x, y;
    bool ready, added;
    rt_status status = RT_OK;
    if (strcmp(node->op_type, "Sigmoid") == 0)
        a.function = RT_POINTWISE_SIGMOID;
    if (strcmp(node->op_type, "LeakyRelu") == 0)
        a = (struct rt_pointwise){RT_POINTWISE_LEAKY, rt_onnx_real(node, "alpha", 0.01f), 0};
    if (strcmp(node->op_type, "Clip") == 0) {
        a.low = -INFINITY;
        if (!find_bound(r, node, 1, "min", &a.low) || !find_bound(r, node, 2, "max", &a.high))
            return rt_onnx_problem(r, node, "its bounds are no constants");
    }
    RT_TRY(rt_onnx_image_in(r, node, 0, &x, &ready));
    if (!ready)
        return RT_OK;
    RT_TRY(rt_onnx_add_op(r, node, &rt_op_pointwise, &a, &x, &y, &added));
    y.level = x.level;
    if (added)
        rt_onnx_give(rt_onnx_out(r, node), &y);
end:
    return status;
}

/* The operators, and the attributes that are looked at: any other one is a problem. */
static const struct operator
{
    const char *kind;
    rt_status (*read)(struct rt_onnx_reading * r, const Onnx__NodeProto *node);
    const char *attributes;
}
operators[] = {
    {"Conv", rt_onnx_conv, " auto_pad dilations group kernel_shape pads strides "},
    {"ConvTranspose", rt_onnx_conv_transpose,
     " auto_pad dilations group kernel_shape output_padding output_shape pads strides "},
    {"MaxPool", rt_onnx_pool,
     " auto_pad ceil_mode dilations kernel_shape pads storage_order strides "},
    {"AveragePool", rt_onnx_pool,
     " auto_pad ceil_mode count_include_pad dilations kernel_shape pads strides "},
    {"Resize", rt_onnx_resize,
     " antialias axes coordinate_transformation_mode cubic_coeff_a exclude_outside "
     "extrapolation_value keep_aspect_ratio_policy mode nearest_mode "},
    {"Upsample", rt_onnx_resize, " mode "},
    {"BatchNormalization", batch_norm, " epsilon momentum spatial training_mode "},
    {"Concat", concat, " axis "},
    {"Add", combine, " "},
    {"Sum", combine, " "},
    {"Mul", combine, " "},
    {"Relu", map, " "},
    {"LeakyRelu", map, " alpha "},
    {"Clip", map, " max min "},
    {"Sigmoid", map, " "},
    {"Identity", pass, " "},
    {"Dropout", pass, " ratio seed "},
    {"Cast", pass, " to "},
    {"Transpose", transpose, " perm "},
    {"Pad", pad, " mode pads value "},
};

static bool is_listed(const char *list, const char *name)
{
    const size_t length = strlen(name);
    for (const char *at = strstr(list, name); length > 0 && at; at = strstr(at + 1, name))
        if (at[-1] == ' ' && at[length] == ' ')
            return true;
    return false;
}

static rt_status read_node(struct rt_onnx_reading *r, const Onnx__NodeProto *node)
{
    bool taken = false;
    rt_status status = RT_OK;
    const bool own = !node->domain || !*node->domain || strcmp(node->domain, "ai.onnx") == 0;
    RT_TRY(rt_onnx_scale(r, node, &taken));
    if (!taken)
        RT_TRY(rt_onnx_fold(r, node, &taken));
    if (taken)
        return RT_OK;
    for (size_t i = 0; own && i < RT_COUNT(operators); i++) {
        if (strcmp(node->op_type, operators[i].kind) != 0)
            continue;
        for (size_t k = 0; k < node->n_attribute; k++)
            if (!node->attribute[k]->name ||
                !is_listed(operators[i].attributes, node->attribute[k]->name))
                return rt_onnx_problem(r, node, "the attribute %.40s is not supported",
                                       node->attribute[k]->name ? node->attribute[k]->name : "");
        return operators[i].read(r, node);
    }
    status = rt_onnx_problem(r, node, "this operator is not supported");
end:
    return status;
}

/* --- the whole ------------------------------------------------------------------------------ */

/* The inputs of a node must have been given, or the graph goes round. */
static rt_status check_inputs(const struct rt_onnx_reading *r, const Onnx__NodeProto *node)
{
    for (size_t i = 0; i < node->n_input; i++) {
        const struct rt_onnx_value *x = rt_onnx_in(r, node, i);
        if (*node->input[i] && (!x || !x->given))
            return rt_fail(RT_ERROR_FORMAT,
                           "%s is damaged: the node %.40s '%.64s' takes '%.64s', which no node "
                           "before it gives",
                           r->path, node->op_type, node->name ? node->name : "", node->input[i]);
    }
    return RT_OK;
}

static rt_status read_nodes(struct rt_onnx_reading *r)
{
    rt_status status = RT_OK;
    int input;
    RT_TRY(rt_graph_create(&r->graph, r->device));
    RT_TRY(rt_graph_input(r->graph, 3, &input));
    for (size_t i = 0; i < r->proto->n_node; i++) {
        const Onnx__NodeProto *node = r->proto->node[i];
        if (!r->live[i])
            continue;
        RT_TRY(check_inputs(r, node));
        if (!r->done[i])
            RT_TRY(read_node(r, node));
        for (size_t j = 0; j < node->n_output; j++) {
            struct rt_onnx_value *y = rt_onnx_find(r, node->output[j]);
            if (!y)
                continue;
            y->given = true;
            if (y->kind == RT_ONNX_IMAGE && y->level > r->levels)
                r->levels = y->level;
        }
    }
end:
    return status;
}

static rt_status fail_problems(const struct rt_onnx_reading *r)
{
    return rt_fail(
        RT_ERROR_UNSUPPORTED, "%s cannot be run: %zu of its %zu nodes %s not supported:%s", r->path,
        r->problem_count, r->proto->n_node, r->problem_count == 1 ? "is" : "are", r->problems);
}

/* What the file does not hold must be little. */
static rt_status check_memory(const struct rt_onnx_reading *r)
{
    size_t count, invented = 0;
    const struct rt_graph_parameter *parameters = rt_graph_parameters(r->graph, &count);
    for (size_t i = 0; i < count; i++)
        if (!r->sources[i].constant || r->sources[i].constant->count == 1)
            invented += rt_shape_size(parameters[i].parameter.shape);
    return invented <= INVENTED_MAX
               ? RT_OK
               : rt_fail(RT_ERROR_FORMAT, "%s asks for more memory than a network like it needs",
                         r->path);
}

static rt_status check_output(const struct rt_onnx_reading *r)
{
    const struct rt_onnx_value *y = r->output;
    if (y->kind != RT_ONNX_IMAGE || y->margin > 0 ||
        (size_t)y->node != rt_graph_node_count(r->graph) - 1)
        return rt_fail(RT_ERROR_UNSUPPORTED,
                       "%s cannot be used: its output '%.64s' is no result of an operation that "
                       "retort runs",
                       r->path, y->name);
    const struct rt_shape in = r->scaled.shape, out = y->shape;
    if (r->levels > LEVELS_MAX || in.h % (1 << r->levels) != 0 || in.w % (1 << r->levels) != 0)
        return rt_fail(RT_ERROR_UNSUPPORTED,
                       "%s cannot be used: it takes images of %d x %d pixels and halves them %d "
                       "times, which leaves parts of pixels",
                       r->path, in.w, in.h, r->levels);
    if (out.h != in.h || out.w != in.w)
        return rt_fail(
            RT_ERROR_UNSUPPORTED,
            "%s cannot be used: for images of %d x %d pixels its output has %d x %d, and "
            "retort compares pixel by pixel",
            r->path, in.w, in.h, out.w, out.h);
    if (out.c < 2 || out.c > RT_CLASSES_MAX)
        return rt_fail(RT_ERROR_UNSUPPORTED,
                       "%s cannot be used: its output has %d channels, and retort tells 2 to %d "
                       "classes apart, a channel each",
                       r->path, out.c, RT_CLASSES_MAX);
    return RT_OK;
}

rt_status rt_onnx_nodes(struct rt_onnx_reading *r)
{
    rt_status status = RT_OK;
    RT_TRY(read_nodes(r));
    if (r->problem_count > 0)
        return fail_problems(r);
    RT_TRY(check_memory(r));
    status = check_output(r);
end:
    return status;
}
