#include "learn/metrics.h"

#include <math.h>
#include <string.h>

/* a / b, NAN where there is nothing to divide. */
static double ratio(uint64_t a, uint64_t b)
{
    return b ? (double)a / (double)b : NAN;
}

/* Precision and recall where every pixel whose probability reaches k / RT_HISTOGRAM_BINS is taken
 * for the class. Where none is, precision is 1 by convention, so that a curve ends at recall 0.
 * Average precision is the sum over thresholds of the recall gained times the precision there. */
static void curve_from(struct rt_class_metrics *class, const uint64_t *negative,
                       const uint64_t *positive)
{
    uint64_t hits = 0, alarms = 0;
    double reached = 0;
    class->average_precision = class->support ? 0 : NAN;
    for (int k = RT_HISTOGRAM_BINS; k >= 0; k--) {
        if (k < RT_HISTOGRAM_BINS) {
            hits += positive[k];
            alarms += negative[k];
        }
        double precision = hits + alarms ? ratio(hits, hits + alarms) : 1;
        double recall = ratio(hits, class->support);
        class->curve_precision[k] = precision;
        class->curve_recall[k] = recall;
        class->average_precision += (recall - reached) * precision;
        reached = recall;
    }
}

static void class_from(struct rt_class_metrics *class, int c, int classes,
                       const uint64_t *confusion)
{
    uint64_t hits = confusion[c * classes + c], truth = 0, predicted = 0;
    for (int other = 0; other < classes; other++) {
        truth += confusion[c * classes + other];
        predicted += confusion[other * classes + c];
    }
    class->support = truth;
    class->iou = ratio(hits, truth + predicted - hits);
    class->precision = ratio(hits, predicted);
    class->recall = ratio(hits, truth);
    class->f1 = ratio(2 * hits, truth + predicted);
    class->average_precision = NAN;
    for (int k = 0; k < RT_CURVE_POINTS; k++)
        class->curve_precision[k] = class->curve_recall[k] = NAN;
}

/* The mean IoU over the classes that occur in truth or prediction, without class `without`. */
static double mean_iou(const struct rt_metrics *metrics, int without)
{
    double sum = 0;
    int count = 0;
    for (int c = 0; c < metrics->classes; c++) {
        if (c == without || isnan(metrics->of[c].iou))
            continue;
        sum += metrics->of[c].iou;
        count++;
    }
    return count ? sum / count : NAN;
}

void rt_metrics_from(struct rt_metrics *metrics, int classes, int unlabeled,
                     const uint64_t *confusion, const uint64_t *histogram)
{
    memset(metrics, 0, sizeof *metrics);
    metrics->classes = classes;
    memcpy(metrics->confusion, confusion, (size_t)(classes * classes) * sizeof *confusion);
    uint64_t hits = 0, pixels = 0;
    for (int c = 0; c < classes; c++) {
        struct rt_class_metrics *class = &metrics->of[c];
        class_from(class, c, classes, confusion);
        if (histogram)
            curve_from(class, histogram + (size_t)c * 2 * RT_HISTOGRAM_BINS,
                       histogram + (size_t)(c * 2 + 1) * RT_HISTOGRAM_BINS);
        hits += confusion[c * classes + c];
        pixels += class->support;
    }
    metrics->accuracy = ratio(hits, pixels);
    metrics->mean_iou = mean_iou(metrics, -1);
    metrics->mean_iou_labelled = mean_iou(metrics, unlabeled);
}
