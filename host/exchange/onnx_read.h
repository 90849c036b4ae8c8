/* Reading an ONNX graph: its values, and the operations of ours that give them. The files:
 * onnx_file.c     the bytes: whole and within limits, as protobuf-c's messages
 * onnx_values.c   names, what reads them, constants
 * onnx_fold.c     the arithmetic by which exporters find shapes
 * onnx_input.c    how the images are scaled before the first operation
 * onnx_nodes.c    an operation of ours for each node
 * onnx_windows.c  of them those with windows: convolutions, pooling, resizing
 * onnx_output.c   what follows the logits
 * onnx_unet.c     whether it all is a U-Net of ours
 * onnx_read.c     the whole */
#ifndef RT_EXCHANGE_ONNX_READ_H
#define RT_EXCHANGE_ONNX_READ_H

#include "exchange/exchange.h"
#include "model/model.h"
#include "onnx.pb-c.h"

/* The message in *proto, released by onnx__model_proto__free_unpacked(, NULL). Errors: IO, FORMAT
 * (damaged, nested too deeply), UNSUPPORTED (no graph, an opset that is not known), MEMORY. */
rt_status rt_onnx_file_read(Onnx__ModelProto **proto, const char *path);
/* Of bytes at hand; `path` is for messages. */
rt_status rt_onnx_file_parse(Onnx__ModelProto **proto, const char *path, const uint8_t *bytes,
                             size_t size);

/* The version of ONNX's own operators that it uses; 0: none is stated. */
int64_t rt_onnx_opset(const Onnx__ModelProto *proto);

#define RT_ONNX_DIMENSIONS 8
#define RT_ONNX_SMALL 64 /* numbers of a constant that are looked at one by one */

/* Numbers that do not depend on the images. */
struct rt_onnx_constant {
    int dimensions;
    size_t shape[RT_ONNX_DIMENSIONS], count;
    const Onnx__TensorProto *tensor; /* where they stand; NULL: they are few, and computed */
    bool few;                        /* `numbers` holds them */
    double numbers[RT_ONNX_SMALL];
};

/* What a value is. The latter ones lead from the images to what each patch's least and largest
 * pixel make of them; see onnx_input.c. */
enum rt_onnx_kind {
    RT_ONNX_NOTHING,  /* not known yet, or given by what is not supported */
    RT_ONNX_CONSTANT, /* owned by the reading */
    RT_ONNX_IMAGE,    /* of a node of our graph */
    RT_ONNX_PIXELS,   /* of the input, each channel times `factor` plus `shift` */
    RT_ONNX_LEAST,
    RT_ONNX_LARGEST,
    RT_ONNX_RANGE,
    RT_ONNX_ABOVE_LEAST,
};

struct rt_onnx_value {
    const char *name;
    bool given;     /* by the file's start or a node before */
    bool needed;    /* for the output */
    size_t readers; /* of the nodes that are needed */
    size_t reader;  /* one of them, a node's number */
    size_t giver;   /* the node that gives it; SIZE_MAX: none */
    enum rt_onnx_kind kind;
    struct rt_onnx_constant *constant;
    /* Images. */
    int node;           /* of our graph */
    int level;          /* how often they are halved */
    int margin;         /* zeros around it, which the convolution that follows takes for its pads */
    bool channels_last; /* as TensorFlow has them */
    struct rt_shape shape; /* for the images that the graph is read for, without the margin */
    /* PIXELS */
    double factor[3], shift[3];
    bool ranged; /* scaled to each patch's range before */
};

/* Where the numbers of one of our graph's parameters come from. */
struct rt_onnx_source {
    size_t parameter;                        /* in rt_graph_parameters */
    const struct rt_onnx_constant *constant; /* NULL: all are `value` */
    float value;
};

struct rt_onnx_reading {
    const char *path;
    struct rt_device *device; /* that the graph is made for; NULL: it is not to be run */
    const Onnx__GraphProto *proto;
    int64_t opset;
    struct rt_onnx_value *values; /* by name */
    size_t count;
    struct rt_onnx_constant **constants;
    size_t constant_count, constant_capacity;
    bool *live, *done; /* of the nodes: needed; done with one before */
    struct rt_graph *graph;
    struct rt_onnx_source *sources;
    size_t source_count, source_capacity;
    struct rt_onnx_value *output; /* the logits */
    int levels;                   /* the most halvings */
    int side;                     /* of the only images that it takes; 0: any */
    struct rt_onnx_value scaled;  /* the PIXELS that operations take */
    bool is_scaled;               /* there are such */
    char *problems;               /* a line each, all nodes that are not supported */
    size_t problem_count;
};

/* --- onnx_values.c -------------------------------------------------------------------------- */

/* Finds the values and what is needed. Errors: FORMAT (names used twice, no output), UNSUPPORTED
 * (inputs that are no images), MEMORY. Release with rt_onnx_reading_finish. */
rt_status rt_onnx_reading_init(struct rt_onnx_reading *r, struct rt_device *device,
                               const char *path, const Onnx__ModelProto *proto);
void rt_onnx_reading_finish(struct rt_onnx_reading *r);

/* NULL: there is none of that name. */
struct rt_onnx_value *rt_onnx_find(const struct rt_onnx_reading *r, const char *name);
/* Input `i` of a node; NULL where it is left out. Output likewise. */
struct rt_onnx_value *rt_onnx_in(const struct rt_onnx_reading *r, const Onnx__NodeProto *node,
                                 size_t i);
struct rt_onnx_value *rt_onnx_out(const struct rt_onnx_reading *r, const Onnx__NodeProto *node);

/* Adds a line about a node that is not supported. Errors: MEMORY. */
rt_status rt_onnx_problem(struct rt_onnx_reading *r, const Onnx__NodeProto *node,
                          const char *format, ...) __attribute__((format(printf, 3, 4)));

/* A constant of a tensor of the file, owned by the reading. Errors: FORMAT (more or fewer numbers
 * than its shape has), UNSUPPORTED (numbers of a kind, or in another file), MEMORY. */
rt_status rt_onnx_constant_read(struct rt_onnx_reading *r, const Onnx__TensorProto *tensor,
                                const char *name, struct rt_onnx_constant **constant);
/* An empty one, to be filled. Errors: MEMORY. */
rt_status rt_onnx_constant_add(struct rt_onnx_reading *r, struct rt_onnx_constant **constant);
/* Its numbers as floats, to `to`. */
void rt_onnx_constant_floats(const struct rt_onnx_constant *constant, float *to);

/* Attributes. */
const Onnx__AttributeProto *rt_onnx_attribute(const Onnx__NodeProto *node, const char *name);
int64_t rt_onnx_whole(const Onnx__NodeProto *node, const char *name, int64_t usual);
float rt_onnx_real(const Onnx__NodeProto *node, const char *name, float usual);
/* Whether the attribute is this text; `usual`: what it is when left out. */
bool rt_onnx_is(const Onnx__NodeProto *node, const char *name, const char *text, const char *usual);

/* --- the others ----------------------------------------------------------------------------- */

/* Computes a node whose inputs are constants, or the shapes of images. *folded: it did. Errors:
 * MEMORY. */
rt_status rt_onnx_fold(struct rt_onnx_reading *r, const Onnx__NodeProto *node, bool *folded);

/* Takes a node that scales the input; *taken: it did. Errors: MEMORY. */
rt_status rt_onnx_scale(struct rt_onnx_reading *r, const Onnx__NodeProto *node, bool *taken);
/* The scaling of bytes that `base`, of the images that the file takes, and the file's nodes come
 * to. Errors: UNSUPPORTED. */
rt_status rt_onnx_scaling(const struct rt_onnx_reading *r, const struct rt_scaling *base,
                          struct rt_scaling *scaling);

/* Makes the operations of the graph. Errors: FORMAT, UNSUPPORTED (all nodes that are not), MEMORY.
 */
rt_status rt_onnx_nodes(struct rt_onnx_reading *r);

/* Sets r->output to the logits, behind which nothing but softmax, arg-max and layout may be done.
 * Errors: UNSUPPORTED. */
rt_status rt_onnx_output(struct rt_onnx_reading *r);

/* The numbers of one of the graph's parameters, of which there are `count`. */
void rt_onnx_parameter_floats(const struct rt_onnx_reading *r, size_t parameter, size_t count,
                              float *to);

/* Where the graph is a U-Net of ours, its specification, and its tensors under our names: *entries
 * and *floats released by free(), names by the graph *ours. *found false: it is none. Errors:
 * MEMORY. */
struct rt_onnx_unet {
    bool found;
    char network[96];
    struct rt_graph *graph;
    struct rt_safetensors_entry *entries;
    size_t count;
    float *floats;
};
rt_status rt_onnx_unet_find(struct rt_onnx_unet *unet, const struct rt_onnx_reading *r);
void rt_onnx_unet_finish(struct rt_onnx_unet *unet);

/* All of it but the model itself, after rt_onnx_reading_init: the graph, whether it is a U-Net, and
 * the description. Errors: as rt_model_import. */
rt_status rt_onnx_read(struct rt_onnx_reading *r, struct rt_onnx_unet *unet,
                       struct rt_model_info *info, const Onnx__ModelProto *proto,
                       const struct rt_import_options *options);

#endif
