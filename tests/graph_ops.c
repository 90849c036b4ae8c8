#include "graph_ops.h"

#include <math.h>
#include <stdlib.h>

#include "test.h"

float *get(const struct rt_tensor *tensor)
{
    float *values = calloc(rt_shape_size(tensor->shape), sizeof *values);
    assert_ok(rt_tensor_read(tensor, values));
    return values;
}

void put(const struct rt_tensor *tensor, float *values)
{
    assert_ok(rt_tensor_write(tensor, values));
    free(values);
}

/* Gives values to dx and frees them. */
static void give(const struct rt_op_call *call, int input, float *values)
{
    const struct rt_tensor *dx = &call->dx[input];
    if (dx->buffer && call->dx_add[input]) {
        float *old = get(dx);
        for (size_t i = 0; i < rt_shape_size(dx->shape); i++)
            values[i] += old[i];
        free(old);
    }
    if (dx->buffer)
        put(dx, values);
    else
        free(values);
}

static rt_status same_shape(const void *attributes, const struct rt_shape *x, struct rt_shape *y)
{
    (void)attributes;
    *y = x[0];
    return RT_OK;
}

static struct rt_cost one_flop(const void *attributes, const struct rt_shape *x,
                               enum rt_direction direction)
{
    (void)attributes;
    return (struct rt_cost){(double)rt_shape_size(x[0]) * (direction == RT_FORWARD ? 1 : 2), 0};
}

static rt_status mix_infer(const void *attributes, const struct rt_shape *x, struct rt_shape *y)
{
    *y = x[0];
    y->c = ((const struct mix *)attributes)->channels;
    return RT_OK;
}

static int mix_parameters(const void *attributes, const struct rt_shape *x, struct rt_parameter *p)
{
    int channels = ((const struct mix *)attributes)->channels;
    p[0] = (struct rt_parameter){"weight", {channels, x->c, 1, 1}, x->c, 0, true};
    p[1] = (struct rt_parameter){"calls", {1, 1, 1, 1}, 0, 0, false};
    return 2;
}

/* One image takes more than several do. */
static size_t forward_scratch(struct rt_shape x)
{
    return (size_t)x.c * (x.n == 1 ? MIX_SCRATCH_OF_ONE : 1);
}

static size_t mix_scratch(const struct rt_device *device, const void *attributes,
                          const struct rt_shape *x, enum rt_direction direction)
{
    (void)device, (void)attributes;
    return direction == RT_FORWARD ? forward_scratch(*x) : 3 * (size_t)x->c;
}

static rt_status mix_forward(const struct rt_op_call *call)
{
    size_t plane = (size_t)(call->y.shape.h * call->y.shape.w);
    int in = call->x[0].shape.c, out = call->y.shape.c;
    float *x = get(&call->x[0]), *w = get(&call->p[0]);
    float *y = calloc(rt_shape_size(call->y.shape), sizeof *y);
    for (int n = 0; n < call->y.shape.n; n++)
        for (int c = 0; c < out; c++)
            for (int k = 0; k < in; k++)
                for (size_t i = 0; i < plane; i++)
                    y[(size_t)(n * out + c) * plane + i] +=
                        w[c * in + k] * sinf(x[(size_t)(n * in + k) * plane + i]);
    assert_ok(rt_buffer_fill(call->scratch.buffer, call->scratch.offset * sizeof(float),
                             forward_scratch(call->x[0].shape) * sizeof(float), 0x7fc0dead));
    put(&call->y, y);
    if (call->training && !call->again) {
        float *calls = get(&call->p[1]);
        calls[0] += 1;
        put(&call->p[1], calls);
    }
    free(x);
    free(w);
    return RT_OK;
}

static rt_status mix_backward(const struct rt_op_call *call)
{
    size_t plane = (size_t)(call->dy.shape.h * call->dy.shape.w);
    int in = call->x[0].shape.c, out = call->dy.shape.c;
    float *x = get(&call->x[0]), *w = get(&call->p[0]), *dy = get(&call->dy);
    float *dx = calloc(rt_shape_size(call->x[0].shape), sizeof *dx);
    float *dw = calloc(rt_shape_size(call->p[0].shape), sizeof *dw);
    assert_null(call->dp[1].buffer); /* a state has no gradient */
    assert_null(call->y.buffer);     /* not read backward */
    for (int n = 0; n < call->dy.shape.n; n++)
        for (int c = 0; c < out; c++)
            for (int k = 0; k < in; k++)
                for (size_t i = 0; i < plane; i++) {
                    float v = x[(size_t)(n * in + k) * plane + i];
                    float g = dy[(size_t)(n * out + c) * plane + i];
                    dx[(size_t)(n * in + k) * plane + i] += g * w[c * in + k] * cosf(v);
                    dw[c * in + k] += g * sinf(v);
                }
    assert_ok(rt_buffer_fill(call->scratch.buffer, call->scratch.offset * sizeof(float),
                             3 * (size_t)in * sizeof(float), 0x7fc0dead));
    for (size_t i = 0; i < rt_shape_size(call->dy.shape); i++)
        dy[i] = NAN; /* an operation may */
    put(&call->dy, dy);
    put(&call->dp[0], dw);
    give(call, 0, dx);
    free(x);
    free(w);
    return RT_OK;
}

const struct rt_op mix = {.name = "mix",
                          .attributes_size = sizeof(struct mix),
                          .inputs = 1,
                          .backward_reads_x = true,
                          .infer = mix_infer,
                          .parameters = mix_parameters,
                          .scratch = mix_scratch,
                          .forward = mix_forward,
                          .backward = mix_backward,
                          .cost = one_flop};

static rt_status bend_forward(const struct rt_op_call *call)
{
    float *y = get(&call->x[0]);
    for (size_t i = 0; i < rt_shape_size(call->y.shape); i++)
        y[i] = tanhf(y[i]);
    put(&call->y, y);
    return RT_OK;
}

static rt_status bend_backward(const struct rt_op_call *call)
{
    float *y = get(&call->y), *dx = get(&call->dy);
    assert_null(call->x[0].buffer);
    for (size_t i = 0; i < rt_shape_size(call->y.shape); i++)
        dx[i] *= 1 - y[i] * y[i];
    give(call, 0, dx);
    free(y);
    return RT_OK;
}

const struct rt_op bend = {.name = "bend",
                           .inputs = 1,
                           .backward_reads_y = true,
                           .infer = same_shape,
                           .forward = bend_forward,
                           .backward = bend_backward,
                           .cost = one_flop};

static rt_status half_infer(const void *attributes, const struct rt_shape *x, struct rt_shape *y)
{
    (void)attributes;
    *y = (struct rt_shape){x->n, x->c, x->h / 2, x->w / 2};
    return y->h && y->w ? RT_OK : rt_fail(RT_ERROR_ARGUMENT, "nothing is left");
}

static rt_status twice_infer(const void *attributes, const struct rt_shape *x, struct rt_shape *y)
{
    (void)attributes;
    *y = (struct rt_shape){x->n, x->c, x->h * 2, x->w * 2};
    return RT_OK;
}

/* The pixel of the smaller image that pixel i of the larger belongs to. */
static size_t small_pixel(struct rt_shape large, size_t i)
{
    size_t w = (size_t)large.w, h = (size_t)large.h;
    return (i / (w * h) * (h / 2) + i / w % h / 2) * (w / 2) + i % w / 2;
}

/* Both ways of both: every small pixel is the sum of its four, or is given to each of them. */
static float *sums(const struct rt_tensor *large, struct rt_shape small)
{
    float *from = get(large), *to = calloc(rt_shape_size(small), sizeof *to);
    for (size_t i = 0; i < rt_shape_size(large->shape); i++)
        to[small_pixel(large->shape, i)] += from[i];
    free(from);
    return to;
}

static float *spread(const struct rt_tensor *small, struct rt_shape large)
{
    float *from = get(small), *to = calloc(rt_shape_size(large), sizeof *to);
    for (size_t i = 0; i < rt_shape_size(large); i++)
        to[i] = from[small_pixel(large, i)];
    free(from);
    return to;
}

static rt_status half_forward(const struct rt_op_call *call)
{
    put(&call->y, sums(&call->x[0], call->y.shape));
    return RT_OK;
}

static rt_status half_backward(const struct rt_op_call *call)
{
    give(call, 0, spread(&call->dy, call->x[0].shape));
    return RT_OK;
}

static rt_status twice_forward(const struct rt_op_call *call)
{
    put(&call->y, spread(&call->x[0], call->y.shape));
    return RT_OK;
}

static rt_status twice_backward(const struct rt_op_call *call)
{
    give(call, 0, sums(&call->dy, call->x[0].shape));
    return RT_OK;
}

const struct rt_op half = {.name = "half",
                           .inputs = 1,
                           .infer = half_infer,
                           .forward = half_forward,
                           .backward = half_backward,
                           .cost = one_flop};
const struct rt_op twice = {.name = "twice",
                            .inputs = 1,
                            .infer = twice_infer,
                            .forward = twice_forward,
                            .backward = twice_backward,
                            .cost = one_flop};

int join_copies;

static rt_status join_infer(const void *attributes, const struct rt_shape *x, struct rt_shape *y)
{
    (void)attributes;
    *y = x[0];
    y->c += x[1].c;
    if (x[0].h != x[1].h || x[0].w != x[1].w)
        return rt_fail(RT_ERROR_ARGUMENT, "the inputs do not fit");
    return RT_OK;
}

/* The part of a whole that input j is. */
static struct rt_tensor part_of(const struct rt_op_call *call, struct rt_tensor whole, int j)
{
    if (j == 1)
        whole.offset += (size_t)call->x[0].shape.c * whole.plane;
    whole.shape = call->x[j].shape;
    return whole;
}

static bool same_place(const struct rt_tensor *a, const struct rt_tensor *b)
{
    return a->buffer == b->buffer && a->offset == b->offset;
}

static rt_status join_forward(const struct rt_op_call *call)
{
    for (int j = 0; j < 2; j++) {
        struct rt_tensor part = part_of(call, call->y, j);
        if (same_place(&part, &call->x[j]))
            continue;
        join_copies++;
        put(&part, get(&call->x[j]));
    }
    return RT_OK;
}

static rt_status join_backward(const struct rt_op_call *call)
{
    for (int j = 0; j < 2; j++) {
        struct rt_tensor part = part_of(call, call->dy, j);
        if (!same_place(&part, &call->dx[j]))
            give(call, j, get(&part));
    }
    return RT_OK;
}

const struct rt_op join = {.name = "join",
                           .inputs = 2,
                           .identity = true,
                           .infer = join_infer,
                           .forward = join_forward,
                           .backward = join_backward,
                           .cost = one_flop};
