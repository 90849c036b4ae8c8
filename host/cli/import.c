/* retort import: a teacher from another program. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "base/memory.h"
#include "cli/commands.h"
#include "cli/common.h"
#include "cli/terminal.h"
#include "data/palette.h"
#include "exchange/exchange.h"
#include "model/model.h"

struct import {
    struct rt_import_options options;
    const char *out, *palette, *scaling;
    struct rt_palette read_palette; /* what the two texts stand for */
    struct rt_scaling read_scaling;
    bool force, json;
    struct device_choice device;
};

static const char *const concat_names[] = {"told", "up-first", "skip-first", NULL};

/* "v / 255", "(v - 127.5) / 127.5", "v". */
static void print_channel(const struct rt_scaling *s, int channel)
{
    const double mean = (double)s->mean[channel], deviation = (double)s->deviation[channel];
    printf(mean > 0 ? "(v - %g)" : mean < 0 ? "(v + %g)" : "v", fabs(mean));
    if (deviation < 1 || deviation > 1)
        printf(" / %g", deviation);
}

static bool is_same(const float three[3])
{
    return three[0] == three[1] && three[1] == three[2];
}

static void print_scaling(const struct rt_scaling *s)
{
    static const char *const channels[] = {"red ", ", green ", ", blue "};
    const bool same = is_same(s->mean) && is_same(s->deviation);
    printf("scaling     ");
    if (s->mode == RT_SCALING_PATCH)
        printf("each channel of each patch from 0 to 1");
    else if (same)
        print_channel(s, 0);
    for (int i = 0; s->mode != RT_SCALING_PATCH && !same && i < 3; i++) {
        printf("%s", channels[i]);
        print_channel(s, i);
    }
    printf("\n");
}

/* What was understood, for the user to compare with what is meant. */
static void print_model(const struct rt_model *model, const struct import *import)
{
    const struct rt_model_info *info = rt_model_describe(model);
    printf("network     %s, %zu parameters\n", info->network, rt_model_parameters(model));
    printf("classes     %d:", info->palette.count);
    for (int i = 0; i < info->palette.count; i++)
        printf("%s %s", i ? "," : "", info->palette.classes[i].name);
    printf("\nchannels    %s\n", import->options.order == RT_CHANNELS_BGR
                                     ? "BGR, turned round: the model takes RGB as all others"
                                     : "RGB");
    print_scaling(&info->scaling);
    printf("patches     %d x %d pixels\n", info->patch, info->patch);
    printf("written     %s\n", import->out);
}

/* The same for another program, with what was said meanwhile. */
static rt_status print_model_json(const struct rt_model *model, const struct import *import,
                                  const char *path, const char *format, json_t *warnings)
{
    json_t *files = json_pack("{ss ss? ss}", "file", path, "format", format, "model", import->out);
    json_t *rest =
        json_pack("{ss sO}", "channels", order_names[import->options.order], "warnings", warnings);
    return print_json(rt_json_join(rt_json_join(files, describe_model(model)), rest));
}

static rt_status read_options(struct import *import, const char *path)
{
    rt_status status = RT_OK;
    if (rt_path_is_same(path, import->out))
        return rt_fail(RT_ERROR_ARGUMENT, "the model would overwrite %s: choose another --out",
                       path);
    if (!import->force && rt_path_exists(import->out))
        return rt_fail(RT_ERROR_ARGUMENT, "%s exists; --force replaces it", import->out);
    if (import->palette) {
        RT_TRY(rt_palette_choose(&import->read_palette, import->palette));
        import->options.palette = &import->read_palette;
    }
    if (import->scaling) {
        RT_TRY(rt_scaling_parse(&import->read_scaling, import->scaling));
        import->options.scaling = &import->read_scaling;
    }
end:
    return status;
}

static rt_status run(struct import *import, const char *path)
{
    rt_status status = RT_OK;
    struct rt_device *device = NULL;
    struct rt_model *model = NULL;
    json_t *warnings = json_array();
    const struct rt_format *format = rt_format_of(path);
    terminal_keep(warnings);
    RT_TRY(read_options(import, path));
    RT_TRY(open_device(&device, &import->device));
    RT_TRY(rt_model_import(&model, device, path, &import->options));
    RT_TRY(rt_model_save(model, import->out));
    if (strcmp(rt_model_describe(model)->palette.name, RT_PALETTE_UNTOLD) == 0)
        rt_warn("the file does not tell its classes and their colours; a teacher's must be those "
                "of the data: see --palette");
    if (import->json)
        status = print_model_json(model, import, path, format ? format->name : NULL, warnings);
    else
        print_model(model, import);
end:
    terminal_keep(NULL);
    json_decref(warnings);
    rt_model_destroy(model);
    rt_device_close(device);
    return status;
}

static const char about[] =
    "Makes a model of another program's file, to be used like a trained one: as a "
    "teacher,\n"
    "to predict, to be judged.\n"
    "\n"
    "  Keras     NAME.h5 or NAME.weights.h5: a whole model, or its weights\n"
    "  PyTorch   what safetensors.torch.save_file(model.state_dict(), NAME) writes\n"
    "  ONNX\n"
    "\n"
    "The network must be a U-Net like those of retort train. Of weights without names "
    "that\n"
    "are known, a map says which is which, a line each, the first that fits counting:\n"
    "\n"
    "  inc.conv       = down.0     # a module and all in it\n"
    "  enc.*.conv     = down.*     # a * is a whole number, the same on both sides\n"
    "  out.weight     = head.weight\n"
    "  aux            = -          # left out\n"
    "\n"
    "The U-Net's modules are down.0 to down.DEPTH, up.LEVEL, dec.LEVEL and head; in down "
    "and\n"
    "dec, the convolutions are .0 and .3, and with norm=batch .0 and .4, the "
    "normalisations\n"
    ".1 and .5.\n"
    "\n"
    "--json tells file, format, model, network, patch, palette, scaling (of RGB, in 0..255),\n"
    "parameters, channels (their order in the file's network) and warnings, such as of\n"
    "layers that are left out.";

rt_status run_import(int argc, char **argv)
{
    static const struct command_example examples[] = {
        {"Make a model of a network that was trained in Keras",
         "retort import teacher.h5 --scaling unit --palette dubai --out teacher.safetensors"},
        {"Tell a script what was understood",
         "retort import teacher.onnx --out teacher.safetensors --json > teacher.json"},
        {"Then distil it",
         "retort distill --data PHOTOS --teacher teacher.safetensors --out runs/student"},
        {NULL, NULL},
    };
    struct import import = {0};
    struct command_line line = {
        .usage = "FILE --out MODEL.safetensors [--option VALUE ...]",
        .about = about,
        .examples = examples,
        .see = "export distill predict eval",
        .least = 1,
        .most = 1,
    };
    const struct option options[] = {
        OPTION_HEADING("Import"),
        OPTION(OPTION_TEXT, "out", &import.out, .argument = "FILE", .required = true,
               .help = "the model"),
        OPTION(OPTION_TEXT, "scaling", &import.scaling, .argument = "HOW",
               .help = "of its images: patch (each channel of each patch from 0 to 1), unit "
                       "(v / 255), symmetric, imagenet, none, or M,M,M/D,D,D for (v - M) / D"),
        OPTION(OPTION_CHOICE, "channels", &import.options.order, .choices = order_names,
               .help = "the order in which it takes them; OpenCV reads images as bgr"),
        OPTION(OPTION_CHOICE, "concat", &import.options.concat, .choices = concat_names,
               .help = "what comes first where the decoder concatenates; told by whole models, "
                       "or else up-first"),
        OPTION(OPTION_TEXT, "palette", &import.palette, .argument = "FILE",
               .help = "its classes and their colours: a JSON file, or dubai"),
        OPTION(OPTION_INT, "patch", &import.options.patch, .argument = "N", .least = 1,
               .most = 16384, .help = "width and height of the patches it was trained on"),
        OPTION(OPTION_TEXT, "map", &import.options.map, .argument = "FILE",
               .help = "names of tensors, a line each: THEIRS = OURS"),
        OPTION(OPTION_TEXT, "network", &import.options.network, .argument = "NETWORK",
               .help = "unet:W[,...] as in retort train; found from the shapes if not given"),
        OPTION(OPTION_FLAG, "force", &import.force, .help = "replace a file that is there"),
    };
    command_line_add(&line, options, RT_COUNT(options));
    add_json_option(&line, &import.json);
    add_device_options(&line, &import.device);
    rt_status status = command_line_parse(&line, argc, argv);
    if (status == RT_OK)
        status = run(&import, line.positionals.items[0]);
    command_line_finish(&line);
    return status;
}
