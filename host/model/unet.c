/* U-Net: Ronneberger, Fischer, Brox, "U-Net: Convolutional networks for biomedical image
 * segmentation", arXiv 1505.04597. As here: padded convolutions, dropout between the two of a
 * block. */
#include "model/unet.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/word.h"

#define DEPTH_MAX 8
#define DEFAULT_DEPTH 4
#define DEFAULT_DROPOUT 0.2f
#define DEFAULT_DROPOUT_BOTTLENECK 0.3f

#define FORM "unet:W[,depth=D][,up=transpose|nearest|bilinear][,norm=none|batch][,dropout=P]"

/* --- the specification ---------------------------------------------------------------------- */

static const char *const up_names[] = {"transpose", "nearest", "bilinear", NULL};
static const char *const norm_names[] = {"none", "batch", NULL};

static rt_status read_whole(const char *what, const char *text, int low, int high, int *value)
{
    char *end;
    long number = strtol(text, &end, 10);
    if (*text < '0' || *text > '9' || *end || number < low || number > high)
        return rt_fail(RT_ERROR_ARGUMENT, "%s is a whole number from %d to %d, not '%s'", what, low,
                       high, text);
    *value = (int)number;
    return RT_OK;
}

static rt_status read_share(const char *what, const char *text, float *value)
{
    char *end;
    float number = strtof(text, &end);
    if (end == text || *end || !(number >= 0 && number < 1))
        return rt_fail(RT_ERROR_ARGUMENT, "%s is a share from 0 to below 1, not '%s'", what, text);
    *value = number;
    return RT_OK;
}

/* The place of the text among the names. */
static rt_status read_choice(const char *what, const char *text, const char *const *names,
                             int *choice)
{
    char list[64] = "", meant[RT_WORD_MEANT];
    for (int i = 0; names[i]; i++) {
        if (strcmp(text, names[i]) == 0) {
            *choice = i;
            return RT_OK;
        }
        size_t used = strlen(list);
        snprintf(list + used, sizeof list - used, "%s%s", i ? ", " : "", names[i]);
    }
    return rt_fail(RT_ERROR_ARGUMENT, "%s is one of %s, not '%s'%s", what, list, text,
                   rt_word_meant(meant, "", rt_word_closest_of(text, names)));
}

static rt_status read_option(struct rt_unet *unet, char *option)
{
    static const char *const option_names[] = {"depth", "dropout", "up", "norm", NULL};
    rt_status status = RT_OK;
    int choice = 0;
    char *value = strchr(option, '='), meant[RT_WORD_MEANT];
    if (value)
        *value++ = 0;
    if (!value)
        return rt_fail(RT_ERROR_ARGUMENT, "'%s' is no option with a value", option);
    if (strcmp(option, "depth") == 0)
        return read_whole("depth", value, 1, DEPTH_MAX, &unet->depth);
    if (strcmp(option, "dropout") == 0)
        return read_share("dropout", value, &unet->dropout);
    if (strcmp(option, "up") == 0) {
        status = read_choice("up", value, up_names, &choice);
        unet->up = (enum rt_unet_up)choice;
        return status;
    }
    if (strcmp(option, "norm") == 0) {
        status = read_choice("norm", value, norm_names, &choice);
        unet->norm = (enum rt_unet_norm)choice;
        return status;
    }
    return rt_fail(RT_ERROR_ARGUMENT, "there is no option '%s'%s", option,
                   rt_word_meant(meant, "", rt_word_closest_of(option, option_names)));
}

static rt_status read_unet(struct rt_unet *unet, char *text)
{
    rt_status status = RT_OK;
    char *rest = strchr(text, ':');
    if (rest)
        *rest++ = 0;
    if (strcmp(text, "unet") != 0)
        return rt_fail(RT_ERROR_ARGUMENT, "the only kind of network is unet");
    if (!rest)
        return rt_fail(RT_ERROR_ARGUMENT, "it tells no width W, as unet:16 does");
    for (int i = 0; rest; i++) {
        char *item = rest;
        rest = strchr(item, ',');
        if (rest)
            *rest++ = 0;
        if (i == 0)
            RT_TRY(read_whole("W", item, 1, 1024, &unet->width));
        else
            RT_TRY(read_option(unet, item));
    }
end:
    return status;
}

rt_status rt_unet_parse(struct rt_unet *unet, const char *text)
{
    rt_status status = RT_OK;
    char *copy = NULL, *reason = NULL;
    *unet = (struct rt_unet){.depth = DEFAULT_DEPTH, .dropout = -1};
    RT_TRY(rt_copy_text(&copy, text));
    status = read_unet(unet, copy);
    if (status < 0 && rt_copy_text(&reason, rt_error_message()) == RT_OK)
        rt_fail(status, "the network '%s' is not understood: %s%s form is " FORM, text, reason,
                strchr(reason, '?') ? " Its" : "; its");
end:
    free(copy);
    free(reason);
    return status;
}

void rt_unet_format(const struct rt_unet *unet, char *text, size_t size)
{
    char depth[16] = "", dropout[32] = "";
    if (unet->depth != DEFAULT_DEPTH)
        snprintf(depth, sizeof depth, ",depth=%d", unet->depth);
    if (unet->dropout >= 0)
        snprintf(dropout, sizeof dropout, ",dropout=%.7g", (double)unet->dropout);
    bool up = unet->up != RT_UNET_TRANSPOSE, norm = unet->norm != RT_UNET_NO_NORM;
    snprintf(text, size, "unet:%d%s%s%s%s%s%s", unet->width, depth, up ? ",up=" : "",
             up ? up_names[unet->up] : "", norm ? ",norm=" : "", norm ? norm_names[unet->norm] : "",
             dropout);
}

/* --- the graph ------------------------------------------------------------------------------ */

struct builder {
    const struct rt_unet *unet;
    struct rt_graph *graph;
    int node; /* the last one added */
};

/* Adds an operation on the last node, and on a second one where it takes two. */
static rt_status add(struct builder *b, const struct rt_op *op, const void *attributes, int second,
                     const char *name)
{
    return rt_graph_add(b->graph, op, attributes, (int[]){b->node, second}, name, &b->node);
}

static int channels_at(const struct rt_unet *unet, int level)
{
    return unet->width << level;
}

/* Two times: a 3x3 convolution, the normalisation if any, ReLU; dropout after the first ReLU. The
 * numbers in the names are those of the modules of torch.nn.Sequential(Conv2d, ReLU, Dropout,
 * Conv2d, ReLU), or of (Conv2d, BatchNorm2d, ReLU, Dropout, Conv2d, BatchNorm2d, ReLU). */
static rt_status add_block(struct builder *b, const char *part, int level)
{
    const struct rt_unet *unet = b->unet;
    rt_status status = RT_OK;
    char name[32];
    bool norm = unet->norm == RT_UNET_BATCH_NORM;
    float dropout = unet->dropout >= 0     ? unet->dropout
                    : level == unet->depth ? DEFAULT_DROPOUT_BOTTLENECK
                                           : DEFAULT_DROPOUT;
    for (int i = 0; i < 2; i++) {
        struct rt_activation activation = {.relu = true, .dropout = i == 0 ? dropout : 0};
        struct rt_conv2d conv = {
            .channels = channels_at(unet, level), .kernel = 3, .stride = 1, .bias = !norm};
        if (!norm)
            conv.activation = activation;
        int number = i * (norm ? 4 : 3);
        snprintf(name, sizeof name, "%s.%d.%d", part, level, number);
        RT_TRY(add(b, &rt_op_conv2d, &conv, 0, name));
        if (!norm)
            continue;
        struct rt_batch_norm batch_norm = {
            .momentum = 0.1f, .epsilon = 1e-5f, .activation = activation};
        snprintf(name, sizeof name, "%s.%d.%d", part, level, number + 1);
        RT_TRY(add(b, &rt_op_batch_norm, &batch_norm, 0, name));
    }
end:
    return status;
}

/* To twice the size and the channels of the level: a transposed convolution, or an upsampling
 * without parameters and a 3x3 convolution. Neither has an activation. */
static rt_status add_up(struct builder *b, int level)
{
    rt_status status = RT_OK;
    char name[32];
    int channels = channels_at(b->unet, level);
    snprintf(name, sizeof name, "up.%d", level);
    if (b->unet->up == RT_UNET_TRANSPOSE)
        return add(b, &rt_op_conv_transpose2d, &(struct rt_conv_transpose2d){channels}, 0, name);
    struct rt_upsample upsample = {b->unet->up == RT_UNET_NEAREST ? RT_UPSAMPLE_NEAREST
                                                                  : RT_UPSAMPLE_BILINEAR};
    struct rt_conv2d conv = {.channels = channels, .kernel = 3, .stride = 1, .bias = true};
    char resize[32];
    snprintf(resize, sizeof resize, "up.%d.resize", level);
    RT_TRY(add(b, &rt_op_upsample, &upsample, 0, resize));
    RT_TRY(add(b, &rt_op_conv2d, &conv, 0, name));
end:
    return status;
}

rt_status rt_unet_build(const struct rt_unet *unet, struct rt_graph *graph, int channels,
                        int classes)
{
    rt_status status = RT_OK;
    struct builder b = {.unet = unet, .graph = graph};
    int skips[DEPTH_MAX];
    char name[32];
    RT_TRY(rt_graph_input(graph, channels, &b.node));
    for (int level = 0; level < unet->depth; level++) {
        RT_TRY(add_block(&b, "down", level));
        skips[level] = b.node;
        rt_graph_cut(graph); /* before the pool, whose input is kept for the skip connection */
        snprintf(name, sizeof name, "pool.%d", level);
        RT_TRY(add(&b, &rt_op_pool, &(struct rt_pool){.mode = RT_POOL_MAX}, 0, name));
    }
    RT_TRY(add_block(&b, "down", unet->depth));
    for (int level = unet->depth - 1; level >= 0; level--) {
        rt_graph_cut(graph);
        RT_TRY(add_up(&b, level));
        snprintf(name, sizeof name, "concat.%d", level);
        RT_TRY(add(&b, &rt_op_concat, NULL, skips[level], name));
        RT_TRY(add_block(&b, "dec", level));
    }
    struct rt_conv2d head = {.channels = classes, .kernel = 1, .stride = 1, .bias = true};
    RT_TRY(add(&b, &rt_op_conv2d, &head, 0, "head"));
end:
    return status;
}
