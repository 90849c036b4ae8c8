/* A model's info as JSON:
 * {"format": 1, "network": "unet:16", "channels": 3, "patch": 256,
 *  "palette": {"name": "dubai", "classes": [{"name": "Water", "color": "#E2A929"}, ...],
 *              "unlabeled": "Unlabeled"},
 *  "scaling": {"mode": "data", "mean": [r, g, b], "deviation": [r, g, b]},
 *  "view": {"bands": [r, g, b], "low": [r, g, b], "high": [r, g, b]}}
 * The view is there, and each half of it, where the model has one. */
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "model/internal.h"

#define FORMAT_VERSION 1

static const char *const scaling_names[] = {
    [RT_SCALING_DATA] = "data", [RT_SCALING_PATCH] = "patch"};

static json_t *palette_to_json(const struct rt_palette *palette)
{
    json_t *classes = json_array();
    for (int i = 0; i < palette->count; i++) {
        const struct rt_class *class = &palette->classes[i];
        char color[8];
        snprintf(color, sizeof color, "#%02X%02X%02X", class->rgb[0], class->rgb[1], class->rgb[2]);
        rt_json_append(&classes, json_pack("{s:s, s:s}", "name", class->name, "color", color));
    }
    const char *unlabeled =
        palette->unlabeled >= 0 ? palette->classes[palette->unlabeled].name : NULL;
    json_t *value = json_pack("{s:s, s:o}", "name", palette->name, "classes", classes);
    if (unlabeled && json_object_set_new(value, "unlabeled", json_string(unlabeled)) != 0) {
        json_decref(value);
        value = NULL;
    }
    return value;
}

static json_t *scaling_to_json(const struct rt_scaling *s)
{
    return json_pack("{s:s, s:[f,f,f], s:[f,f,f]}", "mode", scaling_names[s->mode], "mean",
                     (double)s->mean[0], (double)s->mean[1], (double)s->mean[2], "deviation",
                     (double)s->deviation[0], (double)s->deviation[1], (double)s->deviation[2]);
}

/* NULL for the view of a model that needs none. */
static rt_status view_to_json(const struct rt_raster_view *view, json_t **value)
{
    const int *bands = view->bands;
    const double *low = view->low, *high = view->high;
    *value = NULL;
    if (!bands[0] && !view->ranged)
        return RT_OK;
    *value = rt_json_join(bands[0] ? json_pack("{s:[i,i,i]}", "bands", bands[0], bands[1], bands[2])
                                   : json_object(),
                          view->ranged ? json_pack("{s:[f,f,f], s:[f,f,f]}", "low", low[0], low[1],
                                                   low[2], "high", high[0], high[1], high[2])
                                       : json_object());
    if (*value)
        return RT_OK;
    return rt_fail(RT_ERROR_MEMORY, "cannot write the model's description: memory is short");
}

rt_status rt_model_info_write(const struct rt_model_info *info, char **text)
{
    json_t *view;
    *text = NULL;
    rt_status status = view_to_json(&info->view, &view);
    if (status < 0)
        return status;
    json_t *palette = palette_to_json(&info->palette), *scaling = scaling_to_json(&info->scaling);
    json_t *value = json_pack("{s:i, s:s, s:i, s:i, s:o, s:o, s:o*}", "format", FORMAT_VERSION,
                              "network", info->network, "channels", info->channels, "patch",
                              info->patch, "palette", palette, "scaling", scaling, "view", view);
    status = value
                 ? rt_json_text(text, value, JSON_COMPACT)
                 : rt_fail(RT_ERROR_ARGUMENT,
                           "cannot write the model's description: a class's name is no UTF-8, the "
                           "scaling is not finite, or memory is short");
    json_decref(value);
    return status;
}

static rt_status fail_info(const char *what)
{
    return rt_fail(RT_ERROR_FORMAT, "its description of the model lacks %s, or it is damaged",
                   what);
}

/* Copies a text into an array of a fixed size; false where it is none, or too long. */
static bool copy_text(const json_t *value, char *to, size_t size)
{
    const char *text = json_string_value(value);
    return text && (size_t)snprintf(to, size, "%s", text) < size;
}

static bool copy_whole(const json_t *value, int *to)
{
    json_int_t number = json_integer_value(value);
    *to = (int)number;
    return json_is_integer(value) && number >= 0 && number <= 1 << 20;
}

static bool copy_three(const json_t *value, float *to)
{
    for (size_t i = 0; i < 3; i++) {
        to[i] = (float)json_number_value(json_array_get(value, i));
        if (!json_is_number(json_array_get(value, i)) || !isfinite(to[i]))
            return false;
    }
    return json_array_size(value) == 3;
}

static bool copy_color(const json_t *value, uint8_t rgb[3])
{
    const char *text = json_string_value(value);
    if (!text || strlen(text) != 7 || text[0] != '#' ||
        strspn(text + 1, "0123456789ABCDEFabcdef") != 6)
        return false;
    unsigned long color = strtoul(text + 1, NULL, 16);
    for (int i = 0; i < 3; i++)
        rgb[i] = (uint8_t)(color >> 8 * (2 - i));
    return true;
}

static bool read_palette(const json_t *value, struct rt_palette *palette)
{
    const json_t *classes = json_object_get(value, "classes");
    const char *unlabeled = json_string_value(json_object_get(value, "unlabeled"));
    if (!copy_text(json_object_get(value, "name"), palette->name, sizeof palette->name) ||
        json_array_size(classes) < 1 || json_array_size(classes) > RT_CLASSES_MAX)
        return false;
    palette->count = (int)json_array_size(classes);
    palette->unlabeled = -1;
    for (int i = 0; i < palette->count; i++) {
        const json_t *item = json_array_get(classes, (size_t)i);
        struct rt_class *class = &palette->classes[i];
        if (!copy_text(json_object_get(item, "name"), class->name, sizeof class->name) ||
            !copy_color(json_object_get(item, "color"), class->rgb))
            return false;
        if (unlabeled && strcmp(class->name, unlabeled) == 0)
            palette->unlabeled = i;
    }
    return !unlabeled || palette->unlabeled >= 0;
}

static bool read_scaling(const json_t *value, struct rt_scaling *scaling)
{
    const char *mode = json_string_value(json_object_get(value, "mode"));
    for (int i = 0; mode && i < 2; i++) {
        if (strcmp(mode, scaling_names[i]) != 0)
            continue;
        scaling->mode = (enum rt_scaling_mode)i;
        return copy_three(json_object_get(value, "mean"), scaling->mean) &&
               copy_three(json_object_get(value, "deviation"), scaling->deviation);
    }
    return false;
}

static bool copy_three_doubles(const json_t *value, double *to)
{
    for (size_t i = 0; i < 3; i++) {
        to[i] = json_number_value(json_array_get(value, i));
        if (!json_is_number(json_array_get(value, i)) || !isfinite(to[i]))
            return false;
    }
    return json_array_size(value) == 3;
}

static bool read_view(const json_t *value, struct rt_raster_view *view)
{
    const json_t *bands = json_object_get(value, "bands"), *low = json_object_get(value, "low");
    bool right = !value || json_is_object(value);
    for (size_t i = 0; bands && right && i < 3; i++)
        right = copy_whole(json_array_get(bands, i), &view->bands[i]) && view->bands[i] > 0;
    view->ranged = low;
    if (low)
        right = right && copy_three_doubles(low, view->low) &&
                copy_three_doubles(json_object_get(value, "high"), view->high);
    for (int c = 0; low && right && c < 3; c++)
        right = view->low[c] < view->high[c];
    return right;
}

static rt_status read_info(struct rt_model_info *info, const json_t *value)
{
    int version;
    if (!copy_whole(json_object_get(value, "format"), &version))
        return fail_info("its format");
    if (version != FORMAT_VERSION)
        return rt_fail(RT_ERROR_FORMAT,
                       "its description of the model is of format %d, and this retort reads %d",
                       version, FORMAT_VERSION);
    if (!copy_text(json_object_get(value, "network"), info->network, sizeof info->network))
        return fail_info("the network");
    if (!copy_whole(json_object_get(value, "channels"), &info->channels))
        return fail_info("the channels");
    if (!copy_whole(json_object_get(value, "patch"), &info->patch))
        return fail_info("the patch");
    if (!read_palette(json_object_get(value, "palette"), &info->palette))
        return fail_info("the palette");
    if (!read_scaling(json_object_get(value, "scaling"), &info->scaling))
        return fail_info("the scaling");
    if (!read_view(json_object_get(value, "view"), &info->view))
        return fail_info("the bands and ranges of rasters");
    return RT_OK;
}

rt_status rt_model_info_read(struct rt_model_info *info, const char *text)
{
    json_t *value = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    *info = (struct rt_model_info){0};
    rt_status status = read_info(info, value);
    json_decref(value);
    return status;
}
