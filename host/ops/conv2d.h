/* The ways to compute a convolution: each a struct of functions. */
#ifndef RT_OPS_CONV2D_H
#define RT_OPS_CONV2D_H

#include "device/choices.h"
#include "ops/activation.h"

enum rt_conv2d_part {
    RT_CONV2D_FORWARD,          /* y from x, weights, bias, with the activation */
    RT_CONV2D_BACKWARD_DATA,    /* dx from dy, the gradient before the activation */
    RT_CONV2D_BACKWARD_WEIGHTS, /* dw from x and dy */
    RT_CONV2D_PARTS
};

struct rt_conv2d_variant {
    const char *name;
    /* Whether it can do this part on this device for inputs of this shape. */
    bool (*supports)(const struct rt_device *device, const struct rt_conv2d *attributes,
                     struct rt_shape x, enum rt_conv2d_part part);
    /* Floats of scratch that the part needs; NULL: none. */
    size_t (*scratch)(const struct rt_device *device, const struct rt_conv2d *attributes,
                      struct rt_shape x, enum rt_conv2d_part part);
    /* As in rt_op, for the part; NULL: nothing. */
    rt_status (*reserve)(struct rt_device *device, const struct rt_conv2d *attributes,
                         struct rt_shape x, enum rt_conv2d_part part);
    rt_status (*run[RT_CONV2D_PARTS])(const struct rt_op_call *call);
    bool pools; /* forward can write the maxima of 2x2 outputs, too, for even heights and widths */
    /* One that is faster wherever it is supported, so that the tuner need not try this one; NULL:
     * none is. */
    const struct rt_conv2d_variant *better;
    int least_filters[RT_CONV2D_PARTS]; /* channels in times out, from which on it is worth it */
};

extern const struct rt_conv2d_variant rt_conv2d_direct, /* register tiles; stride 1 */
    rt_conv2d_plain,                                    /* any stride, groups of channels */
    rt_conv2d_gemm,                                     /* products of matrices; any stride */
    rt_conv2d_winograd,                                 /* F(4x4, 3x3) in local memory; on CPUs */
    rt_conv2d_winograd_plain, /* the same bits in exact mode, which alone takes it; anywhere */
    rt_conv2d_tiled,          /* tiles in local memory, shared by a work-group; stride 1 */
    rt_conv2d_winograd2,      /* F(2x2, 3x3) in steps through global memory */
    rt_conv2d_winograd4;      /* F(4x4, 3x3), likewise */

/* Those that fast mode has, in the order of preference; NULL ends the list. */
extern const struct rt_conv2d_variant *const rt_conv2d_variants[];

/* --- exact mode: conv2d_exact.c, which states what is computed ----------------------------- */

/* The variant that runs for the part. */
const struct rt_conv2d_variant *rt_conv2d_exact(const struct rt_device *device,
                                                const struct rt_conv2d *attributes,
                                                struct rt_shape x, enum rt_conv2d_part part);

/* Whether the part is computed by Winograd's algorithm, else directly. */
bool rt_conv2d_is_winograd(const struct rt_conv2d *attributes, struct rt_shape x,
                           enum rt_conv2d_part part);

/* Of a chunk of an image in a gradient by the weights: rows of tiles where it is Winograd's, else
 * rows. */
int rt_conv2d_chunk_tile_rows(struct rt_shape x);
int rt_conv2d_chunk_rows(const struct rt_conv2d *attributes, struct rt_shape x);

/* --- what is known of them on a device: conv2d_choice.c ------------------------------------ */

/* What a profile calls a part of a convolution: "conv2d backward data 16x256x256 to 32, kernel 3,
 * stride 1" for inputs of 16 channels and 256 x 256 pixels. Bias and activation hardly matter for
 * the time. The batch is left out, because memory is planned for the largest one and smaller ones,
 * at the end of an epoch, must run the same variant. */
void rt_conv2d_key(const struct rt_conv2d *attributes, struct rt_shape x, enum rt_conv2d_part part,
                   char key[RT_CHOICE_KEY_BYTES]);

/* The reverse; x->n and what the key leaves out become 0. Errors: ARGUMENT. */
rt_status rt_conv2d_parse_key(const char *key, struct rt_conv2d *attributes, struct rt_shape *x,
                              enum rt_conv2d_part *part);

/* The variant that the device's profile holds for the part; NULL where it says nothing, or names
 * one that there is not (which is warned about) or that does not support it. */
const struct rt_conv2d_variant *rt_conv2d_chosen(const struct rt_device *device,
                                                 const struct rt_conv2d *attributes,
                                                 struct rt_shape x, enum rt_conv2d_part part);

/* The variant that runs for the part: what --conv, the profile or the rule says. */
const struct rt_conv2d_variant *rt_conv2d_taken(const struct rt_device *device,
                                                const struct rt_conv2d *attributes,
                                                struct rt_shape x, enum rt_conv2d_part part);

/* Whether a variant supports the part and is not avoided on this device. */
bool rt_conv2d_usable(const struct rt_device *device, const struct rt_conv2d *attributes,
                      struct rt_shape x, enum rt_conv2d_part part,
                      const struct rt_conv2d_variant *variant);

/* What the keys of a part begin with: "conv2d backward data". */
const char *rt_conv2d_part_name(enum rt_conv2d_part part);

/* NULL: there is none of that name. */
const struct rt_conv2d_variant *rt_conv2d_find(const char *name);

/* --- measuring them: conv2d_measure.c ------------------------------------------------------ */

struct rt_conv2d_trial {
    const char *key;
    int batch; /* images of what the key says */
    const struct rt_conv2d_variant *variant;
    uint64_t seed; /* of the random data */
    double best;   /* seconds that another variant takes; 0: none is known */
};

/* Runs a variant. `seconds` is the median of five runs after two others; one where it takes
 * over a second, or over 20 ms and twice the best; and where one image alone takes longer than the
 * best, what that would make for the batch. All results must be finite; some of them, at the edges
 * and elsewhere, are compared with sums in double on the host, and `error` is the largest
 * difference as a share of the largest of those (at least 1). Errors: ARGUMENT (the key),
 * UNSUPPORTED, DEVICE (results that are no numbers, too), BUILD, MEMORY. */
rt_status rt_conv2d_measure(struct rt_device *device, const struct rt_conv2d_trial *trial,
                            struct rt_choice_variant *measured);

#endif
