#include <stdio.h>

#include "ops/activation.h"
#include "ops/share.h"
#include "ops/reference.h"

#define CHUNK 4096 /* as in cl/batch_norm.cl */

enum { GAMMA, BETA, MEAN, VARIANCE }; /* the parameters; the last two are the running ones */

#define ARGUMENT(tensor) rt_buffer_argument((tensor).buffer), rt_ulong((tensor).offset)

static rt_status infer(const void *attributes, const struct rt_shape *x, struct rt_shape *y)
{
    const struct rt_batch_norm *a = attributes;
    if (a->activation.dropout > 0 && !a->activation.relu)
        return rt_fail(RT_ERROR_ARGUMENT, "dropout in a batch normalisation follows its ReLU");
    *y = *x;
    return RT_OK;
}

static int parameters(const void *attributes, const struct rt_shape *x,
                      struct rt_parameter *parameters)
{
    (void)attributes;
    const struct rt_shape shape = {1, x->c, 1, 1};
    parameters[GAMMA] =
        (struct rt_parameter){.name = "weight", .shape = shape, .value = 1, .trained = true};
    parameters[BETA] = (struct rt_parameter){.name = "bias", .shape = shape, .trained = true};
    parameters[MEAN] = (struct rt_parameter){.name = "running_mean", .shape = shape};
    parameters[VARIANCE] = (struct rt_parameter){.name = "running_var", .shape = shape, .value = 1};
    return 4;
}

static size_t chunks_of(struct rt_shape s)
{
    return ((size_t)s.h * (size_t)s.w + CHUNK - 1) / CHUNK;
}

/* The scratch: two statistics a channel, and then four sums a chunk. */
static size_t scratch(const struct rt_device *device, const void *attributes,
                      const struct rt_shape *x, enum rt_direction direction)
{
    (void)device;
    (void)attributes;
    (void)direction;
    return (size_t)x->c * (2 + 4 * (size_t)x->n * chunks_of(*x));
}

static struct rt_tensor partial_of(const struct rt_op_call *call, int channels)
{
    struct rt_tensor partial = call->scratch;
    partial.offset += 2 * (size_t)channels;
    return partial;
}

/* The sums of the chunks; with dz those of the gradient, too. */
static rt_status sum(const struct rt_op_call *call, struct rt_tensor dz)
{
    const struct rt_shape s = call->x[0].shape;
    const struct rt_tensor partial = partial_of(call, s.c);
    const size_t group = (size_t)rt_device_group(call->device);
    char options[48];
    snprintf(options, sizeof options, "-DGROUP=%zu -DGRADIENT=%d", group, dz.buffer != NULL);
    const struct rt_argument arguments[] = {RT_TENSOR(call->x[0]), RT_TENSOR(dz),
                                            ARGUMENT(partial),     rt_int(s.n),
                                            rt_int(s.h * s.w),     rt_local(256 * sizeof(float))};
    return rt_device_launch(
        call->device,
        &(struct rt_launch){.file = "batch_norm.cl",
                            .kernel = "batch_norm_sums",
                            .options = options,
                            .global = {group, (size_t)s.c * chunks_of(s), (size_t)s.n},
                            .local = {group, 1, 1},
                            .arguments = arguments,
                            .count = sizeof arguments / sizeof *arguments});
}

static rt_status forward(const struct rt_op_call *call)
{
    const struct rt_batch_norm *a = call->attributes;
    const struct rt_shape s = call->x[0].shape;
    const struct rt_share share =
        rt_share(call->device, (size_t)s.w, ((size_t)s.c + 3) / 4 * (size_t)s.h);
    const struct rt_dropout dropout = rt_dropout_of(call, &a->activation);
    const float momentum = call->again ? 0 : a->momentum;
    struct rt_tensor partial = RT_TENSOR_NONE;
    rt_status status = RT_OK;
    if (call->training) {
        RT_TRY(sum(call, RT_TENSOR_NONE));
        partial = partial_of(call, s.c);
    }
    RT_TRY(RT_LAUNCH(call->device, "batch_norm.cl", "batch_norm_statistics", NULL, (s.c, 1, 1),
                     ARGUMENT(partial), ARGUMENT(call->scratch), ARGUMENT(call->p[MEAN]),
                     ARGUMENT(call->p[VARIANCE]), rt_int(s.c), rt_int(s.n), rt_int(s.h * s.w),
                     rt_float(momentum), rt_float(a->epsilon)));
    status = RT_LAUNCH(call->device, "batch_norm.cl", "batch_norm_forward", NULL,
                       (share.across, share.down, s.n), RT_TENSOR(call->x[0]), RT_TENSOR(call->y),
                       ARGUMENT(call->scratch), ARGUMENT(call->p[GAMMA]), ARGUMENT(call->p[BETA]),
                       rt_int(s.c), rt_int(s.h), rt_int(s.w), rt_int(a->activation.relu),
                       RT_DROPOUT(dropout), rt_int(share.columns), rt_int(share.rows));
end:
    return status;
}

static rt_status backward(const struct rt_op_call *call)
{
    const struct rt_batch_norm *a = call->attributes;
    const struct rt_shape s = call->x[0].shape;
    const size_t size = (size_t)s.h * (size_t)s.w;
    const struct rt_share share = rt_share(call->device, size, (size_t)s.c);
    const struct rt_tensor partial = partial_of(call, s.c);
    rt_status status = RT_OK;
    RT_TRY(rt_activation_backward(call, &a->activation, &RT_TENSOR_NONE));
    RT_TRY(sum(call, call->dy));
    RT_TRY(RT_LAUNCH(call->device, "batch_norm.cl", "batch_norm_backward_parameters", NULL,
                     (s.c, 1, 1), ARGUMENT(partial), ARGUMENT(call->scratch),
                     ARGUMENT(call->dp[GAMMA]), ARGUMENT(call->dp[BETA]), rt_int(s.c), rt_int(s.n),
                     rt_int((int)size), rt_float(a->epsilon)));
    if (call->dx[0].buffer)
        status = RT_LAUNCH(call->device, "batch_norm.cl", "batch_norm_backward_data", NULL,
                           (share.across, share.down, s.n), RT_TENSOR(call->x[0]),
                           RT_TENSOR(call->dy), RT_TENSOR(call->dx[0]), ARGUMENT(call->scratch),
                           ARGUMENT(call->p[GAMMA]), ARGUMENT(call->dp[GAMMA]),
                           ARGUMENT(call->dp[BETA]), rt_int(s.c), rt_int(s.n), rt_int((int)size),
                           rt_int(call->dx_add[0]), rt_int(share.columns), rt_int(share.rows));
end:
    return status;
}

/* As in training. Forward: two sums (4 FLOPs an element) and the scaling (3), x read by either.
 * Backward: the activation's gradient reads dy and y and writes dz; four sums (7) read x and dz,
 * as does dx (5). */
static struct rt_cost cost(const void *attributes, const struct rt_shape *x,
                           enum rt_direction direction)
{
    const struct rt_batch_norm *a = attributes;
    const double size = (double)rt_shape_size(*x), relu = a->activation.relu;
    if (direction == RT_FORWARD)
        return (struct rt_cost){.flops = (7 + relu) * size, .bytes = 12 * size};
    return (struct rt_cost){.flops = (12 + relu) * size, .bytes = (20 + 12 * relu) * size};
}

/* Scaled channels are those of scaled filters. */
static bool fold(const void *attributes, const struct rt_op *before, const void *before_attributes,
                 void *folded)
{
    const struct rt_batch_norm *a = attributes;
    const struct rt_conv2d *conv = before_attributes;
    if (before != &rt_op_conv2d || conv->activation.relu)
        return false;
    struct rt_conv2d *both = folded;
    *both = *conv;
    both->bias = true;
    both->activation = a->activation;
    return true;
}

static rt_status fold_parameters(struct rt_device *device, const void *attributes,
                                 const struct rt_tensor *p, const struct rt_tensor *before,
                                 const struct rt_tensor *folded)
{
    const struct rt_batch_norm *a = attributes;
    const struct rt_shape filters = before[0].shape;
    const size_t filter = rt_shape_size(filters) / (size_t)filters.n;
    return RT_LAUNCH(device, "batch_norm.cl", "batch_norm_fold", NULL, (filters.n, 1, 1),
                     ARGUMENT(before[0]), ARGUMENT(before[1]), ARGUMENT(p[GAMMA]),
                     ARGUMENT(p[BETA]), ARGUMENT(p[MEAN]), ARGUMENT(p[VARIANCE]),
                     ARGUMENT(folded[0]), ARGUMENT(folded[1]), rt_int(filters.n),
                     rt_int((int)filter), rt_float(a->epsilon));
}

const struct rt_op rt_op_batch_norm = {
    .name = "batch_norm",
    .attributes_size = sizeof(struct rt_batch_norm),
    .inputs = 1,
    .couples_images = true,
    .backward_reads_x = true,
    .backward_reads_y = true,
    .infer = infer,
    .parameters = parameters,
    .scratch = scratch,
    .forward = forward,
    .backward = backward,
    .cost = cost,
    .reference = rt_reference_batch_norm,
    .fold = fold,
    .fold_parameters = fold_parameters,
};
