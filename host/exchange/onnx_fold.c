/* The arithmetic by which exporters find shapes: on few numbers, which stand in a row. */
#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "exchange/onnx_read.h"

#define INPUTS_MAX 8

/* A node at work: its inputs that are there, and its output. */
struct fold {
    struct rt_onnx_reading *r;
    const Onnx__NodeProto *node;
    const struct rt_onnx_value *x[INPUTS_MAX];
    size_t inputs;
    struct rt_onnx_constant *y;
};

static const struct rt_onnx_constant *numbers_of(const struct fold *f, size_t i)
{
    const struct rt_onnx_value *value = i < f->inputs ? f->x[i] : NULL;
    return value && value->kind == RT_ONNX_CONSTANT && value->constant->few ? value->constant
                                                                            : NULL;
}

static bool append(struct fold *f, double number)
{
    struct rt_onnx_constant *y = f->y;
    if (y->count >= RT_ONNX_SMALL || !isfinite(number))
        return false;
    y->numbers[y->count++] = number;
    return true;
}

/* The numbers of the inputs, one after the other. */
static bool join(struct fold *f)
{
    for (size_t k = 0; k < f->inputs; k++) {
        const struct rt_onnx_constant *x = numbers_of(f, k);
        for (size_t i = 0; x && i < x->count; i++)
            if (!append(f, x->numbers[i]))
                return false;
        if (!x)
            return false;
    }
    return true;
}

/* The first input's numbers as they are: what changes shapes alone. */
static bool keep(struct fold *f)
{
    f->inputs = 1;
    return join(f);
}

static bool shape(struct fold *f)
{
    const struct rt_onnx_value *x = f->inputs > 0 ? f->x[0] : NULL;
    if (!x || (x->kind != RT_ONNX_IMAGE && x->kind != RT_ONNX_PIXELS) || x->margin > 0)
        return false;
    const struct rt_shape s = x->shape;
    const int first[] = {s.n, s.c, s.h, s.w}, last[] = {s.n, s.h, s.w, s.c};
    const int64_t start = rt_onnx_whole(f->node, "start", 0),
                  end = rt_onnx_whole(f->node, "end", 4);
    for (int64_t i = 0; i < 4; i++)
        if (i >= (start < 0 ? start + 4 : start) && i < (end < 0 ? end + 4 : end) &&
            !append(f, x->channels_last ? last[i] : first[i]))
            return false;
    return true;
}

/* An index from the start, or from the end where it is below 0; false where there is no such. */
static bool index_of(double number, size_t count, size_t *index)
{
    if (number < 0)
        number += (double)count;
    if (!(number >= 0 && number < (double)count))
        return false;
    *index = (size_t)number;
    return true;
}

static bool gather(struct fold *f)
{
    const struct rt_onnx_constant *x = numbers_of(f, 0), *at = numbers_of(f, 1);
    size_t index;
    if (!x || !at || rt_onnx_whole(f->node, "axis", 0) != 0)
        return false;
    for (size_t i = 0; i < at->count; i++)
        if (!index_of(at->numbers[i], x->count, &index) || !append(f, x->numbers[index]))
            return false;
    return true;
}

/* An end of a slice, within the numbers. */
static size_t clamped(double end, size_t count)
{
    if (end < 0)
        end += (double)count;
    return !(end > 0) ? 0 : end < (double)count ? (size_t)end : count;
}

static double slice_end(const struct fold *f, size_t input, const char *name, double usual)
{
    const struct rt_onnx_constant *x = numbers_of(f, input);
    const Onnx__AttributeProto *attribute = rt_onnx_attribute(f->node, name);
    if (x && x->count == 1)
        return x->numbers[0];
    return attribute && attribute->n_ints == 1 ? (double)attribute->ints[0] : usual;
}

static bool slice(struct fold *f)
{
    const struct rt_onnx_constant *x = numbers_of(f, 0), *steps = numbers_of(f, 4);
    if (!x || (steps && (steps->count != 1 || steps->numbers[0] != 1)))
        return false;
    const size_t from = clamped(slice_end(f, 1, "starts", 0), x->count),
                 end = clamped(slice_end(f, 2, "ends", INFINITY), x->count);
    for (size_t i = from; i < end; i++)
        if (!append(f, x->numbers[i]))
            return false;
    return true;
}

static double plus(double a, double b)
{
    return a + b;
}

static double minus(double a, double b)
{
    return a - b;
}

static double times(double a, double b)
{
    return a * b;
}

static double over(double a, double b)
{
    return a / b;
}

/* Number by number, where one of two alone goes with each of the other's. */
static bool combine(struct fold *f, double (*function)(double a, double b))
{
    const struct rt_onnx_constant *a = numbers_of(f, 0), *b = numbers_of(f, 1);
    if (!a || !b || a->count == 0 || b->count == 0 ||
        (a->count != b->count && a->count != 1 && b->count != 1))
        return false;
    const size_t count = a->count > b->count ? a->count : b->count;
    for (size_t i = 0; i < count; i++)
        if (!append(f, function(a->numbers[i % a->count], b->numbers[i % b->count])))
            return false;
    return true;
}

static bool add(struct fold *f)
{
    return combine(f, plus);
}

static bool subtract(struct fold *f)
{
    return combine(f, minus);
}

static bool multiply(struct fold *f)
{
    return combine(f, times);
}

/* Of whole numbers, of which shapes are, the quotient is whole. */
static bool divide(struct fold *f)
{
    return combine(f, over);
}

static bool round_by(struct fold *f, double (*function)(double x))
{
    const struct rt_onnx_constant *x = numbers_of(f, 0);
    for (size_t i = 0; x && i < x->count; i++)
        if (!append(f, function(x->numbers[i])))
            return false;
    return x != NULL;
}

static bool round_down(struct fold *f)
{
    return round_by(f, floor);
}

static bool round_up(struct fold *f)
{
    return round_by(f, ceil);
}

/* To whole numbers. */
static bool cut(struct fold *f)
{
    return round_by(f, trunc);
}

static const struct {
    const char *kind;
    bool (*run)(struct fold *f);
} foldable[] = {
    {"Shape", shape},  {"Gather", gather},    {"Slice", slice},   {"Concat", join},
    {"Squeeze", keep}, {"Unsqueeze", keep},   {"Reshape", keep},  {"Identity", keep},
    {"Cast", cut},     {"Add", add},          {"Sub", subtract},  {"Mul", multiply},
    {"Div", divide},   {"Floor", round_down}, {"Ceil", round_up},
};

static bool is_cast_to_whole(const Onnx__NodeProto *node)
{
    const int64_t to = rt_onnx_whole(node, "to", 0);
    return strcmp(node->op_type, "Cast") == 0 && (to == ONNX__TENSOR_PROTO__DATA_TYPE__INT32 ||
                                                  to == ONNX__TENSOR_PROTO__DATA_TYPE__INT64);
}

/* A constant is the same one where its numbers, which may be many, stay as they are. */
static bool passes(struct fold *f)
{
    static const char *const kinds[] = {"Identity", "Cast", "Dropout"};
    const struct rt_onnx_value *x = f->x[0];
    if (!x || x->kind != RT_ONNX_CONSTANT || is_cast_to_whole(f->node))
        return false;
    for (size_t i = 0; i < RT_COUNT(kinds); i++)
        if (strcmp(f->node->op_type, kinds[i]) == 0)
            return true;
    return false;
}

static rt_status give(struct rt_onnx_reading *r, const Onnx__NodeProto *node,
                      struct rt_onnx_constant *constant)
{
    struct rt_onnx_value *out = rt_onnx_out(r, node);
    if (out) {
        out->kind = RT_ONNX_CONSTANT;
        out->constant = constant;
    }
    return RT_OK;
}

/* The numbers of a node Constant; false where it has none. */
static rt_status read_constant(struct rt_onnx_reading *r, const Onnx__NodeProto *node, bool *folded)
{
    const Onnx__AttributeProto *value = rt_onnx_attribute(node, "value"),
                               *number = rt_onnx_attribute(node, "value_float"),
                               *numbers = rt_onnx_attribute(node, "value_floats"),
                               *whole = rt_onnx_attribute(node, "value_int"),
                               *wholes = rt_onnx_attribute(node, "value_ints");
    struct rt_onnx_constant *c = NULL;
    rt_status status = RT_OK;
    if (value && value->t) {
        RT_TRY(rt_onnx_constant_read(r, value->t, node->n_output > 0 ? node->output[0] : "", &c));
        *folded = true;
        return give(r, node, c);
    }
    const size_t count = numbers ? numbers->n_floats : wholes ? wholes->n_ints : 1;
    if ((!number && !numbers && !whole && !wholes) || count > RT_ONNX_SMALL)
        return RT_OK;
    RT_TRY(rt_onnx_constant_add(r, &c));
    c->few = true;
    c->dimensions = numbers || wholes;
    c->count = c->shape[0] = count;
    for (size_t i = 0; i < count; i++)
        c->numbers[i] = numbers  ? (double)numbers->floats[i]
                        : wholes ? (double)wholes->ints[i]
                        : number ? (double)number->f
                                 : (double)whole->i;
    *folded = true;
    status = give(r, node, c);
end:
    return status;
}

rt_status rt_onnx_fold(struct rt_onnx_reading *r, const Onnx__NodeProto *node, bool *folded)
{
    struct fold f = {.r = r, .node = node};
    rt_status status = RT_OK;
    *folded = false;
    if (strcmp(node->op_type, "Constant") == 0)
        return read_constant(r, node, folded);
    if (node->n_input > INPUTS_MAX)
        return RT_OK;
    for (size_t i = 0; i < node->n_input; i++)
        f.x[f.inputs++] = rt_onnx_in(r, node, i);
    if (passes(&f)) {
        *folded = true;
        return give(r, node, f.x[0]->constant);
    }
    for (size_t i = 0; i < RT_COUNT(foldable) && !*folded; i++) {
        struct rt_onnx_constant y = {.few = true, .dimensions = 1};
        f.y = &y;
        if (strcmp(node->op_type, foldable[i].kind) != 0 || !foldable[i].run(&f))
            continue;
        struct rt_onnx_constant *c;
        RT_TRY(rt_onnx_constant_add(r, &c));
        *c = y;
        c->shape[0] = y.count;
        *folded = true;
        status = give(r, node, c);
    }
end:
    return status;
}
