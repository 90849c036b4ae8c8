/* Whether a graph that was read is a U-Net of ours: by its operations and how they hang together,
 * from the output on; names do not matter. Skips and what comes from below may be joined in either
 * order, and a convolution before a normalisation may have a bias: both change numbers alone. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "exchange/onnx_read.h"
#include "model/unet.h"

#define NODES_MAX 256 /* more than any of ours has */
#define NONE (-1)

struct matching {
    const struct rt_onnx_reading *r;
    const struct rt_graph *theirs, *ours;
    int their[NODES_MAX];   /* of each of ours the node that is it; NONE: not known yet */
    bool turned[NODES_MAX]; /* its inputs come the other way round */
};

/* --- attributes ----------------------------------------------------------------------------- */

/* A bias that theirs has beside ours is one before a normalisation, which takes it up. */
static bool same_conv(const struct rt_graph_node *a, const struct rt_graph_node *b)
{
    const struct rt_conv2d *theirs = a->attributes, *ours = b->attributes;
    return theirs->channels == ours->channels && theirs->kernel == ours->kernel &&
           theirs->stride == ours->stride && rt_conv2d_groups(theirs) == 1 &&
           (theirs->bias || !ours->bias) && theirs->activation.relu == ours->activation.relu;
}

static bool same_transpose(const struct rt_graph_node *a, const struct rt_graph_node *b)
{
    const struct rt_conv_transpose2d *theirs = a->attributes, *ours = b->attributes;
    return theirs->channels == ours->channels;
}

static bool same_pool(const struct rt_graph_node *a, const struct rt_graph_node *b)
{
    const struct rt_pool *theirs = a->attributes, *ours = b->attributes;
    return theirs->mode == ours->mode && rt_pool_halves(theirs);
}

static bool same_upsample(const struct rt_graph_node *a, const struct rt_graph_node *b)
{
    const struct rt_upsample *theirs = a->attributes, *ours = b->attributes;
    return theirs->mode == ours->mode;
}

static bool same_norm(const struct rt_graph_node *a, const struct rt_graph_node *b)
{
    const struct rt_batch_norm *theirs = a->attributes, *ours = b->attributes;
    return theirs->activation.relu == ours->activation.relu;
}

static const struct {
    const struct rt_op *op;
    bool (*same)(const struct rt_graph_node *theirs, const struct rt_graph_node *ours);
} kinds[] = {{&rt_op_conv2d, same_conv}, {&rt_op_conv_transpose2d, same_transpose},
             {&rt_op_pool, same_pool},   {&rt_op_upsample, same_upsample},
             {&rt_op_concat, NULL},      {&rt_op_batch_norm, same_norm}};

static bool same(const struct rt_graph_node *theirs, const struct rt_graph_node *ours)
{
    if (theirs->op != ours->op)
        return false;
    for (size_t i = 0; i < RT_COUNT(kinds); i++)
        if (kinds[i].op == ours->op)
            return !kinds[i].same || kinds[i].same(theirs, ours);
    return !ours->op; /* the input */
}

/* --- structure ------------------------------------------------------------------------------ */

static bool match(struct matching *m, int theirs, int ours);

static bool match_inputs(struct matching *m, const struct rt_graph_node *a,
                         const struct rt_graph_node *b, bool turned)
{
    const int count = b->op ? b->op->inputs : 0;
    for (int i = 0; i < count; i++)
        if (!match(m, a->inputs[turned ? count - 1 - i : i], b->inputs[i]))
            return false;
    return true;
}

/* As deep as ours, which was counted. */
static bool match(struct matching *m, int theirs, int ours)
{
    const struct rt_graph_node a = rt_graph_node(m->theirs, (size_t)theirs),
                               b = rt_graph_node(m->ours, (size_t)ours);
    if (m->their[ours] != NONE)
        return m->their[ours] == theirs;
    if (!same(&a, &b))
        return false;
    m->their[ours] = theirs;
    if (b.op != &rt_op_concat)
        return match_inputs(m, &a, &b, false);
    int before[NODES_MAX];
    memcpy(before, m->their, sizeof before);
    if (match_inputs(m, &a, &b, false))
        return true;
    memcpy(m->their, before, sizeof before);
    m->turned[ours] = true;
    return match_inputs(m, &a, &b, true);
}

static bool match_all(struct matching *m)
{
    const size_t count = rt_graph_node_count(m->ours);
    if (count > NODES_MAX || count != rt_graph_node_count(m->theirs))
        return false;
    for (size_t i = 0; i < count; i++) {
        m->their[i] = NONE;
        m->turned[i] = false;
    }
    return match(m, (int)count - 1, (int)count - 1);
}

/* --- the specification ---------------------------------------------------------------------- */

static int count_of(const struct rt_graph *graph, const struct rt_op *op)
{
    int count = 0;
    for (size_t i = 1; i < rt_graph_node_count(graph); i++)
        count += rt_graph_node(graph, i).op == op;
    return count;
}

/* The only U-Net that the graph may be; false: none. */
static bool guess(const struct rt_graph *graph, struct rt_unet *unet)
{
    const struct rt_graph_node first = rt_graph_node(graph, 1);
    const int depth = count_of(graph, &rt_op_pool);
    if (first.op != &rt_op_conv2d || depth < 1 || depth > 8)
        return false;
    *unet = (struct rt_unet){.width = ((const struct rt_conv2d *)first.attributes)->channels,
                             .depth = depth,
                             .up = RT_UNET_TRANSPOSE,
                             .norm = count_of(graph, &rt_op_batch_norm) > 0 ? RT_UNET_BATCH_NORM
                                                                            : RT_UNET_NO_NORM,
                             .dropout = -1};
    for (size_t i = 1; i < rt_graph_node_count(graph); i++) {
        const struct rt_graph_node node = rt_graph_node(graph, i);
        if (node.op == &rt_op_upsample)
            unet->up = ((const struct rt_upsample *)node.attributes)->mode == RT_UPSAMPLE_NEAREST
                           ? RT_UNET_NEAREST
                           : RT_UNET_BILINEAR;
    }
    return unet->width <= 1024;
}

/* --- the tensors ---------------------------------------------------------------------------- */

enum { GAMMA, BETA, MEAN, VARIANCE }; /* of a normalisation */

void rt_onnx_parameter_floats(const struct rt_onnx_reading *r, size_t parameter, size_t count,
                              float *to)
{
    const struct rt_onnx_source *source = &r->sources[parameter];
    if (source->constant) {
        rt_onnx_constant_floats(source->constant, to);
        for (size_t i = 1; source->constant->count == 1 && i < count; i++)
            to[i] = to[0];
    } else {
        for (size_t i = 0; i < count; i++)
            to[i] = source->value;
    }
}

/* Filters [out, in, k, k] of what `first` and then other channels were, with these after those. */
static void turn_filters(float *filters, struct rt_shape s, int first, float *room)
{
    const size_t plane = (size_t)s.h * (size_t)s.w, all = (size_t)s.c * plane,
                 head = (size_t)first * plane;
    for (int o = 0; o < s.n; o++) {
        float *filter = filters + (size_t)o * all;
        memcpy(room, filter + head, (all - head) * sizeof *room);
        memcpy(room + (all - head), filter, head * sizeof *room);
        memcpy(filter, room, all * sizeof *room);
    }
}

/* How many channels the node of theirs has: those of the last convolution before it. */
static int channels_of(const struct rt_graph *graph, int i)
{
    for (;;) {
        const struct rt_graph_node node = rt_graph_node(graph, (size_t)i);
        if (node.op == &rt_op_conv2d)
            return ((const struct rt_conv2d *)node.attributes)->channels;
        if (node.op == &rt_op_conv_transpose2d)
            return ((const struct rt_conv_transpose2d *)node.attributes)->channels;
        if (!node.op)
            return 3;
        i = node.inputs[0];
    }
}

/* Ours has no bias where a normalisation follows, and one epsilon for all. */
static rt_status change_norm(const struct matching *m, size_t ours, int parameter, size_t count,
                             float *floats)
{
    const struct rt_graph_node b = rt_graph_node(m->ours, ours),
                               a = rt_graph_node(m->theirs, (size_t)m->their[ours]),
                               conv = rt_graph_node(m->theirs, (size_t)a.inputs[0]);
    const struct rt_batch_norm *of_theirs = a.attributes, *of_ours = b.attributes;
    float *bias = NULL;
    rt_status status = RT_OK;
    const float more = of_theirs->epsilon - of_ours->epsilon;
    for (size_t i = 0; parameter == VARIANCE && i < count; i++)
        floats[i] = fmaxf(floats[i] + more, 0);
    if (parameter != MEAN || conv.op != &rt_op_conv2d || conv.parameters < 2)
        return RT_OK;
    RT_TRY(rt_alloc(&bias, count, sizeof *bias));
    rt_onnx_parameter_floats(m->r, conv.first_parameter + 1, count, bias);
    for (size_t i = 0; i < count; i++)
        floats[i] -= bias[i];
end:
    free(bias);
    return status;
}

/* The numbers of one of our parameters. */
static rt_status read_parameter(const struct matching *m, size_t ours, int parameter,
                                struct rt_shape shape, float *floats)
{
    const struct rt_graph_node b = rt_graph_node(m->ours, ours),
                               a = rt_graph_node(m->theirs, (size_t)m->their[ours]);
    const size_t count = rt_shape_size(shape);
    const int before = b.inputs[0];
    rt_status status = RT_OK;
    float *room = NULL;
    rt_onnx_parameter_floats(m->r, a.first_parameter + (size_t)parameter, count, floats);
    if (b.op == &rt_op_batch_norm)
        return change_norm(m, ours, parameter, count, floats);
    if (b.op != &rt_op_conv2d || parameter > 0 || !m->turned[before])
        return RT_OK;
    const struct rt_graph_node joined = rt_graph_node(m->theirs, (size_t)m->their[before]);
    RT_TRY(rt_alloc(&room, count / (size_t)shape.n, sizeof *room));
    turn_filters(floats, shape, channels_of(m->theirs, joined.inputs[0]), room);
end:
    free(room);
    return status;
}

static rt_status read_tensors(struct rt_onnx_unet *unet, const struct matching *m)
{
    size_t trained, total;
    const struct rt_graph_parameter *parameters = rt_graph_parameters(m->ours, &unet->count);
    rt_status status = RT_OK;
    rt_graph_slab_sizes(m->ours, &trained, &total);
    RT_TRY(rt_alloc(&unet->entries, unet->count, sizeof *unet->entries));
    RT_TRY(rt_alloc(&unet->floats, total, sizeof *unet->floats));
    for (size_t i = 1; i < rt_graph_node_count(m->ours); i++) {
        const struct rt_graph_node node = rt_graph_node(m->ours, i);
        for (int k = 0; k < node.parameters; k++) {
            const struct rt_graph_parameter *p = &parameters[node.first_parameter + (size_t)k];
            struct rt_safetensors_entry *entry = &unet->entries[node.first_parameter + (size_t)k];
            const struct rt_shape s = p->parameter.shape;
            float *floats = unet->floats + p->offset;
            RT_TRY(read_parameter(m, i, k, s, floats));
            entry->name = p->name;
            entry->data = floats;
            entry->dimensions = p->parameter.fan_in > 0 ? 4 : 1;
            entry->shape[0] = rt_shape_size(s);
            if (entry->dimensions == 4)
                memcpy(entry->shape, (size_t[]){(size_t)s.n, (size_t)s.c, (size_t)s.h, (size_t)s.w},
                       4 * sizeof *entry->shape);
        }
    }
end:
    return status;
}

/* --- the whole ------------------------------------------------------------------------------ */

rt_status rt_onnx_unet_find(struct rt_onnx_unet *unet, const struct rt_onnx_reading *r)
{
    struct matching *m = NULL;
    struct rt_unet spec;
    rt_status status = RT_OK;
    *unet = (struct rt_onnx_unet){.found = false};
    if (!guess(r->graph, &spec))
        return RT_OK;
    rt_unet_format(&spec, unet->network, sizeof unet->network);
    RT_TRY(rt_alloc(&m, 1, sizeof *m));
    RT_TRY(rt_graph_create(&unet->graph, NULL));
    status = rt_unet_build(&spec, unet->graph, 3, r->output->shape.c);
    if (status == RT_ERROR_ARGUMENT) { /* of so many channels that there is no such */
        status = RT_OK;
        goto end;
    }
    RT_TRY(status);
    *m = (struct matching){.r = r, .theirs = r->graph, .ours = unet->graph};
    unet->found = match_all(m);
    if (unet->found)
        status = read_tensors(unet, m);
end:
    free(m);
    if (status < 0)
        rt_onnx_unet_finish(unet);
    return status;
}

void rt_onnx_unet_finish(struct rt_onnx_unet *unet)
{
    rt_graph_destroy(unet->graph);
    free(unet->entries);
    free(unet->floats);
    *unet = (struct rt_onnx_unet){.found = false};
}
