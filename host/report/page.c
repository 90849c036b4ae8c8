/* The report: one HTML page about some runs. */
#include "report/page.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/sources.h"
#include "report/chart.h"
#include "retort/report.h"

extern const struct rt_source rt_page_sources[]; /* page.html with its style and script alone */

void rt_page_section(FILE *page, const char *id, const char *heading)
{
    fprintf(page,
            "<section id=\"%s\" aria-labelledby=\"%s-heading\">\n"
            "<h2 id=\"%s-heading\">%s</h2>\n",
            id, id, id, heading);
}

void rt_page_legend(FILE *page, const struct rt_subject *subject, double value)
{
    char look[16];
    snprintf(look, sizeof look, "run-%d", subject->style);
    fputs("<li>", page);
    rt_chart_sample(page, look);
    rt_html_text(page, subject->label);
    if (isfinite(value))
        fprintf(page, " <b>%.3f</b>", value);
    fputs("</li>", page);
}

/* What is before the mark, which *rest is moved behind. */
static void put_up_to(FILE *page, const char **rest, const char *mark)
{
    const char *end = strstr(*rest, mark);
    fwrite(*rest, 1, (size_t)(end - *rest), page);
    *rest = end + strlen(mark);
}

static rt_status put_page(const struct rt_report *report)
{
    rt_status status = RT_OK;
    const char *rest = rt_page_sources[0].text;
    char *title;
    RT_TRY(rt_page_title(&title, report));
    put_up_to(report->page, &rest, "<!--title-->");
    rt_html_text(report->page, title);
    put_up_to(report->page, &rest, "<!--main-->");
    RT_TRY(rt_page_summary(report, title));
    RT_TRY(rt_page_classes(report));
    RT_TRY(rt_page_training(report));
    RT_TRY(rt_page_curves(report));
    RT_TRY(rt_page_confusion(report));
    RT_TRY(rt_page_patches(report));
    RT_TRY(rt_page_recipe(report));
    fputs(rest, report->page);
end:
    free(title);
    return status;
}

rt_status rt_report_html(const char *path, const char *const *runs, int count)
{
    rt_status status = RT_OK;
    struct rt_report report = {0};
    struct rt_file_writer writer = {0};
    if (count < 1)
        return rt_fail(RT_ERROR_ARGUMENT, "a report needs at least one run folder");
    RT_TRY(rt_report_read(&report, runs, count));
    RT_TRY(rt_file_begin(&writer, path));
    report.path = path;
    report.page = writer.stream;
    RT_TRY(put_page(&report));
    status = rt_file_commit(&writer);
end:
    rt_file_abandon(&writer);
    rt_report_finish(&report);
    return status;
}
