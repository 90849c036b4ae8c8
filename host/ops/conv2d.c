#include "ops/conv2d.h"
#include "ops/reference.h"

/* What two vectors of 16, from half of it beyond a row on, may reach of RT_TENSOR_GUARD. */
#define KERNEL_MAX 63

/* The variants that each setting of rt_device_set_conv allows; the first that is usable is taken.
 */
static const struct rt_conv2d_variant *const choices[][4] = {
    [RT_CONV_AUTO] = {&rt_conv2d_winograd, &rt_conv2d_direct, &rt_conv2d_plain},
    [RT_CONV_DIRECT] = {&rt_conv2d_direct, &rt_conv2d_plain},
    [RT_CONV_GEMM] = {&rt_conv2d_gemm},
    [RT_CONV_WINOGRAD] = {&rt_conv2d_winograd, &rt_conv2d_direct, &rt_conv2d_plain},
    [RT_CONV_TILED] = {&rt_conv2d_tiled, &rt_conv2d_direct, &rt_conv2d_plain},
    [RT_CONV_WINOGRAD2] = {&rt_conv2d_winograd2, &rt_conv2d_direct, &rt_conv2d_plain},
    [RT_CONV_WINOGRAD4] = {&rt_conv2d_winograd4, &rt_conv2d_direct, &rt_conv2d_plain},
};

/* What RT_CONV_AUTO is where work-items share local memory. */
static const struct rt_conv2d_variant *const choices_of_groups[] = {
    &rt_conv2d_winograd4, &rt_conv2d_tiled, &rt_conv2d_direct, &rt_conv2d_plain, NULL};

const struct rt_conv2d_variant *const rt_conv2d_variants[] = {
    &rt_conv2d_winograd, &rt_conv2d_tiled, &rt_conv2d_winograd4, &rt_conv2d_winograd2,
    &rt_conv2d_direct,   &rt_conv2d_gemm,  &rt_conv2d_plain,     NULL};

bool rt_conv2d_usable(const struct rt_device *device, const struct rt_conv2d *a, struct rt_shape x,
                      enum rt_conv2d_part part, const struct rt_conv2d_variant *variant)
{
    return variant->supports(device, a, x, part) &&
           !rt_device_avoids(device, rt_conv2d_part_name(part), variant->name);
}

static const struct rt_conv2d_variant *variant_of(const struct rt_device *device,
                                                  const struct rt_conv2d *a, struct rt_shape x,
                                                  enum rt_conv2d_part part)
{
    if (rt_device_is_exact(device))
        return rt_conv2d_exact(device, a, x, part);
    enum rt_conv conv = rt_device_conv(device);
    const struct rt_conv2d_variant *chosen =
        conv == RT_CONV_AUTO ? rt_conv2d_chosen(device, a, x, part) : NULL;
    if (chosen)
        return chosen;
    const bool automatic = conv == RT_CONV_AUTO;
    const struct rt_conv2d_variant *const *variant =
        automatic && !rt_device_is_cpu(device) && rt_device_group(device) > 1 ? choices_of_groups
                                                                              : choices[conv];
    for (; *variant; variant++)
        if (rt_conv2d_usable(device, a, x, part, *variant) &&
            !(automatic && x.c * a->channels < (*variant)->least_filters[part]))
            return *variant;
    for (variant = rt_conv2d_variants; *variant; variant++)
        if (rt_conv2d_usable(device, a, x, part, *variant))
            return *variant;
    return &rt_conv2d_plain; /* avoided, too: the doctor said that the device is not fit */
}

const struct rt_conv2d_variant *rt_conv2d_taken(const struct rt_device *device,
                                                const struct rt_conv2d *a, struct rt_shape x,
                                                enum rt_conv2d_part part)
{
    return variant_of(device, a, x, part);
}

static rt_status run(const struct rt_op_call *call, enum rt_conv2d_part part)
{
    return variant_of(call->device, call->attributes, call->x[0].shape, part)->run[part](call);
}

static rt_status infer(const void *attributes, const struct rt_shape *x, struct rt_shape *y)
{
    const struct rt_conv2d *a = attributes;
    if (a->channels < 1 || a->kernel < 1 || a->kernel > KERNEL_MAX || a->kernel % 2 == 0 ||
        a->stride < 1 || a->stride > 2)
        return rt_fail(RT_ERROR_ARGUMENT,
                       "a convolution has at least one channel, an odd kernel of at most %d and "
                       "stride 1 or 2, not %d, %d and %d",
                       KERNEL_MAX, a->channels, a->kernel, a->stride);
    const int groups = rt_conv2d_groups(a);
    if (a->groups < 0 || x->c % groups != 0 || a->channels % groups != 0)
        return rt_fail(RT_ERROR_ARGUMENT,
                       "a convolution of %d channels to %d cannot have them in %d groups", x->c,
                       a->channels, a->groups);
    if (a->activation.dropout > 0 && !a->activation.relu)
        return rt_fail(RT_ERROR_ARGUMENT, "dropout in a convolution follows its ReLU");
    *y = (struct rt_shape){x->n, a->channels, (x->h - 1) / a->stride + 1,
                           (x->w - 1) / a->stride + 1};
    return RT_OK;
}

static int parameters(const void *attributes, const struct rt_shape *x,
                      struct rt_parameter *parameters)
{
    const struct rt_conv2d *a = attributes;
    const int inputs = x->c / rt_conv2d_groups(a);
    parameters[0] = (struct rt_parameter){.name = "weight",
                                          .shape = {a->channels, inputs, a->kernel, a->kernel},
                                          .fan_in = inputs * a->kernel * a->kernel,
                                          .trained = true};
    parameters[1] =
        (struct rt_parameter){.name = "bias", .shape = {1, a->channels, 1, 1}, .trained = true};
    return a->bias ? 2 : 1;
}

/* The parts of either direction. */
static const enum rt_conv2d_part parts[][3] = {
    [RT_FORWARD] = {RT_CONV2D_FORWARD, RT_CONV2D_PARTS},
    [RT_BACKWARD] = {RT_CONV2D_BACKWARD_WEIGHTS, RT_CONV2D_BACKWARD_DATA, RT_CONV2D_PARTS},
};

static size_t scratch(const struct rt_device *device, const void *attributes,
                      const struct rt_shape *x, enum rt_direction direction)
{
    struct rt_shape y;
    if (infer(attributes, x, &y) < 0)
        return 0;
    size_t most = direction == RT_FORWARD ? 0 : rt_activation_scratch(y);
    for (const enum rt_conv2d_part *part = parts[direction]; *part < RT_CONV2D_PARTS; part++) {
        const struct rt_conv2d_variant *variant = variant_of(device, attributes, *x, *part);
        size_t floats = variant->scratch ? variant->scratch(device, attributes, *x, *part) : 0;
        most = floats > most ? floats : most;
    }
    return most;
}

static rt_status reserve(struct rt_device *device, const void *attributes, const struct rt_shape *x,
                         enum rt_direction direction)
{
    rt_status status = RT_OK;
    for (const enum rt_conv2d_part *part = parts[direction]; *part < RT_CONV2D_PARTS; part++) {
        const struct rt_conv2d_variant *variant = variant_of(device, attributes, *x, *part);
        if (variant->reserve)
            RT_TRY(variant->reserve(device, attributes, *x, *part));
    }
end:
    return status;
}

static bool pools(const struct rt_device *device, const void *attributes, const struct rt_shape *x)
{
    struct rt_shape y;
    return infer(attributes, x, &y) == RT_OK && y.h % 2 == 0 && y.w % 2 == 0 &&
           variant_of(device, attributes, *x, RT_CONV2D_FORWARD)->pools;
}

static rt_status forward(const struct rt_op_call *call)
{
    return run(call, RT_CONV2D_FORWARD);
}

static rt_status backward(const struct rt_op_call *call)
{
    const struct rt_conv2d *a = call->attributes;
    rt_status status = RT_OK;
    RT_TRY(rt_activation_backward(call, &a->activation, &call->dp[1]));
    RT_TRY(run(call, RT_CONV2D_BACKWARD_WEIGHTS));
    if (call->dx[0].buffer)
        status = run(call, RT_CONV2D_BACKWARD_DATA);
end:
    return status;
}

static struct rt_cost cost(const void *attributes, const struct rt_shape *x,
                           enum rt_direction direction)
{
    const struct rt_conv2d *a = attributes;
    struct rt_shape y = {0};
    struct rt_cost cost = {0};
    if (infer(attributes, x, &y) < 0)
        return cost;
    double in = (double)rt_shape_size(*x), out = (double)rt_shape_size(y);
    double taps = (double)a->kernel * a->kernel * x->c / rt_conv2d_groups(a);
    cost.flops = 2 * out * taps;
    cost.bytes = 4 * (in + out + taps * a->channels);
    if (direction == RT_BACKWARD) {
        /* By weights and by data; before them the activation reads dy and y and writes dz. */
        cost.flops *= 2;
        cost.bytes = 2 * cost.bytes + 12 * out;
    }
    return cost;
}

const struct rt_op rt_op_conv2d = {
    .name = "conv2d",
    .attributes_size = sizeof(struct rt_conv2d),
    .inputs = 1,
    .backward_reads_x = true,
    .backward_reads_y = true,
    .infer = infer,
    .parameters = parameters,
    .scratch = scratch,
    .reserve = reserve,
    .forward = forward,
    .pools = pools,
    .backward = backward,
    .cost = cost,
    .reference = rt_reference_conv2d,
    .reference_data = rt_reference_conv2d_data,
    .reference_parameter = rt_reference_conv2d_parameter,
};
