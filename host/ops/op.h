/* What the graph needs to know of an operation: one constant struct each. */
#ifndef RT_OPS_OP_H
#define RT_OPS_OP_H

#include "device/tensor.h"

#define RT_OP_INPUTS 2
#define RT_OP_PARAMETERS 4

/* A tensor that belongs to a node: a trained parameter, or a state that training updates without
 * a gradient. */
struct rt_parameter {
    const char *name; /* "weight", "bias", "running_mean", ... */
    struct rt_shape shape;
    int fan_in;  /* inputs that one output sums over: initialised He-normal from it; 0: constant */
    float value; /* the initial value where fan_in is 0 */
    bool trained;
};

/* One call of an operation: everything it may read or write. Tensors that do not apply have a NULL
 * buffer. Parameters, states, their gradients and scratch are contiguous; activations and their
 * gradients have strides between planes and images. */
struct rt_op_call {
    struct rt_device *device;
    const void *attributes;
    struct rt_tensor x[RT_OP_INPUTS];
    struct rt_tensor y;
    struct rt_tensor pooled; /* forward: wants the maxima of y's 2x2 blocks, too (see pools) */
    struct rt_tensor p[RT_OP_PARAMETERS];
    /* backward only. dy may be overwritten. A dx with a NULL buffer is not wanted. */
    struct rt_tensor dy;
    struct rt_tensor dx[RT_OP_INPUTS];
    bool dx_add[RT_OP_INPUTS];             /* add to dx instead of overwriting it */
    struct rt_tensor dp[RT_OP_PARAMETERS]; /* overwritten */
    bool dp_add; /* exact mode: images are added to dp one after the other, as if those whose sums
                  * stand there and these were one batch */
    struct rt_tensor scratch; /* scratch() floats, contents undefined */
    bool
        training; /* forward: dropout on, batch statistics; the call will be followed by backward */
    bool again;   /* forward: as once before in this step, whose states have moved already */
    uint64_t seed; /* of the run; dropout draws from (seed, node, step) and an image's number */
    uint32_t node, step, image; /* image: the number of the first one among those of the step */
};

struct rt_cost {
    double flops, bytes; /* a multiply-add is two; bytes read and written at least once */
};

enum rt_direction { RT_FORWARD, RT_BACKWARD };

struct rt_reference; /* ops/reference.h */
struct rt_tile;

struct rt_op {
    const char *name;
    size_t attributes_size;
    int inputs;
    bool backward_reads_x, backward_reads_y; /* what must be kept until backward */
    bool couples_images; /* with training, what is computed of one image depends on the others */
    bool identity; /* y is made of x's own memory where the plan can arrange it: a concatenation */

    /* The output's shape. Errors: ARGUMENT, for inputs that do not fit. */
    rt_status (*infer)(const void *attributes, const struct rt_shape *x, struct rt_shape *y);
    /* Fills in parameters, returns their number (at most RT_OP_PARAMETERS). May be NULL: none. */
    int (*parameters)(const void *attributes, const struct rt_shape *x,
                      struct rt_parameter *parameters);
    /* Floats of scratch memory that this direction needs for just these shapes. May be NULL: none.
     */
    size_t (*scratch)(const struct rt_device *device, const void *attributes,
                      const struct rt_shape *x, enum rt_direction direction);
    /* Takes memory that is not the call's but the device's, and stays: what products of matrices
     * need. It does not depend on the number of images. May be NULL: none. */
    rt_status (*reserve)(struct rt_device *device, const void *attributes, const struct rt_shape *x,
                         enum rt_direction direction);
    rt_status (*forward)(const struct rt_op_call *call);
    /* Whether forward writes call->pooled for these shapes where it is wanted: the output of a max
     * pooling that follows, which then need not run. May be NULL: never. */
    bool (*pools)(const struct rt_device *device, const void *attributes, const struct rt_shape *x);
    rt_status (*backward)(const struct rt_op_call *call);
    struct rt_cost (*cost)(const void *attributes, const struct rt_shape *x,
                           enum rt_direction direction);
    /* Forward on the host, in double, for a tile of y. It reads the tile's images of x alone, and,
     * where the operation couples images, of all of them the tile's channels alone. */
    void (*reference)(struct rt_reference *r, const struct rt_tile *tile);
    /* One element of the gradient by x, and by the first parameter [n, c, h, w], likewise, for
     * r->x, r->p and the gradient dz, by y before its activation; *magnitude is the sum of the
     * terms' absolute values. The former reads p and the image's dz alone, near the element; the
     * latter channel n of dz and alone the channel of x that c stands for, each given as the only
     * one. NULL: what the
     * backward pass computes is not looked at while a network trains. */
    double (*reference_data)(const struct rt_reference *r, const double *dz, struct rt_shape place,
                             double *magnitude);
    double (*reference_parameter)(const struct rt_reference *r, const double *dz,
                                  struct rt_shape place, double *magnitude);
    /* Whether, outside training, one operation does this one and the one before, whose output it
     * reads: the one before, with other attributes, which are filled in, and other parameters. May
     * be NULL: none does. */
    bool (*fold)(const void *attributes, const struct rt_op *before, const void *before_attributes,
                 void *folded);
    /* Writes that one's parameters, from this one's and those of the one before. Where that one has
     * more of them than the one before, `before` has no buffer. */
    rt_status (*fold_parameters)(struct rt_device *device, const void *attributes,
                                 const struct rt_tensor *p, const struct rt_tensor *before,
                                 const struct rt_tensor *folded);
};

extern const struct rt_op rt_op_conv2d, rt_op_conv_transpose2d, rt_op_upsample, rt_op_pool,
    rt_op_concat, rt_op_batch_norm, rt_op_add, rt_op_pointwise;

/* What follows a convolution or a normalisation within the same kernel. */
struct rt_activation {
    bool relu;
    float dropout; /* the share of outputs set to 0 in training, the others scaled by 1 / (1 - p) */
};

struct rt_conv2d {
    int channels; /* output channels */
    int kernel;   /* odd: filter height and width; padding (kernel - 1) / 2 on every side */
    int stride;   /* 1 or 2 */
    bool bias;
    struct rt_activation activation;
    int groups; /* of channels, in and out, each of which is convolved by itself; 0: one */
};

static inline int rt_conv2d_groups(const struct rt_conv2d *conv)
{
    return conv->groups > 1 ? conv->groups : 1;
}

struct rt_conv_transpose2d { /* 2x2, stride 2, with bias: [n,c,h,w] -> [n,channels,2h,2w] */
    int channels;
};

struct rt_upsample { /* to twice the height and width */
    enum rt_upsample_mode { RT_UPSAMPLE_NEAREST, RT_UPSAMPLE_BILINEAR } mode;
};

/* Windows of kernel x kernel pixels, `stride` apart, whose first begins `pad` before the image, at
 * most half a window; what does not fill a window at the end is dropped. A mean counts 0 for what
 * lies outside. Where the kernel is 0 they are 2x2, side by side. */
struct rt_pool {
    enum rt_pool_mode { RT_POOL_MAX, RT_POOL_AVERAGE } mode;
    int kernel, stride, pad;
};

/* Whether windows are 2x2 and lie side by side, the usual ones. */
static inline bool rt_pool_halves(const struct rt_pool *pool)
{
    return pool->kernel == 0 || (pool->kernel == 2 && pool->stride == 2 && pool->pad == 0);
}

struct rt_add { /* of two tensors of one shape */
    bool relu;
};

/* A function of each element: x within low .. high; x, but below 0 low * x, where low is above 0;
 * the logistic function. */
struct rt_pointwise {
    enum rt_pointwise_function {
        RT_POINTWISE_CLIP,
        RT_POINTWISE_LEAKY,
        RT_POINTWISE_SIGMOID
    } function;
    float low, high;
};

struct rt_batch_norm {
    float momentum, epsilon; /* running = (1 - momentum) * running + momentum * batch */
    struct rt_activation activation;
};

#endif
