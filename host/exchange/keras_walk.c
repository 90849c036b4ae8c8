/* From the description of a Keras model to the parts of a U-Net: from the output back to the input,
 * each layer must be the one that stands there in retort's network. Layers that do nothing outside
 * training are passed over. */
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "exchange/keras_unet.h"

#define INPUTS_MAX 4
#define NESTING_MAX 16

struct walk {
    struct rt_keras_unet *k;
    const json_t *layers;
    struct rt_problems *problems;
    const json_t *at; /* the layer that is looked at; NULL after a problem */
    double dropout_least, dropout_most;
    int dropouts;
    const json_t *skips[RT_KERAS_LEVELS];
};

/* --- the description ------------------------------------------------------------------------ */

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

static const json_t *setting(const json_t *layer, const char *key)
{
    return json_object_get(json_object_get(layer, "config"), key);
}

static const char *name_of(const json_t *layer)
{
    const char *name = text_of(layer, "name");
    return *name ? name : text_of(json_object_get(layer, "config"), "name");
}

static const char *class_of(const json_t *layer)
{
    return text_of(layer, "class_name");
}

static bool is(const json_t *layer, const char *class)
{
    return layer && strcmp(class_of(layer), class) == 0;
}

static const json_t *find_layer(const struct walk *w, const char *name)
{
    size_t i;
    json_t *layer;
    json_array_foreach((json_t *)w->layers, i,
                       layer) if (strcmp(name_of(layer), name) == 0) return layer;
    return NULL;
}

/* The names of the layers that feed one, wherever they stand in its inbound_nodes: Keras 2 has
 * [NAME, 0, 0, {}], Keras 3 {"keras_history": [NAME, 0, 0]}. */
static int find_inputs(const json_t *value, const char *names[INPUTS_MAX], int count, int nesting)
{
    size_t i;
    const char *key;
    json_t *item;
    if (nesting > NESTING_MAX || count >= INPUTS_MAX)
        return count;
    const char *first = json_string_value(json_array_get(value, 0));
    if (first && json_is_integer(json_array_get(value, 1))) {
        names[count] = first;
        return count + 1;
    }
    json_array_foreach((json_t *)value, i, item) count =
        find_inputs(item, names, count, nesting + 1);
    json_object_foreach((json_t *)value, key, item) count =
        find_inputs(item, names, count, nesting + 1);
    return count;
}

static int inputs_of(const json_t *layer, const char *names[INPUTS_MAX])
{
    const json_t *calls = json_object_get(layer, "inbound_nodes");
    if (json_array_size(calls) > 1)
        return INPUTS_MAX; /* a layer that is used twice */
    return find_inputs(calls, names, 0, 0);
}

/* --- settings ------------------------------------------------------------------------------- */

static void problem(struct walk *w, const char *what)
{
    rt_problem(w->problems, "layer %s (%s) %s", name_of(w->at), class_of(w->at), what);
    w->at = NULL;
}

/* Whether a setting is this number, or a list of nothing else. */
static bool is_number(const json_t *value, double number)
{
    size_t i;
    json_t *item;
    if (json_is_number(value))
        return json_number_value(value) == number;
    json_array_foreach((json_t *)value, i,
                       item) if (json_number_value(item) != number) return false;
    return json_array_size(value) > 0;
}

/* Likewise, but it may also be left out or null. */
static bool is_number_or_none(const json_t *value, double number)
{
    return !value || json_is_null(value) || is_number(value, number);
}

static bool is_text(const json_t *layer, const char *key, const char *text)
{
    const json_t *value = setting(layer, key);
    return !value || json_is_null(value) ||
           (json_is_string(value) && strcmp(json_string_value(value), text) == 0);
}

/* "" where a layer has no activation. */
static const char *activation_of(const json_t *layer)
{
    const char *text = json_string_value(setting(layer, "activation"));
    return text && strcmp(text, "linear") != 0 ? text : "";
}

/* --- steps ---------------------------------------------------------------------------------- */

/* To the layer that feeds this one, which must have no other. */
static void step(struct walk *w)
{
    const char *names[INPUTS_MAX];
    if (!w->at)
        return;
    if (inputs_of(w->at, names) != 1) {
        problem(w, "has more than one input, or none");
        return;
    }
    const json_t *next = find_layer(w, names[0]);
    if (!next)
        problem(w, "is fed by a layer that is not there");
    else
        w->at = next;
}

static bool does_nothing(struct walk *w)
{
    static const char *const classes[] = {"Dropout", "SpatialDropout2D", "GaussianDropout",
                                          "GaussianNoise", "ActivityRegularization"};
    for (size_t i = 0; i < RT_COUNT(classes); i++) {
        if (!is(w->at, classes[i]))
            continue;
        if (i < 2) {
            double rate = json_number_value(setting(w->at, "rate"));
            w->dropout_least = w->dropouts && w->dropout_least < rate ? w->dropout_least : rate;
            w->dropout_most = w->dropouts && w->dropout_most > rate ? w->dropout_most : rate;
            w->dropouts++;
        }
        return true;
    }
    return is(w->at, "Activation") && !*activation_of(w->at);
}

/* Over what does nothing outside training. A layer passed over counts once for each way. */
static void pass_over(struct walk *w)
{
    for (size_t i = 0; w->at && does_nothing(w) && i <= json_array_size(w->layers); i++)
        step(w);
}

static bool expect(struct walk *w, const char *class, const char *where)
{
    char what[96];
    if (w->at && !is(w->at, class)) {
        snprintf(what, sizeof what, "stands where %s has its %s", where, class);
        problem(w, what);
    }
    return w->at != NULL;
}

/* Over an activation of its own, relu or softmax. Returns whether there was one. */
static bool over_activation(struct walk *w, const char *name)
{
    const bool relu = strcmp(name, "relu") == 0;
    bool there = is(w->at, "Activation") && strcmp(activation_of(w->at), name) == 0;
    if (relu && is(w->at, "ReLU")) {
        if (!is_number_or_none(setting(w->at, "max_value"), INFINITY) ||
            !is_number_or_none(setting(w->at, "negative_slope"), 0) ||
            !is_number_or_none(setting(w->at, "threshold"), 0)) {
            problem(w, "is no plain ReLU");
            return false;
        }
        there = true;
    }
    if (!relu && is(w->at, "Softmax"))
        there = true;
    if (there) {
        step(w);
        pass_over(w);
    }
    return there;
}

static void add_part(struct walk *w, enum rt_keras_kind kind, const char *part, int level,
                     int number)
{
    struct rt_keras_unet *k = w->k;
    if (k->count >= RT_KERAS_PARTS)
        return;
    struct rt_keras_part *p = &k->parts[k->count++];
    *p = (struct rt_keras_part){.kind = kind, .layer = name_of(w->at)};
    if (level < 0)
        snprintf(p->name, sizeof p->name, "%s", part);
    else if (number < 0)
        snprintf(p->name, sizeof p->name, "%s.%d", part, level);
    else
        snprintf(p->name, sizeof p->name, "%s.%d.%d", part, level, number);
    if (kind == RT_KERAS_NORM) {
        const json_t *epsilon = setting(w->at, "epsilon");
        p->epsilon = json_is_number(epsilon) ? json_number_value(epsilon) : 1e-3;
    }
}

/* The settings that every convolution must have. */
static void check_conv(struct walk *w, int kernel, const char *activation)
{
    char what[160];
    const json_t *at = w->at;
    if (!is_number(setting(at, "kernel_size"), kernel)) {
        snprintf(what, sizeof what, "has another kernel than %d x %d", kernel, kernel);
        problem(w, what);
    } else if (!is_number_or_none(setting(at, "strides"), is(at, "Conv2DTranspose") ? 2 : 1)) {
        problem(w, "has other strides");
    } else if (!is_number_or_none(setting(at, "dilation_rate"), 1)) {
        problem(w, "is dilated");
    } else if (!is_number_or_none(setting(at, "groups"), 1)) {
        problem(w, "is a convolution in groups");
    } else if (kernel == 3 && !is_text(at, "padding", "same")) {
        problem(w, "does not pad its images: with padding=\"valid\" they shrink");
    } else if (!is_text(at, "data_format", "channels_last")) {
        problem(w, "takes channels first; only channels_last is read");
    } else if (strcmp(activation_of(at), activation) != 0 &&
               !(*activation == 's' && !*activation_of(at))) {
        snprintf(what, sizeof what, "has the activation %.40s, not %s",
                 *activation_of(at)                          ? activation_of(at)
                 : json_is_object(setting(at, "activation")) ? "of a layer"
                                                             : "linear",
                 *activation ? activation : "linear");
        problem(w, what);
    }
}

/* A 3x3 convolution, a normalisation if the network has them, and ReLU. The first one that is met
 * tells whether it has. */
static void walk_half(struct walk *w, const char *part, int level, bool second, bool first_met)
{
    struct rt_unet *unet = &w->k->unet;
    pass_over(w);
    const bool activated = w->at && over_activation(w, "relu");
    const bool normalised = is(w->at, "BatchNormalization");
    if (first_met)
        unet->norm = normalised ? RT_UNET_BATCH_NORM : RT_UNET_NO_NORM;
    const bool norm = unet->norm == RT_UNET_BATCH_NORM;
    if (norm && expect(w, "BatchNormalization", part)) {
        if (!activated) {
            problem(w, "is not followed by an activation of its own: only convolution, "
                       "normalisation, ReLU in this order can be imported");
            return;
        }
        add_part(w, RT_KERAS_NORM, part, level, second ? 5 : 1);
        step(w);
        pass_over(w);
    }
    if (!expect(w, "Conv2D", part))
        return;
    check_conv(w, 3, activated ? "" : "relu");
    if (!w->at)
        return;
    add_part(w, RT_KERAS_CONV, part, level, second ? (norm ? 4 : 3) : 0);
    step(w);
}

static void walk_block(struct walk *w, const char *part, int level, bool first_met)
{
    walk_half(w, part, level, true, first_met);
    walk_half(w, part, level, false, false);
    pass_over(w);
}

/* Whether a layer is what enlarges: a transposed convolution, or an UpSampling2D before a
 * convolution. */
static bool enlarges(const struct walk *w, const json_t *layer)
{
    const char *names[INPUTS_MAX];
    for (int i = 0; layer && i < 3; i++) {
        if (is(layer, "Conv2DTranspose") || is(layer, "UpSampling2D"))
            return true;
        if ((!is(layer, "Conv2D") && !is(layer, "Dropout")) || inputs_of(layer, names) != 1)
            return false;
        layer = find_layer(w, names[0]);
    }
    return false;
}

/* A concatenation: on along what was enlarged, and the other input is kept. */
static void walk_concat(struct walk *w, int level)
{
    const char *names[INPUTS_MAX];
    if (!expect(w, "Concatenate", "the decoder"))
        return;
    const json_t *axis = setting(w->at, "axis");
    if (!is_number_or_none(axis, -1) && !is_number(axis, 3)) {
        problem(w, "does not concatenate channels");
        return;
    }
    if (inputs_of(w->at, names) != 2) {
        problem(w, "has not two inputs");
        return;
    }
    const json_t *inputs[] = {find_layer(w, names[0]), find_layer(w, names[1])};
    const bool second = enlarges(w, inputs[1]) && !enlarges(w, inputs[0]);
    w->k->skip_first |= (unsigned)second << level;
    w->skips[level] = inputs[!second];
    if (!inputs[0] || !inputs[1])
        problem(w, "is fed by a layer that is not there");
    else
        w->at = inputs[second];
}

static void walk_up(struct walk *w, int level)
{
    pass_over(w);
    if (is(w->at, "Conv2DTranspose")) {
        check_conv(w, 2, "");
        if (!w->at)
            return;
        add_part(w, RT_KERAS_TRANSPOSE, "up", level, -1);
        step(w);
        return;
    }
    if (!expect(w, "Conv2D", "the decoder"))
        return;
    check_conv(w, 3, "");
    if (!w->at)
        return;
    add_part(w, RT_KERAS_CONV, "up", level, -1);
    step(w);
    pass_over(w);
    if (!expect(w, "UpSampling2D", "the decoder"))
        return;
    w->k->unet.up = is_text(w->at, "interpolation", "nearest") ? RT_UNET_NEAREST : RT_UNET_BILINEAR;
    if (!is_number(setting(w->at, "size"), 2))
        problem(w, "does not enlarge twofold");
    else if (w->k->unet.up == RT_UNET_BILINEAR && !is_text(w->at, "interpolation", "bilinear"))
        problem(w, "enlarges neither by the nearest pixel nor bilinearly");
    else
        step(w);
}

/* The same layer, but for what does nothing outside training on the way to it. */
static bool is_same(struct walk *w, const json_t *layer)
{
    struct walk other = *w;
    struct rt_problems problems = {0};
    other.problems = &problems;
    other.at = layer;
    pass_over(&other);
    return other.at == w->at;
}

static void walk_pool(struct walk *w, int level)
{
    pass_over(w);
    if (!expect(w, "MaxPooling2D", "the encoder"))
        return;
    if (!is_number(setting(w->at, "pool_size"), 2) ||
        !is_number_or_none(setting(w->at, "strides"), 2)) {
        problem(w, "does not halve its images");
        return;
    }
    step(w);
    pass_over(w);
    if (w->at && w->skips[level] && !is_same(w, w->skips[level]))
        problem(w, "is not what the decoder concatenates at this level");
}

static void walk_input(struct walk *w)
{
    if (is(w->at, "Rescaling")) {
        for (int i = 0; i < 3; i++) {
            const json_t *scale = setting(w->at, "scale"), *offset = setting(w->at, "offset");
            size_t c = (size_t)i;
            w->k->scale[i] =
                json_number_value(json_is_array(scale) ? json_array_get(scale, c) : scale);
            w->k->offset[i] =
                json_number_value(json_is_array(offset) ? json_array_get(offset, c) : offset);
            if (!(w->k->scale[i] > 0) || !isfinite(w->k->offset[i])) {
                problem(w, "has a scale that is not above 0");
                return;
            }
        }
        w->k->rescaled = true;
        step(w);
        pass_over(w);
    }
    if (!expect(w, "InputLayer", "the network"))
        return;
    const json_t *shape = setting(w->at, "batch_shape");
    if (!shape)
        shape = setting(w->at, "batch_input_shape");
    if (json_array_size(shape) != 4 || !is_number(json_array_get(shape, 3), 3)) {
        problem(w, "does not take images of 3 channels, channels last");
        return;
    }
    json_int_t height = json_integer_value(json_array_get(shape, 1));
    if (height == json_integer_value(json_array_get(shape, 2)) && height > 0 && height <= 1 << 14)
        w->k->patch = (int)height;
}

/* --- the whole ------------------------------------------------------------------------------ */

static int count_class(const struct walk *w, const char *class)
{
    int count = 0;
    size_t i;
    json_t *layer;
    json_array_foreach((json_t *)w->layers, i, layer) count += is(layer, class);
    return count;
}

/* The layers of kinds that a U-Net like retort's does not have at all. */
static void name_foreign(struct walk *w)
{
    static const char *const known[] = {"InputLayer",       "Conv2D",
                                        "Conv2DTranspose",  "Dropout",
                                        "SpatialDropout2D", "GaussianDropout",
                                        "GaussianNoise",    "ActivityRegularization",
                                        "MaxPooling2D",     "UpSampling2D",
                                        "Concatenate",      "BatchNormalization",
                                        "Activation",       "ReLU",
                                        "Softmax",          "Rescaling"};
    size_t i;
    json_t *layer;
    json_array_foreach((json_t *)w->layers, i, layer)
    {
        size_t k = 0;
        while (k < RT_COUNT(known) && !is(layer, known[k]))
            k++;
        if (k == RT_COUNT(known))
            rt_problem(w->problems, "layer %s is a %s, which retort's U-Net does not have",
                       name_of(layer), *class_of(layer) ? class_of(layer) : "layer of no kind");
    }
}

static void walk_network(struct walk *w)
{
    struct rt_unet *unet = &w->k->unet;
    const int depth = count_class(w, "MaxPooling2D");
    if (depth < 1 || depth > RT_KERAS_LEVELS) {
        rt_problem(w->problems, "it has %d MaxPooling2D layers, and a U-Net 1 to %d", depth,
                   RT_KERAS_LEVELS);
        return;
    }
    unet->depth = depth;
    pass_over(w);
    const bool softmax = over_activation(w, "softmax");
    if (!expect(w, "Conv2D", "the output"))
        return;
    check_conv(w, 1, softmax ? "" : "softmax");
    if (!w->at)
        return;
    add_part(w, RT_KERAS_CONV, "head", -1, -1);
    step(w);
    for (int level = 0; level < depth && w->at; level++) {
        walk_block(w, "dec", level, level == 0);
        walk_concat(w, level);
        walk_up(w, level);
    }
    walk_block(w, "down", depth, false);
    for (int level = depth - 1; level >= 0 && w->at; level--) {
        walk_pool(w, level);
        walk_block(w, "down", level, false);
    }
    if (w->at)
        walk_input(w);
}

static const json_t *output_of(struct walk *w, const json_t *config)
{
    const char *names[INPUTS_MAX];
    if (find_inputs(json_object_get(config, "output_layers"), names, 0, 0) == 1)
        return find_layer(w, names[0]);
    return NULL;
}

static void choose_dropout(struct walk *w)
{
    if (w->dropouts == 0)
        w->k->unet.dropout = 0;
    else if (w->dropout_least == w->dropout_most && w->dropout_most < 1)
        w->k->unet.dropout = (float)w->dropout_most;
    else
        w->k->unet.dropout = -1; /* retort's own: 0.2, and 0.3 in the bottleneck */
}

rt_status rt_keras_walk(struct rt_keras_unet *k, const char *config, json_t **root,
                        struct rt_problems *problems)
{
    json_error_t error;
    struct walk w = {.k = k, .problems = problems};
    *k = (struct rt_keras_unet){.up_is_told = true};
    *root = json_loads(config, 0, &error);
    if (!*root)
        return rt_fail(RT_ERROR_FORMAT, "its model_config is no JSON: %s (byte %d)", error.text,
                       error.position);
    const json_t *description = json_object_get(*root, "config");
    w.layers = json_object_get(description, "layers");
    if (!json_is_array(w.layers))
        return rt_fail(RT_ERROR_FORMAT, "its model_config describes no layers");
    name_foreign(&w);
    if (problems->count > 0)
        return RT_OK;
    w.at = output_of(&w, description);
    if (!w.at)
        rt_problem(problems, "it has not one output; a Sequential model or one of several outputs "
                             "is no U-Net");
    else
        walk_network(&w);
    choose_dropout(&w);
    return RT_OK;
}
