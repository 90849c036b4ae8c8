/* What was found, in a sentence, in cards and in a table. */
#include "report/page.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "base/memory.h"
#include "report/chart.h"

rt_status rt_page_title(char **title, const struct rt_report *report)
{
    const struct rt_subject *distilled = rt_report_find(report, RT_ROLE_DISTILLED);
    const struct rt_subject *teacher = rt_report_find(report, RT_ROLE_TEACHER);
    int length, teacher_length;
    const char *network = rt_subject_network(distilled ? distilled : &report->subjects[0], &length);
    if (!distilled || !teacher)
        return rt_format(title, "%.*s", length, network);
    const char *teacher_network = rt_subject_network(teacher, &teacher_length);
    return rt_format(title, "%.*s distilled from %.*s", length, network, teacher_length,
                     teacher_network);
}

/* Where the figures are from. */
static void put_origin(const struct rt_report *report)
{
    FILE *page = report->page;
    const struct rt_subject *first = &report->subjects[0];
    fputs("<p class=\"origin\">", page);
    rt_html_text(page, rt_path_name(rt_json_member_text(first->config, "data")));
    fprintf(page, " · %zu classes · ", rt_report_classes(report));
    rt_html_count(page, rt_subject_number(first, "patches"));
    fputs(rt_json_member_number(first->config, "validation") > 0 ? " held-out patches of "
                                                                 : " patches of ",
          page);
    rt_html_count(page, rt_subject_number(first, "patch"));
    fputs(" pixels", page);
    if (*rt_json_member_text(first->config, "device")) {
        fputs(" · ", page);
        rt_html_text(page, rt_json_member_text(first->config, "device"));
    }
    fputs("</p>\n", page);
}

/* --- the sentence ---------------------------------------------------------------------------- */

/* ", with 4.0 times fewer parameters and 2.6 times the speed", after what leads to it. */
static void put_ratios(FILE *page, const struct rt_subject *teacher,
                       const struct rt_subject *student, const char *lead)
{
    double smaller =
        rt_subject_number(teacher, "parameters") / rt_subject_number(student, "parameters");
    double faster = rt_subject_number(teacher, "milliseconds_per_image") /
                    rt_subject_number(student, "milliseconds_per_image");
    bool is_smaller = smaller > 1.05 && smaller<1e6, is_faster = faster> 1.05 && faster < 1e6;
    if (is_smaller)
        fprintf(page, "%s <b>%.1f times</b> fewer parameters", lead, smaller);
    if (is_faster)
        fprintf(page, "%s <b>%.1f times</b> the speed", is_smaller ? " and" : lead, faster);
}

/* A difference that a second seed may turn round is called none. */
#define SMALLEST_GAIN 0.005

static void put_gain(FILE *page, double alone, double distilled)
{
    double gain = distilled - alone;
    if (fabs(gain) < SMALLEST_GAIN)
        fprintf(page,
                "Distillation makes no difference here: a mean IoU of <b>%.3f</b> against "
                "%.3f trained alone",
                distilled, alone);
    else if (gain > 0)
        fprintf(page, "Distillation lifts the student’s mean IoU from %.3f to <b>%.3f</b>", alone,
                distilled);
    else
        fprintf(page,
                "Distillation does not help here: the student’s mean IoU is <b>%.3f</b>, "
                "and %.3f when it is trained alone",
                distilled, alone);
}

static void put_verdict(const struct rt_report *report, const struct rt_subject *distilled)
{
    FILE *page = report->page;
    const struct rt_subject *alone = rt_report_twin(report, distilled);
    const struct rt_subject *teacher = rt_report_find(report, RT_ROLE_TEACHER);
    double of_distilled = rt_subject_number(distilled, "mean_iou");
    double of_alone = alone ? rt_subject_number(alone, "mean_iou") : NAN;
    double of_teacher = teacher ? rt_subject_number(teacher, "mean_iou") : NAN;
    fputs("<p class=\"lead\">", page);
    if (isfinite(of_alone))
        put_gain(page, of_alone, of_distilled);
    else
        fprintf(page, "The distilled student reaches a mean IoU of <b>%.3f</b>", of_distilled);
    if (isfinite(of_teacher)) {
        bool lifted = of_distilled >= of_teacher || of_distilled - of_alone >= SMALLEST_GAIN;
        double way = (of_distilled - of_alone) / (of_teacher - of_alone);
        if (of_distilled >= of_teacher)
            fprintf(page, ", no less than its teacher’s %.3f", of_teacher);
        else if (of_distilled - of_alone >= SMALLEST_GAIN)
            fprintf(page, ", %.0f&nbsp;%% of the way to its teacher’s %.3f", 100 * way, of_teacher);
        else
            fprintf(page, "; its teacher’s is %.3f", of_teacher);
        put_ratios(page, teacher, distilled, lifted ? ", with" : "; the student has");
    }
    fputs(".</p>\n", page);
}

static void put_verdicts(const struct rt_report *report)
{
    bool any = false;
    for (size_t i = 0; i < report->count; i++) {
        if (report->subjects[i].role != RT_ROLE_DISTILLED ||
            !isfinite(rt_subject_number(&report->subjects[i], "mean_iou")))
            continue;
        put_verdict(report, &report->subjects[i]);
        any = true;
    }
    double iou = rt_subject_number(&report->subjects[0], "mean_iou");
    if (!any && isfinite(iou))
        fprintf(report->page,
                "<p class=\"lead\">It reaches a mean IoU of <b>%.3f</b> and sees "
                "<b>%.1f&nbsp;%%</b> of the pixels right.</p>\n",
                iou, 100 * rt_subject_number(&report->subjects[0], "accuracy"));
}

/* What the distilled student was shown that its twin was not. */
static void put_unlabelled(const struct rt_report *report)
{
    const struct rt_subject *distilled = rt_report_find(report, RT_ROLE_DISTILLED);
    double masks = distilled ? rt_json_member_number(distilled->config, "masks") : 1;
    const char *transfer = distilled ? rt_json_member_text(distilled->config, "transfer") : "";
    if (masks < 1)
        fprintf(report->page,
                "<p>The students learnt from %.3g&nbsp;%% of the training masks; the distilled one "
                "was also shown the other training images without their masks, explained by its "
                "teacher.</p>\n",
                100 * masks);
    if (*transfer) {
        fputs("<p>The distilled student was also shown the unlabelled images of ", report->page);
        rt_html_text(report->page, rt_path_name(transfer));
        fputs(", explained by its teacher.</p>\n", report->page);
    }
    if (!rt_report_is_fair(report))
        fputs("<p class=\"warning\"><strong>Not the same test.</strong> These runs were judged on "
              "different pixels: their figures are not to be compared.</p>\n",
              report->page);
}

/* --- cards ----------------------------------------------------------------------------------- */

static void put_bytes(FILE *page, double bytes)
{
    if (!(bytes >= 0 && bytes < 1e18))
        fputs("–", page);
    else if (bytes < 99.95e3)
        fprintf(page, "%.1f&nbsp;kB", bytes / 1e3);
    else
        fprintf(page, "%.*f&nbsp;MB", bytes < 9.995e6 ? 2 : bytes < 99.95e6 ? 1 : 0, bytes / 1e6);
}

static void put_milliseconds(FILE *page, double value)
{
    if (isfinite(value))
        fprintf(page, "%.*f&nbsp;ms", value < 9.995 ? 2 : 1, value);
    else
        fputs("–", page);
}

/* A line may end after each of its options. */
static void put_network(FILE *page, const char *network, int length)
{
    for (int i = 0; i < length; i++) {
        rt_html_text(page, (char[]){network[i], 0});
        if (network[i] == ',')
            fputs("<wbr>", page);
    }
}

static void put_card(const struct rt_report *report, const struct rt_subject *subject)
{
    FILE *page = report->page;
    int length;
    const char *network = rt_subject_network(subject, &length);
    double iou = rt_subject_number(subject, "mean_iou");
    fprintf(page, "<div class=\"card run-%d\"><p class=\"role\">", subject->style);
    rt_html_text(page, subject->label);
    fputs("</p><p class=\"network\">", page);
    put_network(page, network, length);
    fputs("</p><p class=\"score\">", page);
    if (isfinite(iou))
        fprintf(page,
                "<b>%.3f</b> mean IoU</p><div class=\"meter\" aria-hidden=\"true\"><div "
                "style=\"width:%.1f%%\"></div></div><dl>",
                iou, 100 * fmin(fmax(iou, 0), 1));
    else
        fputs("–</p><dl>", page);
    fputs("<div><dt>size</dt><dd>", page);
    put_bytes(page, rt_subject_number(subject, "bytes"));
    fputs("</dd></div><div><dt>time per image</dt><dd>", page);
    put_milliseconds(page, rt_subject_number(subject, "milliseconds_per_image"));
    fputs("</dd></div><div><dt>memory</dt><dd>", page);
    put_bytes(page, rt_subject_number(subject, "peak_device_bytes"));
    fputs("</dd></div></dl></div>\n", page);
}

/* --- the table ------------------------------------------------------------------------------- */

enum unit { UNIT_COUNT, UNIT_BYTES, UNIT_SHARE, UNIT_SCORE, UNIT_MILLISECONDS, UNIT_SECONDS };

static double of_metrics(const struct rt_subject *subject, const char *key)
{
    return rt_subject_number(subject, key);
}

static double images_per_second(const struct rt_subject *subject, const char *key)
{
    (void)key;
    return 1000 / rt_subject_number(subject, "milliseconds_per_image");
}

static double epochs(const struct rt_subject *subject, const char *key)
{
    (void)key;
    return subject->epoch_count ? (double)subject->epoch_count : NAN;
}

static double training_seconds(const struct rt_subject *subject, const char *key)
{
    (void)key;
    double sum = 0;
    for (size_t i = 0; i < subject->epoch_count; i++)
        sum += subject->epochs[i].seconds;
    return subject->epoch_count ? sum : NAN;
}

static double training_bytes(const struct rt_subject *subject, const char *key)
{
    (void)key;
    double most = NAN;
    for (size_t i = 0; i < subject->epoch_count; i++)
        most = fmax(most, subject->epochs[i].peak_device_bytes);
    return most;
}

/* The rows: better is 1 where more is better, -1 where less is, 0 where neither is. What is the
 * network's own is the same for all runs of one network; where it is measured, it differs by
 * chance. */
static const struct measure {
    const char *name, *key;
    double (*value)(const struct rt_subject *subject, const char *key);
    enum unit unit;
    int better;
    bool of_network;
} measures[] = {
    {"mean IoU", "mean_iou", of_metrics, UNIT_SCORE, 1, false},
    {"mean IoU, labelled classes", "mean_iou_labelled", of_metrics, UNIT_SCORE, 1, false},
    {"accuracy", "accuracy", of_metrics, UNIT_SHARE, 1, false},
    {"parameters", "parameters", of_metrics, UNIT_COUNT, -1, true},
    {"size of the weights", "bytes", of_metrics, UNIT_BYTES, -1, true},
    {"time per image", "milliseconds_per_image", of_metrics, UNIT_MILLISECONDS, -1, true},
    {"images per second", "images_per_second", images_per_second, UNIT_COUNT, 1, true},
    {"memory to predict", "peak_device_bytes", of_metrics, UNIT_BYTES, -1, true},
    {"epochs trained", "epochs", epochs, UNIT_COUNT, 0, false},
    {"time to train", "training_seconds", training_seconds, UNIT_SECONDS, 0, false},
    {"memory to train", "training_peak_device_bytes", training_bytes, UNIT_BYTES, 0, false},
};

static void put_value(FILE *page, double value, enum unit unit)
{
    if (!isfinite(value))
        fputs("–", page);
    else if (unit == UNIT_COUNT && value < 10 && value != floor(value))
        fprintf(page, "%.1f", value);
    else if (unit == UNIT_COUNT)
        rt_html_count(page, value);
    else if (unit == UNIT_BYTES)
        put_bytes(page, value);
    else if (unit == UNIT_SHARE)
        fprintf(page, "%.1f&nbsp;%%", 100 * value);
    else if (unit == UNIT_SCORE)
        fprintf(page, "%.3f", value);
    else if (unit == UNIT_MILLISECONDS)
        put_milliseconds(page, value);
    else
        rt_html_duration(page, value);
}

/* Whether a value is better than another: 1, or -1 where it is worse. */
static int compare(const struct measure *measure, double value, double other)
{
    const double gain = measure->better * (value - other);
    return (gain > 0) - (gain < 0);
}

/* Whether no other run does better, and one does worse; of what is the network's own, whether none
 * of another network does, so that chance chooses none among the runs of one. */
static bool is_best(const struct rt_report *report, const struct measure *measure,
                    const struct rt_subject *subject)
{
    double best = measure->value(subject, measure->key);
    bool any_worse = false;
    if (!isfinite(best))
        return false;
    for (size_t i = 0; measure->of_network && i < report->count; i++) {
        const double twin = measure->value(&report->subjects[i], measure->key);
        if (rt_subject_has_network_of(&report->subjects[i], subject) &&
            compare(measure, twin, best) > 0)
            best = twin;
    }
    for (size_t i = 0; i < report->count; i++) {
        if (measure->of_network && rt_subject_has_network_of(&report->subjects[i], subject))
            continue;
        const int other =
            compare(measure, measure->value(&report->subjects[i], measure->key), best);
        if (other > 0)
            return false;
        any_worse = any_worse || other < 0;
    }
    return any_worse;
}

static void put_measure(const struct rt_report *report, const struct measure *measure)
{
    FILE *page = report->page;
    fprintf(page, "<tr><th scope=\"row\">%s</th>", measure->name);
    for (size_t i = 0; i < report->count; i++) {
        double value = measure->value(&report->subjects[i], measure->key);
        fputs(is_best(report, measure, &report->subjects[i]) ? "<td class=\"best\">" : "<td>",
              page);
        put_value(page, value, measure->unit);
        fputs("</td>", page);
    }
    fputs("</tr>\n", page);
}

static rt_status put_comparison_link(const struct rt_report *report)
{
    rt_status status = RT_OK;
    struct rt_html_csv csv = {0};
    RT_TRY(rt_html_csv_begin(&csv));
    fputs("measure", csv.stream);
    for (size_t i = 0; i < report->count; i++) {
        fputc(',', csv.stream);
        rt_csv_text(csv.stream, report->subjects[i].label);
    }
    for (size_t m = 0; m < RT_COUNT(measures); m++) {
        fprintf(csv.stream, "\n%s", measures[m].key);
        for (size_t i = 0; i < report->count; i++)
            fprintf(csv.stream, ",%.9g", measures[m].value(&report->subjects[i], measures[m].key));
    }
    fputc('\n', csv.stream);
    status = rt_html_csv_link(&csv, report->page, "comparison", "the comparison");
end:
    rt_html_csv_abandon(&csv);
    return status;
}

static bool has_twins(const struct rt_report *report)
{
    for (size_t i = 0; i < report->count; i++)
        for (size_t k = 0; k < i; k++)
            if (rt_subject_has_network_of(&report->subjects[i], &report->subjects[k]))
                return true;
    return false;
}

static rt_status put_comparison(const struct rt_report *report)
{
    FILE *page = report->page;
    int length;
    fprintf(page,
            "<div class=\"wide\"><table class=\"comparison\" style=\"--runs:%zu\">\n"
            "<caption>Judged on the held-out part of the data%s.%s ",
            report->count, report->count > 1 ? "; the best of a row is bold" : "",
            has_twins(report)
                ? " Runs of one network are as fast as each other: their times differ "
                  "by the measurement alone."
                : "");
    rt_status status = put_comparison_link(report);
    if (status < 0)
        return status;
    fputs("</caption>\n<thead><tr><td></td>", page);
    for (size_t i = 0; i < report->count; i++) {
        fputs("<th scope=\"col\">", page);
        rt_html_text(page, report->subjects[i].label);
        fputs("</th>", page);
    }
    fputs("</tr></thead>\n<tbody><tr><th scope=\"row\">network</th>", page);
    for (size_t i = 0; i < report->count; i++) {
        fputs("<td class=\"text\">", page);
        const char *network = rt_subject_network(&report->subjects[i], &length);
        put_network(page, network, (int)strlen(network));
        fputs("</td>", page);
    }
    fputs("</tr>\n", page);
    for (size_t m = 0; m < RT_COUNT(measures); m++)
        put_measure(report, &measures[m]);
    fputs("</tbody></table></div>\n", page);
    return RT_OK;
}

rt_status rt_page_summary(const struct rt_report *report, const char *title)
{
    rt_status status = RT_OK;
    FILE *page = report->page;
    fputs("<section id=\"summary\" aria-labelledby=\"title\">\n<h1 id=\"title\">", page);
    rt_html_text(page, title);
    fputs("</h1>\n", page);
    put_origin(report);
    put_verdicts(report);
    put_unlabelled(report);
    fprintf(page, "<div class=\"cards\" style=\"--runs:%zu\">\n", report->count);
    for (size_t i = 0; i < report->count; i++)
        put_card(report, &report->subjects[i]);
    fputs("</div>\n", page);
    status = put_comparison(report);
    fputs("</section>\n", page);
    return status;
}
