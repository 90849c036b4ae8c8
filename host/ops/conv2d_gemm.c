#include <stdio.h>

#include "device/gemm.h"
#include "ops/conv2d.h"

/* With the patches of an image x as columns [ic * k * k, h * w] (cl/conv2d_gemm.cl), image by
 * image: y = weights [oc, ic * k * k] columns,  dcolumns = weights' dy,  dweights = sum of dy
 * columns' */

static bool supports(const struct rt_device *device, const struct rt_conv2d *attributes,
                     struct rt_shape x, enum rt_conv2d_part part)
{
    (void)device;
    (void)x;
    (void)part;
    return rt_conv2d_groups(attributes) == 1;
}

/* A 1x1 filter's columns are the image itself. */
static bool needs_columns(const struct rt_conv2d *a)
{
    return a->kernel > 1 || a->stride > 1;
}

/* The pixels of an output. */
static size_t out_area(const struct rt_conv2d *a, struct rt_shape x)
{
    size_t stride = (size_t)a->stride;
    return (((size_t)x.h - 1) / stride + 1) * (((size_t)x.w - 1) / stride + 1);
}

static size_t scratch(const struct rt_device *device, const struct rt_conv2d *a, struct rt_shape x,
                      enum rt_conv2d_part part)
{
    (void)device;
    (void)part;
    return needs_columns(a) ? (size_t)(x.c * a->kernel * a->kernel) * out_area(a, x) : 0;
}

/* The product of the part's function below. */
static rt_status reserve(struct rt_device *device, const struct rt_conv2d *a, struct rt_shape x,
                         enum rt_conv2d_part part)
{
    size_t channels = (size_t)a->channels, columns = (size_t)(x.c * a->kernel * a->kernel);
    size_t pixels = out_area(a, x);
    if (part == RT_CONV2D_FORWARD)
        return rt_gemm_reserve(device, channels, pixels, columns);
    if (part == RT_CONV2D_BACKWARD_DATA)
        return rt_gemm_reserve(device, columns, pixels, channels);
    return rt_gemm_reserve(device, channels, columns, pixels);
}

#define OPTIONS_BYTES 64

static const char *options(const struct rt_conv2d *a, char *text)
{
    snprintf(text, OPTIONS_BYTES, "-DKERNEL=%d -DSTRIDE=%d", a->kernel, a->stride);
    return text;
}

/* Work-items for a row of floats. */
static size_t vectors(const struct rt_device *device, int width)
{
    size_t vector = (size_t)rt_device_vector(device);
    return ((size_t)width + vector - 1) / vector;
}

static size_t area(struct rt_shape shape)
{
    return (size_t)shape.h * (size_t)shape.w;
}

/* Rows of the column matrix: ic * k * k. */
static size_t taps(const struct rt_op_call *call)
{
    const struct rt_conv2d *a = call->attributes;
    return (size_t)(call->x[0].shape.c * a->kernel * a->kernel);
}

/* Image n of a tensor as a matrix [c, h * w]. */
static struct rt_matrix image_matrix(const struct rt_tensor *tensor, int n)
{
    return (struct rt_matrix){.buffer = tensor->buffer,
                              .offset = tensor->offset + (size_t)n * tensor->stride,
                              .leading = tensor->plane};
}

/* The weights, or their gradients, as a matrix [oc, ic * k * k]. */
static struct rt_matrix weight_matrix(const struct rt_op_call *call,
                                      const struct rt_tensor *weights)
{
    return (struct rt_matrix){
        .buffer = weights->buffer, .offset = weights->offset, .leading = taps(call)};
}

/* The scratch memory as a column matrix of images with outputs of this shape. */
static struct rt_matrix column_matrix(const struct rt_op_call *call, struct rt_shape out)
{
    return (struct rt_matrix){
        .buffer = call->scratch.buffer, .offset = call->scratch.offset, .leading = area(out)};
}

/* The columns of image n of x, computed where they are not the image. */
static rt_status columns_of(const struct rt_op_call *call, struct rt_shape out, int n,
                            struct rt_matrix *columns)
{
    const struct rt_conv2d *a = call->attributes;
    const struct rt_shape in = call->x[0].shape;
    const struct rt_matrix image = image_matrix(&call->x[0], n);
    char text[OPTIONS_BYTES];
    *columns = image;
    if (!needs_columns(a))
        return RT_OK;
    *columns = column_matrix(call, out);
    return RT_LAUNCH(call->device, "conv2d_gemm.cl", "im2col", options(a, text),
                     (vectors(call->device, out.w), out.h, taps(call)),
                     rt_buffer_argument(image.buffer), rt_ulong(image.offset),
                     rt_uint((uint32_t)image.leading), rt_buffer_argument(columns->buffer),
                     rt_ulong(columns->offset), rt_int(in.c), rt_int(in.h), rt_int(in.w),
                     rt_int(out.h), rt_int(out.w));
}

/* Bias and activation, in place. */
static rt_status add_bias_and_activate(const struct rt_op_call *call)
{
    const struct rt_conv2d *a = call->attributes;
    const struct rt_shape out = call->y.shape;
    const struct rt_dropout dropout = rt_dropout_of(call, &a->activation);
    char text[OPTIONS_BYTES];
    if (!a->bias && !a->activation.relu)
        return RT_OK;
    return RT_LAUNCH(call->device, "conv2d_gemm.cl", "finish", options(a, text),
                     (vectors(call->device, out.w), (out.h + 1) / 2, out.n * ((out.c + 3) / 4)),
                     RT_TENSOR(call->y), rt_buffer_argument(call->p[1].buffer),
                     rt_ulong(call->p[1].offset), rt_int(out.n), rt_int(out.c), rt_int(out.h),
                     rt_int(out.w), rt_int(a->activation.relu), RT_DROPOUT(dropout));
}

static rt_status forward(const struct rt_op_call *call)
{
    rt_status status = RT_OK;
    const struct rt_shape out = call->y.shape;
    for (int n = 0; n < out.n; n++) {
        struct rt_matrix columns;
        RT_TRY(columns_of(call, out, n, &columns));
        RT_TRY(rt_gemm(call->device, (size_t)out.c, area(out), taps(call),
                       weight_matrix(call, &call->p[0]), columns, 0, image_matrix(&call->y, n)));
    }
    status = add_bias_and_activate(call);
end:
    return status;
}

static rt_status col2im(const struct rt_op_call *call, int n)
{
    const struct rt_shape in = call->x[0].shape, out = call->dy.shape;
    const struct rt_matrix columns = column_matrix(call, out),
                           image = image_matrix(&call->dx[0], n);
    char text[OPTIONS_BYTES];
    return RT_LAUNCH(call->device, "conv2d_gemm.cl", "col2im", options(call->attributes, text),
                     (vectors(call->device, in.w), in.h, in.c), rt_buffer_argument(columns.buffer),
                     rt_ulong(columns.offset), rt_buffer_argument(image.buffer),
                     rt_ulong(image.offset), rt_uint((uint32_t)image.leading), rt_int(in.c),
                     rt_int(in.h), rt_int(in.w), rt_int(out.h), rt_int(out.w),
                     rt_int(call->dx_add[0]));
}

static rt_status backward_data(const struct rt_op_call *call)
{
    rt_status status = RT_OK;
    const struct rt_shape out = call->dy.shape;
    const bool by_columns = needs_columns(call->attributes);
    struct rt_matrix weights = weight_matrix(call, &call->p[0]);
    weights.transpose = true;
    for (int n = 0; n < out.n; n++) {
        struct rt_matrix to = by_columns ? column_matrix(call, out) : image_matrix(&call->dx[0], n);
        RT_TRY(rt_gemm(call->device, taps(call), area(out), (size_t)out.c, weights,
                       image_matrix(&call->dy, n), !by_columns && call->dx_add[0], to));
        if (by_columns)
            RT_TRY(col2im(call, n));
    }
end:
    return status;
}

static rt_status backward_weights(const struct rt_op_call *call)
{
    rt_status status = RT_OK;
    const struct rt_shape out = call->dy.shape;
    for (int n = 0; n < out.n; n++) {
        struct rt_matrix columns;
        RT_TRY(columns_of(call, out, n, &columns));
        columns.transpose = true;
        RT_TRY(rt_gemm(call->device, (size_t)out.c, taps(call), area(out),
                       image_matrix(&call->dy, n), columns, n > 0,
                       weight_matrix(call, &call->dp[0])));
    }
end:
    return status;
}

const struct rt_conv2d_variant rt_conv2d_gemm = {
    .name = "gemm",
    .supports = supports,
    .scratch = scratch,
    .reserve = reserve,
    .run = {[RT_CONV2D_FORWARD] = forward,
            [RT_CONV2D_BACKWARD_DATA] = backward_data,
            [RT_CONV2D_BACKWARD_WEIGHTS] = backward_weights},
};
