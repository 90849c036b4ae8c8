/* What tests/onnx/export.py compares ONNX Runtime with.
 *
 * usage: dump create FILE NETWORK data|patch   a model all of whose tensors are drawn
 *        dump run FILE [DATA]                  its probabilities, of drawn images of two sizes and
 *                                              batches or of all patches of the data
 *
 * `run` writes to stdout, a batch after the other: a line "N HEIGHT WIDTH CLASSES", the images as
 * bytes [n, h, w, 3], and the probabilities as float32 [n, classes, h, w]. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/random.h"
#include "model/model.h"
#include "ops/metrics.h"

#define BATCH 8

struct dump {
    struct rt_device *device;
    struct rt_model *model;
    uint8_t *rgb;                /* [n, h, w, 3] */
    float *planes, *probability; /* [n, 3 or classes, h, w] */
};

/* --- create --------------------------------------------------------------------------------- */

/* Values of which each matters: normalisations scale by 1 or so, from variances that their epsilon
 * changes. */
static void draw(const struct rt_safetensors_entry *entry, float *values)
{
    const bool scales = entry->dimensions == 1 && strstr(entry->name, ".weight");
    const bool variance = strstr(entry->name, "running_var") != NULL;
    struct rt_random random = rt_random_start(3, strlen(entry->name));
    for (size_t i = 0; entry->dimensions == 1 && i < entry->shape[0]; i++)
        values[i] = variance ? 0.005f + 0.01f * rt_random_unit(&random)
                    : scales ? 0.1f + 0.02f * rt_random_normal(&random)
                             : 0.2f * rt_random_normal(&random);
}

static rt_status create(struct dump *dump, const char *path, const char *network,
                        const char *scaling)
{
    const struct rt_scaling data = {
        .mode = RT_SCALING_DATA, .mean = {100, 110, 130}, .deviation = {40, 60, 50}};
    struct rt_model_info info = {
        .channels = 3, .palette = *rt_palette_builtin("synth"), .patch = 64};
    struct rt_model_tensors tensors = {0};
    struct rt_model *drawn = NULL;
    rt_status status = RT_OK;
    snprintf(info.network, sizeof info.network, "%s", network);
    info.scaling = strcmp(scaling, "data") == 0
                       ? data
                       : (struct rt_scaling){.mode = RT_SCALING_PATCH, .deviation = {1, 1, 1}};
    RT_TRY(rt_model_create(&dump->model, dump->device, &info, 7));
    RT_TRY(rt_model_tensors_read(dump->model, &tensors));
    for (size_t i = 0; i < tensors.count; i++)
        draw(&tensors.entries[i], tensors.values + (tensors.entries[i].data - tensors.values));
    RT_TRY(rt_model_assemble(&drawn, dump->device, &info, path, tensors.entries, tensors.count));
    status = rt_model_save(drawn, path);
end:
    rt_model_destroy(drawn);
    rt_model_tensors_finish(&tensors);
    return status;
}

/* --- run ------------------------------------------------------------------------------------ */

static rt_status make_room(struct dump *dump, int n, int height, int width)
{
    const size_t classes = (size_t)rt_model_describe(dump->model)->palette.count;
    const size_t pixels = (size_t)n * (size_t)height * (size_t)width;
    rt_status status = RT_OK;
    free(dump->rgb);
    free(dump->planes);
    free(dump->probability);
    dump->planes = dump->probability = NULL;
    RT_TRY(rt_alloc(&dump->rgb, pixels, 3));
    RT_TRY(rt_alloc(&dump->planes, pixels, 3 * sizeof *dump->planes));
    RT_TRY(rt_alloc(&dump->probability, pixels, classes * sizeof *dump->probability));
    status = rt_model_plan(dump->model, n, height, width, RT_PLAN_FORWARD);
end:
    return status;
}

/* What the network makes of the images in dump->rgb. */
static rt_status write_batch(struct dump *dump, int n, int height, int width)
{
    const struct rt_model_info *info = rt_model_describe(dump->model);
    const size_t plane = (size_t)height * (size_t)width, images = (size_t)n;
    struct rt_tensor input = *rt_model_input(dump->model), logits;
    rt_status status = RT_OK;
    input.shape.n = n;
    for (size_t i = 0; i < images; i++)
        rt_scaling_apply(&info->scaling, dump->rgb + 3 * i * plane, plane,
                         dump->planes + 3 * i * plane);
    RT_TRY(rt_tensor_write(&input, dump->planes));
    RT_TRY(rt_model_forward(dump->model, n, false, 0, 0, &logits));
    RT_TRY(rt_softmax(dump->device, &logits, &logits));
    RT_TRY(rt_tensor_read(&logits, dump->probability));
    printf("%d %d %d %d\n", n, height, width, info->palette.count);
    fwrite(dump->rgb, 3, images * plane, stdout);
    fwrite(dump->probability, sizeof(float), rt_shape_size(logits.shape), stdout);
end:
    return status;
}

/* Noise; one channel of the first image is flat, and the last image is dark. */
static rt_status run_drawn(struct dump *dump)
{
    static const int shapes[][3] = {{1, 32, 48}, {3, 64, 32}};
    struct rt_random random = rt_random_start(5, 0);
    rt_status status = RT_OK;
    for (size_t s = 0; s < RT_COUNT(shapes); s++) {
        const int n = shapes[s][0], height = shapes[s][1], width = shapes[s][2];
        const size_t image = 3 * (size_t)height * (size_t)width;
        RT_TRY(make_room(dump, n, height, width));
        for (size_t i = 0; i < (size_t)n * image; i++)
            dump->rgb[i] = (uint8_t)rt_random_below(&random, i < (size_t)(n - 1) * image ? 256 : 9);
        for (size_t i = 0; i < image; i += 3)
            dump->rgb[i] = 77;
        RT_TRY(write_batch(dump, n, height, width));
    }
end:
    return status;
}

static void cut(uint8_t *to, const struct rt_image *image, const struct rt_patch *patch, int size)
{
    for (int y = 0; y < size; y++)
        memcpy(to + (size_t)y * (size_t)size * 3,
               image->pixels +
                   ((size_t)(patch->y + y) * (size_t)image->width + (size_t)patch->x) * 3,
               (size_t)size * 3);
}

/* All patches, those of an image after those of another. */
static rt_status run_patches(struct dump *dump, const struct rt_dataset *dataset,
                             const struct rt_patch_list *list)
{
    const int size = rt_model_describe(dump->model)->patch;
    struct rt_image image = {0};
    rt_status status = RT_OK;
    int filled = 0;
    RT_TRY(make_room(dump, BATCH, size, size));
    for (size_t i = 0; i < list->count; i++) {
        const struct rt_patch *patch = &list->patches[i];
        if (i == 0 || patch->image != list->patches[i - 1].image) {
            rt_image_finish(&image);
            RT_TRY(rt_dataset_load(dataset, patch->image, &image, NULL));
        }
        cut(dump->rgb + (size_t)filled++ * 3 * (size_t)size * (size_t)size, &image, patch, size);
        if (filled < BATCH && i + 1 < list->count)
            continue;
        RT_TRY(write_batch(dump, filled, size, size));
        filled = 0;
    }
end:
    rt_image_finish(&image);
    return status;
}

static rt_status run(struct dump *dump, const char *path, const char *source)
{
    const struct rt_dataset_options options = {.source = source, .images_only = true};
    struct rt_dataset *dataset = NULL;
    struct rt_patch_list all = {0}, none = {0};
    rt_status status = RT_OK;
    RT_TRY(rt_model_load(&dump->model, dump->device, path));
    if (!source)
        return run_drawn(dump);
    RT_TRY(rt_dataset_open(&dataset, &options));
    RT_TRY(rt_dataset_patches(dataset, rt_model_describe(dump->model)->patch, RT_SPLIT_IMAGE, 0, 0,
                              &all, &none));
    status = run_patches(dump, dataset, &all);
end:
    free(all.patches);
    free(none.patches);
    rt_dataset_close(dataset);
    return status;
}

int main(int argc, char **argv)
{
    const bool creates = argc == 5 && strcmp(argv[1], "create") == 0;
    struct dump dump = {0};
    rt_status status = RT_OK;
    if (!creates && !((argc == 3 || argc == 4) && strcmp(argv[1], "run") == 0))
        return 2;
    RT_TRY(rt_device_open(&dump.device, NULL));
    status = creates ? create(&dump, argv[2], argv[3], argv[4])
                     : run(&dump, argv[2], argc == 4 ? argv[3] : NULL);
end:
    if (status < 0)
        fprintf(stderr, "dump: %s\n", rt_error_message());
    free(dump.rgb);
    free(dump.planes);
    free(dump.probability);
    rt_model_destroy(dump.model);
    rt_device_close(dump.device);
    return status < 0 || fflush(stdout) != 0;
}
