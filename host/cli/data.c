/* retort data: what a data set holds. */
#include <inttypes.h>
#include <stdio.h>

#include "base/error.h"
#include "base/json.h"
#include "base/memory.h"
#include "cli/commands.h"
#include "cli/common.h"

static double per_cent(uint64_t part, uint64_t whole)
{
    return whole ? 100 * (double)part / (double)whole : 0;
}

static void print_images(const struct rt_dataset_survey *survey)
{
    printf("images    %zu, %d x %d to %d x %d pixels\n", survey->images, survey->min_width,
           survey->min_height, survey->max_width, survey->max_height);
    printf("masks     ");
    for (int i = 0; i < survey->kind_count; i++)
        printf("%s%zu %s", i ? ", " : "", survey->kinds[i].images, survey->kinds[i].kind);
    printf("\n");
}

/* What a model that is trained on it will know of rasters. */
static void print_view(const struct rt_raster_view *view)
{
    const double *low = view->low, *high = view->high;
    if (view->bands[0])
        printf("bands     %d,%d,%d\n", view->bands[0], view->bands[1], view->bands[2]);
    if (view->ranged)
        printf("range     %g to %g, %g to %g, %g to %g\n", low[0], high[0], low[1], high[1], low[2],
               high[2]);
}

static void print_classes(const struct rt_palette *palette, const struct rt_dataset_survey *survey)
{
    printf("palette   %s\n\n", palette->name);
    for (int c = 0; c < palette->count; c++) {
        const struct rt_class *class = &palette->classes[c];
        printf("  %2d  #%02X%02X%02X  %-24s %8.3f %%%s\n", c, class->rgb[0], class->rgb[1],
               class->rgb[2], class->name, per_cent(survey->class_pixels[c], survey->pixels),
               c == palette->unlabeled ? "  (stands for unlabelled)" : "");
    }
    printf("      ignored  %-24s %8.3f %%\n", "", per_cent(survey->ignored_pixels, survey->pixels));
}

static void print_unknown(const struct rt_dataset_survey *survey)
{
    if (survey->unknown_colours == 0)
        return;
    printf("\ncolours outside the palette (%zu in %zu masks), whose pixels are ignored:\n",
           survey->unknown_colours, survey->images_with_ignored);
    for (int i = 0; i < survey->unknown_count; i++) {
        const struct rt_unknown_colour *unknown = &survey->unknown[i];
        printf("      #%02X%02X%02X  %" PRIu64 " pixels in %zu masks\n", unknown->rgb[0],
               unknown->rgb[1], unknown->rgb[2], unknown->pixels, unknown->images);
    }
    if (survey->unknown_colours > (size_t)survey->unknown_count)
        printf("      and more\n");
}

static void print_problems(const struct rt_dataset *dataset, const struct rt_dataset_survey *survey)
{
    size_t found = rt_dataset_problems(dataset);
    if (found + survey->problem_count == 0)
        return;
    printf("\nproblems:\n");
    for (size_t i = 0; i < found; i++)
        printf("  %s\n", rt_dataset_problem(dataset, i));
    for (size_t i = 0; i < survey->problem_count; i++)
        printf("  %s\n", survey->problems[i]);
}

/* --- JSON ----------------------------------------------------------------------------------- */

static const char *format_colour(char text[8], const uint8_t rgb[3])
{
    snprintf(text, 8, "#%02X%02X%02X", rgb[0], rgb[1], rgb[2]);
    return text;
}

static json_t *kinds_json(const struct rt_dataset_survey *survey)
{
    json_t *list = json_array();
    for (int i = 0; i < survey->kind_count; i++)
        rt_json_append(&list, json_pack("{ss sI}", "kind", survey->kinds[i].kind, "images",
                                        (json_int_t)survey->kinds[i].images));
    return list;
}

static json_t *classes_json(const struct rt_palette *palette,
                            const struct rt_dataset_survey *survey)
{
    json_t *list = json_array();
    char colour[8];
    for (int c = 0; c < palette->count; c++)
        rt_json_append(&list, json_pack("{ss ss sI sb}", "name", palette->classes[c].name, "color",
                                        format_colour(colour, palette->classes[c].rgb), "pixels",
                                        (json_int_t)survey->class_pixels[c], "unlabeled",
                                        c == palette->unlabeled));
    return list;
}

static json_t *unknown_json(const struct rt_dataset_survey *survey)
{
    json_t *list = json_array();
    char colour[8];
    for (int i = 0; i < survey->unknown_count; i++)
        rt_json_append(&list, json_pack("{ss sI sI}", "color",
                                        format_colour(colour, survey->unknown[i].rgb), "pixels",
                                        (json_int_t)survey->unknown[i].pixels, "masks",
                                        (json_int_t)survey->unknown[i].images));
    return list;
}

static json_t *problems_json(const struct rt_dataset *dataset,
                             const struct rt_dataset_survey *survey)
{
    json_t *list = json_array();
    for (size_t i = 0; i < rt_dataset_problems(dataset); i++)
        rt_json_append(&list, json_string(rt_dataset_problem(dataset, i)));
    for (size_t i = 0; i < survey->problem_count; i++)
        rt_json_append(&list, json_string(survey->problems[i]));
    return list;
}

static json_t *survey_json(const char *source, const struct rt_dataset *dataset,
                           const struct rt_dataset_survey *survey)
{
    const struct rt_palette *palette = rt_dataset_palette(dataset);
    return json_pack("{ss sI s[ii] s[ii] so s{ss so} sI sI sI so so}", "data", source, "images",
                     (json_int_t)survey->images, "width", survey->min_width, survey->max_width,
                     "height", survey->min_height, survey->max_height, "masks", kinds_json(survey),
                     "palette", "name", palette->name, "classes", classes_json(palette, survey),
                     "pixels", (json_int_t)survey->pixels, "ignored_pixels",
                     (json_int_t)survey->ignored_pixels, "unknown_colors_count",
                     (json_int_t)survey->unknown_colours, "unknown_colors", unknown_json(survey),
                     "problems", problems_json(dataset, survey));
}

rt_status run_data(int argc, char **argv)
{
    static const struct command_example examples[] = {
        {"Look into a folder with images and masks folders anywhere below it",
         "retort data PHOTOS"},
        {"See what the drawn scenes are", "retort data synth:4"},
        {NULL, NULL},
    };
    rt_status status = RT_OK;
    struct rt_dataset *dataset = NULL;
    struct rt_dataset_survey survey = {0};
    struct rt_dataset_options source = {0};
    struct raster_choice views = {0};
    bool json = false;
    struct command_line line = {
        .usage = "SRC [--option VALUE ...]",
        .about = "Reads every image and mask of a data set, a folder or synth[:COUNT[,SEED]], and\n"
                 "tells what is there: sizes, kinds of masks, classes, and whatever does not fit.",
        .examples = examples,
        .see = "train",
        .least = 1,
        .most = 1,
    };
    const struct option options[] = {
        OPTION_HEADING("Options"),
        OPTION(OPTION_TEXT, "palette", &source.palette, .argument = "FILE",
               .help = "classes and colours, a JSON file, or a built-in palette: dubai; found if "
                       "not given"),
    };
    command_line_add(&line, options, RT_COUNT(options));
    add_raster_options(&line, &views);
    add_json_option(&line, &json);
    add_general_options(&line);
    RT_TRY(command_line_parse(&line, argc, argv));
    RT_TRY(rt_raster_view_parse(&source.view, views.bands, views.range));
    source.source = line.positionals.items[0];
    RT_TRY(rt_dataset_open(&dataset, &source));
    RT_TRY(rt_dataset_survey(dataset, &survey));
    if (json) {
        status = print_json(survey_json(source.source, dataset, &survey));
        goto end;
    }
    print_images(&survey);
    print_view(rt_dataset_view(dataset));
    print_classes(rt_dataset_palette(dataset), &survey);
    print_unknown(&survey);
    print_problems(dataset, &survey);
end:
    rt_dataset_survey_finish(&survey);
    rt_dataset_close(dataset);
    command_line_finish(&line);
    return status;
}
