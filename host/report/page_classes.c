/* The classes: their IoU by run, and what each was taken for. */
#include "report/page.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/memory.h"
#include "retort/data.h"

/* Nothing but a colour goes into a style: another text could make a browser fetch something. */
static bool is_color(const char *text)
{
    return strlen(text) == 7 && text[0] == '#' && strspn(text + 1, "0123456789ABCDEFabcdef") == 6;
}

void rt_page_class(const struct rt_report *report, size_t class)
{
    FILE *page = report->page;
    const json_t *first = rt_subject_class(report, &report->subjects[0], class);
    const char *color = rt_json_member_text(first, "color");
    if (is_color(color))
        fprintf(page, "<span class=\"swatch\" data-color=\"%s\" style=\"background:%s\"></span>",
                color, color);
    fputs("<span>", page);
    rt_html_text(page, rt_report_class(report, class));
    fputs("</span>", page);
}

/* --- IoU by class ---------------------------------------------------------------------------- */

static double class_number(const struct rt_report *report, const struct rt_subject *subject,
                           size_t class, const char *name)
{
    return rt_json_member_number(rt_subject_class(report, subject, class), name);
}

/* Of all pixels that have a class. */
static double share_of(const struct rt_report *report, size_t class)
{
    double sum = 0;
    for (size_t c = 0; c < rt_report_classes(report); c++) {
        double support = class_number(report, &report->subjects[0], c, "support");
        sum += isfinite(support) ? support : 0;
    }
    return class_number(report, &report->subjects[0], class, "support") / sum;
}

static rt_status put_classes_link(const struct rt_report *report)
{
    static const char *const columns[] = {"iou", "precision", "recall", "f1", "average_precision"};
    rt_status status = RT_OK;
    struct rt_html_csv csv = {0};
    RT_TRY(rt_html_csv_begin(&csv));
    fputs("class,run,pixels", csv.stream);
    for (size_t k = 0; k < RT_COUNT(columns); k++)
        fprintf(csv.stream, ",%s", columns[k]);
    for (size_t c = 0; c < rt_report_classes(report); c++)
        for (size_t i = 0; i < report->count; i++) {
            const struct rt_subject *subject = &report->subjects[i];
            fputc('\n', csv.stream);
            rt_csv_text(csv.stream, rt_report_class(report, c));
            fputc(',', csv.stream);
            rt_csv_text(csv.stream, subject->label);
            fprintf(csv.stream, ",%.15g", class_number(report, subject, c, "support"));
            for (size_t k = 0; k < RT_COUNT(columns); k++)
                fprintf(csv.stream, ",%.6g", class_number(report, subject, c, columns[k]));
        }
    fputc('\n', csv.stream);
    status = rt_html_csv_link(&csv, report->page, "classes", "IoU and more by class and run");
end:
    rt_html_csv_abandon(&csv);
    return status;
}

/* The run's name stands by the bar where the table has no columns, on a phone. */
static void put_bar(FILE *page, const struct rt_subject *subject, double share)
{
    fprintf(page, "<td class=\"bar run-%d\"><div data-run=\"", subject->style);
    rt_html_text(page, subject->label);
    if (isfinite(share))
        fprintf(page, "\"><span>%.3f</span><i style=\"width:%.1f%%\"></i></div></td>", share,
                100 * fmin(fmax(share, 0), 1));
    else
        fputs("\"><span>–</span></div></td>", page);
}

static void put_class_row(const struct rt_report *report, size_t class,
                          const struct rt_subject *distilled, const struct rt_subject *alone)
{
    FILE *page = report->page;
    double share = share_of(report, class);
    fputs("<tr><th scope=\"row\">", page);
    rt_page_class(report, class);
    fputs("</th><td class=\"share\">", page);
    if (isfinite(share))
        fprintf(page, share > 0 && share < 0.0005 ? "&lt;&#8239;0.1&nbsp;%%" : "%.1f&nbsp;%%",
                100 * share);
    fputs("</td>", page);
    for (size_t i = 0; i < report->count; i++)
        put_bar(page, &report->subjects[i],
                class_number(report, &report->subjects[i], class, "iou"));
    if (alone) {
        double gain = class_number(report, distilled, class, "iou") -
                      class_number(report, alone, class, "iou");
        if (isfinite(gain))
            fprintf(page, "<td class=\"gain\">%s%.3f</td>", gain < 0 ? "−" : "+", fabs(gain));
        else
            fputs("<td class=\"gain\">–</td>", page);
    }
    fputs("</tr>\n", page);
}

rt_status rt_page_classes(const struct rt_report *report)
{
    rt_status status = RT_OK;
    FILE *page = report->page;
    const struct rt_subject *distilled = rt_report_find(report, RT_ROLE_DISTILLED);
    const struct rt_subject *alone = distilled ? rt_report_twin(report, distilled) : NULL;
    rt_page_section(page, "classes", "IoU by class");
    fprintf(page,
            "<div class=\"wide\"><table class=\"bars\" style=\"--runs:%zu\">\n"
            "<caption>The pixels that both truth and prediction give to a class, divided by those "
            "that either does; beside the class its share of the truth. ",
            report->count);
    RT_TRY(put_classes_link(report));
    fputs("</caption>\n<thead><tr><th scope=\"col\">class</th><th scope=\"col\" "
          "class=\"share\">pixels</th>",
          page);
    for (size_t i = 0; i < report->count; i++) {
        fputs("<th scope=\"col\" class=\"bar\">", page);
        rt_html_text(page, report->subjects[i].label);
        fputs("</th>", page);
    }
    fputs(alone ? "<th scope=\"col\" class=\"gain\">distilled − alone</th></tr></thead>\n<tbody>\n"
                : "</tr></thead>\n<tbody>\n",
          page);
    for (size_t c = 0; c < rt_report_classes(report); c++)
        put_class_row(report, c, distilled, alone);
    fputs("</tbody></table></div>\n</section>\n", page);
end:
    return status;
}

/* --- confusion ------------------------------------------------------------------------------- */

static const json_t *confusion_row(const struct rt_subject *subject, size_t truth)
{
    return json_array_get(json_object_get(subject->metrics, "confusion"), truth);
}

static double pixels_of(const json_t *row, size_t predicted)
{
    const json_t *pixels = json_array_get(row, predicted);
    return json_is_number(pixels) ? json_number_value(pixels) : 0;
}

static double sum_of(const json_t *row, size_t classes)
{
    double sum = 0;
    for (size_t p = 0; p < classes; p++)
        sum += pixels_of(row, p);
    return sum;
}

static rt_status put_confusion_link(const struct rt_report *report,
                                    const struct rt_subject *subject)
{
    rt_status status = RT_OK;
    struct rt_html_csv csv = {0};
    char *name = NULL, *what = NULL;
    size_t classes = rt_report_classes(report);
    RT_TRY(rt_format(&name, "confusion-%s", subject->label));
    RT_TRY(rt_format(&what, "the confusion matrix of the %s", subject->label));
    RT_TRY(rt_html_csv_begin(&csv));
    fputs("truth,predicted,pixels,per_cent_of_truth\n", csv.stream);
    for (size_t t = 0; t < classes; t++) {
        const json_t *row = confusion_row(subject, t);
        double sum = sum_of(row, classes);
        for (size_t p = 0; p < classes; p++) {
            rt_csv_text(csv.stream, rt_report_class(report, t));
            fputc(',', csv.stream);
            rt_csv_text(csv.stream, rt_report_class(report, p));
            fprintf(csv.stream, ",%.15g,%.4f\n", pixels_of(row, p), 100 * pixels_of(row, p) / sum);
        }
    }
    status = rt_html_csv_link(&csv, report->page, name, what);
end:
    rt_html_csv_abandon(&csv);
    free(name);
    free(what);
    return status;
}

static void put_confusion_row(const struct rt_report *report, const struct rt_subject *subject,
                              size_t truth)
{
    FILE *page = report->page;
    size_t classes = rt_report_classes(report);
    const json_t *row = confusion_row(subject, truth);
    double sum = sum_of(row, classes);
    fputs("<tr><th scope=\"row\">", page);
    rt_page_class(report, truth);
    fputs("</th>", page);
    for (size_t p = 0; p < classes; p++) {
        double share = 100 * pixels_of(row, p) / sum;
        if (isfinite(share))
            fprintf(page, "<td%s style=\"--share:%.1f%%\">%.1f</td>",
                    p == truth     ? " class=\"right\""
                    : share < 0.05 ? " class=\"none\""
                                   : "",
                    share, share);
        else
            fputs("<td>–</td>", page);
    }
    fputs("</tr>\n", page);
}

static rt_status put_confusion(const struct rt_report *report, const struct rt_subject *subject)
{
    rt_status status = RT_OK;
    FILE *page = report->page;
    fprintf(page, "<div class=\"wide card run-%d\"><table class=\"confusion\">\n<caption><b>",
            subject->style);
    rt_html_text(page, subject->label);
    fputs("</b> ", page);
    RT_TRY(put_confusion_link(report, subject));
    fputs("</caption>\n<thead><tr><td>truth</td>", page);
    for (size_t c = 0; c < rt_report_classes(report); c++) {
        fputs("<th scope=\"col\"><span>", page);
        rt_html_text(page, rt_report_class(report, c));
        fputs("</span></th>", page);
    }
    fputs("</tr></thead>\n<tbody>\n", page);
    for (size_t t = 0; t < rt_report_classes(report); t++)
        put_confusion_row(report, subject, t);
    fputs("</tbody></table></div>\n", page);
end:
    return status;
}

rt_status rt_page_confusion(const struct rt_report *report)
{
    rt_status status = RT_OK;
    rt_page_section(report->page, "confusion", "Confusion");
    fprintf(report->page,
            "<p class=\"note\">Of each class in truth, a row, the per cent of its pixels that were "
            "predicted as each class, a column. The diagonal, what was seen right, is framed.</p>\n"
            "<div class=\"matrices\" style=\"--classes:%zu\">\n",
            rt_report_classes(report));
    for (size_t i = 0; i < report->count; i++)
        RT_TRY(put_confusion(report, &report->subjects[i]));
    fputs("</div>\n</section>\n", report->page);
end:
    return status;
}
