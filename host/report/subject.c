#include "report/subject.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "base/memory.h"
#include "retort/data.h"

#define JSON_BYTES_MAX (1 << 24)

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

/* What a run need not have: a log (its weights may come from elsewhere), curves and panels. */
static rt_status read_rest(struct rt_subject *subject)
{
    rt_status status = RT_OK;
    char *log = NULL, *curves = NULL, *panels = NULL;
    json_t *root = NULL;
    RT_TRY(rt_path_join(&log, subject->folder, "log.csv"));
    RT_TRY(rt_path_join(&curves, subject->eval, "precision_recall.csv"));
    RT_TRY(rt_path_join(&panels, subject->eval, "panels.json"));
    if (rt_path_exists(log))
        RT_TRY(rt_run_log_read(log, &subject->epochs, &subject->epoch_count));
    if (rt_path_exists(curves))
        RT_TRY(rt_table_read(&subject->curves, curves));
    if (rt_path_exists(panels)) {
        RT_TRY(read_json(&root, subject->eval, "panels.json"));
        subject->panels = json_incref(json_object_get(root, "panels"));
    }
end:
    json_decref(root);
    free(log);
    free(curves);
    free(panels);
    return status;
}

static rt_status read_subject(struct rt_subject *subject, const char *folder)
{
    rt_status status = RT_OK;
    RT_TRY(rt_copy_text(&subject->folder, folder));
    RT_TRY(rt_path_join(&subject->eval, folder, "eval"));
    RT_TRY(read_json(&subject->config, folder, "config.json"));
    if (!rt_path_is_folder(subject->eval))
        RT_TRY(rt_fail(RT_ERROR_ARGUMENT,
                       "%s is not evaluated: retort eval --model %s/best.safetensors --out %s",
                       folder, folder, subject->eval));
    RT_TRY(read_json(&subject->metrics, subject->eval, "metrics.json"));
    status = read_rest(subject);
end:
    return status;
}

/* --- roles ---------------------------------------------------------------------------------- */

static bool is_distilled(const struct rt_subject *subject)
{
    return json_array_size(json_object_get(subject->config, "teachers")) > 0;
}

bool rt_subject_has_network_of(const struct rt_subject *subject, const struct rt_subject *other)
{
    return strcmp(rt_json_member_text(subject->metrics, "network"),
                  rt_json_member_text(other->metrics, "network")) == 0;
}

static bool has_network_of_distilled(const struct rt_report *report,
                                     const struct rt_subject *subject)
{
    for (size_t i = 0; i < report->count; i++)
        if (is_distilled(&report->subjects[i]) &&
            rt_subject_has_network_of(&report->subjects[i], subject))
            return true;
    return false;
}

/* Beside distilled runs, a run without teachers is the student alone if it is the control of one,
 * or, where there are no controls, has the same network; else it is the teacher. */
static void assign_roles(struct rt_report *report)
{
    bool any_distilled = false, any_control = false;
    for (size_t i = 0; i < report->count; i++) {
        any_distilled = any_distilled || is_distilled(&report->subjects[i]);
        any_control = any_control || report->subjects[i].is_control;
    }
    for (size_t i = 0; i < report->count; i++) {
        struct rt_subject *subject = &report->subjects[i];
        subject->role = any_distilled ? RT_ROLE_TEACHER : RT_ROLE_TRAINED;
        if (subject->is_control || (!any_control && has_network_of_distilled(report, subject)))
            subject->role = RT_ROLE_ALONE;
        if (is_distilled(subject))
            subject->role = RT_ROLE_DISTILLED;
    }
}

/* Runs of one role are told apart by the names of their folders, a control by that of its run, or,
 * where these are alike, by their numbers. The first of a role has its style. */
static rt_status assign_labels(struct rt_report *report)
{
    static const struct {
        const char *name;
        int style;
    } roles[] = {{"trained", 2}, {"teacher", 0}, {"student alone", 1}, {"student distilled", 2}};
    enum { FIRST_FREE = 3, STYLES = 8 };
    rt_status status = RT_OK;
    int next = FIRST_FREE;
    for (size_t i = 0; i < report->count; i++) {
        struct rt_subject *subject = &report->subjects[i];
        bool alone = true, first = true, named = true;
        const char *name = rt_path_name(subject[subject->is_control].folder);
        for (size_t k = 0; k < report->count; k++) {
            const struct rt_subject *other = &report->subjects[k];
            if (k == i || other->role != subject->role)
                continue;
            alone = false;
            first = first && k > i;
            named =
                named && *name && strcmp(rt_path_name(other[other->is_control].folder), name) != 0;
        }
        subject->style = roles[subject->role].style;
        if (!first) {
            subject->style = next;
            next = next + 1 < STYLES ? next + 1 : FIRST_FREE;
        }
        if (alone)
            RT_TRY(rt_copy_text(&subject->label, roles[subject->role].name));
        else if (named)
            RT_TRY(rt_format(&subject->label, "%s (%s)", roles[subject->role].name, name));
        else
            RT_TRY(rt_format(&subject->label, "%s (%zu)", roles[subject->role].name, i + 1));
    }
end:
    return status;
}

rt_status rt_report_read(struct rt_report *report, const char *const *runs, int count)
{
    rt_status status = RT_OK;
    char *control = NULL;
    *report = (struct rt_report){.runs = runs, .run_count = count};
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
    status = assign_labels(report);
end:
    free(control);
    return status;
}

void rt_report_finish(struct rt_report *report)
{
    for (size_t i = 0; i < report->count; i++) {
        struct rt_subject *subject = &report->subjects[i];
        free(subject->folder);
        free(subject->eval);
        free(subject->label);
        json_decref(subject->config);
        json_decref(subject->metrics);
        json_decref(subject->panels);
        free(subject->epochs);
        rt_table_finish(&subject->curves);
    }
    free(report->subjects);
}

/* --- asking --------------------------------------------------------------------------------- */

const struct rt_subject *rt_report_find(const struct rt_report *report, enum rt_role role)
{
    for (size_t i = 0; i < report->count; i++)
        if (report->subjects[i].role == role)
            return &report->subjects[i];
    return NULL;
}

const struct rt_subject *rt_report_twin(const struct rt_report *report,
                                        const struct rt_subject *distilled)
{
    if (distilled > report->subjects && distilled[-1].is_control)
        return &distilled[-1];
    for (size_t i = 0; i < report->count; i++)
        if (report->subjects[i].role == RT_ROLE_ALONE &&
            rt_subject_has_network_of(&report->subjects[i], distilled))
            return &report->subjects[i];
    return NULL;
}

double rt_subject_number(const struct rt_subject *subject, const char *name)
{
    return rt_json_member_number(subject->metrics, name);
}

const char *rt_subject_network(const struct rt_subject *subject, int *length)
{
    const char *network = rt_json_member_text(subject->metrics, "network");
    *length = (int)strcspn(network, ",");
    return network;
}

size_t rt_report_classes(const struct rt_report *report)
{
    size_t count = json_array_size(json_object_get(report->subjects[0].metrics, "classes"));
    return count < RT_CLASSES_MAX ? count : RT_CLASSES_MAX;
}

static const json_t *class_of(const struct rt_subject *subject, size_t class)
{
    return json_array_get(json_object_get(subject->metrics, "classes"), class);
}

const char *rt_report_class(const struct rt_report *report, size_t class)
{
    return rt_json_member_text(class_of(&report->subjects[0], class), "name");
}

const json_t *rt_subject_class(const struct rt_report *report, const struct rt_subject *subject,
                               size_t class)
{
    const json_t *own = class_of(subject, class);
    bool same = strcmp(rt_json_member_text(own, "name"), rt_report_class(report, class)) == 0;
    return same ? own : NULL;
}

bool rt_report_is_fair(const struct rt_report *report)
{
    for (size_t i = 1; i < report->count; i++)
        for (size_t c = 0; c < rt_report_classes(report); c++) {
            const json_t *first = class_of(&report->subjects[0], c);
            const json_t *own = rt_subject_class(report, &report->subjects[i], c);
            if (!own ||
                !json_equal(json_object_get(first, "support"), json_object_get(own, "support")))
                return false;
        }
    return true;
}
