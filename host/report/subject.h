/* The runs that a report is about. */
#ifndef RT_REPORT_SUBJECT_H
#define RT_REPORT_SUBJECT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

#include "base/error.h"
#include "report/run_log.h"
#include "report/table.h"

enum rt_role { RT_ROLE_TRAINED, RT_ROLE_TEACHER, RT_ROLE_ALONE, RT_ROLE_DISTILLED };

struct rt_subject {
    char *folder, *eval;
    char *label; /* "student alone", no two alike */
    int style;   /* of its lines and bars: the class run-STYLE of the style sheet */
    enum rt_role role;
    bool is_control; /* of the run that follows */
    json_t *config, *metrics;
    json_t *panels;              /* the array of eval/panels.json, NULL where there is none */
    struct rt_run_epoch *epochs; /* of log.csv, none where there is no such file */
    size_t epoch_count;
    struct rt_table curves; /* of eval/precision_recall.csv, empty where there is no such file */
};

struct rt_report {
    struct rt_subject *subjects; /* a control before the run that it belongs to */
    size_t count;
    const char *path;        /* of the page */
    const char *const *runs; /* as they were named */
    int run_count;
    FILE *page;
};

/* Reads the runs. Release with rt_report_finish whatever the result. Errors: IO, FORMAT, ARGUMENT
 * (a run that is not evaluated), MEMORY. */
rt_status rt_report_read(struct rt_report *report, const char *const *runs, int count);
void rt_report_finish(struct rt_report *report);

/* The first of this role, NULL where there is none. */
const struct rt_subject *rt_report_find(const struct rt_report *report, enum rt_role role);

/* The run that the distilled one is to be compared with, the same network trained alone: its
 * control, or else the first of its network; NULL where there is none. */
const struct rt_subject *rt_report_twin(const struct rt_report *report,
                                        const struct rt_subject *distilled);

/* The number under this name in its metrics.json; NAN where there is none. */
double rt_subject_number(const struct rt_subject *subject, const char *name);

/* The network without its options, as "unet:16" of "unet:16,depth=3", `length` bytes long. */
const char *rt_subject_network(const struct rt_subject *subject, int *length);

/* Whether both have one network, with all its options. */
bool rt_subject_has_network_of(const struct rt_subject *subject, const struct rt_subject *other);

/* The classes as the first run has them, RT_CLASSES_MAX at most, and how many there are. */
size_t rt_report_classes(const struct rt_report *report);
const char *rt_report_class(const struct rt_report *report, size_t class);

/* What the subject's metrics.json says of the class, NULL where its class of this number has
 * another name. */
const json_t *rt_subject_class(const struct rt_report *report, const struct rt_subject *subject,
                               size_t class);

/* Whether all were judged by the same truth: the same classes with as many pixels each. */
bool rt_report_is_fair(const struct rt_report *report);

#endif
