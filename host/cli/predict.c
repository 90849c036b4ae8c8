/* retort predict: segments images of any size. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/memory.h"
#include "cli/commands.h"
#include "cli/common.h"

struct prediction {
    const char *weights, *out;
    int overlap; /* -1: an eighth of a tile */
    bool force, json;
    const char *palette;
    struct foreign_choice foreign;
    struct device_choice device;
};

/* OUT/STEM.png in *path, released by free(). */
static rt_status mask_path(char **path, const char *out, const char *image)
{
    char *stem = NULL;
    rt_status status = rt_path_stem(&stem, image);
    if (status == RT_OK)
        status = rt_format(path, "%s/%s.png", out, stem);
    free(stem);
    return status;
}

static int compare_texts(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Nothing is written before it is known that nothing gets lost. */
static rt_status check_outputs(const struct prediction *prediction,
                               const struct option_texts *images)
{
    rt_status status = RT_OK;
    size_t count = (size_t)images->count;
    char **paths = NULL;
    RT_TRY(rt_alloc(&paths, count, sizeof *paths));
    for (size_t i = 0; i < count; i++) {
        RT_TRY(mask_path(&paths[i], prediction->out, images->items[i]));
        if (rt_path_is_same(paths[i], images->items[i]))
            RT_TRY(rt_fail(RT_ERROR_ARGUMENT,
                           "the mask of %s would overwrite it: choose another --out",
                           images->items[i]));
        if (!prediction->force && rt_path_exists(paths[i]))
            RT_TRY(rt_fail(RT_ERROR_ARGUMENT, "%s exists; --force replaces it", paths[i]));
    }
    qsort(paths, count, sizeof *paths, compare_texts);
    for (size_t i = 1; i < count; i++)
        if (strcmp(paths[i - 1], paths[i]) == 0)
            RT_TRY(rt_fail(RT_ERROR_ARGUMENT, "two images would be written to %s", paths[i]));
end:
    for (size_t i = 0; paths && i < count; i++)
        free(paths[i]);
    free(paths);
    return status;
}

/* A line of JSON, with the share of the pixels that each class has. */
static rt_status print_line(const char *image, const char *mask, const struct rt_palette *palette,
                            const uint8_t *labels, int width, int height)
{
    const size_t pixels = (size_t)width * (size_t)height;
    size_t counts[256] = {0};
    char *text = NULL;
    json_t *shares = json_array();
    for (size_t i = 0; i < pixels; i++)
        counts[labels[i]]++;
    for (int c = 0; c < palette->count; c++)
        rt_json_append(&shares, json_pack("{ss sf}", "name", palette->classes[c].name, "share",
                                          (double)counts[c] / (double)pixels));
    json_t *line = json_pack("{ss ss si si so}", "image", image, "mask", mask, "width", width,
                             "height", height, "classes", shares);
    rt_status status = rt_json_text(&text, line, JSON_COMPACT | JSON_REAL_PRECISION(6));
    if (status == RT_OK)
        puts(text);
    free(text);
    json_decref(line);
    return status;
}

static rt_status segment(struct rt_model *model, const struct prediction *prediction,
                         const char *image_path)
{
    rt_status status = RT_OK;
    const struct rt_model_info *info = rt_model_describe(model);
    int classes = info->palette.count;
    struct rt_image image = {0}, mask = {0};
    float *probabilities = NULL;
    uint8_t *labels = NULL;
    char *path = NULL;
    RT_TRY(mask_path(&path, prediction->out, image_path));
    RT_TRY(rt_image_read(&image, image_path));
    size_t pixels = (size_t)image.width * (size_t)image.height;
    RT_TRY(rt_alloc(&probabilities, pixels * (size_t)classes, sizeof *probabilities));
    RT_TRY(rt_alloc(&labels, pixels, 1));
    RT_TRY(rt_image_init(&mask, image.width, image.height, 3));
    RT_TRY(rt_model_predict(model, &image,
                            prediction->overlap < 0 ? info->patch / 8 : prediction->overlap,
                            probabilities));
    rt_probabilities_label(probabilities, classes, pixels, labels);
    rt_palette_colorize(&info->palette, labels, pixels, mask.pixels);
    RT_TRY(rt_image_write_png(&mask, path));
    if (prediction->json)
        status = print_line(image_path, path, &info->palette, labels, image.width, image.height);
    else
        puts(path);
    fflush(stdout); /* another program may be waiting for it */
end:
    free(path);
    free(probabilities);
    free(labels);
    rt_image_finish(&image);
    rt_image_finish(&mask);
    return status;
}

static rt_status run(const struct prediction *prediction, const struct option_texts *images)
{
    rt_status status = RT_OK;
    struct rt_device *device = NULL;
    struct rt_model *model = NULL;
    struct rt_import_options foreign;
    struct rt_scaling scaling;
    struct rt_palette palette;
    RT_TRY(read_foreign(&prediction->foreign, &foreign, &scaling));
    if (prediction->palette) {
        RT_TRY(read_palette(&palette, prediction->palette));
        foreign.palette = &palette;
    }
    RT_TRY(check_outputs(prediction, images));
    RT_TRY(open_device(&device, &prediction->device));
    RT_TRY(rt_model_open(&model, device, prediction->weights, &foreign));
    RT_TRY(rt_folder_create(prediction->out));
    for (int i = 0; i < images->count; i++)
        RT_TRY(segment(model, prediction, images->items[i]));
end:
    rt_model_destroy(model);
    rt_device_close(device);
    return status;
}

rt_status run_predict(int argc, char **argv)
{
    static const struct command_example examples[] = {
        {"Segment a photo, into masks/PHOTO.png",
         "retort predict --model runs/student/best.safetensors --out masks PHOTO.jpg"},
        {"Segment a folder of them",
         "retort predict --model runs/student/best.safetensors --out masks PHOTOS/*.jpg"},
        {NULL, NULL},
    };
    struct prediction prediction = {.overlap = -1};
    struct command_line line = {
        .usage = "--model FILE --out DIR [--option VALUE ...] IMAGE...",
        .about =
            "Segments JPEG or PNG images of any size. The mask of PHOTO.jpg, in the colours of\n"
            "the palette that the model was trained with, is DIR/PHOTO.png.",
        .examples = examples,
        .see = "train distill eval",
        .least = 1,
        .most = -1,
    };
    const struct option options[] = {
        OPTION_HEADING("Prediction"),
        OPTION(OPTION_TEXT, "model", &prediction.weights, .argument = "FILE", .required = true,
               .help = "weights, as in RUN/best.safetensors, or an ONNX file"),
        OPTION(OPTION_TEXT, "out", &prediction.out, .argument = "DIR", .required = true,
               .help = "the folder for the masks"),
        OPTION(OPTION_INT, "overlap", &prediction.overlap, .argument = "N", .least = 0,
               .most = 2048,
               .help = "pixels that neighbouring tiles share; an eighth of a tile if not given"),
        OPTION(OPTION_FLAG, "force", &prediction.force, .help = "replace masks that are there"),
        OPTION(OPTION_FLAG, "json", &prediction.json,
               .help = "print a line of JSON an image: its mask, its size, the classes' shares"),
    };
    command_line_add(&line, options, RT_COUNT(options));
    const struct option palette[] = {
        OPTION(OPTION_TEXT, "palette", &prediction.palette, .argument = "FILE",
               .help = "classes and colours of an ONNX or Keras file that does not tell them"),
    };
    add_foreign_options(&line, &prediction.foreign, "scaling", "channels");
    command_line_add(&line, palette, RT_COUNT(palette));
    add_device_options(&line, &prediction.device);
    rt_status status = command_line_parse(&line, argc, argv);
    if (status == RT_OK)
        status = run(&prediction, &line.positionals);
    command_line_finish(&line);
    return status;
}
