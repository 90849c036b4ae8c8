/* The report: one HTML page about some runs. */
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "report/html.h"
#include "retort/report.h"

#define JSON_BYTES_MAX (1 << 24)
#define PANELS_MAX 99

enum role { ROLE_TRAINED, ROLE_TEACHER, ROLE_ALONE, ROLE_DISTILLED };

static const char *const role_names[] = {"trained", "teacher", "student alone",
                                         "student distilled"};

/* A run on the page. */
struct subject {
    char *folder, *eval;
    json_t *config, *metrics;
    bool is_control; /* of the run that follows */
    enum role role;
};

struct report {
    struct subject *subjects;
    size_t count;
    FILE *page;
};

/* --- reading -------------------------------------------------------------------------------- */

static rt_status read_json(json_t **value, const char *folder, const char *name)
{
    rt_status status = RT_OK;
    char *path = NULL, *text = NULL;
    size_t size;
    json_error_t error;
    RT_TRY(rt_path_join(&path, folder, name));
    RT_TRY(rt_file_read(path, JSON_BYTES_MAX, &text, &size));
    *value = json_loadb(text, size, 0, &error);
    if (!json_is_object(*value))
        status = rt_fail(RT_ERROR_FORMAT, "%s is damaged: %s", path,
                         *value ? "it holds no object" : error.text);
end:
    free(path);
    free(text);
    return status;
}

static const char *text_of(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));
    return text ? text : "";
}

/* NAN where there is no such number. */
static double number_of(const json_t *object, const char *name)
{
    const json_t *value = json_object_get(object, name);
    return json_is_number(value) ? json_number_value(value) : NAN;
}

static bool is_distilled(const json_t *config)
{
    return json_array_size(json_object_get(config, "teachers")) > 0;
}

static rt_status read_subject(struct subject *subject, const char *folder)
{
    rt_status status = RT_OK;
    RT_TRY(rt_copy_text(&subject->folder, folder));
    RT_TRY(rt_path_join(&subject->eval, folder, "eval"));
    RT_TRY(read_json(&subject->config, folder, "config.json"));
    if (!rt_path_is_folder(subject->eval))
        RT_TRY(rt_fail(RT_ERROR_ARGUMENT,
                       "%s is not evaluated: retort eval --model %s/best.safetensors --out %s",
                       folder, folder, subject->eval));
    status = read_json(&subject->metrics, subject->eval, "metrics.json");
end:
    return status;
}

static bool has_network_of_distilled(const struct report *report, const struct subject *subject)
{
    for (size_t i = 0; i < report->count; i++)
        if (is_distilled(report->subjects[i].config) &&
            strcmp(text_of(report->subjects[i].metrics, "network"),
                   text_of(subject->metrics, "network")) == 0)
            return true;
    return false;
}

/* Beside distilled runs, a run without teachers is the student alone if it is the control of one,
 * or, where there are no controls, has the same network; else it is the teacher. */
static void assign_roles(struct report *report)
{
    bool any_distilled = false, any_control = false;
    for (size_t i = 0; i < report->count; i++) {
        any_distilled = any_distilled || is_distilled(report->subjects[i].config);
        any_control = any_control || report->subjects[i].is_control;
    }
    for (size_t i = 0; i < report->count; i++) {
        struct subject *subject = &report->subjects[i];
        subject->role = any_distilled ? ROLE_TEACHER : ROLE_TRAINED;
        if (subject->is_control || (!any_control && has_network_of_distilled(report, subject)))
            subject->role = ROLE_ALONE;
        if (is_distilled(subject->config))
            subject->role = ROLE_DISTILLED;
    }
}

/* Every run, with its control before it where it has one. */
static rt_status read_report(struct report *report, const char *const *runs, int count)
{
    rt_status status = RT_OK;
    char *control = NULL;
    RT_TRY(rt_alloc(&report->subjects, 2 * (size_t)count, sizeof *report->subjects));
    for (int i = 0; i < count; i++) {
        free(control);
        RT_TRY(rt_path_join(&control, runs[i], "control"));
        if (rt_path_is_folder(control)) {
            report->subjects[report->count].is_control = true;
            RT_TRY(read_subject(&report->subjects[report->count++], control));
        }
        RT_TRY(read_subject(&report->subjects[report->count++], runs[i]));
    }
    assign_roles(report);
end:
    free(control);
    return status;
}

static void release_report(struct report *report)
{
    for (size_t i = 0; i < report->count; i++) {
        free(report->subjects[i].folder);
        free(report->subjects[i].eval);
        json_decref(report->subjects[i].config);
        json_decref(report->subjects[i].metrics);
    }
    free(report->subjects);
}

/* --- cells ---------------------------------------------------------------------------------- */

static void put_cell(FILE *page, const char *text)
{
    fputs("<td class=\"text\">", page);
    rt_html_text(page, text);
    fputs("</td>", page);
}

/* "–" for no number. */
static void put_number(FILE *page, double value, int decimals, const char *unit)
{
    if (isfinite(value))
        fprintf(page, "<td>%.*f%s</td>", decimals, value, unit);
    else
        fputs("<td>–</td>", page);
}

/* 1234567 as 1 234 567 */
static void put_count(FILE *page, double value)
{
    char digits[32];
    const bool fits = value > -1e18 && value < 1e18; /* no count is as large: the file is damaged */
    int length = snprintf(digits, sizeof digits, "%.0f", fits ? value : 0.0);
    fputs("<td>", page);
    for (int i = 0; i < length; i++) {
        if (i > 0 && (length - i) % 3 == 0)
            fputs("&#8239;", page);
        fputc(digits[i], page);
    }
    fputs("</td>", page);
}

/* A share of one, with a bar as long behind it. */
static void put_bar(FILE *page, double share)
{
    if (isfinite(share))
        fprintf(page, "<td class=\"bar\" style=\"--share:%.1f%%\">%.3f</td>", 100 * share, share);
    else
        fputs("<td>–</td>", page);
}

/* --- sections ------------------------------------------------------------------------------- */

static const struct subject *find_role(const struct report *report, enum role role)
{
    for (size_t i = 0; i < report->count; i++)
        if (report->subjects[i].role == role)
            return &report->subjects[i];
    return NULL;
}

/* What distillation brought, in a sentence, where all that it takes is there. */
static void put_summary(const struct report *report)
{
    const struct subject *teacher = find_role(report, ROLE_TEACHER);
    const struct subject *alone = find_role(report, ROLE_ALONE);
    const struct subject *distilled = find_role(report, ROLE_DISTILLED);
    if (!teacher || !alone || !distilled)
        return;
    fprintf(report->page,
            "<p class=\"lead\">With %.1f times fewer parameters than its teacher, the distilled "
            "student reaches a mean IoU of <b>%.3f</b>; trained alone, it "
            "reaches %.3f, and the teacher %.3f.</p>\n",
            number_of(teacher->metrics, "parameters") / number_of(distilled->metrics, "parameters"),
            number_of(distilled->metrics, "mean_iou"), number_of(alone->metrics, "mean_iou"),
            number_of(teacher->metrics, "mean_iou"));
}

/* What the distilled student was shown that its twin was not. */
static void put_unlabelled(const struct report *report)
{
    const struct subject *distilled = find_role(report, ROLE_DISTILLED);
    double masks = distilled ? number_of(distilled->config, "masks") : 1;
    const char *transfer = distilled ? text_of(distilled->config, "transfer") : "";
    if (masks < 1)
        fprintf(report->page,
                "<p class=\"note\">The students learnt from %.3g %% of the training masks; the "
                "distilled one was also shown the other training images without their masks, "
                "explained by its teacher.</p>\n",
                100 * masks);
    if (*transfer) {
        fputs("<p class=\"note\">The distilled student was also shown the unlabelled images of ",
              report->page);
        rt_html_text(report->page, transfer);
        fputs(", explained by its teacher.</p>\n", report->page);
    }
}

static void put_comparison(const struct report *report)
{
    FILE *page = report->page;
    fputs("<div class=\"wide\"><table>\n<tr><th></th><th class=\"text\">network</th>"
          "<th>parameters</th><th>size</th><th>mean IoU</th><th>labelled classes</th>"
          "<th>accuracy</th><th>per image</th></tr>\n",
          page);
    for (size_t i = 0; i < report->count; i++) {
        const struct subject *subject = &report->subjects[i];
        const json_t *metrics = subject->metrics;
        fputs(subject->role == ROLE_DISTILLED ? "<tr class=\"best\">" : "<tr>", page);
        put_cell(page, role_names[subject->role]);
        put_cell(page, text_of(metrics, "network"));
        put_count(page, number_of(metrics, "parameters"));
        put_number(page, number_of(metrics, "bytes") / 1e6, 2, " MB");
        put_number(page, number_of(metrics, "mean_iou"), 3, "");
        put_number(page, number_of(metrics, "mean_iou_labelled"), 3, "");
        put_number(page, 100 * number_of(metrics, "accuracy"), 1, " %");
        put_number(page, number_of(metrics, "milliseconds_per_image"), 1, " ms");
        fputs("</tr>\n", page);
    }
    fputs("</table></div>\n<p class=\"note\">Judged on the held-out part of the data. The mean "
          "IoU is that of the classes that occur; “labelled classes” leaves "
          "out the one that stands for unlabelled ground.</p>\n",
          page);
}

/* Nothing but a colour goes into a style: another text could make a browser fetch something. */
static void put_swatch(FILE *page, const char *color)
{
    if (strlen(color) == 7 && color[0] == '#' && strspn(color + 1, "0123456789ABCDEFabcdef") == 6)
        fprintf(page, "<span class=\"swatch\" style=\"background:%s\"></span>", color);
}

/* IoU by class and run, where all runs have the first one's classes. */
static void put_classes(const struct report *report)
{
    FILE *page = report->page;
    const json_t *classes = json_object_get(report->subjects[0].metrics, "classes");
    fputs("<h2>IoU by class</h2>\n<div class=\"wide\"><table>\n<tr><th>class</th><th>pixels</th>",
          page);
    for (size_t i = 0; i < report->count; i++)
        fprintf(page, "<th class=\"bar\">%s</th>", role_names[report->subjects[i].role]);
    fputs("</tr>\n", page);
    for (size_t c = 0; c < json_array_size(classes); c++) {
        const json_t *class = json_array_get(classes, c);
        fputs("<tr><td>", page);
        put_swatch(page, text_of(class, "color"));
        rt_html_text(page, text_of(class, "name"));
        fputs("</td>", page);
        put_count(page, number_of(class, "support"));
        for (size_t i = 0; i < report->count; i++) {
            const json_t *own = json_object_get(report->subjects[i].metrics, "classes");
            put_bar(page, number_of(json_array_get(own, c), "iou"));
        }
        fputs("</tr>\n", page);
    }
    fputs("</table></div>\n", page);
}

static rt_status put_picture(const struct report *report, const struct subject *subject,
                             const char *folder, const char *name)
{
    rt_status status = RT_OK;
    char *path = NULL, *caption = NULL;
    RT_TRY(rt_path_join(&path, folder, name));
    RT_TRY(rt_format(&caption, "%s, %s", role_names[subject->role],
                     text_of(subject->metrics, "network")));
    status = rt_html_picture(report->page, path, caption);
end:
    free(path);
    free(caption);
    return status;
}

/* The same picture of every run. */
static rt_status put_pictures(const struct report *report, const char *title, const char *name,
                              bool of_eval, const char *layout)
{
    rt_status status = RT_OK;
    fprintf(report->page, "<h2>%s</h2>\n<div class=\"%s\">\n", title, layout);
    for (size_t i = 0; i < report->count; i++) {
        const struct subject *subject = &report->subjects[i];
        RT_TRY(put_picture(report, subject, of_eval ? subject->eval : subject->folder, name));
    }
    fputs("</div>\n", report->page);
end:
    return status;
}

/* Panel after panel, each as all runs see it; the runs of one data set show the same patches. */
static rt_status put_panels(const struct report *report)
{
    rt_status status = RT_OK;
    char *path = NULL;
    fputs("<h2>Segmented patches</h2>\n", report->page);
    for (int number = 1; number <= PANELS_MAX; number++) {
        char name[32];
        bool any = false;
        snprintf(name, sizeof name, "panel-%02d.png", number);
        for (size_t i = 0; i < report->count; i++) {
            free(path);
            RT_TRY(rt_path_join(&path, report->subjects[i].eval, name));
            if (!rt_path_exists(path))
                continue;
            RT_TRY(put_picture(report, &report->subjects[i], report->subjects[i].eval, name));
            any = true;
        }
        if (!any)
            break;
    }
end:
    free(path);
    return status;
}

/* How each run was made: its config.json as a table. */
static rt_status put_settings(const struct report *report)
{
    rt_status status = RT_OK;
    FILE *page = report->page;
    fputs("<h2>Settings</h2>\n", page);
    for (size_t i = 0; i < report->count; i++) {
        const struct subject *subject = &report->subjects[i];
        const char *name;
        json_t *value;
        fprintf(page, "<details><summary>%s: ", role_names[subject->role]);
        rt_html_text(page, subject->folder);
        fputs("</summary>\n<table>\n", page);
        json_object_foreach(subject->config, name, value)
        {
            char *text = json_dumps(value, JSON_ENCODE_ANY | JSON_REAL_PRECISION(7));
            if (!text)
                RT_TRY(rt_fail(RT_ERROR_MEMORY, "cannot write the settings: out of memory"));
            fputs("<tr>", page);
            put_cell(page, name);
            put_cell(page, json_is_string(value) ? json_string_value(value) : text);
            fputs("</tr>\n", page);
            free(text);
        }
        fputs("</table></details>\n", page);
    }
end:
    return status;
}

static rt_status put_page(const struct report *report)
{
    rt_status status = RT_OK;
    rt_html_begin(report->page, "retort report");
    fputs("<h1>retort report</h1>\n", report->page);
    put_summary(report);
    put_comparison(report);
    put_unlabelled(report);
    put_classes(report);
    RT_TRY(put_pictures(report, "Training", "loss.png", false, "stack"));
    if (find_role(report, ROLE_DISTILLED))
        fputs("<p class=\"note\">The distilled student’s training loss is that of the masks and of "
              "its teacher’s answers together; its validation loss is that of the masks.</p>\n",
              report->page);
    RT_TRY(put_pictures(report, "Precision and recall", "precision_recall.png", true, "grid"));
    RT_TRY(put_pictures(report, "Confusion", "confusion.png", true, "grid"));
    RT_TRY(put_panels(report));
    RT_TRY(put_settings(report));
    rt_html_end(report->page);
end:
    return status;
}

rt_status rt_report_html(const char *path, const char *const *runs, int count)
{
    rt_status status = RT_OK;
    struct report report = {0};
    struct rt_file_writer writer = {0};
    if (count < 1)
        return rt_fail(RT_ERROR_ARGUMENT, "a report needs at least one run folder");
    RT_TRY(read_report(&report, runs, count));
    RT_TRY(rt_file_begin(&writer, path));
    report.page = writer.stream;
    RT_TRY(put_page(&report));
    status = rt_file_commit(&writer);
end:
    rt_file_abandon(&writer);
    release_report(&report);
    return status;
}
