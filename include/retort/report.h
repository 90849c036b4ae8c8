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

/* Writes `count` panels into the folder, of held-out patches spread evenly over them:
 *   panel-01.png ...              image, truth and prediction side by side, with a legend
 *   panel-01-image.png, panel-01-truth.png, panel-01-prediction.png ...
 *                                 each alone, a pixel a pixel, of patches above 512 every second,
 *                                 third ... one
 *   panels.json                   of each panel its image, place, pixels that have a class
 *                                 (`known`), those of them predicted right, and pixels by class in
 *                                 truth and prediction
 *   panels.gp                     draws the first ones
 * Without gnuplot the first are left out with a warning to the log. Errors: those of rt_evaluate,
 * IO. */
rt_status rt_report_panels(const char *folder, struct rt_model *model,
                           const struct rt_data_recipe *recipe, int count);

/* Reads RUN/log.csv and writes RUN/loss.{gp,png} (losses and mean IoU against epochs).
 * Errors: IO, FORMAT, MEMORY. */
rt_status rt_report_curves(const char *run);

/* Writes one HTML file that needs and asks for nothing outside it, from run folders that hold
 * `eval/` folders: a verdict, the comparison, IoU by class, training, precision-recall, confusion
 * and panels, each figure with its numbers as CSV, and the commands that make it again. It is drawn
 * from the runs' JSON and CSV files and single panels, so gnuplot is not needed. A run folder with
 * `control/` in it is shown with its control; the first run's classes, at most RT_CLASSES_MAX, are
 * those of the page. What a run lacks of log.csv, precision_recall.csv and panels is left out.
 * Errors: IO, FORMAT (a file of a run that is damaged), ARGUMENT (no runs, one that is not
 * evaluated), MEMORY. */
rt_status rt_report_html(const char *path, const char *const *runs, int count);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif
#endif
