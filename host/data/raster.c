/* What rasters need that GDAL has no part in. */
#include "data/raster.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

#define LOW_SHARE 0.02 /* the percentiles that QGIS, too, stretches rasters between */
#define HIGH_SHARE 0.98

static int compare(const void *a, const void *b)
{
    const float left = *(const float *)a, right = *(const float *)b;
    return (left > right) - (left < right);
}

rt_status rt_raster_samples_range(struct rt_raster_samples *samples, const char *what,
                                  struct rt_raster_view *view)
{
    if (samples->count == 0)
        return rt_fail(RT_ERROR_FORMAT,
                       "cannot measure the range of %s: no pixel that was looked at has data; give "
                       "it with --range LOW,HIGH",
                       what);
    const double last = (double)(samples->count - 1);
    for (int c = 0; c < 3; c++) {
        float *values = samples->values[c];
        qsort(values, samples->count, sizeof *values, compare);
        view->low[c] = (double)values[(size_t)(LOW_SHARE * last)];
        view->high[c] = (double)values[(size_t)ceil(HIGH_SHARE * last)];
        if (!(view->high[c] > view->low[c])) /* a flat band */
            view->high[c] = view->low[c] + 1;
    }
    view->ranged = true;
    return RT_OK;
}

void rt_raster_samples_finish(struct rt_raster_samples *samples)
{
    for (int c = 0; c < 3; c++)
        free(samples->values[c]);
    *samples = (struct rt_raster_samples){0};
}

/* Numbers with commas between them; how many there are, or -1 where it is no such list. */
static int parse_list(const char *text, double *numbers, int most)
{
    int count = 0;
    for (;;) {
        char *end;
        if (count == most || (*text != '-' && *text != '.' && (*text < '0' || *text > '9')))
            return -1;
        numbers[count] = strtod(text, &end);
        if (end == text || !isfinite(numbers[count++]) || (*end && *end != ','))
            return -1;
        if (!*end)
            return count;
        text = end + 1;
    }
}

static rt_status parse_bands(struct rt_raster_view *view, const char *text)
{
    double numbers[3];
    bool right = parse_list(text, numbers, 3) == 3;
    for (int c = 0; right && c < 3; c++) {
        right = numbers[c] >= 1 && numbers[c] <= 65535 && numbers[c] == floor(numbers[c]);
        view->bands[c] = right ? (int)numbers[c] : 0;
    }
    if (right)
        return RT_OK;
    return rt_fail(RT_ERROR_ARGUMENT,
                   "--bands takes the numbers of three bands, from 1, such as 4,3,2, not '%s'",
                   text);
}

static rt_status parse_range(struct rt_raster_view *view, const char *text)
{
    double numbers[6];
    const int count = parse_list(text, numbers, 6);
    bool right = count == 2 || count == 6;
    for (int c = 0; right && c < 3; c++) {
        view->low[c] = numbers[count == 6 ? 2 * c : 0];
        view->high[c] = numbers[count == 6 ? 2 * c + 1 : 1];
        right = view->low[c] < view->high[c];
    }
    view->ranged = right;
    if (right)
        return RT_OK;
    return rt_fail(
        RT_ERROR_ARGUMENT,
        "--range takes LOW,HIGH with LOW < HIGH, such as 0,3000, or such a pair for each "
        "of the three bands, not '%s'",
        text);
}

rt_status rt_raster_view_parse(struct rt_raster_view *view, const char *bands, const char *range)
{
    rt_status status = bands ? parse_bands(view, bands) : RT_OK;
    return status == RT_OK && range ? parse_range(view, range) : status;
}

struct rt_raster_view rt_raster_view_choose(const struct rt_raster_view *given,
                                            const struct rt_raster_view *known)
{
    struct rt_raster_view view = given->ranged ? *given : *known;
    memcpy(view.bands, given->bands[0] ? given->bands : known->bands, sizeof view.bands);
    return view;
}

rt_status rt_raster_header(const char *path, const struct rt_raster_view *view,
                           struct rt_image_header *header)
{
    struct rt_raster *raster;
    rt_status status = rt_raster_open(&raster, path);
    if (status < 0)
        return status;
    status = rt_raster_look(raster, view);
    if (status == RT_OK) {
        const struct rt_raster_info *info = rt_raster_describe(raster);
        *header = (struct rt_image_header){.width = info->width,
                                           .height = info->height,
                                           .kind = info->type,
                                           .deep = info->deep,
                                           .raster = true};
    }
    rt_raster_close(raster);
    return status;
}

rt_status rt_raster_load(const char *path, const struct rt_raster_view *view,
                         const struct rt_window *window, struct rt_image *image,
                         struct rt_image *valid)
{
    rt_status status = RT_OK;
    struct rt_raster *raster = NULL;
    *image = (struct rt_image){0};
    if (valid)
        *valid = (struct rt_image){0};
    RT_TRY(rt_raster_open(&raster, path));
    RT_TRY(rt_raster_look(raster, view));
    RT_TRY(rt_image_init(image, window->width, window->height, 3));
    if (valid)
        RT_TRY(rt_image_init(valid, window->width, window->height, 1));
    RT_TRY(rt_raster_read(raster, window->x, window->y, window->width, window->height,
                          image->pixels, valid ? valid->pixels : NULL));
end:
    rt_raster_close(raster);
    if (status < 0) {
        rt_image_finish(image);
        if (valid)
            rt_image_finish(valid);
    }
    return status;
}
