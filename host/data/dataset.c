#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/word.h"
#include "data/image.h"
#include "data/palette.h"
#include "data/raster.h"
#include "data/scan.h"
#include "data/synth.h"

#define SYNTH_COUNT 24
#define SYNTH_COUNT_MAX 100000
#define SYNTH_SEED 1
#define SYNTH_SIZE 512

/* What a range is measured from: rasters at most, and windows over all of them. */
#define RASTERS_MEASURED 256
#define WINDOWS_MEASURED 1024

struct rt_dataset {
    struct rt_dataset_item *items; /* their texts are those of files, or static */
    size_t count;
    struct rt_palette palette;
    struct rt_texts problems;
    struct rt_scan files; /* synthetic: made-up names as images */
    bool synthetic;
    uint64_t seed;               /* of the synthetic scenes */
    struct rt_raster_view view;  /* given, or measured */
    struct rt_dataset *appended; /* the last of the items are its own; NULL for none */
};

/* "synth[:COUNT[,SEED]]" */
static rt_status parse_synth(const char *source, size_t *count, uint64_t *seed)
{
    *count = SYNTH_COUNT;
    *seed = SYNTH_SEED;
    if (source[5] == 0)
        return RT_OK;
    const char *digits = "0123456789";
    const char *number = source + 6;
    size_t length = strspn(number, digits);
    const char *rest = number + length;
    errno = 0;
    if (length > 0) {
        *count = strtoul(number, NULL, 10);
        if (*rest == ',' && rest[1] && !rest[1 + strspn(rest + 1, digits)]) {
            *seed = strtoull(rest + 1, NULL, 10);
            rest = "";
        }
    }
    if (length == 0 || *rest || errno || *count < 1 || *count > SYNTH_COUNT_MAX)
        return rt_fail(RT_ERROR_ARGUMENT,
                       "cannot understand the data source %s: expected synth[:COUNT[,SEED]] with a "
                       "count of 1 to %d",
                       source, SYNTH_COUNT_MAX);
    return RT_OK;
}

static rt_status open_synth(struct rt_dataset *dataset, const struct rt_dataset_options *options)
{
    rt_status status = parse_synth(options->source, &dataset->count, &dataset->seed);
    if (status < 0)
        return status;
    if (options->palette)
        return rt_fail(RT_ERROR_ARGUMENT,
                       "cannot use the palette %s: the data source %s has its own",
                       options->palette, options->source);
    dataset->synthetic = true;
    dataset->palette = *rt_palette_builtin("synth");
    status = rt_alloc(&dataset->items, dataset->count, sizeof *dataset->items);
    struct rt_texts *names = &dataset->files.images;
    for (size_t i = 0; i < dataset->count && status == RT_OK; i++) {
        status = rt_texts_add(names, "synth-%03zu", i);
        if (status == RT_OK)
            dataset->items[i] = (struct rt_dataset_item){
                .image_path = names->items[i],
                .width = SYNTH_SIZE,
                .height = SYNTH_SIZE,
                .mask_kind = options->images_only ? "none" : "synthetic",
            };
    }
    return status;
}

/* Masks are found by their path without the extension. */
static int compare_stems(const void *a, const void *b)
{
    const char *left = *(char *const *)a, *right = *(char *const *)b;
    size_t left_length = (size_t)(strrchr(left, '.') - left);
    size_t right_length = (size_t)(strrchr(right, '.') - right);
    size_t shorter = left_length < right_length ? left_length : right_length;
    int order = memcmp(left, right, shorter);
    return order ? order : (left_length > right_length) - (left_length < right_length);
}

/* The mask that belongs to FOLDER/images/STEM.EXT, FOLDER/masks/STEM.png: its place in the sorted
 * list of masks, or their count. expected is the path looked for, released by free(). */
static rt_status find_mask(const struct rt_texts *masks, const char *image, char **expected,
                           size_t *place)
{
    const char *name = rt_path_name(image);
    int above = (int)(name - image - (ptrdiff_t)strlen("images/"));
    int stem = (int)(strrchr(name, '.') - name);
    rt_status status = rt_format(expected, "%.*smasks/%.*s.png", above, image, stem, name);
    if (status < 0)
        return status;
    char **found = masks->count == 0 ? NULL
                                     : bsearch(expected, masks->items, masks->count,
                                               sizeof *masks->items, compare_stems);
    *place = found ? (size_t)(found - masks->items) : masks->count;
    return RT_OK;
}

/* Large rasters are read in parts, unless their mask, as a PNG, cannot be. */
static bool is_windowed(const struct rt_image_header *image, const char *mask_path,
                        const struct rt_image_header *mask)
{
    return image->raster && (!mask_path || mask->raster) &&
           rt_window_pieces(image->width, image->height) > 1;
}

/* Adds the image to the items if it and its mask, where there is one, fit; else to the problems. */
static rt_status add_item(struct rt_dataset *dataset, const char *image_path, const char *mask_path)
{
    struct rt_image_header image, mask = {.kind = "none"};
    rt_status status = rt_image_is_raster(image_path)
                           ? rt_raster_header(image_path, &dataset->view, &image)
                           : rt_image_read_header(&image, image_path, RT_IMAGE_PHOTO);
    if (status == RT_OK && mask_path)
        status = rt_image_read_header(&mask, mask_path, RT_IMAGE_MASK);
    if (status == RT_ERROR_MEMORY)
        return status;
    if (status < 0)
        return rt_texts_add(&dataset->problems, "%s is left out: %s", image_path,
                            rt_error_message());
    if (mask_path && (image.width != mask.width || image.height != mask.height))
        return rt_texts_add(&dataset->problems,
                            "%s is left out: it has %d x %d pixels, its mask %d x %d", image_path,
                            image.width, image.height, mask.width, mask.height);
    dataset->items[dataset->count++] = (struct rt_dataset_item){
        .image_path = image_path,
        .mask_path = mask_path,
        .width = image.width,
        .height = image.height,
        .mask_kind = mask.kind,
        .raster = image.raster,
        .deep = image.deep,
        .windowed = is_windowed(&image, mask_path, &mask),
    };
    return RT_OK;
}

static rt_status add_pairs(struct rt_dataset *dataset)
{
    rt_status status = RT_OK;
    const struct rt_texts *images = &dataset->files.images, *masks = &dataset->files.masks;
    bool *used = NULL;
    char *expected = NULL;
    RT_TRY(rt_alloc(&used, masks->count, sizeof *used));
    if (masks->count > 0)
        qsort(masks->items, masks->count, sizeof *masks->items, compare_stems);
    for (size_t i = 0; i < images->count; i++) {
        size_t place;
        RT_TRY(find_mask(masks, images->items[i], &expected, &place));
        if (place < masks->count) {
            used[place] = true;
            RT_TRY(add_item(dataset, images->items[i], masks->items[place]));
        } else {
            RT_TRY(rt_texts_add(&dataset->problems, "%s is left out: there is no mask %s",
                                images->items[i], expected));
        }
        free(expected);
        expected = NULL;
    }
    for (size_t i = 0; i < masks->count; i++)
        if (!used[i])
            RT_TRY(rt_texts_add(&dataset->problems, "%s is left out: there is no image for it",
                                masks->items[i]));
end:
    free(expected);
    free(used);
    return status;
}

/* --- the range of rasters --------------------------------------------------------------------- */

static rt_status sample_item(const struct rt_dataset *dataset, size_t index, int side,
                             struct rt_raster_samples *samples)
{
    struct rt_raster *raster;
    rt_status status = rt_raster_open(&raster, dataset->items[index].image_path);
    if (status == RT_OK)
        status = rt_raster_look(raster, &dataset->view);
    if (status == RT_OK)
        status = rt_raster_sample(raster, side, samples);
    rt_raster_close(raster);
    return status;
}

/* Measures the range of the deep ones among the items, `deep` of them, over all together. */
static rt_status measure_range(struct rt_dataset *dataset, size_t deep, const char *source)
{
    rt_status status = RT_OK;
    struct rt_raster_samples samples = {0};
    const size_t looks = deep < RASTERS_MEASURED ? deep : RASTERS_MEASURED;
    const int side = (int)sqrt((double)WINDOWS_MEASURED / (double)looks);
    size_t seen = 0;
    for (size_t i = 0; i < dataset->count; i++) {
        if (!dataset->items[i].deep)
            continue;
        if (seen * looks / deep != (seen + 1) * looks / deep) /* looks of them, spread evenly */
            RT_TRY(sample_item(dataset, i, side, &samples));
        seen++;
    }
    RT_TRY(rt_raster_samples_range(&samples, source, &dataset->view));
end:
    rt_raster_samples_finish(&samples);
    return status;
}

static rt_status find_range(struct rt_dataset *dataset, const struct rt_dataset_options *options)
{
    size_t rasters = 0, deep = 0;
    for (size_t i = 0; i < dataset->count; i++) {
        rasters += dataset->items[i].raster;
        deep += dataset->items[i].deep;
    }
    if (options->view.bands[0] && rasters == 0)
        return rt_fail(RT_ERROR_ARGUMENT,
                       "no image of %s is a raster to take bands of: leave --bands out",
                       options->source);
    if (options->view.ranged && deep == 0)
        return rt_fail(RT_ERROR_ARGUMENT,
                       "no image of %s is a raster of more than 8 bits a sample: leave --range out",
                       options->source);
    return deep > 0 && !options->view.ranged ? measure_range(dataset, deep, options->source)
                                             : RT_OK;
}

static rt_status fail_empty(const struct rt_dataset *dataset,
                            const struct rt_dataset_options *options)
{
    const struct rt_texts *problems = &dataset->problems;
    const bool passed = dataset->files.rasters > 0 && !rt_raster_available();
    return rt_fail(RT_ERROR_FORMAT, "no %s below the folder %s: expected %s%s%s%s",
                   options->images_only ? "image" : "image with its mask", options->source,
                   options->images_only ? "JPEG or PNG files"
                                        : "FOLDER/images/NAME.jpg (or .png) with "
                                          "FOLDER/masks/NAME.png",
                   passed ? "; there are rasters, but this retort was built without GDAL" : "",
                   problems->count ? "; " : "", problems->count ? problems->items[0] : "");
}

static rt_status find_palette(struct rt_dataset *dataset, const struct rt_dataset_options *options)
{
    if (options->images_only) {
        dataset->palette.unlabeled = -1;
        return options->palette ? rt_palette_choose(&dataset->palette, options->palette) : RT_OK;
    }
    const char **masks = NULL;
    rt_status status = rt_alloc(&masks, dataset->count, sizeof *masks);
    if (status < 0)
        return status;
    for (size_t i = 0; i < dataset->count; i++)
        masks[i] = dataset->items[i].mask_path;
    status = rt_palette_find(&dataset->palette, options->palette, masks, dataset->count,
                             &dataset->files.classes, &dataset->problems);
    free(masks);
    return status;
}

/* A folder that is not there may be "synth:8", spelt wrong. */
static rt_status fail_missing(const char *source)
{
    const char *colon = strchr(source, ':'), *const known = "synth";
    const int length = (int)(colon ? colon - source : (ptrdiff_t)strlen(source));
    char kind[16], meant[RT_WORD_MEANT];
    snprintf(kind, sizeof kind, "%.*s", length, source);
    rt_word_meant(meant, "", rt_word_closest(kind, &known, 1, sizeof known));
    return rt_fail(RT_ERROR_IO,
                   "cannot read the folder %s: there is none%s; the data is a folder or "
                   "synth[:COUNT[,SEED]]",
                   source, meant);
}

static rt_status open_folder(struct rt_dataset *dataset, const struct rt_dataset_options *options)
{
    rt_status status = RT_OK;
    struct rt_scan *files = &dataset->files;
    if (!rt_path_exists(options->source))
        return fail_missing(options->source);
    if (!rt_path_is_folder(options->source))
        return rt_fail(RT_ERROR_IO,
                       "cannot read the folder %s: it is a file; the data is the folder "
                       "that it lies in, or one above",
                       options->source);
    RT_TRY(rt_scan_folder(files, options->source, options->images_only));
    for (size_t i = 0; i < files->problems.count; i++)
        RT_TRY(rt_texts_add(&dataset->problems, "%s", files->problems.items[i]));
    RT_TRY(rt_alloc(&dataset->items, files->images.count, sizeof *dataset->items));
    if (options->images_only)
        for (size_t i = 0; i < files->images.count; i++)
            RT_TRY(add_item(dataset, files->images.items[i], NULL));
    else
        RT_TRY(add_pairs(dataset));
    if (dataset->count == 0)
        status = fail_empty(dataset, options);
    else
        status = find_palette(dataset, options);
    if (status == RT_OK)
        status = find_range(dataset, options);
end:
    return status;
}

rt_status rt_dataset_open(struct rt_dataset **dataset, const struct rt_dataset_options *options)
{
    rt_status status = rt_alloc(dataset, 1, sizeof **dataset);
    if (status < 0)
        return status;
    const char *source = options->source;
    (*dataset)->view = options->view;
    if (strcmp(source, "synth") == 0 || strncmp(source, "synth:", 6) == 0)
        status = open_synth(*dataset, options);
    else
        status = open_folder(*dataset, options);
    if (status < 0) {
        rt_dataset_close(*dataset);
        *dataset = NULL;
    }
    return status;
}

void rt_dataset_close(struct rt_dataset *dataset)
{
    if (!dataset)
        return;
    rt_dataset_close(dataset->appended);
    rt_texts_finish(&dataset->problems);
    rt_scan_finish(&dataset->files);
    free(dataset->items);
    free(dataset);
}

rt_status rt_dataset_append(struct rt_dataset *dataset, struct rt_dataset *more)
{
    if (dataset->appended)
        return rt_fail(RT_ERROR_ARGUMENT, "a data set can be appended to once");
    size_t capacity = dataset->count;
    rt_status status =
        rt_grow(&dataset->items, &capacity, dataset->count + more->count, sizeof *dataset->items);
    if (status < 0)
        return status;
    memcpy(dataset->items + dataset->count, more->items, more->count * sizeof *more->items);
    dataset->count += more->count;
    dataset->appended = more;
    if (dataset->view.ranged || !more->view.ranged)
        more->view = dataset->view;
    else
        dataset->view = more->view; /* it alone has deep rasters */
    return RT_OK;
}

size_t rt_dataset_count(const struct rt_dataset *dataset)
{
    return dataset->count;
}

const struct rt_dataset_item *rt_dataset_item(const struct rt_dataset *dataset, size_t index)
{
    return &dataset->items[index];
}

const struct rt_palette *rt_dataset_palette(const struct rt_dataset *dataset)
{
    return &dataset->palette;
}

const struct rt_raster_view *rt_dataset_view(const struct rt_dataset *dataset)
{
    return &dataset->view;
}

void rt_dataset_look(struct rt_dataset *dataset, const struct rt_raster_view *view)
{
    dataset->view = *view;
    if (dataset->appended)
        rt_dataset_look(dataset->appended, view);
}

size_t rt_dataset_problems(const struct rt_dataset *dataset)
{
    return dataset->problems.count;
}

const char *rt_dataset_problem(const struct rt_dataset *dataset, size_t index)
{
    return dataset->problems.items[index];
}

/* --- loading ---------------------------------------------------------------------------------- */

static rt_status check_size(const struct rt_dataset_item *item, const char *path,
                            const struct rt_image *image)
{
    if (image->width == item->width && image->height == item->height)
        return RT_OK;
    return rt_fail(RT_ERROR_FORMAT,
                   "cannot use %s: it has %d x %d pixels, but %d x %d when the data set was opened",
                   path, image->width, image->height, item->width, item->height);
}

static rt_status load_labels(const struct rt_dataset *dataset, const struct rt_dataset_item *item,
                             const struct rt_window *window, struct rt_image *labels)
{
    struct rt_image mask;
    rt_status status;
    if (rt_image_is_raster(item->mask_path)) {
        status = rt_mask_read_part(&mask, item->mask_path, window);
    } else {
        status = rt_mask_read(&mask, item->mask_path);
        if (status == RT_OK)
            status = check_size(item, item->mask_path, &mask);
        if (status == RT_OK)
            status = rt_image_keep_part(&mask, window);
    }
    if (status == RT_OK)
        status = rt_mask_label(&mask, &dataset->palette, labels);
    rt_image_finish(&mask);
    return status;
}

static rt_status load_photo(const struct rt_dataset_item *item, const struct rt_window *window,
                            struct rt_image *image)
{
    rt_status status = RT_OK;
    RT_TRY(rt_image_read(image, item->image_path));
    RT_TRY(check_size(item, item->image_path, image));
    status = rt_image_keep_part(image, window);
end:
    return status;
}

static rt_status load_files(const struct rt_dataset *dataset, const struct rt_dataset_item *item,
                            const struct rt_window *window, struct rt_image *image,
                            struct rt_image *labels)
{
    rt_status status = RT_OK;
    struct rt_image valid = {0};
    if (item->raster)
        RT_TRY(rt_raster_load(item->image_path, &dataset->view, window, image, &valid));
    else
        RT_TRY(load_photo(item, window, image));
    if (labels && item->mask_path)
        RT_TRY(load_labels(dataset, item, window, labels));
    const size_t pixels = (size_t)window->width * (size_t)window->height;
    for (size_t i = 0; valid.pixels && labels && labels->pixels && i < pixels; i++)
        if (!valid.pixels[i])
            labels->pixels[i] = RT_LABEL_IGNORE;
end:
    rt_image_finish(&valid);
    if (status < 0)
        rt_image_finish(image);
    return status;
}

/* The drawing gives labels whether they are asked for or not. */
static rt_status load_synth(const struct rt_dataset *dataset, size_t index,
                            const struct rt_window *window, struct rt_image *image,
                            struct rt_image *labels)
{
    const struct rt_dataset_item *item = &dataset->items[index];
    struct rt_image drawn;
    rt_status status =
        rt_synth_draw(dataset->seed, (uint32_t)index, item->width, item->height, image, &drawn);
    if (status < 0)
        return status;
    status = rt_image_keep_part(image, window);
    if (status == RT_OK)
        status = rt_image_keep_part(&drawn, window);
    if (status == RT_OK && labels && strcmp(item->mask_kind, "none") != 0)
        *labels = drawn;
    else
        rt_image_finish(&drawn);
    if (status < 0)
        rt_image_finish(image);
    return status;
}

rt_status rt_dataset_load_part(const struct rt_dataset *dataset, size_t index, int x, int y,
                               int width, int height, struct rt_image *image,
                               struct rt_image *labels)
{
    const struct rt_window window = {x, y, width, height};
    *image = (struct rt_image){0};
    if (labels)
        *labels = (struct rt_image){0};
    size_t own = dataset->count - (dataset->appended ? dataset->appended->count : 0);
    if (index >= own)
        return rt_dataset_load_part(dataset->appended, index - own, x, y, width, height, image,
                                    labels);
    if (dataset->synthetic)
        return load_synth(dataset, index, &window, image, labels);
    return load_files(dataset, &dataset->items[index], &window, image, labels);
}

rt_status rt_dataset_load(const struct rt_dataset *dataset, size_t index, struct rt_image *image,
                          struct rt_image *labels)
{
    const struct rt_dataset_item *item = &dataset->items[index];
    *image = (struct rt_image){0};
    if (labels)
        *labels = (struct rt_image){0};
    rt_status status =
        rt_image_check_size(item->image_path, (uint64_t)item->width, (uint64_t)item->height);
    return status < 0 ? status
                      : rt_dataset_load_part(dataset, index, 0, 0, item->width, item->height, image,
                                             labels);
}
