/* What Deepness 0.6.5 does with a file: values are JSON; the overlap is a percentage; the size of
 * tiles has one name in its code and another in its documentation, so both are written; it feeds
 * bytes / 255, less standardization_mean, by standardization_std; a pixel none of whose
 * probabilities reaches seg_thresh becomes the first class; and it cannot load a file that leaves
 * the images' size free. */
#include "exchange/onnx_metadata.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/json.h"
#include "base/memory.h"
#include "exchange/onnx.h"

/* Deepness joins tiles in the middle of where they overlap and does not blend them, so that they
 * overlap by twice what `retort predict` has: a margin of an eighth of a tile all round. */
#define OVERLAP_PERCENT 25

/* Adds an entry, and owns its text. */
static void add_text(struct rt_onnx_metadata *metadata, const char *key, char *text)
{
    Onnx__StringStringEntryProto *entry = &metadata->entries[metadata->count];
    *entry = (Onnx__StringStringEntryProto)ONNX__STRING_STRING_ENTRY_PROTO__INIT;
    entry->key = (char *)key;
    entry->value = text;
    metadata->list[metadata->count++] = entry;
}

/* Adds an entry, and owns the value. */
static rt_status add(struct rt_onnx_metadata *metadata, const char *key, json_t *value)
{
    char *text = NULL;
    rt_status status = rt_json_text(&text, value, JSON_COMPACT | JSON_ENCODE_ANY);
    if (status == RT_OK)
        add_text(metadata, key, text);
    json_decref(value);
    return status;
}

enum fact { NAMES, COLOURS };

/* {"0": "Water", ...}, or {"0": "#E2A929", ...}. NULL: no memory. */
static json_t *classes_to_json(const struct rt_palette *palette, enum fact fact)
{
    json_t *object = json_object();
    bool failed = !object;
    for (int i = 0; i < palette->count; i++) {
        const struct rt_class *class = &palette->classes[i];
        char key[12], colour[8];
        snprintf(key, sizeof key, "%d", i);
        snprintf(colour, sizeof colour, "#%02X%02X%02X", class->rgb[0], class->rgb[1],
                 class->rgb[2]);
        failed |= json_object_set_new(object, key,
                                      json_string(fact == NAMES ? class->name : colour)) != 0;
    }
    if (!failed)
        return object;
    json_decref(object);
    return NULL;
}

/* What Deepness reads. */
static rt_status add_deepness(struct rt_onnx_metadata *metadata, const struct rt_model_info *info,
                              const struct rt_export_options *options)
{
    const int tile = options->tile > 0 ? options->tile : info->patch;
    rt_status status = RT_OK;
    RT_TRY(add(metadata, "model_type", json_string("Segmentor")));
    RT_TRY(add(metadata, "class_names", classes_to_json(&info->palette, NAMES)));
    if (options->resolution > 0) { /* in centimetres, of which hundredths are shown */
        const double hundredths = round(1e4 * options->resolution);
        RT_TRY(add(metadata, "resolution", json_real(hundredths / 100)));
    }
    RT_TRY(add(metadata, "tiles_size", json_integer(tile)));
    RT_TRY(add(metadata, "tile_size", json_integer(tile)));
    RT_TRY(add(metadata, "tiles_overlap", json_integer(OVERLAP_PERCENT)));
    RT_TRY(add(metadata, "standardization_mean", json_pack("[i,i,i]", 0, 0, 0)));
    RT_TRY(add(metadata, "standardization_std", json_pack("[i,i,i]", 1, 1, 1)));
    RT_TRY(add(metadata, "seg_thresh", json_integer(0)));
    RT_TRY(add(metadata, "seg_small_segment", json_integer(0)));
end:
    return status;
}

static rt_status describe(char **about, const struct rt_model *model,
                          const struct rt_export_options *options)
{
    const struct rt_model_info *info = rt_model_describe(model);
    const bool patch = info->scaling.mode == RT_SCALING_PATCH;
    rt_status status = RT_OK;
    char *sides = NULL;
    RT_TRY(options->tile > 0
               ? rt_format(&sides, "of %d x %d pixels", options->tile, options->tile)
               : rt_format(&sides,
                           "whose height and width are multiples of %d (it was trained on "
                           "%d x %d)",
                           rt_model_step(model), info->patch, info->patch));
    status = rt_format(
        about,
        "The U-Net %s, %zu parameters, written by retort. It takes RGB images %s as [batch, %d, "
        "height, width], 32-bit floats from 0 to 1 (bytes / 255), which it scales itself: %s. "
        "It gives [batch, %d, height, width]: %s each class, in the order of class_names.",
        info->network, rt_model_parameters(model), sides, info->channels,
        patch ? "each channel of each image from its least value to its largest"
              : "by the means and deviations of the images that it was trained on",
        info->palette.count,
        options->logits ? "the logit (a softmax gives the probability) of" : "the probability of");
end:
    free(sides);
    return status;
}

rt_status rt_onnx_metadata_init(struct rt_onnx_metadata *metadata, const struct rt_model *model,
                                const struct rt_export_options *options)
{
    const struct rt_model_info *info = rt_model_describe(model);
    rt_status status = RT_OK;
    char *text = NULL;
    *metadata = (struct rt_onnx_metadata){0};
    RT_TRY(rt_model_info_write(info, &text));
    add_text(metadata, RT_MODEL_INFO_KEY, text);
    RT_TRY(add_deepness(metadata, info, options));
    RT_TRY(add(metadata, "class_colors", classes_to_json(&info->palette, COLOURS)));
    status = describe(&metadata->about, model, options);
end:
    return status;
}

void rt_onnx_metadata_finish(struct rt_onnx_metadata *metadata)
{
    for (size_t i = 0; i < metadata->count; i++)
        free(metadata->entries[i].value);
    free(metadata->about);
    *metadata = (struct rt_onnx_metadata){0};
}
