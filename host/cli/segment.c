/* One image, row after row, from a photo or raster to a mask and what else is asked for. */
#include "cli/segment.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/duration.h"
#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/process.h"
#include "cli/terminal.h"

#define REDRAW_SECONDS 0.2

struct segmenting {
    const char *path; /* of the image */
    const struct rt_palette *palette;
    int width, height;
    struct rt_image photo, mask;                     /* of a photo; the mask is painted */
    struct rt_raster *raster;                        /* else */
    struct rt_raster_output *labels, *probabilities; /* NULL: not asked for */
    uint8_t *row;                                    /* [width] labels */
    float *lacking;        /* [classes][width] a row of probabilities with those that lack data */
    double started, shown; /* progress: since when, and when last */
    int started_rows;
    struct segment_result *result;
};

/* --- from the image --------------------------------------------------------------------------- */

/* The view that was given, completed by the model's, and by what is measured. */
static rt_status choose_view(struct segmenting *s, const struct rt_model_info *info,
                             const struct rt_raster_view *given)
{
    rt_status status = RT_OK;
    struct rt_raster_view view = rt_raster_view_choose(given, &info->view);
    RT_TRY(rt_raster_look(s->raster, &view));
    const bool deep = rt_raster_describe(s->raster)->deep;
    if (given->ranged && !deep)
        RT_TRY(rt_fail(RT_ERROR_ARGUMENT,
                       "the samples of %s have 8 bits and are taken as they are: leave --range out",
                       s->path));
    if (deep && !view.ranged) {
        RT_TRY(rt_raster_measure(s->raster, &view));
        const double *low = view.low, *high = view.high;
        rt_info("%s: the model knows 8-bit images; these samples (%s) are stretched as --range "
                "%g,%g,%g,%g,%g,%g would",
                s->path, rt_raster_describe(s->raster)->type, low[0], high[0], low[1], high[1],
                low[2], high[2]);
        RT_TRY(rt_raster_look(s->raster, &view));
    }
end:
    return status;
}

static rt_status open_image(struct segmenting *s, const struct rt_model_info *info,
                            const struct segment_options *options, bool raster)
{
    rt_status status = RT_OK;
    if (raster) {
        RT_TRY(rt_raster_open(&s->raster, s->path));
        RT_TRY(choose_view(s, info, &options->view));
        s->width = rt_raster_describe(s->raster)->width;
        s->height = rt_raster_describe(s->raster)->height;
    } else {
        RT_TRY(rt_image_read(&s->photo, s->path));
        s->width = s->photo.width;
        s->height = s->photo.height;
        RT_TRY(rt_image_init(&s->mask, s->width, s->height, 3));
    }
end:
    return status;
}

static rt_status read_window(void *user, int x, int y, int width, int height, uint8_t *rgb,
                             uint8_t *valid)
{
    struct segmenting *s = user;
    if (s->raster)
        return rt_raster_read(s->raster, x, y, width, height, rgb, valid);
    rt_image_cut(&s->photo, x, y, width, height, rgb);
    return RT_OK;
}

/* --- to the files ----------------------------------------------------------------------------- */

static rt_status create_outputs(struct segmenting *s, const struct segment_options *options,
                                const struct segment_paths *paths)
{
    rt_status status = RT_OK;
    struct rt_raster_output_options output = {
        .path = paths->mask,
        .width = s->width,
        .height = s->height,
        .like = s->raster,
        .palette = s->palette,
        .lacks = s->raster && rt_raster_describe(s->raster)->may_lack,
        .cog = options->cog,
    };
    if (s->raster)
        RT_TRY(rt_raster_create(&s->labels, &output));
    output.path = paths->probabilities;
    output.probabilities = true;
    if (paths->probabilities)
        RT_TRY(rt_raster_create(&s->probabilities, &output));
end:
    return status;
}

/* The first rows come with the kernels' compilation: time counts from there. */
static rt_status show_progress(struct segmenting *s, int rows)
{
    const double now = rt_clock_seconds();
    char text[256], left[RT_DURATION_TEXT];
    if (terminal_interrupted(NULL))
        return rt_fail(RT_ERROR_INTERRUPTED, "interrupted: nothing is written of %s", s->path);
    if (s->started == 0) {
        s->started = s->shown = now;
        s->started_rows = rows;
    }
    if (!s->raster || now - s->shown < REDRAW_SECONDS)
        return RT_OK;
    const double speed = (rows - s->started_rows) / (now - s->started);
    s->shown = now;
    rt_duration_text(left, (s->height - rows) / speed);
    snprintf(text, sizeof text, "%s: %.1f %%, %.1f Mpixel/s, %s left", rt_path_name(s->path),
             100.0 * rows / s->height, 1e-6 * speed * s->width, left);
    terminal_work(text);
    return RT_OK;
}

static rt_status write_probabilities(struct segmenting *s, const float *row, const uint8_t *valid)
{
    const size_t width = (size_t)s->width;
    if (!s->raster || !rt_raster_describe(s->raster)->may_lack)
        return rt_raster_write_probabilities(s->probabilities, row);
    for (size_t c = 0; c < (size_t)s->palette->count; c++)
        for (size_t x = 0; x < width; x++)
            s->lacking[c * width + x] = valid[x] ? row[c * width + x] : (float)NAN;
    return rt_raster_write_probabilities(s->probabilities, s->lacking);
}

static rt_status write_row(void *user, int y, const float *row, const uint8_t *valid)
{
    rt_status status = RT_OK;
    struct segmenting *s = user;
    const size_t width = (size_t)s->width;
    rt_probabilities_label(row, s->palette->count, width, s->row);
    if (s->raster) {
        for (size_t x = 0; x < width; x++)
            if (!valid[x])
                s->row[x] = RT_LABEL_IGNORE;
        RT_TRY(rt_raster_write_labels(s->labels, s->row));
    } else {
        rt_palette_colorize(s->palette, s->row, width, s->mask.pixels + 3 * (size_t)y * width);
    }
    for (size_t x = 0; x < width; x++)
        s->result->counts[s->row[x]]++;
    if (s->probabilities)
        RT_TRY(write_probabilities(s, row, valid));
    status = show_progress(s, y + 1);
end:
    return status;
}

/* Completes every file before one of them gets its name. */
static rt_status finish_outputs(struct segmenting *s, const struct segment_paths *paths)
{
    rt_status status = RT_OK;
    if (s->raster)
        terminal_work("completing the files");
    if (s->labels)
        RT_TRY(rt_raster_complete(s->labels));
    if (s->probabilities)
        RT_TRY(rt_raster_complete(s->probabilities));
    if (paths->polygons)
        RT_TRY(rt_raster_polygons(s->labels, paths->polygons));
    if (s->labels)
        RT_TRY(rt_raster_commit(s->labels));
    else
        RT_TRY(rt_image_write_png(&s->mask, paths->mask));
    if (s->probabilities)
        RT_TRY(rt_raster_commit(s->probabilities));
end:
    return status;
}

static void finish(struct segmenting *s)
{
    rt_raster_destroy(s->labels);
    rt_raster_destroy(s->probabilities);
    rt_raster_close(s->raster);
    rt_image_finish(&s->photo);
    rt_image_finish(&s->mask);
    free(s->row);
    free(s->lacking);
}

rt_status segment_image(struct rt_model *model, const char *image,
                        const struct segment_options *options, const struct segment_paths *paths,
                        struct segment_result *result)
{
    rt_status status = RT_OK;
    const struct rt_model_info *info = rt_model_describe(model);
    struct segmenting s = {.path = image, .palette = &info->palette, .result = result};
    RT_TRY(open_image(&s, info, options, paths->raster));
    *result = (struct segment_result){.width = s.width, .height = s.height};
    RT_TRY(create_outputs(&s, options, paths));
    RT_TRY(rt_alloc(&s.row, (size_t)s.width, 1));
    if (s.probabilities)
        RT_TRY(
            rt_alloc(&s.lacking, (size_t)s.width, (size_t)info->palette.count * sizeof *s.lacking));
    const struct rt_predict_stream stream = {s.width, s.height, read_window, write_row, &s};
    RT_TRY(rt_model_predict_stream(model, &stream,
                                   options->overlap < 0 ? info->patch / 8 : options->overlap));
    RT_TRY(finish_outputs(&s, paths));
    if (s.raster)
        terminal_status("");
end:
    finish(&s);
    return status;
}
