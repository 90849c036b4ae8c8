/* How a graph scales its images before the first operation: by constants of each channel, or, as
 * retort writes it, to the range of each channel of each image. retort does the same when it reads
 * the images, so that these nodes become the model's scaling. */
#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "exchange/onnx_read.h"

/* A constant of every channel: one number, or [3], [3, 1, 1], [1, 3, 1, 1], and with channels last
 * [1, 1, 1, 3]. */
static bool channel_numbers(const struct rt_onnx_value *value, bool channels_last, double to[3])
{
    const struct rt_onnx_constant *c =
        value && value->kind == RT_ONNX_CONSTANT ? value->constant : NULL;
    if (!c || !c->few || (c->count != 1 && c->count != 3))
        return false;
    for (int i = 0; i < c->dimensions && c->count == 3; i++) {
        const int from_end = c->dimensions - 1 - i;
        if (c->shape[i] != (from_end == (channels_last ? 0 : 2) ? 3 : 1))
            return false;
    }
    if (c->count == 3 && c->dimensions < (channels_last ? 1 : 3))
        return false;
    for (int i = 0; i < 3; i++)
        to[i] = c->numbers[c->count == 3 ? i : 0];
    return true;
}

static bool is_kind(const Onnx__NodeProto *node, const char *kind)
{
    return strcmp(node->op_type, kind) == 0;
}

/* y = x * factor + shift by a constant on either side. */
static bool scale_by_constant(const struct rt_onnx_reading *r, const Onnx__NodeProto *node,
                              struct rt_onnx_value *y)
{
    const struct rt_onnx_value *a = rt_onnx_in(r, node, 0), *b = rt_onnx_in(r, node, 1);
    const bool first = a && a->kind == RT_ONNX_PIXELS;
    const struct rt_onnx_value *x = first ? a : b;
    double c[3];
    if (!x || x->kind != RT_ONNX_PIXELS || !channel_numbers(first ? b : a, x->channels_last, c))
        return false;
    for (int i = 0; i < 3; i++) {
        double factor = 1, shift = 0;
        if (is_kind(node, "Add"))
            shift = c[i];
        else if (is_kind(node, "Sub") && first)
            shift = -c[i];
        else if (is_kind(node, "Mul"))
            factor = c[i];
        else if (is_kind(node, "Div") && first)
            factor = 1 / c[i];
        else
            return false;
        y->factor[i] = x->factor[i] * factor;
        y->shift[i] = x->shift[i] * factor + shift;
        if (!isfinite(y->factor[i]) || !isfinite(y->shift[i]) || !(y->factor[i] > 0))
            return false;
    }
    y->kind = RT_ONNX_PIXELS;
    y->ranged = x->ranged;
    y->channels_last = x->channels_last;
    y->shape = x->shape;
    return true;
}

/* Least and largest are of whole planes, which stay as axes of one pixel. */
static bool is_of_planes(const struct rt_onnx_reading *r, const Onnx__NodeProto *node)
{
    const Onnx__AttributeProto *axes = rt_onnx_attribute(node, "axes");
    const struct rt_onnx_value *given = rt_onnx_in(r, node, 1);
    double first, second;
    if (axes && axes->n_ints == 2) {
        first = (double)axes->ints[0];
        second = (double)axes->ints[1];
    } else if (given && given->kind == RT_ONNX_CONSTANT && given->constant->few &&
               given->constant->count == 2) {
        first = given->constant->numbers[0];
        second = given->constant->numbers[1];
    } else {
        return false;
    }
    return rt_onnx_whole(node, "keepdims", 1) == 1 && (first == 2 || first == -2) &&
           (second == 3 || second == -1);
}

/* The steps from pixels to those of each patch's range. */
static const struct step {
    const char *kind;
    enum rt_onnx_kind first, second, to; /* second NOTHING: there is but one input that counts */
} steps[] = {
    {"ReduceMin", RT_ONNX_PIXELS, RT_ONNX_NOTHING, RT_ONNX_LEAST},
    {"ReduceMax", RT_ONNX_PIXELS, RT_ONNX_NOTHING, RT_ONNX_LARGEST},
    {"Sub", RT_ONNX_LARGEST, RT_ONNX_LEAST, RT_ONNX_RANGE},
    {"Max", RT_ONNX_RANGE, RT_ONNX_CONSTANT, RT_ONNX_RANGE},
    {"Add", RT_ONNX_RANGE, RT_ONNX_CONSTANT, RT_ONNX_RANGE},
    {"Sub", RT_ONNX_PIXELS, RT_ONNX_LEAST, RT_ONNX_ABOVE_LEAST},
    {"Div", RT_ONNX_ABOVE_LEAST, RT_ONNX_RANGE, RT_ONNX_PIXELS},
};

/* What keeps a range from being 0 is less than a step of the pixels. */
static bool is_tiny(const struct rt_onnx_value *value)
{
    const struct rt_onnx_constant *c = value->constant;
    return c->few && c->count == 1 && c->numbers[0] >= 0 && c->numbers[0] <= 1e-3;
}

static bool takes(const struct rt_onnx_reading *r, const Onnx__NodeProto *node,
                  const struct step *step)
{
    const struct rt_onnx_value *a = rt_onnx_in(r, node, 0), *b = rt_onnx_in(r, node, 1);
    if (!is_kind(node, step->kind) || !a || a->kind != step->first || a->channels_last)
        return false;
    if (step->second == RT_ONNX_NOTHING)
        return !a->ranged && is_of_planes(r, node);
    return b && b->kind == step->second && (step->second != RT_ONNX_CONSTANT || is_tiny(b));
}

static bool scale_to_range(const struct rt_onnx_reading *r, const Onnx__NodeProto *node,
                           struct rt_onnx_value *y)
{
    for (size_t i = 0; i < RT_COUNT(steps); i++) {
        if (!takes(r, node, &steps[i]))
            continue;
        y->kind = steps[i].to;
        y->shape = rt_onnx_in(r, node, 0)->shape;
        for (int c = 0; c < 3; c++)
            y->factor[c] = 1;
        y->ranged = y->kind == RT_ONNX_PIXELS;
        return true;
    }
    return false;
}

rt_status rt_onnx_scale(struct rt_onnx_reading *r, const Onnx__NodeProto *node, bool *taken)
{
    struct rt_onnx_value *y = rt_onnx_out(r, node);
    *taken = y && (scale_by_constant(r, node, y) || scale_to_range(r, node, y));
    return RT_OK;
}

rt_status rt_onnx_scaling(const struct rt_onnx_reading *r, const struct rt_scaling *base,
                          struct rt_scaling *scaling)
{
    const struct rt_onnx_value *x = &r->scaled;
    const bool ranged = x->ranged || base->mode == RT_SCALING_PATCH;
    *scaling = *base;
    for (int i = 0; i < 3; i++) {
        const double mean = (double)base->mean[i], deviation = (double)base->deviation[i];
        if (ranged && (x->factor[i] != 1 || x->shift[i] != 0))
            return rt_fail(RT_ERROR_UNSUPPORTED,
                           "%s scales what each patch's range was made 1, which retort's scalings "
                           "cannot express",
                           r->path);
        scaling->mean[i] = (float)(mean - x->shift[i] * deviation / x->factor[i]);
        scaling->deviation[i] = (float)(deviation / x->factor[i]);
    }
    if (ranged)
        *scaling = (struct rt_scaling){.mode = RT_SCALING_PATCH, .deviation = {1, 1, 1}};
    return RT_OK;
}
