/* The description of retort's U-Net as a Keras model. */
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "exchange/keras_export.h"

#define LEVELS_MAX 8
#define EPSILON 1e-5 /* of retort's normalisations */

/* Kinds of layers, and what Keras calls the first of each. */
enum { INPUT, CONV, TRANSPOSE, NORM, RELU, DROPOUT, POOL, UPSAMPLE, CONCAT, KINDS };
static const struct {
    const char *class, *name;
} kinds[KINDS] = {
    [INPUT] = {"InputLayer", "input"},
    [CONV] = {"Conv2D", "conv2d"},
    [TRANSPOSE] = {"Conv2DTranspose", "conv2d_transpose"},
    [NORM] = {"BatchNormalization", "batch_normalization"},
    [RELU] = {"Activation", "activation"},
    [DROPOUT] = {"Dropout", "dropout"},
    [POOL] = {"MaxPooling2D", "max_pooling2d"},
    [UPSAMPLE] = {"UpSampling2D", "up_sampling2d"},
    [CONCAT] = {"Concatenate", "concatenate"},
};

struct description {
    const struct rt_unet *unet;
    json_t *layers; /* NULL once memory was short */
    int counts[KINDS];
    char last[40]; /* the layer that the next one is fed by */
};

/* Adds a layer after the last one, and after a second one where it has two inputs. Owns `config`.
 */
static void add(struct description *d, int kind, json_t *config, const char *second)
{
    char name[40];
    json_t *inputs = json_array();
    snprintf(name, sizeof name, d->counts[kind] ? "%s_%d" : "%s", kinds[kind].name,
             d->counts[kind]);
    d->counts[kind]++;
    if (*d->last)
        rt_json_append(&inputs, json_pack("[s, i, i, {}]", d->last, 0, 0));
    if (second)
        rt_json_append(&inputs, json_pack("[s, i, i, {}]", second, 0, 0));
    json_t *nodes = json_array();
    if (*d->last)
        rt_json_append(&nodes, inputs);
    else
        json_decref(inputs);
    if (config && json_object_set_new(config, "name", json_string(name)) != 0) {
        json_decref(config);
        config = NULL;
    }
    rt_json_append(&d->layers, json_pack("{s:s, s:s, s:o, s:o}", "class_name", kinds[kind].class,
                                         "name", name, "config", config, "inbound_nodes", nodes));
    snprintf(d->last, sizeof d->last, "%s", name);
}

static void add_conv(struct description *d, int kind, int channels, int kernel, bool bias,
                     const char *activation)
{
    const int stride = kind == TRANSPOSE ? 2 : 1;
    add(d, kind,
        json_pack("{s:i, s:[i,i], s:[i,i], s:s, s:s, s:s, s:b, s:s}", "filters", channels,
                  "kernel_size", kernel, kernel, "strides", stride, stride, "padding", "same",
                  "data_format", "channels_last", "activation", activation, "use_bias", bias,
                  "kernel_initializer", "he_normal"),
        NULL);
}

static void add_block(struct description *d, int level)
{
    const struct rt_unet *unet = d->unet;
    const bool norm = unet->norm == RT_UNET_BATCH_NORM;
    const double dropout = unet->dropout >= 0     ? (double)unet->dropout
                           : level == unet->depth ? 0.3
                                                  : 0.2;
    for (int i = 0; i < 2; i++) {
        add_conv(d, CONV, unet->width << level, 3, !norm, norm ? "linear" : "relu");
        if (norm) {
            add(d, NORM, json_pack("{s:f, s:f}", "epsilon", EPSILON, "momentum", 0.9), NULL);
            add(d, RELU, json_pack("{s:s}", "activation", "relu"), NULL);
        }
        if (i == 0 && dropout > 0)
            add(d, DROPOUT, json_pack("{s:f}", "rate", dropout), NULL);
    }
}

static void add_up(struct description *d, int level)
{
    const struct rt_unet *unet = d->unet;
    if (unet->up == RT_UNET_TRANSPOSE) {
        add_conv(d, TRANSPOSE, unet->width << level, 2, true, "linear");
        return;
    }
    add(d, UPSAMPLE,
        json_pack("{s:[i,i], s:s}", "size", 2, 2, "interpolation",
                  unet->up == RT_UNET_NEAREST ? "nearest" : "bilinear"),
        NULL);
    add_conv(d, CONV, unet->width << level, 3, true, "linear");
}

static void add_network(struct description *d, int classes)
{
    char skips[LEVELS_MAX][sizeof d->last];
    const int depth = d->unet->depth;
    add(d, INPUT, json_pack("{s:[n,n,n,i], s:s}", "batch_input_shape", 3, "dtype", "float32"),
        NULL);
    for (int level = 0; level < depth; level++) {
        add_block(d, level);
        memcpy(skips[level], d->last, sizeof d->last);
        add(d, POOL, json_pack("{s:[i,i], s:[i,i]}", "pool_size", 2, 2, "strides", 2, 2), NULL);
    }
    add_block(d, depth);
    for (int level = depth - 1; level >= 0; level--) {
        add_up(d, level);
        add(d, CONCAT, json_pack("{s:i}", "axis", -1), skips[level]);
        add_block(d, level);
    }
    add_conv(d, CONV, classes, 1, true, "softmax");
}

rt_status rt_keras_describe(const struct rt_unet *unet, int classes, char **config)
{
    struct description d = {.unet = unet, .layers = json_array()};
    add_network(&d, classes);
    json_t *model =
        json_pack("{s:s, s:{s:s, s:o, s:[[s,i,i]], s:[[s,i,i]]}}", "class_name", "Functional",
                  "config", "name", "retort", "layers", d.layers, "input_layers", kinds[INPUT].name,
                  0, 0, "output_layers", d.last, 0, 0);
    rt_status status = rt_json_text(config, model, JSON_COMPACT);
    json_decref(model);
    return status;
}
