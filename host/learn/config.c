#include "learn/config.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "base/memory.h"
#include "learn/names.h"

#define FORMAT "retort run 1"
#define FLOATS JSON_REAL_PRECISION(7) /* enough for what people write: 0.001, not 0.00100000005 */
#define CONFIG_BYTES_MAX (1 << 20)

/* Where neither is given there are no such values: older runs have none. */
static bool add_conventions(json_t *teaching, const struct rt_train_options *options)
{
    const struct rt_scaling *s = options->teacher_scaling;
    bool whole = true;
    if (s && s->mode == RT_SCALING_PATCH)
        whole = json_object_set_new(teaching, "teacher_scaling", json_string("patch")) == 0;
    else if (s)
        whole =
            json_object_set_new(teaching, "teacher_scaling",
                                json_pack("[f,f,f,f,f,f]", (double)s->mean[0], (double)s->mean[1],
                                          (double)s->mean[2], (double)s->deviation[0],
                                          (double)s->deviation[1], (double)s->deviation[2])) == 0;
    if (whole && options->teacher_channels == RT_CHANNELS_BGR)
        whole = json_object_set_new(teaching, "teacher_channels", json_string("bgr")) == 0;
    return whole;
}

static json_t *teaching_json(const struct rt_train_options *options)
{
    json_t *paths = json_array();
    for (int i = 0; i < options->teacher_count; i++)
        rt_json_append(&paths, json_string(options->teachers[i]));
    json_t *teaching = json_pack("{s:o, s:s, s:f, s:f}", "teachers", paths, "soft",
                                 rt_soft_loss_names[options->soft], "alpha", (double)options->alpha,
                                 "temperature", (double)options->temperature);
    if (teaching && !add_conventions(teaching, options)) {
        json_decref(teaching);
        return NULL;
    }
    return teaching;
}

static json_t *optimizer_json(const struct rt_optimizer *optimizer)
{
    return json_pack("{s:s, s:f, s:f, s:f, s:f, s:f}", "optimizer",
                     rt_optimizer_names[optimizer->kind], "momentum", (double)optimizer->momentum,
                     "beta1", (double)optimizer->beta1, "beta2", (double)optimizer->beta2,
                     "epsilon", (double)optimizer->epsilon, "decay", (double)optimizer->decay);
}

static json_t *data_json(const struct rt_data_recipe *data)
{
    return json_pack("{s:s, s:s?, s:i, s:s, s:f, s:I, s:s}", "data", data->source, "palette",
                     data->palette, "patch", data->patch, "split", rt_split_names[data->split],
                     "validation", data->validation, "split_seed", (json_int_t)data->seed,
                     "scaling", rt_scaling_names[data->scaling]);
}

/* What is given of how rasters are seen: the presence of the values tells. */
static json_t *view_json(const struct rt_raster_view *view)
{
    const double *low = view->low, *high = view->high;
    json_t *value = json_object();
    json_t *bands = view->bands[0]
                        ? json_pack("[i,i,i]", view->bands[0], view->bands[1], view->bands[2])
                        : NULL;
    json_t *range =
        view->ranged ? json_pack("[f,f,f,f,f,f]", low[0], high[0], low[1], high[1], low[2], high[2])
                     : NULL;
    bool whole = (!view->bands[0] || json_object_set(value, "bands", bands) == 0) &&
                 (!view->ranged || json_object_set(value, "range", range) == 0);
    json_decref(bands);
    json_decref(range);
    if (whole)
        return value;
    json_decref(value);
    return NULL;
}

/* Without a limit there is no such value: its presence tells. */
static json_t *memory_json(const struct rt_train_options *options)
{
    return options->memory_limit
               ? json_pack("{s:I}", "memory_limit", (json_int_t)options->memory_limit)
               : json_object();
}

/* One flat object, so that a difference has one name. */
static rt_status make_config(json_t **config, const struct rt_train_options *options,
                             const char *device, enum rt_math math)
{
    *config = json_pack(
        "{s:s, s:s, s:s, s:s, s:i, s:i, s:f, s:s, s:i, s:b, s:s, s:I, s:f, s:s?}", "format", FORMAT,
        "device", device, "math", rt_math_names[math], "network", options->network, "epochs",
        options->epochs, "batch", options->batch, "rate", (double)options->rate, "schedule",
        rt_schedule_names[options->schedule], "patience", options->patience, "augment",
        options->augment, "loss", rt_hard_loss_names[options->loss], "seed",
        (json_int_t)options->seed, "masks", options->masks, "transfer", options->transfer);
    json_t *parts[] = {data_json(&options->data), optimizer_json(&options->optimizer),
                       view_json(&options->data.view), memory_json(options),
                       options->teacher_count ? teaching_json(options) : json_object()};
    bool whole = *config != NULL;
    for (size_t i = 0; i < RT_COUNT(parts); i++) {
        whole = whole && json_object_update(*config, parts[i]) == 0;
        json_decref(parts[i]);
    }
    if (whole)
        return RT_OK;
    json_decref(*config);
    *config = NULL;
    return rt_fail(RT_ERROR_ARGUMENT, "cannot write the options as JSON: a path or name in them is "
                                      "not UTF-8, or memory is short");
}

static rt_status read_config(json_t **config, const char *path)
{
    char *text;
    size_t size;
    *config = NULL;
    rt_status status = rt_file_read(path, CONFIG_BYTES_MAX, &text, &size);
    if (status < 0)
        return status;
    json_error_t error;
    *config = json_loadb(text, size, 0, &error);
    free(text);
    if (!*config && !*error.text) /* the text of every error but this one is told */
        return rt_fail(RT_ERROR_MEMORY, "cannot read %s: out of memory", path);
    const char *format = json_string_value(json_object_get(*config, "format"));
    if (format && strcmp(format, FORMAT) == 0)
        return RT_OK;
    json_decref(*config);
    *config = NULL;
    return rt_fail(RT_ERROR_FORMAT, "%s is not the config.json of a retort run", path);
}

rt_status rt_config_is_ours(const char *path, bool *ours)
{
    json_t *config = NULL;
    rt_status status = rt_path_exists(path) ? read_config(&config, path) : RT_ERROR_FORMAT;
    *ours = status == RT_OK;
    json_decref(config);
    return status == RT_ERROR_FORMAT ? RT_OK : status;
}

rt_status rt_config_write(const char *path, const struct rt_train_options *options,
                          const char *device, enum rt_math math)
{
    json_t *config;
    rt_status status = make_config(&config, options, device, math);
    if (status < 0)
        return status;
    char *text;
    status = rt_json_text(&text, config, JSON_INDENT(2) | FLOATS);
    if (status == RT_OK)
        status = rt_file_write(path, text, strlen(text));
    free(text);
    json_decref(config);
    return status;
}

static bool may_differ(const char *name, const struct rt_train_options *options, json_t *before)
{
    if (strcmp(name, "epochs") == 0)
        return options->schedule == RT_SCHEDULE_CONSTANT &&
               options->epochs >= json_integer_value(before);
    return strcmp(name, "device") == 0 || strcmp(name, "memory_limit") == 0;
}

/* Values are compared as they are written. */
static rt_status expect_value(const char *name, json_t *before, json_t *now,
                              const struct rt_train_options *options)
{
    char *was = json_dumps(before, JSON_ENCODE_ANY | FLOATS);
    char *is = json_dumps(now, JSON_ENCODE_ANY | FLOATS);
    rt_status status = RT_OK;
    bool same = was && is && strcmp(was, is) == 0;
    if (!same && !may_differ(name, options, before))
        status = rt_fail(RT_ERROR_ARGUMENT,
                         "cannot resume: \"%s\" was %s when the run began, now it is %s%s", name,
                         was ? was : "not given", is ? is : "not given",
                         strcmp(name, "epochs") == 0
                             ? "; only a constant learning rate can go on for more epochs"
                             : "");
    else if (!same && strcmp(name, "epochs") != 0)
        rt_warn("the run began with %s %s and goes on with %s: the last bits of its results may "
                "differ",
                name, was ? was : "not given", is ? is : "not given");
    free(was);
    free(is);
    return status;
}

rt_status rt_config_expect(const char *path, const struct rt_train_options *options,
                           const char *device, enum rt_math math)
{
    json_t *before, *now = NULL, *value;
    const char *name;
    rt_status status = RT_OK;
    RT_TRY(read_config(&before, path));
    RT_TRY(make_config(&now, options, device, math));
    if (!json_object_get(before, "math") && /* as in runs of earlier versions */
        json_object_set_new(before, "math", json_string(rt_math_names[RT_MATH_FAST])) < 0)
        RT_TRY(rt_fail(RT_ERROR_MEMORY, "cannot read %s: out of memory", path));
    json_object_foreach(now, name, value)
        RT_TRY(expect_value(name, json_object_get(before, name), value, options));
    json_object_foreach(before, name, value) if (!json_object_get(now, name))
        RT_TRY(expect_value(name, value, NULL, options));
end:
    json_decref(before);
    json_decref(now);
    return status;
}

/* The place of the named value's word among `names`; -1 where it is none of them. */
static int choice(json_t *config, const char *name, const char *const *names)
{
    const char *word = json_string_value(json_object_get(config, name));
    for (int i = 0; word && names[i]; i++)
        if (strcmp(word, names[i]) == 0)
            return i;
    return -1;
}

/* False where what is there of it is no view. */
static bool read_view(json_t *config, struct rt_raster_view *view)
{
    json_t *bands = json_object_get(config, "bands"), *range = json_object_get(config, "range");
    *view = (struct rt_raster_view){.ranged = range != NULL};
    if (bands &&
        json_unpack(bands, "[i,i,i!]", &view->bands[0], &view->bands[1], &view->bands[2]) < 0)
        return false;
    if (range && json_unpack(range, "[F,F,F,F,F,F!]", &view->low[0], &view->high[0], &view->low[1],
                             &view->high[1], &view->low[2], &view->high[2]) < 0)
        return false;
    bool right = true;
    for (int c = 0; c < 3; c++)
        right = right && (!bands || view->bands[c] > 0) && (!range || view->low[c] < view->high[c]);
    return right;
}

rt_status rt_data_recipe_read(struct rt_data_recipe *recipe, const char *path)
{
    json_t *config;
    const char *source;
    json_t *palette = NULL;
    double validation;
    json_int_t seed;
    rt_status status = RT_OK;
    *recipe = (struct rt_data_recipe){0};
    RT_TRY(read_config(&config, path));
    int split = choice(config, "split", rt_split_names);
    int scaling = choice(config, "scaling", rt_scaling_names);
    if (split < 0 || scaling < 0 ||
        json_unpack(config, "{s:s, s?o, s:i, s:F, s:I}", "data", &source, "palette", &palette,
                    "patch", &recipe->patch, "validation", &validation, "split_seed", &seed) < 0)
        RT_TRY(
            rt_fail(RT_ERROR_FORMAT, "%s does not say how the run's data was cut and split", path));
    if (!read_view(config, &recipe->view))
        RT_TRY(rt_fail(RT_ERROR_FORMAT,
                       "%s does not say which bands and range of rasters the run looked at", path));
    recipe->split = (enum rt_split)split;
    recipe->scaling = (enum rt_scaling_mode)scaling;
    recipe->validation = validation;
    recipe->seed = (uint64_t)seed;
    RT_TRY(rt_copy_text((char **)&recipe->source, source));
    if (json_is_string(palette))
        RT_TRY(rt_copy_text((char **)&recipe->palette, json_string_value(palette)));
end:
    json_decref(config);
    if (status < 0)
        rt_data_recipe_finish(recipe);
    return status;
}

void rt_data_recipe_finish(struct rt_data_recipe *recipe)
{
    free((char *)recipe->source);
    free((char *)recipe->palette);
    *recipe = (struct rt_data_recipe){0};
}
