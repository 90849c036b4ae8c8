/* The values of an ONNX graph by their names, and the constants among them. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/half.h"
#include "base/memory.h"
#include "exchange/onnx_read.h"

#define PROBLEM_BYTES 12288 /* of a message that has room for 16 KiB */
#define LINE_BYTES 320
#define PROBLEMS_SHOWN 1000 /* which do not fit */

/* --- attributes ----------------------------------------------------------------------------- */

const Onnx__AttributeProto *rt_onnx_attribute(const Onnx__NodeProto *node, const char *name)
{
    for (size_t i = 0; i < node->n_attribute; i++)
        if (node->attribute[i]->name && strcmp(node->attribute[i]->name, name) == 0)
            return node->attribute[i];
    return NULL;
}

int64_t rt_onnx_whole(const Onnx__NodeProto *node, const char *name, int64_t usual)
{
    const Onnx__AttributeProto *attribute = rt_onnx_attribute(node, name);
    return attribute && attribute->has_i ? attribute->i : usual;
}

float rt_onnx_real(const Onnx__NodeProto *node, const char *name, float usual)
{
    const Onnx__AttributeProto *attribute = rt_onnx_attribute(node, name);
    return attribute && attribute->has_f ? attribute->f : usual;
}

bool rt_onnx_is(const Onnx__NodeProto *node, const char *name, const char *text, const char *usual)
{
    const Onnx__AttributeProto *attribute = rt_onnx_attribute(node, name);
    if (!attribute || !attribute->has_s)
        return strcmp(text, usual) == 0;
    return attribute->s.len == strlen(text) && memcmp(attribute->s.data, text, strlen(text)) == 0;
}

/* --- names ---------------------------------------------------------------------------------- */

static int compare_values(const void *a, const void *b)
{
    return strcmp(((const struct rt_onnx_value *)a)->name, ((const struct rt_onnx_value *)b)->name);
}

struct rt_onnx_value *rt_onnx_find(const struct rt_onnx_reading *r, const char *name)
{
    const struct rt_onnx_value wanted = {.name = name};
    if (!name || r->count == 0)
        return NULL;
    return bsearch(&wanted, r->values, r->count, sizeof *r->values, compare_values);
}

struct rt_onnx_value *rt_onnx_in(const struct rt_onnx_reading *r, const Onnx__NodeProto *node,
                                 size_t i)
{
    return i < node->n_input && *node->input[i] ? rt_onnx_find(r, node->input[i]) : NULL;
}

struct rt_onnx_value *rt_onnx_out(const struct rt_onnx_reading *r, const Onnx__NodeProto *node)
{
    return node->n_output > 0 ? rt_onnx_find(r, node->output[0]) : NULL;
}

static void add_name(struct rt_onnx_reading *r, const char *name, size_t giver)
{
    if (name && *name)
        r->values[r->count++] = (struct rt_onnx_value){.name = name, .giver = giver};
}

/* All names of the file; those that the graph takes and has from the start, once. */
static rt_status find_names(struct rt_onnx_reading *r)
{
    const Onnx__GraphProto *graph = r->proto;
    rt_status status = RT_OK;
    size_t count = graph->n_input + graph->n_initializer;
    for (size_t i = 0; i < graph->n_node; i++)
        count += graph->node[i]->n_output;
    RT_TRY(rt_alloc(&r->values, count, sizeof *r->values));
    for (size_t i = 0; i < graph->n_initializer; i++)
        add_name(r, graph->initializer[i]->name, SIZE_MAX);
    qsort(r->values, r->count, sizeof *r->values, compare_values);
    for (size_t i = 0, before = r->count; i < graph->n_input; i++) { /* old files name both */
        const struct rt_onnx_reading sorted = {.values = r->values, .count = before};
        if (!rt_onnx_find(&sorted, graph->input[i]->name))
            add_name(r, graph->input[i]->name, SIZE_MAX);
    }
    for (size_t i = 0; i < graph->n_node; i++)
        for (size_t j = 0; j < graph->node[i]->n_output; j++)
            add_name(r, graph->node[i]->output[j], i);
    qsort(r->values, r->count, sizeof *r->values, compare_values);
    for (size_t i = 1; i < r->count; i++)
        if (strcmp(r->values[i - 1].name, r->values[i].name) == 0)
            RT_TRY(rt_fail(RT_ERROR_FORMAT,
                           "%s is damaged: two of its nodes give the value '%.64s'", r->path,
                           r->values[i].name));
end:
    return status;
}

/* --- what is not supported ------------------------------------------------------------------ */

rt_status rt_onnx_problem(struct rt_onnx_reading *r, const Onnx__NodeProto *node,
                          const char *format, ...)
{
    char line[LINE_BYTES];
    rt_status status = RT_OK;
    if (++r->problem_count > PROBLEMS_SHOWN)
        return RT_OK;
    if (!r->problems)
        RT_TRY(rt_alloc(&r->problems, PROBLEM_BYTES, 1));
    const char *name = node->name && *node->name ? node->name
                       : node->n_output > 0      ? node->output[0]
                                                 : "";
    int length = snprintf(line, sizeof line,
                          "\n  %.40s '%.80s': ", node->op_type ? node->op_type : "(none)", name);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line + length, sizeof line - (size_t)length, format, arguments);
    va_end(arguments);
    for (char *c = line + 1; *c; c++) /* a stranger's names go to a terminal */
        if ((unsigned char)*c < ' ' || *c == 127)
            *c = '?';
    const size_t used = strlen(r->problems);
    if (used + strlen(line) < PROBLEM_BYTES)
        strcpy(r->problems + used, line);
end:
    return status;
}

/* --- constants ------------------------------------------------------------------------------ */

/* A kind of numbers: their bytes in raw_data, and one of them. */
static double read_float(const uint8_t *at)
{
    float number;
    memcpy(&number, at, sizeof number);
    return (double)number;
}

static double read_double(const uint8_t *at)
{
    double number;
    memcpy(&number, at, sizeof number);
    return number;
}

static double read_half(const uint8_t *at)
{
    return (double)rt_half_value((uint16_t)(at[0] | at[1] << 8));
}

static double read_int32(const uint8_t *at)
{
    int32_t number;
    memcpy(&number, at, sizeof number);
    return number;
}

static double read_int64(const uint8_t *at)
{
    int64_t number;
    memcpy(&number, at, sizeof number);
    return (double)number;
}

static double read_byte(const uint8_t *at)
{
    return *at;
}

/* Where raw_data is empty, a field of the message has the numbers. */
static double float_at(const Onnx__TensorProto *t, size_t i)
{
    return (double)t->float_data[i];
}

static double double_at(const Onnx__TensorProto *t, size_t i)
{
    return t->double_data[i];
}

static double int32_at(const Onnx__TensorProto *t, size_t i)
{
    return t->int32_data[i];
}

static double half_at(const Onnx__TensorProto *t, size_t i)
{
    return (double)rt_half_value((uint16_t)t->int32_data[i]);
}

static double int64_at(const Onnx__TensorProto *t, size_t i)
{
    return (double)t->int64_data[i];
}

/* Raw numbers are little-endian, as are the machines that retort has been built for. */
static const struct kind {
    int type;
    size_t bytes;
    double (*raw)(const uint8_t *at);
    double (*at)(const Onnx__TensorProto *tensor, size_t i);
    size_t counted; /* the place in a message of how many numbers the field has */
} kinds[] = {
    {ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT, 4, read_float, float_at,
     offsetof(Onnx__TensorProto, n_float_data)},
    {ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT16, 2, read_half, half_at,
     offsetof(Onnx__TensorProto, n_int32_data)},
    {ONNX__TENSOR_PROTO__DATA_TYPE__DOUBLE, 8, read_double, double_at,
     offsetof(Onnx__TensorProto, n_double_data)},
    {ONNX__TENSOR_PROTO__DATA_TYPE__INT32, 4, read_int32, int32_at,
     offsetof(Onnx__TensorProto, n_int32_data)},
    {ONNX__TENSOR_PROTO__DATA_TYPE__INT64, 8, read_int64, int64_at,
     offsetof(Onnx__TensorProto, n_int64_data)},
    {ONNX__TENSOR_PROTO__DATA_TYPE__BOOL, 1, read_byte, int32_at,
     offsetof(Onnx__TensorProto, n_int32_data)},
    {ONNX__TENSOR_PROTO__DATA_TYPE__UINT8, 1, read_byte, int32_at,
     offsetof(Onnx__TensorProto, n_int32_data)},
};

static const struct kind *kind_of(const Onnx__TensorProto *tensor)
{
    for (size_t i = 0; i < RT_COUNT(kinds); i++)
        if (kinds[i].type == tensor->data_type)
            return &kinds[i];
    return NULL;
}

static double number_at(const Onnx__TensorProto *tensor, const struct kind *kind, size_t i)
{
    return tensor->raw_data.len > 0 ? kind->raw(tensor->raw_data.data + i * kind->bytes)
                                    : kind->at(tensor, i);
}

void rt_onnx_constant_floats(const struct rt_onnx_constant *constant, float *to)
{
    const struct kind *kind = constant->tensor ? kind_of(constant->tensor) : NULL;
    for (size_t i = 0; i < constant->count; i++)
        to[i] = (float)(kind ? number_at(constant->tensor, kind, i) : constant->numbers[i]);
}

rt_status rt_onnx_constant_add(struct rt_onnx_reading *r, struct rt_onnx_constant **constant)
{
    rt_status status = RT_OK;
    RT_TRY(
        rt_grow(&r->constants, &r->constant_capacity, r->constant_count + 1, sizeof *r->constants));
    RT_TRY(rt_alloc(constant, 1, sizeof **constant));
    r->constants[r->constant_count++] = *constant;
end:
    return status;
}

/* How many numbers the shape has; false where that is no number, or one too large for a file. */
static bool find_shape(const Onnx__TensorProto *tensor, struct rt_onnx_constant *constant)
{
    constant->dimensions = (int)tensor->n_dims;
    constant->count = 1;
    for (size_t i = 0; i < tensor->n_dims; i++) {
        if (tensor->dims[i] < 0 || tensor->dims[i] > INT32_MAX)
            return false;
        constant->shape[i] = (size_t)tensor->dims[i];
        if (constant->shape[i] > 0 && constant->count > INT32_MAX / constant->shape[i])
            return false;
        constant->count *= constant->shape[i];
    }
    return true;
}

static size_t numbers_in(const Onnx__TensorProto *tensor, const struct kind *kind)
{
    size_t counted;
    if (tensor->raw_data.len > 0)
        return tensor->raw_data.len % kind->bytes ? SIZE_MAX : tensor->raw_data.len / kind->bytes;
    memcpy(&counted, (const char *)tensor + kind->counted, sizeof counted);
    return counted;
}

rt_status rt_onnx_constant_read(struct rt_onnx_reading *r, const Onnx__TensorProto *tensor,
                                const char *name, struct rt_onnx_constant **constant)
{
    const struct kind *kind = kind_of(tensor);
    rt_status status = RT_OK;
    if (tensor->n_external_data > 0 ||
        tensor->data_location == ONNX__TENSOR_PROTO__DATA_LOCATION__EXTERNAL)
        return rt_fail(RT_ERROR_UNSUPPORTED,
                       "%s keeps the tensor '%.64s' in another file: save it whole, with "
                       "onnx.save(onnx.load(\"%s\"), \"whole.onnx\")",
                       r->path, name, r->path);
    if (!kind)
        return rt_fail(
            RT_ERROR_UNSUPPORTED,
            "the tensor '%.64s' of %s has numbers of ONNX's kind %d: only 32-bit, 16-bit "
            "and 64-bit floats, and whole numbers, can be read",
            name, r->path, (int)tensor->data_type);
    RT_TRY(rt_onnx_constant_add(r, constant));
    struct rt_onnx_constant *c = *constant;
    if (tensor->n_dims > RT_ONNX_DIMENSIONS || !find_shape(tensor, c) ||
        numbers_in(tensor, kind) != c->count)
        return rt_fail(RT_ERROR_FORMAT,
                       "%s is damaged: the tensor '%.64s' has not as many numbers as its shape",
                       r->path, name);
    c->tensor = tensor;
    c->few = c->count <= RT_ONNX_SMALL;
    for (size_t i = 0; c->few && i < c->count; i++)
        c->numbers[i] = number_at(tensor, kind, i);
end:
    return status;
}

static rt_status read_initialisers(struct rt_onnx_reading *r)
{
    rt_status status = RT_OK;
    for (size_t i = 0; i < r->proto->n_initializer; i++) {
        const Onnx__TensorProto *tensor = r->proto->initializer[i];
        struct rt_onnx_value *value = rt_onnx_find(r, tensor->name);
        if (!value || !value->needed)
            continue;
        RT_TRY(rt_onnx_constant_read(r, tensor, value->name, &value->constant));
        value->kind = RT_ONNX_CONSTANT;
        value->given = true;
    }
end:
    return status;
}

/* --- the input ------------------------------------------------------------------------------ */

static rt_status fail_input(const struct rt_onnx_reading *r, const char *what)
{
    return rt_fail(RT_ERROR_UNSUPPORTED,
                   "%s cannot be used: %s; retort runs networks that take one batch of RGB images, "
                   "[batch, 3, height, width] or [batch, height, width, 3] of floats",
                   r->path, what);
}

/* A dimension; 0: any. */
static int64_t dimension(const Onnx__TensorShapeProto *shape, size_t i)
{
    const Onnx__TensorShapeProto__Dimension *d = shape->dim[i];
    return d->value_case == ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE && d->dim_value > 0
               ? d->dim_value
               : 0;
}

#define NOMINAL_SIDE (1 << 14) /* of images of any size: it can be halved often */

static rt_status read_input(struct rt_onnx_reading *r, const Onnx__ValueInfoProto *input,
                            struct rt_onnx_value *value)
{
    const Onnx__TypeProto *type = input->type;
    if (!type || type->value_case != ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE ||
        !type->tensor_type->shape || type->tensor_type->shape->n_dim != 4)
        return fail_input(r, "its input has not four dimensions");
    if (type->tensor_type->elem_type != ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT)
        return fail_input(r, "its input is not of 32-bit floats");
    const Onnx__TensorShapeProto *shape = type->tensor_type->shape;
    const bool last = dimension(shape, 3) == 3 && dimension(shape, 1) != 3;
    const int64_t channels = dimension(shape, last ? 3 : 1),
                  height = dimension(shape, last ? 1 : 2), width = dimension(shape, last ? 2 : 3);
    if (channels != 3)
        return fail_input(r, "its input has not 3 channels");
    if (height > 1 << 20 || width > 1 << 20)
        return fail_input(r, "its input is too large");
    value->kind = RT_ONNX_PIXELS;
    value->given = true;
    value->channels_last = last;
    value->shape = (struct rt_shape){1, 3, height ? (int)height : NOMINAL_SIDE,
                                     width ? (int)width : NOMINAL_SIDE};
    for (int i = 0; i < 3; i++)
        value->factor[i] = 1;
    r->side = height == width ? (int)height : 0;
    return RT_OK;
}

static rt_status read_inputs(struct rt_onnx_reading *r)
{
    bool found = false;
    rt_status status = RT_OK;
    for (size_t i = 0; i < r->proto->n_input; i++) {
        struct rt_onnx_value *value = rt_onnx_find(r, r->proto->input[i]->name);
        if (!value || value->given || !value->needed)
            continue;
        if (found)
            return fail_input(r, "it has several inputs");
        found = true;
        RT_TRY(read_input(r, r->proto->input[i], value));
    }
    if (!found)
        status = fail_input(r, "its output does not depend on an input");
end:
    return status;
}

/* --- the whole ------------------------------------------------------------------------------ */

/* What a node that is needed reads is needed, too. */
static void need_inputs(struct rt_onnx_reading *r, size_t i, size_t *waiting, size_t *count)
{
    const Onnx__NodeProto *node = r->proto->node[i];
    r->live[i] = true;
    for (size_t j = 0; j < node->n_input; j++) {
        struct rt_onnx_value *value = rt_onnx_in(r, node, j);
        if (!value)
            continue;
        if (!value->needed)
            waiting[(*count)++] = (size_t)(value - r->values);
        value->needed = true;
        value->readers++;
        value->reader = i;
    }
}

/* What the output depends on, in whatever order the nodes come. */
static rt_status find_needed(struct rt_onnx_reading *r)
{
    size_t *waiting, count = 0;
    rt_status status = rt_alloc(&waiting, r->count, sizeof *waiting);
    if (status < 0)
        return status;
    r->output->needed = true;
    waiting[count++] = (size_t)(r->output - r->values);
    while (count > 0) {
        const size_t giver = r->values[waiting[--count]].giver;
        if (giver != SIZE_MAX && !r->live[giver])
            need_inputs(r, giver, waiting, &count);
    }
    free(waiting);
    return RT_OK;
}

rt_status rt_onnx_reading_init(struct rt_onnx_reading *r, struct rt_device *device,
                               const char *path, const Onnx__ModelProto *proto)
{
    rt_status status = RT_OK;
    *r = (struct rt_onnx_reading){.path = path, .device = device, .proto = proto->graph};
    r->opset = rt_onnx_opset(proto);
    RT_TRY(rt_alloc(&r->live, r->proto->n_node, sizeof *r->live));
    RT_TRY(rt_alloc(&r->done, r->proto->n_node, sizeof *r->done));
    RT_TRY(find_names(r));
    RT_TRY(rt_onnx_output(r));
    RT_TRY(find_needed(r));
    RT_TRY(read_initialisers(r));
    status = read_inputs(r);
end:
    return status;
}

void rt_onnx_reading_finish(struct rt_onnx_reading *r)
{
    for (size_t i = 0; i < r->constant_count; i++)
        free(r->constants[i]);
    free(r->constants);
    free(r->values);
    free(r->live);
    free(r->done);
    rt_graph_destroy(r->graph);
    free(r->sources);
    free(r->problems);
    *r = (struct rt_onnx_reading){0};
}
