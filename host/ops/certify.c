#include "ops/certify.h"

#include <string.h>

#include "base/memory.h"
#include "ops/conv2d.h"
#include "ops/roof.h"

/* --- operations ----------------------------------------------------------------------------- */

static rt_status verify_case(struct rt_device *device, const struct rt_verify_case *test,
                             unsigned parts, struct rt_verified *verified)
{
    struct rt_expected *expected;
    const struct rt_shape x = test->x[0];
    rt_status status = rt_expected_create(&expected, test);
    if (status < 0)
        return status;
    status = rt_verify(device, expected, parts, verified, NULL);
    if (status < 0 && status != RT_ERROR_MEMORY)
        rt_fail_context(status, "of %d x %d x %d x %d, ", x.n, x.c, x.h, x.w);
    rt_expected_destroy(expected);
    return status;
}

/* Single pixels, less than a vector, odd rows, some vectors and a rest, several planes. */
static const struct rt_shape shapes[] = {{1, 1, 2, 2}, {2, 3, 5, 7}, {1, 5, 9, 33}, {3, 2, 34, 50}};

static rt_status verify_shapes(struct rt_device *device, const struct rt_op *op,
                               const void *attributes, bool training, struct rt_verified *verified)
{
    rt_status status = RT_OK;
    for (size_t i = 0; i < RT_COUNT(shapes); i++) {
        const struct rt_verify_case test = {
            .op = op, .attributes = attributes, .x = {shapes[i], shapes[i]}, .training = training};
        RT_TRY(verify_case(device, &test, RT_VERIFY_ALL, verified));
    }
end:
    return status;
}

static rt_status certify_transpose(struct rt_device *device, const struct rt_check *check,
                                   struct rt_verified *verified)
{
    const struct rt_conv_transpose2d narrow = {5}, wide = {16};
    rt_status status = RT_OK;
    (void)check;
    RT_TRY(verify_shapes(device, &rt_op_conv_transpose2d, &narrow, true, verified));
    status = verify_case(device,
                         &(struct rt_verify_case){.op = &rt_op_conv_transpose2d,
                                                  .attributes = &wide,
                                                  .x = {{1, 18, 6, 17}},
                                                  .training = true},
                         RT_VERIFY_ALL, verified);
end:
    return status;
}

static rt_status certify_upsample(struct rt_device *device, const struct rt_check *check,
                                  struct rt_verified *verified)
{
    const struct rt_upsample modes[] = {{RT_UPSAMPLE_NEAREST}, {RT_UPSAMPLE_BILINEAR}};
    rt_status status = RT_OK;
    (void)check;
    for (size_t i = 0; i < RT_COUNT(modes) && status == RT_OK; i++)
        status = verify_shapes(device, &rt_op_upsample, &modes[i], true, verified);
    return status;
}

static rt_status certify_pool(struct rt_device *device, const struct rt_check *check,
                              struct rt_verified *verified)
{
    const struct rt_pool modes[] = {{.mode = RT_POOL_MAX},
                                    {.mode = RT_POOL_AVERAGE},
                                    {RT_POOL_MAX, 3, 2, 1},
                                    {RT_POOL_AVERAGE, 3, 1, 1}};
    rt_status status = RT_OK;
    (void)check;
    for (size_t i = 0; i < RT_COUNT(modes) && status == RT_OK; i++)
        status = verify_shapes(device, &rt_op_pool, &modes[i], true, verified);
    return status;
}

static rt_status certify_add(struct rt_device *device, const struct rt_check *check,
                             struct rt_verified *verified)
{
    const struct rt_add sums[] = {{false}, {true}};
    rt_status status = RT_OK;
    (void)check;
    for (size_t i = 0; i < RT_COUNT(sums) && status == RT_OK; i++)
        status = verify_shapes(device, &rt_op_add, &sums[i], true, verified);
    return status;
}

static rt_status certify_pointwise(struct rt_device *device, const struct rt_check *check,
                                   struct rt_verified *verified)
{
    const struct rt_pointwise maps[] = {
        {RT_POINTWISE_CLIP, 0, 0.75f}, {RT_POINTWISE_LEAKY, 0.2f, 0}, {RT_POINTWISE_SIGMOID, 0, 0}};
    rt_status status = RT_OK;
    (void)check;
    for (size_t i = 0; i < RT_COUNT(maps) && status == RT_OK; i++)
        status = verify_shapes(device, &rt_op_pointwise, &maps[i], true, verified);
    return status;
}

static rt_status certify_concat(struct rt_device *device, const struct rt_check *check,
                                struct rt_verified *verified)
{
    (void)check;
    return verify_shapes(device, &rt_op_concat, NULL, true, verified);
}

static rt_status certify_batch_norm(struct rt_device *device, const struct rt_check *check,
                                    struct rt_verified *verified)
{
    const struct rt_batch_norm a = {0.1f, 1e-3f, {.relu = true, .dropout = 0.2f}};
    rt_status status = RT_OK;
    (void)check;
    RT_TRY(verify_shapes(device, &rt_op_batch_norm, &a, true, verified));
    status = verify_shapes(device, &rt_op_batch_norm, &a, false, verified);
end:
    return status;
}

/* --- convolutions --------------------------------------------------------------------------- */

/* One part alone, so that it does not answer for the others. */
static rt_status run_part(const struct rt_op_call *call, enum rt_conv2d_part part)
{
    return rt_conv2d_taken(call->device, call->attributes, call->x[0].shape, part)->run[part](call);
}

static rt_status run_data(const struct rt_op_call *call)
{
    return run_part(call, RT_CONV2D_BACKWARD_DATA);
}

static rt_status run_weights(const struct rt_op_call *call)
{
    return run_part(call, RT_CONV2D_BACKWARD_WEIGHTS);
}

static const struct {
    unsigned parts;
    rt_status (*backward)(const struct rt_op_call *call);
} part_checks[RT_CONV2D_PARTS] = {
    [RT_CONV2D_FORWARD] = {RT_VERIFY_FORWARD, NULL},
    [RT_CONV2D_BACKWARD_DATA] = {RT_VERIFY_DATA, run_data},
    [RT_CONV2D_BACKWARD_WEIGHTS] = {RT_VERIFY_PARAMETERS, run_weights},
};

/* Of U-Nets: 3x3, the head's 1x1, and what else a network may be given. Tiles past every edge,
 * channels that fill no group, whole vectors. */
static const struct {
    struct rt_shape x;
    struct rt_conv2d attributes;
} convolutions[] = {
    {{1, 1, 1, 1}, {1, 3, 1, true, {.relu = true}, 1}},
    {{2, 3, 9, 21}, {6, 3, 1, true, {true, 0.2f}, 1}},
    {{1, 18, 14, 38}, {20, 3, 1, true, {.relu = true}, 1}},
    {{2, 16, 8, 16}, {16, 3, 1, true, {true, 0.2f}, 1}},
    {{2, 16, 9, 11}, {6, 1, 1, true, {0}, 1}},
    {{1, 3, 12, 19}, {5, 5, 2, true, {.relu = true}, 1}},
    {{1, 3, 13, 18}, {4, 7, 2, true, {.relu = true}, 1}},
    {{2, 6, 9, 37}, {6, 3, 1, true, {true, 0.2f}, 6}},
    {{1, 6, 12, 19}, {9, 5, 2, true, {.relu = true}, 3}},
};

/* The part that begins a check's name. */
static enum rt_conv2d_part part_of(const struct rt_check *check)
{
    int part = 0;
    while (strcmp(rt_conv2d_part_name((enum rt_conv2d_part)part), check->what) != 0)
        part++;
    return (enum rt_conv2d_part)part;
}

/* Leaves the device no way for the part but this variant. */
static void force(struct rt_device *device, const struct rt_check *check)
{
    struct rt_replaced *replaced = rt_choices_replaced(rt_device_choices(device));
    for (const struct rt_conv2d_variant *const *v = rt_conv2d_variants; *v; v++)
        if (strcmp((*v)->name, check->variant) != 0)
            rt_replaced_add(replaced, check->what, (*v)->name, "another one is looked at");
}

static rt_status certify_conv2d(struct rt_device *device, const struct rt_check *check,
                                struct rt_verified *verified)
{
    rt_status status = RT_OK;
    const enum rt_conv2d_part part = part_of(check);
    const struct rt_conv2d_variant *variant = rt_conv2d_find(check->variant);
    struct rt_op op = rt_op_conv2d;
    bool supported = false;
    op.backward = part_checks[part].backward;
    if (rt_device_avoids(device, check->what, check->variant))
        return rt_fail(RT_ERROR_UNSUPPORTED, "known not to work on this device");
    force(device, check);
    for (size_t i = 0; i < RT_COUNT(convolutions); i++) {
        struct rt_conv2d a = convolutions[i].attributes;
        if (op.backward) { /* what the activation's kernel does is done before */
            a.bias = false;
            a.activation = (struct rt_activation){0};
        }
        if (!variant->supports(device, &a, convolutions[i].x, part))
            continue;
        supported = true;
        const struct rt_verify_case test = {
            .op = &op, .attributes = &a, .x = {convolutions[i].x}, .training = true};
        RT_TRY(verify_case(device, &test, part_checks[part].parts, verified));
    }
    if (!supported)
        status = rt_fail(RT_ERROR_UNSUPPORTED, "not for devices of this type");
end:
    return status;
}

/* --- what follows a convolution ------------------------------------------------------------- */

/* An operation of it alone: y = act(x + bias), of which the bias's gradient is computed, the sum of
 * all that is computed of y's. */
static rt_status infer_activation(const void *attributes, const struct rt_shape *x,
                                  struct rt_shape *y)
{
    (void)attributes;
    *y = *x;
    return RT_OK;
}

static int activation_parameters(const void *attributes, const struct rt_shape *x,
                                 struct rt_parameter *parameters)
{
    (void)attributes;
    parameters[0] =
        (struct rt_parameter){.name = "bias", .shape = {1, x->c, 1, 1}, .trained = true};
    return 1;
}

static size_t activation_scratch(const struct rt_device *device, const void *attributes,
                                 const struct rt_shape *x, enum rt_direction direction)
{
    (void)device;
    (void)attributes;
    return direction == RT_BACKWARD ? rt_activation_scratch(*x) : 0;
}

static rt_status activation_backward(const struct rt_op_call *call)
{
    return rt_activation_backward(call, call->attributes, &call->dp[0]);
}

static double activation_value(const struct rt_reference *r, int n, int c, int i, int j)
{
    return rt_reference_activation(
        r, r->attributes, rt_value_at(r->x[0], r->x_shape[0], n, c, i, j) + r->p[0][c], n, c, i, j);
}

static void activation_reference(struct rt_reference *r, const struct rt_tile *tile)
{
    rt_reference_each(r, tile, activation_value);
}

static rt_status certify_activation(struct rt_device *device, const struct rt_check *check,
                                    struct rt_verified *verified)
{
    static const struct rt_op op = {.inputs = 1,
                                    .backward_reads_y = true,
                                    .infer = infer_activation,
                                    .parameters = activation_parameters,
                                    .scratch = activation_scratch,
                                    .backward = activation_backward,
                                    .reference = activation_reference};
    static const struct rt_shape sizes[] = {{3, 2, 5, 7}, {2, 3, 67, 70}};
    const struct rt_activation a = {true, 0.2f};
    rt_status status = RT_OK;
    (void)check;
    for (size_t i = 0; i < RT_COUNT(sizes) && status == RT_OK; i++)
        status = verify_case(device,
                             &(struct rt_verify_case){
                                 .op = &op, .attributes = &a, .x = {sizes[i]}, .training = true},
                             RT_VERIFY_PARAMETERS, verified);
    return status;
}

/* --- what is right or fails ----------------------------------------------------------------- */

static rt_status certify_roof(struct rt_device *device, const struct rt_check *check,
                              struct rt_verified *verified)
{
    struct rt_roof roof;
    (void)check;
    rt_verified_add(verified, 0, 5e-5);
    return rt_roof_measure(device, &roof);
}

/* --- the list ------------------------------------------------------------------------------- */

#define CONV2D(part, name)                                                                         \
    {                                                                                              \
        .section = "kernels", .what = "conv2d " part, .variant = (name), .run = certify_conv2d     \
    }
#define KERNEL(name, function)                                                                     \
    {                                                                                              \
        .section = "kernels", .what = (name), .run = (function)                                    \
    }

static const struct rt_check checks[] = {
    KERNEL("multiply-add and copy", certify_roof),
    CONV2D("forward", "winograd"),
    CONV2D("forward", "winograd4"),
    CONV2D("forward", "winograd2"),
    CONV2D("forward", "direct"),
    CONV2D("forward", "tiled"),
    CONV2D("forward", "gemm"),
    CONV2D("forward", "plain"),
    CONV2D("backward data", "winograd"),
    CONV2D("backward data", "winograd4"),
    CONV2D("backward data", "winograd2"),
    CONV2D("backward data", "direct"),
    CONV2D("backward data", "tiled"),
    CONV2D("backward data", "gemm"),
    CONV2D("backward data", "plain"),
    CONV2D("backward weights", "winograd"),
    CONV2D("backward weights", "winograd4"),
    CONV2D("backward weights", "winograd2"),
    CONV2D("backward weights", "direct"),
    CONV2D("backward weights", "tiled"),
    CONV2D("backward weights", "gemm"),
    CONV2D("backward weights", "plain"),
    KERNEL("activation", certify_activation),
    KERNEL("conv_transpose2d", certify_transpose),
    KERNEL("upsample", certify_upsample),
    KERNEL("pool", certify_pool),
    KERNEL("concat", certify_concat),
    KERNEL("add", certify_add),
    KERNEL("pointwise", certify_pointwise),
    KERNEL("batch_norm", certify_batch_norm),
    KERNEL("batch_norm folded", rt_certify_fold),
    KERNEL("losses", rt_certify_loss),
    KERNEL("optimisers", rt_certify_optimizer),
    KERNEL("classes and counts", rt_certify_metrics),
    {.section = RT_SECTION_EXACT, .what = "exact math", .run = rt_certify_exact},
    {.section = RT_SECTION_EXACT,
     .what = "exact math",
     .variant = "plain",
     .run = rt_certify_exact},
};

const struct rt_check *rt_checks(size_t *count)
{
    *count = RT_COUNT(checks);
    return checks;
}
