/* The sections of the report's page, in their order. Each writes to report->page. Errors: those of
 * what it reads, MEMORY. */
#ifndef RT_REPORT_PAGE_H
#define RT_REPORT_PAGE_H

#include "report/html.h"
#include "report/subject.h"

/* "unet:4 distilled from unet:16" in *title, released by free(). */
rt_status rt_page_title(char **title, const struct rt_report *report);

/* What was found, in a sentence, in cards and in a table. */
rt_status rt_page_summary(const struct rt_report *report, const char *title);

/* IoU by class, with the classes' colours and their shares of the pixels. */
rt_status rt_page_classes(const struct rt_report *report);

/* Losses and scores against epochs; nothing where no run has a log. */
rt_status rt_page_training(const struct rt_report *report);

/* Precision against recall, a chart a class. */
rt_status rt_page_curves(const struct rt_report *report);

/* What each class was taken for, a table a run. */
rt_status rt_page_confusion(const struct rt_report *report);

/* Image, truth and what each run saw. */
rt_status rt_page_patches(const struct rt_report *report);

/* How it was made and how to make it again; what the words mean. */
rt_status rt_page_recipe(const struct rt_report *report);

/* The first part of a section, up to its heading; the section's id is that of the navigation. */
void rt_page_section(FILE *page, const char *id, const char *heading);

/* The class's colour, which the script finds there, too, and its name. */
void rt_page_class(const struct rt_report *report, size_t class);

/* "<li>" with a piece of the subject's line, its label, and the value unless it is no number. */
void rt_page_legend(FILE *page, const struct rt_subject *subject, double value);

#endif
