/* Pictures and pages: plots, segmented panels, the report. */
#ifndef RETORT_REPORT_H
#define RETORT_REPORT_H

#include "retort/learn.h"

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

/* Writes into the folder (made where missing) what an evaluation found:
 *   metrics.json                  the figures of struct rt_metrics
 *   precision_recall.{csv,gp,png} a curve a class
 *   confusion.{csv,gp,png}        the confusion matrix, rows normalised
 * Without gnuplot the pictures are left out with a warning to the log.
 * Errors: IO, MEMORY. */
rt_status rt_report_metrics(const char *folder, const struct rt_model_info *model,
                            const struct rt_metrics *metrics);

/* Writes `count` panels panel-01.png ... into the folder: image, truth and prediction side by side
 * with a legend, of held-out patches spread evenly over them. Errors: those of rt_evaluate, IO. */
rt_status rt_report_panels(const char *folder, struct rt_model *model,
                           const struct rt_data_recipe *recipe, int count);

/* Reads RUN/log.csv and writes RUN/loss.{gp,png} (losses and mean IoU against epochs).
 * Errors: IO, FORMAT, MEMORY. */
rt_status rt_report_curves(const char *run);

/* Writes one HTML file without links to anything outside it, from run folders that hold `eval/`
 * folders: the comparison table, curves, precision-recall, confusion, panels. A run folder with
 * `control/` in it is shown with its control. Errors: IO, FORMAT, ARGUMENT (no runs), MEMORY. */
rt_status rt_report_html(const char *path, const char *const *runs, int count);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif
#endif
