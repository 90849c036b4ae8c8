/* Image, truth and what each run saw of it. */
#include "report/page.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "base/memory.h"

#define PANELS_MAX 99
#define NAMED_MAX 3 /* classes that a text instead of a picture names */

/* --- which runs show the same patch ------------------------------------------------------------
 */

static bool is_same_patch(const json_t *a, const json_t *b)
{
    return json_equal(json_object_get(a, "image"), json_object_get(b, "image")) &&
           json_equal(json_object_get(a, "x"), json_object_get(b, "x")) &&
           json_equal(json_object_get(a, "y"), json_object_get(b, "y"));
}

static size_t count_panels(const struct rt_subject *subject)
{
    size_t count = json_array_size(subject->panels);
    return count < PANELS_MAX ? count : PANELS_MAX;
}

/* The number of the subject's panel of this patch, from 1; 0 where it has none. */
static size_t find_panel(const struct rt_subject *subject, const json_t *patch)
{
    for (size_t i = 0; i < count_panels(subject); i++)
        if (is_same_patch(json_array_get(subject->panels, i), patch))
            return i + 1;
    return 0;
}

static bool is_shown_before(const struct rt_report *report, size_t before, const json_t *patch)
{
    for (size_t i = 0; i < before; i++)
        if (find_panel(&report->subjects[i], patch))
            return true;
    return false;
}

/* --- a text for who does not see the picture ---------------------------------------------------
 */

/* "Truth: Land 61 %, Road 30 %, Building 8 %": the largest classes. */
static rt_status describe(char **text, const char *what, const json_t *counts)
{
    rt_status status = RT_OK;
    double sum = 0, below = INFINITY;
    const char *name;
    json_t *value;
    char *longer;
    json_object_foreach((json_t *)counts, name, value) sum += json_number_value(value);
    RT_TRY(rt_copy_text(text, what));
    for (int i = 0; i < NAMED_MAX && sum > 0; i++) {
        const char *largest = NULL;
        double most = 0;
        json_object_foreach((json_t *)counts, name, value)
        {
            double pixels = json_number_value(value);
            if (pixels > most && pixels < below) {
                most = pixels;
                largest = name;
            }
        }
        if (!largest)
            break;
        RT_TRY(
            rt_format(&longer, "%s%s %s %.0f %%", *text, i ? "," : ":", largest, 100 * most / sum));
        free(*text);
        *text = longer;
        below = most;
    }
end:
    if (status < 0) {
        free(*text);
        *text = NULL;
    }
    return status;
}

/* --- tiles -------------------------------------------------------------------------------------
 */

static rt_status put_picture(const struct rt_report *report, const struct rt_subject *subject,
                             size_t number, const char *kind, const char *alt)
{
    rt_status status = RT_OK;
    char *path = NULL, name[48];
    snprintf(name, sizeof name, "panel-%02zu-%s.png", number, kind);
    RT_TRY(rt_path_join(&path, subject->eval, name));
    status = rt_html_picture(report->page, path, alt);
end:
    free(path);
    return status;
}

static rt_status put_tile(const struct rt_report *report, const struct rt_subject *subject,
                          size_t number, const char *kind)
{
    rt_status status = RT_OK;
    FILE *page = report->page;
    const json_t *panel = json_array_get(subject->panels, number - 1);
    char *alt = NULL;
    bool is_truth = strcmp(kind, "truth") == 0;
    RT_TRY(describe(&alt, is_truth ? "Truth" : "The image",
                    is_truth ? json_object_get(panel, "truth") : NULL));
    fprintf(page, "<figure class=\"tile %s\"><div class=\"frame\">", kind);
    RT_TRY(put_picture(report, subject, number, kind, alt));
    fprintf(page, "</div><figcaption>%s</figcaption></figure>\n", kind);
end:
    free(alt);
    return status;
}

static rt_status put_prediction(const struct rt_report *report, const struct rt_subject *subject,
                                size_t number)
{
    rt_status status = RT_OK;
    FILE *page = report->page;
    const json_t *panel = json_array_get(subject->panels, number - 1);
    double right = rt_json_member_number(panel, "right") / rt_json_member_number(panel, "known");
    char *alt = NULL;
    RT_TRY(describe(&alt, subject->label, json_object_get(panel, "predicted")));
    fprintf(page, "<figure class=\"tile run-%d\"><div class=\"frame stage\">", subject->style);
    RT_TRY(put_picture(report, subject, number, "prediction", alt));
    fputs("</div><figcaption><span class=\"who\">", page);
    rt_html_text(page, subject->label);
    fputs("</span>", page);
    if (isfinite(right))
        fprintf(page, " <b>%.1f&nbsp;%%</b>", 100 * right);
    fputs("</figcaption></figure>\n", page);
end:
    free(alt);
    return status;
}

/* The patch as every run sees it that has a panel of it. */
static rt_status put_patch(const struct rt_report *report, const struct rt_subject *first,
                           size_t number)
{
    rt_status status = RT_OK;
    FILE *page = report->page;
    const json_t *patch = json_array_get(first->panels, number - 1);
    fputs("<article class=\"patch\"><h3>", page);
    rt_html_text(page, rt_json_member_text(patch, "image"));
    fprintf(
        page, " <span>at %.0f, %.0f</span></h3>\n<div class=\"tiles\" style=\"--columns:%zu\">\n",
        rt_json_member_number(patch, "x"), rt_json_member_number(patch, "y"), report->count + 2);
    RT_TRY(put_tile(report, first, number, "image"));
    RT_TRY(put_tile(report, first, number, "truth"));
    for (size_t i = 0; i < report->count; i++) {
        size_t own = find_panel(&report->subjects[i], patch);
        if (own)
            RT_TRY(put_prediction(report, &report->subjects[i], own));
    }
    fputs("</div>\n<div class=\"wipe live\"><span>prediction</span><input type=\"range\" min=\"0\" "
          "max=\"100\" value=\"0\" aria-label=\"Truth over the predictions of ",
          page);
    rt_html_text(page, rt_json_member_text(patch, "image"));
    fputs("\"><span>truth</span><output aria-hidden=\"true\"></output></div>\n</article>\n", page);
end:
    return status;
}

static void put_controls(FILE *page)
{
    fputs("<div class=\"controls live\">\n<fieldset><legend>On all predictions show</legend>"
          "<label><input type=\"radio\" name=\"view\" value=\"0\" checked> prediction</label>"
          "<label><input type=\"radio\" name=\"view\" value=\"100\"> truth</label></fieldset>\n"
          "<label><input type=\"checkbox\" id=\"mistakes\"> mark what is wrong</label>\n</div>\n",
          page);
}

/* The colours' names, for the eye and for the script. */
static void put_legend(const struct rt_report *report)
{
    fputs("<ul class=\"legend classes\">", report->page);
    for (size_t c = 0; c < rt_report_classes(report); c++) {
        fputs("<li>", report->page);
        rt_page_class(report, c);
        fputs("</li>", report->page);
    }
    fputs("</ul>\n", report->page);
}

rt_status rt_page_patches(const struct rt_report *report)
{
    rt_status status = RT_OK;
    FILE *page = report->page;
    size_t count = 0;
    for (size_t i = 0; i < report->count; i++)
        count += count_panels(&report->subjects[i]);
    rt_page_section(page, "patches", "Segmented patches");
    if (count == 0) {
        fputs(
            "<p class=\"note\">No run has a panels.json: retort eval writes it.</p>\n</section>\n",
            page);
        return RT_OK;
    }
    fputs("<p class=\"note\">Patches spread evenly over the held-out part, and the per cent of "
          "their pixels that were seen right. <span class=\"live\">Drag over a prediction, or move "
          "the slider below it, to lay the truth over it.</span></p>\n",
          page);
    fputs("<div class=\"tools\">\n", page);
    put_legend(report);
    put_controls(page);
    fputs("</div>\n", page);
    for (size_t i = 0; i < report->count; i++) {
        const struct rt_subject *subject = &report->subjects[i];
        for (size_t k = 0; k < count_panels(subject); k++)
            if (!is_shown_before(report, i, json_array_get(subject->panels, k)))
                RT_TRY(put_patch(report, subject, k + 1));
    }
    fputs("</section>\n", page);
end:
    return status;
}
