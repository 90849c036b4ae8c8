/* retort predict: segments photos and rasters of any size. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/memory.h"
#include "cli/commands.h"
#include "cli/common.h"
#include "cli/segment.h"
#include "cli/terminal.h"
#include "data/image.h"
#include "data/palette.h"

struct prediction {
    const char *weights, *out;
    struct raster_choice views;
    struct segment_options options;
    bool probabilities, polygons, force, json;
    const char *palette;
    struct foreign_choice foreign;
    struct device_choice device;
};

/* --- what will be written --------------------------------------------------------------------- */

/* OUT/STEM and the ending, released by free(). */
static rt_status name_output(char **path, const struct prediction *prediction, const char *image,
                             const char *ending)
{
    char *stem = NULL;
    rt_status status = rt_path_stem(&stem, image);
    if (status == RT_OK)
        status = rt_format(path, "%s/%s%s", prediction->out, stem, ending);
    free(stem);
    return status;
}

static rt_status name_outputs(struct segment_paths *paths, const struct prediction *prediction,
                              const char *image)
{
    rt_status status = RT_OK;
    paths->raster = rt_image_is_raster(image);
    if (prediction->polygons && !paths->raster)
        RT_TRY(rt_fail(RT_ERROR_ARGUMENT,
                       "%s is a photo without a place on the earth: --polygons takes rasters such "
                       "as GeoTIFF",
                       image));
    RT_TRY(name_output(&paths->mask, prediction, image, paths->raster ? ".tif" : ".png"));
    if (prediction->probabilities)
        RT_TRY(name_output(&paths->probabilities, prediction, image, "-probabilities.tif"));
    if (prediction->polygons)
        RT_TRY(name_output(&paths->polygons, prediction, image, ".gpkg"));
end:
    return status;
}

static void release_paths(struct segment_paths *paths, size_t count)
{
    for (size_t i = 0; paths && i < count; i++) {
        free(paths[i].mask);
        free(paths[i].probabilities);
        free(paths[i].polygons);
    }
    free(paths);
}

static int compare_texts(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static rt_status check_output(const struct prediction *prediction, const char *image,
                              const char *path)
{
    if (rt_path_is_same(path, image))
        return rt_fail(RT_ERROR_ARGUMENT, "the mask of %s would overwrite it: choose another --out",
                       image);
    if (!prediction->force && rt_path_exists(path))
        return rt_fail(RT_ERROR_ARGUMENT, "%s exists; --force replaces it", path);
    return RT_OK;
}

/* Nothing is written before it is known that nothing gets lost. */
static rt_status check_outputs(const struct prediction *prediction,
                               const struct option_texts *images, const struct segment_paths *paths)
{
    rt_status status = RT_OK;
    size_t count = 0;
    const char **all = NULL;
    RT_TRY(rt_alloc(&all, (size_t)images->count, 3 * sizeof *all));
    for (int i = 0; i < images->count; i++) {
        const char *of_image[] = {paths[i].mask, paths[i].probabilities, paths[i].polygons};
        for (size_t k = 0; k < RT_COUNT(of_image); k++) {
            if (!of_image[k])
                continue;
            RT_TRY(check_output(prediction, images->items[i], of_image[k]));
            all[count++] = of_image[k];
        }
    }
    if (count > 0)
        qsort(all, count, sizeof *all, compare_texts);
    for (size_t i = 1; i < count; i++)
        if (strcmp(all[i - 1], all[i]) == 0)
            RT_TRY(rt_fail(RT_ERROR_ARGUMENT, "two images would be written to %s", all[i]));
end:
    free(all);
    return status;
}

/* A line of JSON, with the share of the pixels that each class has. */
static rt_status print_line(const char *image, const char *mask, const struct rt_palette *palette,
                            const struct segment_result *result)
{
    const int width = result->width, height = result->height;
    const double pixels = (double)width * height;
    char *text = NULL;
    json_t *shares = json_array();
    for (int c = 0; c < palette->count; c++)
        rt_json_append(&shares, json_pack("{ss sf}", "name", palette->classes[c].name, "share",
                                          (double)result->counts[c] / pixels));
    json_t *line = json_pack("{ss ss si si so}", "image", image, "mask", mask, "width", width,
                             "height", height, "classes", shares);
    rt_status status = rt_json_text(&text, line, JSON_COMPACT | JSON_REAL_PRECISION(6));
    if (status == RT_OK)
        puts(text);
    free(text);
    json_decref(line);
    return status;
}

static rt_status prepare(const struct prediction *prediction, const struct option_texts *images,
                         struct segment_paths **paths)
{
    rt_status status = RT_OK;
    const char *needs = prediction->probabilities ? "--probabilities"
                        : prediction->polygons    ? "--polygons"
                        : prediction->options.cog ? "--cog"
                        : prediction->views.bands ? "--bands"
                        : prediction->views.range ? "--range"
                                                  : NULL;
    if (needs && !rt_raster_available())
        RT_TRY(rt_fail(RT_ERROR_UNSUPPORTED,
                       "%s needs GDAL, and this retort was built without it: install libgdal-dev "
                       "and build again",
                       needs));
    RT_TRY(rt_alloc(paths, (size_t)images->count, sizeof **paths));
    for (int i = 0; i < images->count; i++)
        RT_TRY(name_outputs(&(*paths)[i], prediction, images->items[i]));
    status = check_outputs(prediction, images, *paths);
end:
    return status;
}

/* --- the command ------------------------------------------------------------------------------ */

static void print_paths(const struct segment_paths *paths)
{
    const char *all[] = {paths->mask, paths->probabilities, paths->polygons};
    for (size_t i = 0; i < RT_COUNT(all); i++)
        if (all[i])
            printf("%s\n", all[i]);
}

static rt_status run(const struct prediction *prediction, const struct option_texts *images)
{
    rt_status status = RT_OK;
    struct rt_device *device = NULL;
    struct rt_model *model = NULL;
    struct rt_import_options foreign;
    struct rt_scaling scaling;
    struct rt_palette palette;
    struct segment_paths *paths = NULL;
    struct segment_result result;
    RT_TRY(read_foreign(&prediction->foreign, &foreign, &scaling));
    if (prediction->palette) {
        RT_TRY(rt_palette_choose(&palette, prediction->palette));
        foreign.palette = &palette;
    }
    RT_TRY(prepare(prediction, images, &paths));
    RT_TRY(open_device(&device, &prediction->device));
    RT_TRY(rt_model_open(&model, device, prediction->weights, &foreign));
    RT_TRY(rt_folder_create(prediction->out));
    terminal_catch_interrupts();
    for (int i = 0; i < images->count; i++) {
        RT_TRY(segment_image(model, images->items[i], &prediction->options, &paths[i], &result));
        if (prediction->json)
            RT_TRY(print_line(images->items[i], paths[i].mask, &rt_model_describe(model)->palette,
                              &result));
        else
            print_paths(&paths[i]);
        fflush(stdout); /* another program may be waiting for it */
    }
end:
    release_paths(paths, (size_t)images->count);
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
        {"Segment a GeoTIFF, and have its areas as polygons, too",
         "retort predict --model runs/student/best.safetensors --out maps --polygons SCENE.tif"},
        {NULL, NULL},
    };
    struct prediction prediction = {.options.overlap = -1};
    struct command_line line = {
        .usage = "--model FILE --out DIR [--option VALUE ...] IMAGE...",
        .about =
            "Segments JPEG or PNG images of any size. The mask of PHOTO.jpg, in the colours of\n"
            "the palette that the model was trained with, is DIR/PHOTO.png. With GDAL it segments\n"
            "rasters, too, window by window, so that they may be larger than the memory: the\n"
            "labels of SCENE.tif are DIR/SCENE.tif, with its projection, a colour table and the\n"
            "classes' names; pixels without data stay so.",
        .examples = examples,
        .see = "train distill eval",
        .least = 1,
        .most = -1,
    };
    struct segment_options *o = &prediction.options;
    const struct option options[] = {
        OPTION_HEADING("Prediction"),
        OPTION(OPTION_TEXT, "model", &prediction.weights, .argument = "FILE", .required = true,
               .help = "weights, as in RUN/best.safetensors, or an ONNX file"),
        OPTION(OPTION_TEXT, "out", &prediction.out, .argument = "DIR", .required = true,
               .help = "the folder for the masks"),
        OPTION(OPTION_INT, "overlap", &o->overlap, .argument = "N", .least = 0, .most = 2048,
               .help = "pixels that neighbouring tiles share; an eighth of a tile if not given"),
        OPTION(OPTION_FLAG, "force", &prediction.force, .help = "replace masks that are there"),
        OPTION(OPTION_FLAG, "json", &prediction.json,
               .help = "print a line of JSON an image: its mask, its size, the classes' shares"),
    };
    const struct option rasters[] = {
        OPTION_HEADING("Rasters"),
        OPTION(OPTION_FLAG, "probabilities", &prediction.probabilities,
               .help = "also write DIR/SCENE-probabilities.tif, a band of floats a class"),
        OPTION(OPTION_FLAG, "polygons", &prediction.polygons,
               .help = "also write the areas as polygons, DIR/SCENE.gpkg"),
        OPTION(OPTION_FLAG, "cog", &o->cog,
               .help = "write cloud-optimised GeoTIFFs, with overviews"),
    };
    command_line_add(&line, options, RT_COUNT(options));
    const struct option palette[] = {
        OPTION(OPTION_TEXT, "palette", &prediction.palette, .argument = "FILE",
               .help = "classes and colours of an ONNX or Keras file that does not tell them"),
    };
    add_foreign_options(&line, &prediction.foreign, "scaling", "channels");
    command_line_add(&line, palette, RT_COUNT(palette));
    command_line_add(&line, rasters, RT_COUNT(rasters));
    add_raster_options(&line, &prediction.views);
    add_device_options(&line, &prediction.device);
    rt_status status = command_line_parse(&line, argc, argv);
    if (status == RT_OK)
        status = rt_raster_view_parse(&o->view, prediction.views.bands, prediction.views.range);
    if (status == RT_OK)
        status = run(&prediction, &line.positionals);
    command_line_finish(&line);
    return status;
}
