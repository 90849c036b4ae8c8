#include "data/palette.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/parallel.h"
#include "data/census.h"

#define SAMPLE_MASKS 16 /* masks looked at to judge a palette */

/* A palette covers masks when this share of their pixels has one of its colours. Less than all,
 * because published masks hold stray colours: 0.6 % of the Dubai set is an undocumented black. */
#define COVER 0.95

struct look {
    struct rt_census *colours; /* of the colour masks */
    struct rt_census *values;  /* of the grey ones */
    size_t colour_masks, grey_masks;
};

static void look_finish(struct look *look)
{
    rt_census_destroy(look->colours);
    rt_census_destroy(look->values);
    *look = (struct look){0};
}

/* Looking at masks, spread evenly over all. */
struct looking {
    const char *const *paths;
    size_t count, looks;   /* of the paths; and how many of them are looked at */
    pthread_mutex_t mutex; /* guards what follows */
    struct look *look;
    char *problem; /* why one of the masks that failed did */
};

/* Counts a mask that was read, or a part of one. */
static rt_status count_mask(struct looking *looking, const struct rt_image *mask, bool first)
{
    struct look *look = looking->look;
    const bool grey = mask->channels == 1;
    pthread_mutex_lock(&looking->mutex);
    look->grey_masks += first && grey;
    look->colour_masks += first && !grey;
    rt_status status = rt_census_add(grey ? look->values : look->colours, mask, NULL);
    pthread_mutex_unlock(&looking->mutex);
    return status;
}

/* A raster may be too large to be decoded as a whole. */
static rt_status look_at_raster(struct looking *looking, const char *path)
{
    rt_status status = RT_OK;
    struct rt_image_header header;
    struct rt_image mask = {0};
    RT_TRY(rt_image_read_header(&header, path, RT_IMAGE_MASK));
    const int pieces = rt_window_pieces(header.width, header.height);
    for (int i = 0; i < pieces; i++) {
        const struct rt_window piece = rt_window_piece(header.width, header.height, i);
        rt_image_finish(&mask);
        RT_TRY(rt_mask_read_part(&mask, path, &piece));
        RT_TRY(count_mask(looking, &mask, i == 0));
    }
end:
    rt_image_finish(&mask);
    return status;
}

static rt_status look_at_mask(void *work, size_t index)
{
    struct looking *looking = work;
    struct rt_image mask = {0};
    const char *path = looking->paths[index * looking->count / looking->looks];
    const bool raster = rt_image_is_raster(path);
    rt_status status = raster ? look_at_raster(looking, path) : rt_mask_read(&mask, path);
    if (status == RT_OK && !raster)
        status = count_mask(looking, &mask, true);
    rt_image_finish(&mask);
    if (status == RT_OK || status == RT_ERROR_MEMORY)
        return status;
    pthread_mutex_lock(&looking->mutex);
    free(looking->problem);
    status = rt_copy_text(&looking->problem, rt_error_message());
    pthread_mutex_unlock(&looking->mutex);
    return status;
}

/* Counts the colours of at most `most` masks. */
static rt_status look_at(struct look *look, const char *const *paths, size_t count, size_t most)
{
    rt_status status = RT_OK;
    struct looking looking = {paths, count, count < most ? count : most, .look = look};
    *look = (struct look){0};
    pthread_mutex_init(&looking.mutex, NULL);
    RT_TRY(rt_census_create(&look->colours));
    RT_TRY(rt_census_create(&look->values));
    RT_TRY(rt_parallel(looking.looks, look_at_mask, &looking));
    if (look->grey_masks + look->colour_masks == 0)
        status = rt_fail(RT_ERROR_FORMAT, "%s", looking.problem ? looking.problem : "");
end:
    if (status < 0)
        look_finish(look);
    pthread_mutex_destroy(&looking.mutex);
    free(looking.problem);
    return status;
}

static rt_status check_count(size_t classes, const char *what)
{
    if (classes >= 2 && classes <= RT_CLASSES_MAX)
        return RT_OK;
    return rt_fail(RT_ERROR_FORMAT,
                   "the masks hold %zu %s, expected 2 to %d: pass a palette file with the classes' "
                   "colours (the values of grey masks are class indices 0, 1, 2, ...)",
                   classes, what, RT_CLASSES_MAX);
}

static rt_status palette_of_colours(struct rt_palette *palette, const struct rt_census *colours)
{
    size_t count = 0;
    struct rt_census_entry entry;
    for (uint32_t from = 0; rt_census_find(colours, from, &entry); from = entry.rgb + 1) {
        if (count < RT_CLASSES_MAX) {
            struct rt_class *class = &palette->classes[count];
            snprintf(class->name, sizeof class->name, "#%06X", (unsigned)entry.rgb);
            for (int c = 0; c < 3; c++)
                class->rgb[c] = (uint8_t)(entry.rgb >> (16 - 8 * c));
        }
        count++;
    }
    palette->count = (int)count;
    return check_count(count, "colours");
}

/* Colours that are far from each other for small numbers: the number's bits, from the lowest,
 * become the highest bits of red, green and blue in turn. Number 0 would be black. */
static void spread_colour(unsigned number, uint8_t rgb[3])
{
    rgb[0] = rgb[1] = rgb[2] = 0;
    for (unsigned bit = 0; bit < 8; bit++)
        rgb[bit % 3] |= (uint8_t)((number >> bit & 1) << (7 - bit / 3));
}

static rt_status palette_of_values(struct rt_palette *palette, const struct rt_census *values)
{
    size_t count = 0;
    struct rt_census_entry entry;
    for (uint32_t from = 0; rt_census_find(values, from, &entry); from = entry.rgb + 1)
        if ((entry.rgb & 255) != RT_LABEL_IGNORE) /* a usual value for "no class" */
            count = (entry.rgb & 255) + 1;
    for (unsigned i = 0; i < count && i < RT_CLASSES_MAX; i++) {
        snprintf(palette->classes[i].name, sizeof palette->classes[i].name, "class %u", i);
        spread_colour(i + 1, palette->classes[i].rgb);
    }
    palette->count = (int)count;
    return check_count(count, "values");
}

static rt_status palette_of_masks(struct rt_palette *palette, const char *const *mask_paths,
                                  size_t count)
{
    struct look all;
    rt_status status = look_at(&all, mask_paths, count, count);
    if (status < 0)
        return status;
    *palette = (struct rt_palette){.name = "masks", .unlabeled = -1};
    status = all.colour_masks > 0 ? palette_of_colours(palette, all.colours)
                                  : palette_of_values(palette, all.values);
    look_finish(&all);
    return status;
}

/* Annotation tools leave a classes.json beside masks that were later painted in other colours. */
static rt_status check_classes(const char *path, const struct rt_census *colours,
                               struct rt_texts *problems)
{
    struct rt_palette palette;
    rt_status status = rt_palette_read(&palette, path);
    if (status == RT_ERROR_MEMORY)
        return status;
    if (status < 0)
        return rt_texts_add(problems, "%s; it is ignored", rt_error_message());
    double cover = rt_census_cover(colours, &palette);
    if (cover >= COVER)
        return RT_OK;
    return rt_texts_add(problems,
                        "%s names colours that the masks do not use (they cover %.1f %% of the "
                        "pixels looked at); it is ignored",
                        path, 100 * cover);
}

static const struct rt_palette *find_builtin(const struct rt_census *colours)
{
    const struct rt_palette *palette;
    for (size_t i = 0; (palette = rt_palette_builtin_at(i)); i++)
        if (rt_census_cover(colours, palette) >= COVER)
            return palette;
    return NULL;
}

rt_status rt_palette_find(struct rt_palette *palette, const char *file,
                          const char *const *mask_paths, size_t count,
                          const struct rt_texts *classes, struct rt_texts *problems)
{
    rt_status status = RT_OK;
    struct look sample = {0};
    if (file)
        RT_TRY(rt_palette_choose(palette, file));
    RT_TRY(look_at(&sample, mask_paths, count, SAMPLE_MASKS));
    const struct rt_palette *builtin = find_builtin(sample.colours);
    double cover = file ? rt_census_cover(sample.colours, palette) : 1;
    if (file && sample.colour_masks > 0 && cover < COVER)
        RT_TRY(rt_texts_add(problems,
                            "the palette %s covers only %.1f %% of the mask pixels looked at; the "
                            "others are ignored",
                            file, 100 * cover));
    else if (!file && builtin)
        *palette = *builtin;
    else if (!file)
        RT_TRY(palette_of_masks(palette, mask_paths, count));
    for (size_t i = 0; i < classes->count && !file && sample.colour_masks > 0; i++)
        RT_TRY(check_classes(classes->items[i], sample.colours, problems));
end:
    look_finish(&sample);
    return status;
}
