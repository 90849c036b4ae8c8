#include "cli/common.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/lock.h"
#include "base/memory.h"
#include "base/size.h"
#include "cli/terminal.h"
#include "learn/names.h"
#include "model/model.h"

#define PANELS 10
#define JUDGED_BATCH 8

/* --- options -------------------------------------------------------------------------------- */

void add_general_options(struct command_line *line)
{
    static bool help; /* command_line_parse answers it before any value is read */
    const struct option options[] = {
        OPTION_HEADING("General"),
        OPTION(OPTION_FLAG, "verbose", &terminal_verbose, .help = "say more"),
        OPTION(OPTION_FLAG, "quiet", &terminal_quiet,
               .help = "show no progress, and say nothing but results, warnings and errors"),
        OPTION(OPTION_FLAG, "help", &help, .help = "explain the command"),
    };
    command_line_add(line, options, RT_COUNT(options));
}

void add_json_option(struct command_line *line, bool *json)
{
    const struct option options[] = {
        OPTION_HEADING("Output"),
        OPTION(OPTION_FLAG, "json", json,
               .help = "print the result as JSON on standard output, for another program"),
    };
    command_line_add(line, options, RT_COUNT(options));
}

rt_status print_json(json_t *value)
{
    char *text = NULL;
    if (!value)
        return rt_fail(RT_ERROR_MEMORY,
                       "cannot write JSON: the name of a file is no UTF-8, or memory is short");
    rt_status status = rt_json_text(&text, value, JSON_INDENT(2) | JSON_REAL_PRECISION(6));
    if (status == RT_OK)
        puts(text);
    free(text);
    json_decref(value);
    return status;
}

const char *const conv_names[] = {"auto",  "direct",    "gemm",      "winograd",
                                  "tiled", "winograd2", "winograd4", NULL};

void add_device_options(struct command_line *line, struct device_choice *choice)
{
    const struct option options[] = {
        OPTION_HEADING("Device"),
        OPTION(OPTION_TEXT, "device", &choice->which, .argument = "DEVICE",
               .help = "an index, platform:device, gpu, cpu or part of a name; see retort devices"),
        OPTION(OPTION_CHOICE, "conv", &choice->conv, .choices = conv_names,
               .help = "how convolutions are computed"),
        OPTION(OPTION_CHOICE, "math", &choice->math, .choices = rt_math_names,
               .help = "exact: the same bits on every device, in more time"),
    };
    command_line_add(line, options, RT_COUNT(options));
    add_general_options(line);
}

rt_status open_device(struct rt_device **device, const struct device_choice *choice)
{
    rt_status status = RT_OK;
    *device = NULL;
    if (choice->math == RT_MATH_EXACT && choice->conv != RT_CONV_AUTO)
        return rt_fail(RT_ERROR_ARGUMENT,
                       "--conv %s cannot go with --math exact, which has one way for convolutions: "
                       "leave one of them out",
                       conv_names[choice->conv]);
    RT_TRY(rt_device_open(device, choice->which));
    rt_device_set_conv(*device, choice->conv);
    status = rt_device_set_math(*device, choice->math);
end:
    return status;
}

const char *const order_names[] = {"rgb", "bgr", NULL};

void add_foreign_options(struct command_line *line, struct foreign_choice *choice,
                         const char *scaling, const char *channels)
{
    const struct option options[] = {
        OPTION(OPTION_TEXT, scaling, &choice->scaling, .argument = "HOW",
               .help = "of images, for an ONNX or Keras file that does not tell: patch, unit "
                       "(v / 255), symmetric, imagenet, none, or M,M,M/D,D,D for (v - M) / D"),
        OPTION(OPTION_CHOICE, channels, &choice->channels, .choices = order_names,
               .help = "the order in which such a file's network takes them"),
    };
    command_line_add(line, options, RT_COUNT(options));
}

rt_status read_foreign(const struct foreign_choice *choice, struct rt_import_options *options,
                       struct rt_scaling *scaling)
{
    *options = (struct rt_import_options){.order = choice->channels};
    if (!choice->scaling)
        return RT_OK;
    options->scaling = scaling;
    return rt_scaling_parse(scaling, choice->scaling);
}

void add_raster_options(struct command_line *line, struct raster_choice *choice)
{
    const struct option options[] = {
        OPTION(OPTION_TEXT, "bands", &choice->bands, .argument = "R,G,B",
               .help = "the bands of a raster to look at, such as 4,3,2; the model's, else 1,2,3"),
        OPTION(OPTION_TEXT, "range", &choice->range, .argument = "LOW,HIGH",
               .help = "what becomes black and white of samples of more than 8 bits, for all bands "
                       "or a pair each; the model's, else the 2nd and 98th percentile"),
    };
    command_line_add(line, options, RT_COUNT(options));
}

void add_data_options(struct command_line *line, struct rt_data_recipe *recipe,
                      struct raster_choice *views)
{
    const struct option options[] = {
        OPTION_HEADING("Data"),
        OPTION(OPTION_TEXT, "data", &recipe->source, .argument = "SRC",
               .help = "a folder of images and masks, or synth[:COUNT[,SEED]]"),
        OPTION(OPTION_TEXT, "palette", &recipe->palette, .argument = "FILE",
               .help = "classes and colours, a JSON file, or a built-in palette: dubai; found if "
                       "not given"),
        OPTION(OPTION_CHOICE, "split", &recipe->split, .choices = rt_split_names,
               .help = "what is dealt to the held-out part: single patches, or whole images"),
        OPTION(OPTION_NUMBER, "validation", &recipe->validation, .argument = "SHARE", .least = 0,
               .most = 0.9, .help = "the held-out share; 0 holds nothing out and judges all"),
        OPTION(OPTION_SEED, "split-seed", &recipe->seed, .argument = "N",
               .help = "another seed deals anew"),
    };
    command_line_add(line, options, RT_COUNT(options));
    add_raster_options(line, views);
}

/* --- models --------------------------------------------------------------------------------- */

json_t *describe_model(const struct rt_model *model)
{
    char *text = NULL;
    rt_status status = rt_model_info_write(rt_model_describe(model), &text);
    json_t *value = status == RT_OK ? json_loads(text, 0, NULL) : NULL;
    free(text);
    json_object_del(value, "format"); /* of the text itself */
    json_object_del(value, "channels");
    return rt_json_join(value,
                        json_pack("{sI}", "parameters", (json_int_t)rt_model_parameters(model)));
}

/* --- verdicts ------------------------------------------------------------------------------- */

/* One writer at a time: what is found of one model must not lie beside that of another. */
static rt_status write_verdict(struct rt_model *model, const struct rt_data_recipe *recipe,
                               const struct rt_metrics *metrics, const char *folder)
{
    rt_status status = RT_OK;
    struct rt_lock lock = {0};
    char *lock_path = NULL;
    RT_TRY(rt_folder_create(folder));
    RT_TRY(rt_path_join(&lock_path, folder, ".verdict.lock")); /* not that of a run */
    RT_TRY(rt_lock_wait(&lock, lock_path));
    RT_TRY(rt_report_metrics(folder, rt_model_describe(model), metrics));
    status = rt_report_panels(folder, model, recipe, PANELS);
end:
    rt_lock_finish(&lock);
    free(lock_path);
    return status;
}

rt_status judge(struct rt_device *device, const char *weights,
                const struct rt_import_options *foreign, const struct rt_data_recipe *recipe,
                const char *folder, struct verdict *verdict)
{
    rt_status status = RT_OK;
    struct rt_model *model = NULL;
    struct rt_metrics *metrics = NULL;
    RT_TRY(rt_alloc(&metrics, 1, sizeof *metrics));
    RT_TRY(rt_model_open(&model, device, weights, foreign));
    rt_device_reset_peak(device);
    RT_TRY(rt_evaluate(model, recipe, JUDGED_BATCH, metrics));
    const struct rt_model_info *info = rt_model_describe(model);
    if (folder)
        RT_TRY(write_verdict(model, recipe, metrics, folder));
    snprintf(verdict->network, sizeof verdict->network, "%s", info->network);
    verdict->parameters = metrics->parameters;
    verdict->bytes = metrics->bytes;
    verdict->accuracy = metrics->accuracy;
    verdict->mean_iou = metrics->mean_iou;
    verdict->mean_iou_labelled = metrics->mean_iou_labelled;
    verdict->milliseconds = metrics->milliseconds_per_image;
end:
    rt_model_destroy(model);
    free(metrics);
    return status;
}

void print_verdicts(const struct verdict *verdicts, int count)
{
    int width = 24; /* of the longest network's name */
    for (int i = 0; i < count; i++) {
        int length = (int)strlen(verdicts[i].network);
        width = length > width ? length : width;
    }
    printf("%-18s %-*s %10s %9s %9s %9s %9s %9s\n", "", width, "network", "parameters", "mean IoU",
           "labelled", "accuracy", "ms/image", "size");
    for (int i = 0; i < count; i++) {
        const struct verdict *v = &verdicts[i];
        char size[RT_SIZE_TEXT];
        printf("%-18s %-*s %10zu %9.4f %9.4f %7.2f %% %9.2f %9s\n", v->role, width, v->network,
               v->parameters, v->mean_iou, v->mean_iou_labelled, 100 * v->accuracy, v->milliseconds,
               rt_size_text(size, v->bytes));
    }
}

json_t *verdicts_json(const struct verdict *verdicts, int count)
{
    json_t *list = json_array();
    for (int i = 0; i < count; i++) {
        const struct verdict *v = &verdicts[i];
        rt_json_append(&list,
                       json_pack("{ss ss sI sI so so so so}", "role", v->role, "network",
                                 v->network, "parameters", (json_int_t)v->parameters, "bytes",
                                 (json_int_t)v->bytes, "accuracy", rt_json_number(v->accuracy),
                                 "mean_iou", rt_json_number(v->mean_iou), "mean_iou_labelled",
                                 rt_json_number(v->mean_iou_labelled), "milliseconds_per_image",
                                 rt_json_number(v->milliseconds)));
    }
    return list;
}

void print_what_was_shown(const struct rt_train_options *options)
{
    if (options->masks < 1)
        printf(
            "\nThe students learnt from %.3g %% of the training masks; the distilled one was also "
            "shown the\nother training images without their masks, explained by its teacher.\n",
            100 * options->masks);
    if (options->transfer)
        printf("\nThe distilled student was also shown the unlabelled images of %s, explained by "
               "its\nteacher.\n",
               options->transfer);
}

rt_status train_and_judge(struct rt_device *device, const struct rt_train_options *options,
                          struct verdict *verdict)
{
    rt_status status = RT_OK;
    char *weights = NULL, *folder = NULL;
    struct rt_train_options watched = *options;
    const struct rt_import_options own = {.patch = 0};
    watched.progress = terminal_progress;
    watched.stop = terminal_interrupted;
    RT_TRY(rt_path_join(&weights, options->out, "best.safetensors"));
    RT_TRY(rt_path_join(&folder, options->out, "eval"));
    RT_TRY(rt_train(device, &watched, NULL));
    status = judge(device, weights, &own, &options->data, folder, verdict);
    if (status < 0)
        RT_TRY(rt_fail_context(status,
                               "the run in %s is trained; --resume judges it: ", options->out));
    status = rt_report_curves(options->out);
end:
    free(weights);
    free(folder);
    return status;
}
