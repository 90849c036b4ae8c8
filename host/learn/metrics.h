/* From counts of pixels to the figures that people compare. */
#ifndef RT_LEARN_METRICS_H
#define RT_LEARN_METRICS_H

#include "ops/metrics.h"
#include "retort/learn.h"

/* Fills in what follows from counts alone, in `metrics`: accuracy, the means, the classes' figures
 * and the confusion matrix; the other members are set to 0.
 * confusion[truth * classes + prediction] counts pixels; histogram[(c * 2 + (truth == c)) *
 * RT_HISTOGRAM_BINS + bin] counts them by the probability of class c, and may be NULL: then the
 * curves are NAN. unlabeled is the class that mean_iou_labelled leaves out, or -1. */
void rt_metrics_from(struct rt_metrics *metrics, int classes, int unlabeled,
                     const uint64_t *confusion, const uint64_t *histogram);

#endif
