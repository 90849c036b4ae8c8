#include "ops/conv2d.h"
#include "ops/share.h"

/* As in cl/conv2d_winograd_plain.cl. */
#define FILE_NAME "conv2d_winograd_plain.cl"
#define OPTIONS "-DVEC=1 -DOUT=2"
#define OUT 2
#define PLACES 36
#define TILE 4

static bool supports(const struct rt_device *device, const struct rt_conv2d *a, struct rt_shape x,
                     enum rt_conv2d_part part)
{
    (void)device;
    (void)x;
    (void)part;
    return a->kernel == 3 && a->stride == 1 && rt_conv2d_groups(a) == 1;
}

static size_t tiles_across(struct rt_shape x)
{
    return rt_ceil_div((size_t)x.w, TILE);
}

static size_t tiles_of(struct rt_shape x)
{
    return rt_ceil_div((size_t)x.h, TILE) * tiles_across(x);
}

/* The transformed filters; or an image's transformed inputs and gradients, and the sums of their
 * products. */
static size_t scratch(const struct rt_device *device, const struct rt_conv2d *a, struct rt_shape x,
                      enum rt_conv2d_part part)
{
    (void)device;
    const size_t in = (size_t)x.c, out = (size_t)a->channels;
    if (part == RT_CONV2D_FORWARD)
        return PLACES * in * (rt_ceil_div(out, OUT) * OUT);
    if (part == RT_CONV2D_BACKWARD_DATA)
        return PLACES * out * (rt_ceil_div(in, OUT) * OUT);
    return PLACES * (tiles_of(x) * (in + out) + in * out);
}

/* How the channels of both sides lie in the weights; and what follows the sum. */
struct job {
    int out_step, in_step, turn;
    struct rt_tensor bias; /* without a buffer: none */
    int relu, add;
    struct rt_dropout dropout;
};

static rt_status convolve(const struct rt_op_call *call, const struct rt_tensor *x,
                          const struct rt_tensor *y, const struct job *job)
{
    const struct rt_shape in = x->shape, out = y->shape;
    const size_t groups = rt_ceil_div((size_t)out.c, OUT);
    rt_status status = RT_LAUNCH(
        call->device, FILE_NAME, "winograd_plain_filters", OPTIONS, (in.c, groups * OUT, 1),
        rt_buffer_argument(call->p[0].buffer), rt_ulong(call->p[0].offset),
        rt_buffer_argument(call->scratch.buffer), rt_ulong(call->scratch.offset), rt_int(in.c),
        rt_int(out.c), rt_int(job->out_step), rt_int(job->in_step), rt_int(job->turn));
    if (status < 0)
        return status;
    return RT_LAUNCH(call->device, FILE_NAME, "winograd_plain_convolve", OPTIONS,
                     (tiles_across(in), rt_ceil_div((size_t)in.h, TILE), groups * (size_t)in.n),
                     RT_TENSOR(*x), RT_TENSOR(*y), rt_buffer_argument(call->scratch.buffer),
                     rt_ulong(call->scratch.offset), rt_buffer_argument(job->bias.buffer),
                     rt_ulong(job->bias.offset), rt_int(in.c), rt_int(out.c), rt_int(in.h),
                     rt_int(in.w), rt_int((int)groups), rt_int(job->relu), RT_DROPOUT(job->dropout),
                     rt_int(job->add));
}

static rt_status forward(const struct rt_op_call *call)
{
    const struct rt_conv2d *a = call->attributes;
    return convolve(call, &call->x[0], &call->y,
                    &(struct job){.out_step = 9 * call->x[0].shape.c,
                                  .in_step = 9,
                                  .bias = call->p[1],
                                  .relu = a->activation.relu,
                                  .dropout = rt_dropout_of(call, &a->activation)});
}

static rt_status backward_data(const struct rt_op_call *call)
{
    return convolve(
        call, &call->dy, &call->dx[0],
        &(struct job){
            .out_step = 9, .in_step = 9 * call->dx[0].shape.c, .turn = 1, .add = call->dx_add[0]});
}

/* One image's part, x and dy, of the gradient; transformed to in and out, whose products go to
 * sums. */
struct image {
    struct rt_tensor x, dy;
    size_t in, out, sums; /* places in scratch, in floats */
};

static rt_status transform(const struct rt_op_call *call, const char *kernel,
                           const struct rt_tensor *from, size_t to)
{
    const struct rt_shape s = from->shape;
    return RT_LAUNCH(call->device, FILE_NAME, kernel, OPTIONS, (tiles_of(s), s.c, 1),
                     rt_buffer_argument(from->buffer), rt_ulong(from->offset),
                     rt_uint((uint32_t)from->plane), rt_buffer_argument(call->scratch.buffer),
                     rt_ulong(to), rt_int(s.c), rt_int(s.h), rt_int(s.w), rt_int((int)tiles_of(s)),
                     rt_int((int)tiles_across(s)));
}

static rt_status add_image(const struct rt_op_call *call, const struct image *image, bool add)
{
    const struct rt_shape in = image->x.shape, out = image->dy.shape;
    const int chunk = rt_conv2d_chunk_tile_rows(in) * (int)tiles_across(in);
    const struct rt_argument memory = rt_buffer_argument(call->scratch.buffer);
    rt_status status = RT_OK;
    RT_TRY(transform(call, "winograd_plain_inputs", &image->x, image->in));
    RT_TRY(transform(call, "winograd_plain_gradients", &image->dy, image->out));
    RT_TRY(RT_LAUNCH(call->device, FILE_NAME, "winograd_plain_products", OPTIONS,
                     (in.c, out.c, PLACES), memory, rt_ulong(image->in), memory,
                     rt_ulong(image->out), memory, rt_ulong(image->sums), rt_int(in.c),
                     rt_int(out.c), rt_int((int)tiles_of(in)), rt_int(chunk)));
    status = RT_LAUNCH(call->device, FILE_NAME, "winograd_plain_weights", OPTIONS, (in.c, out.c, 1),
                       memory, rt_ulong(image->sums), rt_buffer_argument(call->dp[0].buffer),
                       rt_ulong(call->dp[0].offset), rt_int(in.c), rt_int(out.c), rt_int(add));
end:
    return status;
}

static rt_status backward_weights(const struct rt_op_call *call)
{
    const struct rt_shape in = call->x[0].shape, out = call->dy.shape;
    struct image image = {.in = call->scratch.offset};
    rt_status status = RT_OK;
    image.out = image.in + PLACES * tiles_of(in) * (size_t)in.c;
    image.sums = image.out + PLACES * tiles_of(in) * (size_t)out.c;
    for (int n = 0; n < in.n && status == RT_OK; n++) {
        image.x = rt_tensor_images(call->x[0], n, 1);
        image.dy = rt_tensor_images(call->dy, n, 1);
        status = add_image(call, &image, n > 0 || call->dp_add);
    }
    return status;
}

const struct rt_conv2d_variant rt_conv2d_winograd_plain = {
    .name = "winograd plain",
    .supports = supports,
    .scratch = scratch,
    .run = {[RT_CONV2D_FORWARD] = forward,
            [RT_CONV2D_BACKWARD_DATA] = backward_data,
            [RT_CONV2D_BACKWARD_WEIGHTS] = backward_weights},
};
