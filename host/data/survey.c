#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "data/census.h"
#include "data/image.h"
#include "data/texts.h"

static void count_kind(struct rt_dataset_survey *survey, const char *kind)
{
    int i = 0;
    while (i < survey->kind_count && strcmp(survey->kinds[i].kind, kind) != 0)
        i++;
    if (i == RT_SURVEY_KINDS)
        return;
    survey->kinds[i].kind = kind;
    survey->kinds[i].images++;
    if (i == survey->kind_count)
        survey->kind_count++;
}

static void count_size(struct rt_dataset_survey *survey, const struct rt_dataset_item *item)
{
    bool first = survey->min_width == 0;
    if (first || item->width < survey->min_width)
        survey->min_width = item->width;
    if (first || item->height < survey->min_height)
        survey->min_height = item->height;
    if (item->width > survey->max_width)
        survey->max_width = item->width;
    if (item->height > survey->max_height)
        survey->max_height = item->height;
}

/* Counts the labels; returns how many are to be ignored. */
static uint64_t count_labels(struct rt_dataset_survey *survey, const struct rt_image *labels)
{
    uint64_t counts[256] = {0};
    size_t pixels = (size_t)labels->width * (size_t)labels->height;
    for (size_t i = 0; i < pixels; i++)
        counts[labels->pixels[i]]++;
    for (int c = 0; c < RT_CLASSES_MAX; c++)
        survey->class_pixels[c] += counts[c];
    survey->pixels += pixels;
    survey->ignored_pixels += counts[RT_LABEL_IGNORE];
    return counts[RT_LABEL_IGNORE];
}

/* Counts the colours outside the palette, of the part of a mask that has these labels. */
static rt_status count_unknown(const struct rt_dataset_item *item, const struct rt_window *window,
                               const struct rt_image *labels, struct rt_census *unknown)
{
    struct rt_image mask;
    rt_status status = rt_mask_read_part(&mask, item->mask_path, window);
    if (status == RT_OK)
        status = rt_census_add(unknown, &mask, labels->pixels);
    rt_image_finish(&mask);
    return status;
}

static rt_status survey_piece(const struct rt_dataset *dataset, size_t index,
                              const struct rt_window *w, struct rt_dataset_survey *survey,
                              struct rt_census *unknown, bool *ignored)
{
    rt_status status = RT_OK;
    const struct rt_dataset_item *item = rt_dataset_item(dataset, index);
    struct rt_image image, labels;
    RT_TRY(rt_dataset_load_part(dataset, index, w->x, w->y, w->width, w->height, &image, &labels));
    if (labels.pixels && count_labels(survey, &labels) > 0 && item->mask_path) {
        *ignored = true;
        RT_TRY(count_unknown(item, w, &labels, unknown));
    }
end:
    rt_image_finish(&image);
    rt_image_finish(&labels);
    return status;
}

static rt_status survey_item(const struct rt_dataset *dataset, size_t index,
                             struct rt_dataset_survey *survey, struct rt_census *unknown)
{
    rt_status status = RT_OK;
    const struct rt_dataset_item *item = rt_dataset_item(dataset, index);
    const int pieces = item->windowed ? rt_window_pieces(item->width, item->height) : 1;
    bool ignored = false;
    rt_census_begin(unknown);
    for (int i = 0; i < pieces; i++) {
        const struct rt_window piece = item->windowed
                                           ? rt_window_piece(item->width, item->height, i)
                                           : (struct rt_window){0, 0, item->width, item->height};
        RT_TRY(survey_piece(dataset, index, &piece, survey, unknown, &ignored));
    }
    count_kind(survey, item->mask_kind);
    count_size(survey, item);
    survey->images++;
    survey->images_with_ignored += ignored;
end:
    return status;
}

/* Keeps the most frequent colours, most pixels first; of equal ones the one that came first. */
static void keep_unknown(struct rt_dataset_survey *survey, const struct rt_census_entry *entry)
{
    struct rt_unknown_colour *list = survey->unknown;
    int place = survey->unknown_count;
    while (place > 0 && list[place - 1].pixels < entry->pixels)
        place--;
    if (place == RT_SURVEY_UNKNOWN)
        return;
    if (survey->unknown_count < RT_SURVEY_UNKNOWN)
        survey->unknown_count++;
    memmove(list + place + 1, list + place,
            (size_t)(survey->unknown_count - 1 - place) * sizeof *list);
    list[place] = (struct rt_unknown_colour){
        .rgb = {(uint8_t)(entry->rgb >> 16), (uint8_t)(entry->rgb >> 8), (uint8_t)entry->rgb},
        .pixels = entry->pixels,
        .images = entry->masks,
    };
}

rt_status rt_dataset_survey(const struct rt_dataset *dataset, struct rt_dataset_survey *survey)
{
    rt_status status = RT_OK;
    struct rt_census *unknown = NULL;
    struct rt_texts problems = {0};
    *survey = (struct rt_dataset_survey){0};
    RT_TRY(rt_census_create(&unknown));
    for (size_t i = 0; i < rt_dataset_count(dataset); i++) {
        status = survey_item(dataset, i, survey, unknown);
        if (status == RT_ERROR_IO || status == RT_ERROR_FORMAT)
            status = rt_texts_add(&problems, "%s", rt_error_message());
        if (status < 0)
            goto end;
    }
    struct rt_census_entry entry;
    for (uint32_t from = 0; rt_census_find(unknown, from, &entry); from = entry.rgb + 1) {
        survey->unknown_colours++;
        keep_unknown(survey, &entry);
    }
    survey->problems = problems.items;
    survey->problem_count = problems.count;
    problems = (struct rt_texts){0};
end:
    rt_texts_finish(&problems);
    rt_census_destroy(unknown);
    return status;
}

void rt_dataset_survey_finish(struct rt_dataset_survey *survey)
{
    for (size_t i = 0; i < survey->problem_count; i++)
        free(survey->problems[i]);
    free(survey->problems);
    *survey = (struct rt_dataset_survey){0};
}
