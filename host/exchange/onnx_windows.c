/* Operators with windows: convolutions, pooling, and resizing. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "exchange/onnx_nodes.h"

/* The first two of an attribute's numbers, which must be as many as the axes; else `usual`. */
static bool pair_of(const Onnx__NodeProto *node, const char *name, int64_t usual, int64_t pair[2])
{
    const Onnx__AttributeProto *attribute = rt_onnx_attribute(node, name);
    pair[0] = pair[1] = usual;
    if (!attribute || attribute->n_ints == 0)
        return true;
    if (attribute->n_ints != 2)
        return false;
    memcpy(pair, attribute->ints, 2 * sizeof *pair);
    return true;
}

/* A square window. */
struct window {
    int kernel, stride, pad;
};

/* What TensorFlow's SAME adds, where that is the same on all sides. */
static bool same_pad(int kernel, int stride, int *pad)
{
    const int total = kernel > stride ? kernel - stride : 0; /* of images that strides divide */
    *pad = total / 2;
    return total % 2 == 0;
}

/* The padding; false: it differs from side to side, which was named. */
static rt_status read_pads(struct rt_onnx_reading *r, const Onnx__NodeProto *node,
                           struct window *window, bool *fits)
{
    const Onnx__AttributeProto *pads = rt_onnx_attribute(node, "pads");
    const int margin = rt_onnx_in(r, node, 0) ? rt_onnx_in(r, node, 0)->margin : 0;
    *fits = false;
    window->pad = margin;
    if (rt_onnx_is(node, "auto_pad", "SAME_UPPER", "") ||
        rt_onnx_is(node, "auto_pad", "SAME_LOWER", "")) {
        *fits = margin == 0 && same_pad(window->kernel, window->stride, &window->pad);
        return *fits ? RT_OK
                     : rt_onnx_problem(r, node,
                                       "auto_pad pads a %d x %d window with stride %d "
                                       "unevenly",
                                       window->kernel, window->kernel, window->stride);
    }
    if (!rt_onnx_is(node, "auto_pad", "NOTSET", "NOTSET") &&
        !rt_onnx_is(node, "auto_pad", "VALID", ""))
        return rt_onnx_problem(r, node, "this auto_pad is not supported");
    *fits = true;
    if (!pads || pads->n_ints == 0)
        return RT_OK;
    for (size_t i = 0; i < pads->n_ints; i++)
        if (pads->n_ints != 4 || pads->ints[i] != pads->ints[0] || pads->ints[0] < 0 ||
            pads->ints[0] > 1 << 10)
            *fits = false;
    if (!*fits)
        return rt_onnx_problem(r, node, "pads differ from side to side, or are below 0");
    window->pad += (int)pads->ints[0];
    return RT_OK;
}

/* The window; not *fits: it is not supported, which was named. `kernel` is that of the filters; 0:
 * the attribute says it. */
static rt_status read_window(struct rt_onnx_reading *r, const Onnx__NodeProto *node,
                             const size_t kernel[2], struct window *window, bool *fits)
{
    int64_t size[2], stride[2], dilation[2];
    *fits = false;
    if (!pair_of(node, "kernel_shape", 0, size) || !pair_of(node, "strides", 1, stride) ||
        !pair_of(node, "dilations", 1, dilation))
        return rt_onnx_problem(r, node, "its windows have not two axes");
    for (int i = 0; kernel && i < 2; i++)
        size[i] = (int64_t)kernel[i];
    if (dilation[0] != 1 || dilation[1] != 1)
        return rt_onnx_problem(r, node, "dilations are %lld, %lld: only 1 is supported",
                               (long long)dilation[0], (long long)dilation[1]);
    if (size[0] != size[1] || size[0] < 1 || size[0] > 31)
        return rt_onnx_problem(r, node,
                               "its window is %lld x %lld: only square ones of 1 to 31 are "
                               "supported",
                               (long long)size[0], (long long)size[1]);
    if (stride[0] != stride[1] || stride[0] < 1 || stride[0] > 31)
        return rt_onnx_problem(r, node, "strides are %lld, %lld: only equal ones are supported",
                               (long long)stride[0], (long long)stride[1]);
    window->kernel = (int)size[0];
    window->stride = (int)stride[0];
    return read_pads(r, node, window, fits);
}

/* --- convolutions --------------------------------------------------------------------------- */

static const struct rt_onnx_constant *filters_of(const struct rt_onnx_reading *r,
                                                 const Onnx__NodeProto *node)
{
    const struct rt_onnx_constant *w = rt_onnx_numbers_in(r, node, 1);
    return w && w->dimensions == 4 && w->count > 0 ? w : NULL;
}

/* The bias, in *bias; NULL: there is none. False: it is no constant, or has not `channels` numbers.
 */
static bool find_bias(const struct rt_onnx_reading *r, const Onnx__NodeProto *node, size_t channels,
                      const struct rt_onnx_constant **bias)
{
    *bias = rt_onnx_numbers_in(r, node, 2);
    return *bias ? (*bias)->count == channels : !rt_onnx_in(r, node, 2);
}

/* Adds a convolution, whose parameters are the filters and, where it has one, the bias. */
static rt_status add_convolution(struct rt_onnx_reading *r, const Onnx__NodeProto *node,
                                 const struct rt_op *op, const void *attributes, int deeper,
                                 const struct rt_onnx_value *out)
{
    const struct rt_onnx_constant *w = filters_of(r, node), *bias = rt_onnx_numbers_in(r, node, 2);
    const bool always = op == &rt_op_conv_transpose2d;
    const int groups = always ? 1 : rt_conv2d_groups(attributes);
    struct rt_onnx_image x, y;
    bool ready, added;
    rt_status status = RT_OK;
    RT_TRY(rt_onnx_image_in(r, node, 0, &x, &ready));
    if (!ready)
        return RT_OK;
    const size_t channels = w->shape[always ? 0 : 1];
    if (x.shape.c % groups != 0 || channels != (size_t)(x.shape.c / groups)) {
        char several[24] = "";
        if (groups > 1)
            snprintf(several, sizeof several, "%d groups of ", groups);
        return rt_onnx_problem(r, node, "its filters are for %s%zu channels, its input has %d",
                               several, channels, x.shape.c);
    }
    RT_TRY(rt_onnx_add_op(r, node, op, attributes, &x, &y, &added));
    if (!added)
        return RT_OK;
    RT_TRY(rt_onnx_add_source(r, w, 0));
    if (bias || always)
        RT_TRY(rt_onnx_add_source(r, bias, 0));
    y.level = x.level + deeper;
    rt_onnx_give((struct rt_onnx_value *)out, &y);
end:
    return status;
}

rt_status rt_onnx_conv(struct rt_onnx_reading *r, const Onnx__NodeProto *node)
{
    const struct rt_onnx_constant *w = filters_of(r, node), *bias;
    const struct rt_onnx_value *out = rt_onnx_out(r, node);
    const int64_t group = rt_onnx_whole(node, "group", 1);
    struct window window;
    bool fits;
    rt_status status = RT_OK;
    if (!w || !find_bias(r, node, w->shape[0], &bias))
        return rt_onnx_problem(r, node, "its filters or its bias are no constants that fit");
    RT_TRY(read_window(r, node, w->shape + 2, &window, &fits));
    if (!fits)
        return RT_OK;
    if (group < 1 || group > (int64_t)w->shape[0])
        return rt_onnx_problem(r, node, "group is %lld, for %zu filters", (long long)group,
                               w->shape[0]);
    if (window.kernel % 2 == 0 || window.stride > 2 || window.pad != window.kernel / 2)
        return rt_onnx_problem(r, node,
                               "a %d x %d filter with strides %d and pads %d: only odd "
                               "sizes, strides of 1 or 2, and pads of half the size are "
                               "supported",
                               window.kernel, window.kernel, window.stride, window.pad);
    struct rt_conv2d a = {.channels = (int)w->shape[0],
                          .kernel = window.kernel,
                          .stride = window.stride,
                          .bias = bias != NULL,
                          .groups = (int)group};
    a.activation.relu = rt_onnx_relu_follows(r, &out);
    status = add_convolution(r, node, &rt_op_conv2d, &a, window.stride - 1, out);
end:
    return status;
}

rt_status rt_onnx_conv_transpose(struct rt_onnx_reading *r, const Onnx__NodeProto *node)
{
    const struct rt_onnx_constant *w = filters_of(r, node), *bias;
    struct window window;
    int64_t more[2];
    bool fits;
    rt_status status = RT_OK;
    if (!w || !find_bias(r, node, w->shape[1], &bias))
        return rt_onnx_problem(r, node, "its filters or its bias are no constants that fit");
    RT_TRY(read_window(r, node, w->shape + 2, &window, &fits));
    if (!fits)
        return RT_OK;
    if (rt_onnx_whole(node, "group", 1) != 1 || rt_onnx_attribute(node, "output_shape") ||
        !pair_of(node, "output_padding", 0, more) || more[0] != 0 || more[1] != 0)
        return rt_onnx_problem(r, node, "group, output_padding and output_shape are not supported");
    if (window.kernel != 2 || window.stride != 2 || window.pad != 0)
        return rt_onnx_problem(r, node,
                               "a %d x %d filter with strides %d and pads %d: only 2 x 2 "
                               "with strides 2 and no pads is supported",
                               window.kernel, window.kernel, window.stride, window.pad);
    const struct rt_conv_transpose2d a = {(int)w->shape[1]};
    status = add_convolution(r, node, &rt_op_conv_transpose2d, &a, -1, rt_onnx_out(r, node));
end:
    return status;
}

/* --- pooling -------------------------------------------------------------------------------- */

rt_status rt_onnx_pool(struct rt_onnx_reading *r, const Onnx__NodeProto *node)
{
    const bool max = strcmp(node->op_type, "MaxPool") == 0;
    struct window w;
    struct rt_onnx_image x, y;
    bool fits, ready, added;
    rt_status status = RT_OK;
    RT_TRY(read_window(r, node, NULL, &w, &fits));
    if (!fits)
        return RT_OK;
    if (rt_onnx_whole(node, "ceil_mode", 0) != 0 && (w.kernel - 2 * w.pad) % w.stride != 0)
        return rt_onnx_problem(r, node, "ceil_mode gives parts of windows their own output");
    const struct rt_onnx_value *in = rt_onnx_in(r, node, 0);
    if (!max && w.pad > (in ? in->margin : 0) && rt_onnx_whole(node, "count_include_pad", 0) == 0)
        return rt_onnx_problem(r, node,
                               "means of windows beyond the edges count all pixels alone "
                               "(count_include_pad is 0), which is not supported");
    if (w.stride != 1 && w.stride != 2 && w.stride != 4)
        return rt_onnx_problem(r, node, "strides are %d: only 1, 2 and 4 are supported", w.stride);
    if (max && node->n_output > 1 && *node->output[1])
        return rt_onnx_problem(r, node, "where the largest were is not told");
    const struct rt_pool a = {max ? RT_POOL_MAX : RT_POOL_AVERAGE, w.kernel, w.stride, w.pad};
    RT_TRY(rt_onnx_image_in(r, node, 0, &x, &ready));
    if (!ready)
        return RT_OK;
    RT_TRY(rt_onnx_add_op(r, node, &rt_op_pool, &a, &x, &y, &added));
    y.level = x.level + w.stride / 2;
    if (added)
        rt_onnx_give(rt_onnx_out(r, node), &y);
end:
    return status;
}

/* --- resizing ------------------------------------------------------------------------------- */

/* How often both axes are doubled; -1: they are changed otherwise, or it is not known. */
static int doublings(const struct rt_onnx_reading *r, const Onnx__NodeProto *node,
                     struct rt_shape shape)
{
    const bool resize = strcmp(node->op_type, "Resize") == 0 && r->opset >= 11;
    const struct rt_onnx_constant *scales = rt_onnx_numbers_in(r, node, resize ? 2 : 1),
                                  *sizes = resize ? rt_onnx_numbers_in(r, node, 3) : NULL;
    const double s[] = {shape.n, shape.c, shape.h, shape.w};
    double ratio[4];
    const struct rt_onnx_constant *given = sizes ? sizes : scales;
    if (!given || given->count != 4 || !given->few)
        return -1;
    for (int i = 0; i < 4; i++)
        ratio[i] = sizes ? sizes->numbers[i] / s[i] : scales->numbers[i];
    for (int times = 0; times < 6; times++)
        if (ratio[0] == 1 && ratio[1] == 1 && ratio[2] == ldexp(1, times) && ratio[3] == ratio[2])
            return times;
    return -1;
}

/* Whether each pixel is repeated: where halves lie matters for none of these. */
static bool repeats(const Onnx__NodeProto *node, int64_t opset)
{
    static const char *const ways[][2] = {{"asymmetric", "floor"},
                                          {"asymmetric", "round_prefer_floor"},
                                          {"half_pixel", "round_prefer_floor"},
                                          {"half_pixel", "round_prefer_ceil"},
                                          {"pytorch_half_pixel", "round_prefer_floor"},
                                          {"pytorch_half_pixel", "round_prefer_ceil"},
                                          {"half_pixel_symmetric", "round_prefer_floor"},
                                          {"tf_half_pixel_for_nn", "floor"}};
    if (!rt_onnx_is(node, "mode", "nearest", "nearest"))
        return false;
    for (size_t i = 0; i < RT_COUNT(ways); i++)
        if (opset < 11 ||
            (rt_onnx_is(node, "coordinate_transformation_mode", ways[i][0], "half_pixel") &&
             rt_onnx_is(node, "nearest_mode", ways[i][1], "round_prefer_floor")))
            return true;
    return false;
}

/* Between the centres of pixels. */
static bool mixes(const Onnx__NodeProto *node, int64_t opset)
{
    static const char *const ways[] = {"half_pixel", "pytorch_half_pixel", "half_pixel_symmetric"};
    for (size_t i = 0; i < RT_COUNT(ways); i++)
        if (opset >= 11 && rt_onnx_is(node, "mode", "linear", "nearest") &&
            rt_onnx_is(node, "coordinate_transformation_mode", ways[i], "half_pixel"))
            return true;
    return false;
}

rt_status rt_onnx_resize(struct rt_onnx_reading *r, const Onnx__NodeProto *node)
{
    const struct rt_upsample a = {repeats(node, r->opset) ? RT_UPSAMPLE_NEAREST
                                                          : RT_UPSAMPLE_BILINEAR};
    struct rt_onnx_image x, y;
    bool ready, added;
    rt_status status = RT_OK;
    if ((a.mode == RT_UPSAMPLE_BILINEAR && !mixes(node, r->opset)) ||
        rt_onnx_whole(node, "antialias", 0) != 0 || rt_onnx_attribute(node, "axes"))
        return rt_onnx_problem(r, node,
                               "this mode, or where it takes the pixels to lie (such as "
                               "align_corners or asymmetric), is not supported: nearest is, "
                               "and linear with half_pixel");
    RT_TRY(rt_onnx_image_in(r, node, 0, &x, &ready));
    if (!ready)
        return RT_OK;
    const int times = doublings(r, node, x.shape);
    if (times < 0 || (a.mode == RT_UPSAMPLE_BILINEAR && times > 1))
        return rt_onnx_problem(r, node,
                               "only doubling is supported, and with nearest to 32 times, by "
                               "constants");
    for (int i = 0; i < times; i++) {
        RT_TRY(rt_onnx_add_op(r, node, &rt_op_upsample, &a, &x, &y, &added));
        if (!added)
            return RT_OK;
        y.level = x.level - 1;
        x = y;
    }
    rt_onnx_give(rt_onnx_out(r, node), &x);
end:
    return status;
}
