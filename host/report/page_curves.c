/* Charts: training, and precision against recall. */
#include "report/page.h"

#include <math.h>
#include <stdlib.h>

#include "base/json.h"
#include "base/memory.h"
#include "report/chart.h"

#define LOOK_BYTES 32

static const char *look_of(char look[LOOK_BYTES], const struct rt_subject *subject,
                           const char *more)
{
    snprintf(look, LOOK_BYTES, "run-%d%s", subject->style, more);
    return look;
}

/* Charts side by side, as many as leave no short last row. */
static void begin_charts(FILE *page, size_t count)
{
    fprintf(page, "<div class=\"charts\" style=\"--columns:%d\">\n",
            count % 4 == 0 || (count > 4 && count % 3 != 0) ? 4 : 3);
}

/* The caption up to where the link belongs. */
static void begin_figure(FILE *page, const char *title)
{
    fputs("<figure class=\"chart\"><figcaption><span>", page);
    rt_html_text(page, title);
    fputs("</span>", page);
}

/* --- training -------------------------------------------------------------------------------- */

#define COLUMNS (sizeof(struct rt_run_epoch) / sizeof(double))

static struct rt_chart_line line_of(const struct rt_subject *subject, const double *first)
{
    return (struct rt_chart_line){
        .x = &subject->epochs->epoch, .y = first, .count = subject->epoch_count, .stride = COLUMNS};
}

static size_t best_epoch(const struct rt_subject *subject)
{
    size_t best = 0;
    for (size_t i = 1; i < subject->epoch_count; i++)
        if (!(subject->epochs[i].val_mean_iou <= subject->epochs[best].val_mean_iou))
            best = i;
    return best;
}

static double last_epoch(const struct rt_subject *subject)
{
    double last = subject->epoch_count ? subject->epochs[subject->epoch_count - 1].epoch : 0;
    return last > 2 && last < 1e7 ? last : 2;
}

static rt_status put_log_link(const struct rt_report *report, const struct rt_subject *subject)
{
    rt_status status = RT_OK;
    struct rt_html_csv csv = {0};
    char *name = NULL, *what = NULL;
    RT_TRY(rt_format(&name, "training-%s", subject->label));
    RT_TRY(rt_format(&what, "the training of the %s", subject->label));
    RT_TRY(rt_html_csv_begin(&csv));
    fputs("epoch,train_loss,val_loss,val_accuracy,val_mean_iou\n", csv.stream);
    for (size_t i = 0; i < subject->epoch_count; i++) {
        const struct rt_run_epoch *e = &subject->epochs[i];
        fprintf(csv.stream, "%.9g,%.9g,%.9g,%.9g,%.9g\n", e->epoch, e->train_loss, e->val_loss,
                e->val_accuracy, e->val_mean_iou);
    }
    status = rt_html_csv_link(&csv, report->page, name, what);
end:
    rt_html_csv_abandon(&csv);
    free(name);
    free(what);
    return status;
}

/* run, epoch, mean IoU of all */
static rt_status put_scores_link(const struct rt_report *report)
{
    rt_status status = RT_OK;
    struct rt_html_csv csv = {0};
    RT_TRY(rt_html_csv_begin(&csv));
    fputs("run,epoch,val_mean_iou\n", csv.stream);
    for (size_t i = 0; i < report->count; i++) {
        const struct rt_subject *subject = &report->subjects[i];
        for (size_t k = 0; k < subject->epoch_count; k++) {
            rt_csv_text(csv.stream, subject->label);
            fprintf(csv.stream, ",%.9g,%.9g\n", subject->epochs[k].epoch,
                    subject->epochs[k].val_mean_iou);
        }
    }
    status = rt_html_csv_link(&csv, report->page, "mean-iou", "mean IoU by epoch");
end:
    rt_html_csv_abandon(&csv);
    return status;
}

/* Mean IoU of all runs, with a dot where each was best: these weights were judged. */
static rt_status put_scores(const struct rt_report *report)
{
    rt_status status = RT_OK;
    FILE *page = report->page;
    char look[LOOK_BYTES], text[96];
    struct rt_chart chart = {page, "epoch", "mean IoU", 1, 2, 0, 0};
    for (size_t i = 0; i < report->count; i++) {
        const struct rt_subject *subject = &report->subjects[i];
        chart.x_most = fmax(chart.x_most, last_epoch(subject));
        for (size_t k = 0; k < subject->epoch_count; k++)
            chart.y_most = fmax(chart.y_most, subject->epochs[k].val_mean_iou);
    }
    chart.y_most = rt_chart_end_of_axis(chart.y_most);
    begin_figure(page, "Mean IoU");
    RT_TRY(put_scores_link(report));
    fputs("</figcaption>\n", page);
    rt_chart_begin(&chart, "Mean IoU by epoch, a line a run; the list below names the best.");
    for (size_t i = 0; i < report->count; i++) {
        const struct rt_subject *subject = &report->subjects[i];
        if (subject->epoch_count == 0)
            continue;
        const struct rt_run_epoch *best = &subject->epochs[best_epoch(subject)];
        struct rt_chart_line line = line_of(subject, &subject->epochs->val_mean_iou);
        rt_chart_line(&chart, &line, look_of(look, subject, ""));
        snprintf(text, sizeof text, "%.40s: %.3f at epoch %.0f", subject->label, best->val_mean_iou,
                 best->epoch);
        rt_chart_dot(&chart, best->epoch, best->val_mean_iou, look, text);
    }
    rt_chart_end(&chart);
    fputs("<ul class=\"legend\">", page);
    for (size_t i = 0; i < report->count; i++) {
        const struct rt_subject *subject = &report->subjects[i];
        if (subject->epoch_count)
            rt_page_legend(page, subject, subject->epochs[best_epoch(subject)].val_mean_iou);
    }
    fputs("</ul></figure>\n", page);
end:
    return status;
}

static rt_status put_losses(const struct rt_report *report, const struct rt_subject *subject)
{
    rt_status status = RT_OK;
    FILE *page = report->page;
    const struct rt_run_epoch *first = subject->epochs, *last = first + subject->epoch_count - 1;
    char look[LOOK_BYTES], faint[LOOK_BYTES], *title = NULL, *alt = NULL;
    struct rt_chart chart = {page, "epoch", "loss", 1, last_epoch(subject), 0, 0};
    for (size_t i = 0; i < subject->epoch_count; i++)
        chart.y_most = fmax(chart.y_most, fmax(first[i].train_loss, first[i].val_loss));
    chart.y_most = rt_chart_end_of_axis(chart.y_most);
    RT_TRY(rt_format(&title, "Loss: %s", subject->label));
    RT_TRY(rt_format(&alt,
                     "Loss by epoch. Training: from %.3g to %.3g; validation: from %.3g to %.3g.",
                     first->train_loss, last->train_loss, first->val_loss, last->val_loss));
    begin_figure(page, title);
    RT_TRY(put_log_link(report, subject));
    fputs("</figcaption>\n", page);
    rt_chart_begin(&chart, alt);
    struct rt_chart_line training = line_of(subject, &first->train_loss);
    struct rt_chart_line validation = line_of(subject, &first->val_loss);
    rt_chart_line(&chart, &training, look_of(faint, subject, " training"));
    rt_chart_line(&chart, &validation, look_of(look, subject, " validation"));
    rt_chart_end(&chart);
    fputs("<ul class=\"legend\"><li>", page);
    rt_chart_sample(page, faint);
    fprintf(page, "training <b>%.3f</b></li><li>", last->train_loss);
    rt_chart_sample(page, look);
    fprintf(page, "validation <b>%.3f</b></li></ul></figure>\n", last->val_loss);
end:
    free(title);
    free(alt);
    return status;
}

rt_status rt_page_training(const struct rt_report *report)
{
    rt_status status = RT_OK;
    FILE *page = report->page;
    size_t count = 0;
    for (size_t i = 0; i < report->count; i++)
        count += report->subjects[i].epoch_count > 0;
    rt_page_section(page, "training", "Training");
    if (count == 0) {
        fputs("<p class=\"note\">No run has a log.</p>\n</section>\n", page);
        return RT_OK;
    }
    begin_charts(page, count + 1);
    RT_TRY(put_scores(report));
    for (size_t i = 0; i < report->count; i++)
        if (report->subjects[i].epoch_count)
            RT_TRY(put_losses(report, &report->subjects[i]));
    fputs("</div>\n<p class=\"note\">The weights of the epoch with the best mean IoU, the dot, are "
          "those that are kept and judged; it is that of the held-out part. ",
          page);
    if (rt_report_find(report, RT_ROLE_DISTILLED))
        fputs("A distilled student’s training loss is that of the masks and of its teacher’s "
              "answers together; its validation loss is that of the masks.",
              page);
    fputs("</p>\n</section>\n", page);
end:
    return status;
}

/* --- precision and recall -------------------------------------------------------------------- */

/* The columns of a class in a run's table; false where it has none. */
static bool find_columns(const struct rt_subject *subject, const char *class, size_t *recall,
                         size_t *precision)
{
    const struct rt_table *table = &subject->curves;
    char name[96];
    snprintf(name, sizeof name, "%s recall", class);
    *recall = rt_table_column(table, name);
    snprintf(name, sizeof name, "%s precision", class);
    *precision = rt_table_column(table, name);
    return table->rows > 0 && *recall < table->columns && *precision < table->columns;
}

static bool any_curve(const struct rt_report *report, const char *class)
{
    size_t recall, precision;
    for (size_t i = 0; i < report->count; i++)
        if (find_columns(&report->subjects[i], class, &recall, &precision))
            return true;
    return false;
}

/* threshold, then recall and precision of every run that has them */
static void write_curve(FILE *stream, const struct rt_report *report, const char *class)
{
    size_t recall, precision, rows = 0;
    fputs("threshold", stream);
    for (size_t i = 0; i < report->count; i++) {
        char name[128];
        if (!find_columns(&report->subjects[i], class, &recall, &precision))
            continue;
        for (int column = 0; column < 2; column++) {
            snprintf(name, sizeof name, "%.100s %s", report->subjects[i].label,
                     column ? "precision" : "recall");
            fputc(',', stream);
            rt_csv_text(stream, name);
        }
        if (report->subjects[i].curves.rows > rows)
            rows = report->subjects[i].curves.rows;
    }
    for (size_t k = 0; k < rows; k++) {
        fprintf(stream, "\n%.9g", rows > 1 ? (double)k / (double)(rows - 1) : 0.0);
        for (size_t i = 0; i < report->count; i++) {
            const struct rt_table *table = &report->subjects[i].curves;
            const double *row = table->values + k * table->columns;
            if (!find_columns(&report->subjects[i], class, &recall, &precision))
                continue;
            if (k < table->rows)
                fprintf(stream, ",%.6g,%.6g", row[recall], row[precision]);
            else
                fputs(",,", stream);
        }
    }
    fputc('\n', stream);
}

static rt_status put_curve_link(const struct rt_report *report, const char *class)
{
    rt_status status = RT_OK;
    struct rt_html_csv csv = {0};
    char *name = NULL, *what = NULL;
    RT_TRY(rt_format(&name, "precision-recall-%s", class));
    RT_TRY(rt_format(&what, "precision and recall of %s", class));
    RT_TRY(rt_html_csv_begin(&csv));
    write_curve(csv.stream, report, class);
    status = rt_html_csv_link(&csv, report->page, name, what);
end:
    rt_html_csv_abandon(&csv);
    free(name);
    free(what);
    return status;
}

static rt_status put_curve(const struct rt_report *report, size_t class)
{
    rt_status status = RT_OK;
    FILE *page = report->page;
    const char *name = rt_report_class(report, class);
    const struct rt_chart chart = {page, "recall", "precision", 0, 1, 0, 1};
    char look[LOOK_BYTES];
    size_t recall, precision;
    begin_figure(page, name);
    RT_TRY(put_curve_link(report, name));
    fputs("</figcaption>\n", page);
    rt_chart_begin(&chart, "Precision against recall, a line a run; the list below has the average "
                           "precision of each.");
    for (size_t i = 0; i < report->count; i++) {
        const struct rt_subject *subject = &report->subjects[i];
        if (!find_columns(subject, name, &recall, &precision))
            continue;
        struct rt_chart_line line = {.x = subject->curves.values + recall,
                                     .y = subject->curves.values + precision,
                                     .count = subject->curves.rows,
                                     .stride = subject->curves.columns};
        rt_chart_line(&chart, &line, look_of(look, subject, ""));
    }
    rt_chart_end(&chart);
    fputs("<ul class=\"legend\">", page);
    for (size_t i = 0; i < report->count; i++)
        if (find_columns(&report->subjects[i], name, &recall, &precision))
            rt_page_legend(
                page, &report->subjects[i],
                rt_json_member_number(rt_subject_class(report, &report->subjects[i], class),
                                      "average_precision"));
    fputs("</ul></figure>\n", page);
end:
    return status;
}

rt_status rt_page_curves(const struct rt_report *report)
{
    rt_status status = RT_OK;
    FILE *page = report->page;
    size_t count = 0;
    for (size_t c = 0; c < rt_report_classes(report); c++)
        count += any_curve(report, rt_report_class(report, c));
    rt_page_section(page, "curves", "Precision and recall");
    if (count == 0) {
        fputs("<p class=\"note\">No run has a precision_recall.csv.</p>\n</section>\n", page);
        return RT_OK;
    }
    fputs("<p class=\"note\">Of each class at every threshold of its probability; the numbers are "
          "average precisions. Further to the top right is better.</p>\n",
          page);
    begin_charts(page, count);
    for (size_t c = 0; c < rt_report_classes(report); c++)
        if (any_curve(report, rt_report_class(report, c)))
            RT_TRY(put_curve(report, c));
    fputs("</div>\n</section>\n", page);
end:
    return status;
}
