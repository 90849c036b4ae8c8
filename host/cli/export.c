/* retort export: a student for another program. */
#include <stdio.h>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/memory.h"
#include "cli/commands.h"
#include "cli/common.h"
#include "cli/terminal.h"

enum { ONNX, TORCH, KERAS, FORMATS };
static const char *const format_names[] = {"onnx", "torch", "keras"};

struct export
{
    struct rt_export_options options;
    const char *paths[FORMATS]; /* NULL: not asked for */
    bool deepness, force, json;
    struct device_choice device;
};

/* Nothing is written before it is known that nothing gets lost. */
static rt_status check_outputs(const struct export *export, const char *weights)
{
    int wanted = 0;
    for (int i = 0; i < FORMATS; i++) {
        const char *path = export->paths[i];
        if (!path)
            continue;
        wanted++;
        if (rt_path_is_same(path, weights))
            return rt_fail(RT_ERROR_ARGUMENT, "--%s %s would overwrite the model itself",
                           format_names[i], path);
        if (!export->force && rt_path_exists(path))
            return rt_fail(RT_ERROR_ARGUMENT, "%s exists; --force replaces it", path);
    }
    return wanted ? RT_OK
                  : rt_fail(RT_ERROR_ARGUMENT,
                            "for what is it to be written: --onnx, --torch or --keras FILE?");
}

static rt_status check_options(const struct export *export)
{
    const bool onnx = export->deepness || export->options.logits || export->options.tile > 0 ||
                      export->options.resolution > 0;
    if (onnx && !export->paths[ONNX])
        return rt_fail(RT_ERROR_ARGUMENT,
                       "--deepness, --tile, --resolution and --logits are for --onnx FILE");
    if (export->deepness && export->options.logits)
        return rt_fail(RT_ERROR_ARGUMENT,
                       "--logits cannot go with --deepness, which takes the outputs for "
                       "probabilities");
    return RT_OK;
}

/* One of the files that were written, with what was asked for. */
static json_t *file_json(const struct export *export, int format)
{
    const struct rt_export_options *o = &export->options;
    json_t *file =
        json_pack("{ss ss}", "format", format_names[format], "file", export->paths[format]);
    if (format != ONNX)
        return file;
    json_t *onnx =
        json_pack("{sb sb so so}", "logits", o->logits, "deepness", export->deepness, "tile",
                  o->tile > 0 ? json_integer(o->tile) : json_null(), "resolution",
                  o->resolution > 0 ? json_real(o->resolution) : json_null());
    return rt_json_join(file, onnx);
}

/* All take RGB, whatever the network that the model was imported from. */
static rt_status print_files_json(const struct export *export, const char *weights,
                                  const struct rt_model *model, json_t *warnings)
{
    json_t *files = json_array();
    for (int i = 0; i < FORMATS; i++)
        if (export->paths[i])
            rt_json_append(&files, file_json(export, i));
    json_t *root = rt_json_join(json_pack("{ss}", "model", weights), describe_model(model));
    json_t *rest = json_pack("{ss so sO}", "channels", order_names[RT_CHANNELS_RGB], "files", files,
                             "warnings", warnings);
    return print_json(rt_json_join(root, rest));
}

static rt_status run(struct export *export, const char *weights)
{
    rt_status status = RT_OK;
    struct rt_device *device = NULL;
    struct rt_model *model = NULL;
    json_t *warnings = json_array();
    terminal_keep(warnings);
    RT_TRY(check_options(export));
    RT_TRY(check_outputs(export, weights));
    RT_TRY(open_device(&device, &export->device));
    RT_TRY(rt_model_load(&model, device, weights));
    if (export->deepness && export->options.tile == 0)
        export->options.tile = rt_model_describe(model)->patch;
    for (int i = 0; i < FORMATS; i++) {
        if (!export->paths[i])
            continue;
        export->options.format = format_names[i];
        RT_TRY(rt_model_export(model, export->paths[i], &export->options));
        if (!export->json)
            printf("%s\n", export->paths[i]);
    }
    if (export->json)
        status = print_files_json(export, weights, model, warnings);
end:
    terminal_keep(NULL);
    json_decref(warnings);
    rt_model_destroy(model);
    rt_device_close(device);
    return status;
}

rt_status run_export(int argc, char **argv)
{
    static const struct command_example examples[] = {
        {"Write a student for ONNX Runtime",
         "retort export runs/student/best.safetensors --onnx student.onnx"},
        {"Write it for QGIS's plug-in Deepness",
         "retort export runs/student/best.safetensors --onnx student.onnx --deepness"},
        {NULL, NULL},
    };
    struct export export = {0};
    struct command_line line = {
        .usage = "MODEL [--onnx FILE] [--torch FILE] [--keras FILE] [--option VALUE ...]",
        .about =
            "Writes a model, as in RUN/best.safetensors, for other programs.\n\n"
            "An ONNX graph (opset 13) takes RGB images [batch, 3, height, width], floats from\n"
            "0 to 1 (bytes / 255), and scales them itself as in training: by the means and\n"
            "deviations of the training images or, where each patch was scaled alone, by the\n"
            "least and the largest value of each image, which then should be about as large\n"
            "as a patch. It gives the probability of each class, [batch, classes, height,\n"
            "width]. Its metadata tell the classes, their colours, and what the plug-in\n"
            "Deepness of QGIS wants to know, which takes a file of --deepness as it is.\n"
            "\n"
            "The other files take images that are scaled so already. --json tells how, and what\n"
            "else the model is: model, network, patch, palette, scaling (of RGB, in 0..255),\n"
            "parameters, channels, files and warnings.",
        .examples = examples,
        .see = "import predict",
        .least = 1,
        .most = 1,
    };
    const struct option options[] = {
        OPTION_HEADING("Export"),
        OPTION(OPTION_TEXT, "onnx", &export.paths[ONNX], .argument = "FILE",
               .help = "for ONNX Runtime, QGIS and others"),
        OPTION(OPTION_FLAG, "deepness", &export.deepness,
               .help = "ONNX: for QGIS's Deepness; --tile is that of training if not given"),
        OPTION(OPTION_INT, "tile", &export.options.tile, .argument = "N", .least = 1, .most = 16384,
               .help = "ONNX: the one width and height of images; any if not given"),
        OPTION(OPTION_NUMBER, "resolution", &export.options.resolution, .argument = "METRES",
               .least = 0.0001, .most = 100000,
               .help = "ONNX: what a pixel measures; Deepness scales images to it"),
        OPTION(OPTION_FLAG, "logits", &export.options.logits,
               .help = "ONNX: leave out the softmax: the outputs are no probabilities"),
        OPTION(OPTION_TEXT, "torch", &export.paths[TORCH], .argument = "FILE",
               .help = "safetensors with the names of PyTorch's modules"),
        OPTION(OPTION_TEXT, "keras", &export.paths[KERAS], .argument = "FILE",
               .help = "HDF5: NAME.h5 for load_model and load_weights, NAME.weights.h5 for the "
                       "load_weights of Keras 3"),
        OPTION(OPTION_FLAG, "force", &export.force, .help = "replace files that are there"),
    };
    command_line_add(&line, options, RT_COUNT(options));
    add_json_option(&line, &export.json);
    add_device_options(&line, &export.device);
    rt_status status = command_line_parse(&line, argc, argv);
    if (status == RT_OK)
        status = run(&export, line.positionals.items[0]);
    command_line_finish(&line);
    return status;
}
