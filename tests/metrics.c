/* What learning computes on the host alone: metrics from counts, the learning rate. */
#include "test.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "learn/metrics.h"
#include "learn/schedule.h"

#define assert_near(value, expected) assert_float_equal(value, expected, 1e-12)

static void assert_nan(double value)
{
    assert_true(isnan(value));
}

static void metrics_of_a_confusion_by_hand(void **state)
{
    (void)state;
    /* Class 0: hits 5, truth 8, predicted 6. Class 1: hits 2, truth 2, predicted 4. Class 2 is
     * neither in truth nor in prediction; class 3 is predicted once, and never true; class 4 is
     * true once and never predicted. */
    const uint64_t confusion[25] = {
        5, 2, 0, 1, 0, /* truth 0 */
        0, 2, 0, 0, 0, /* truth 1 */
        0, 0, 0, 0, 0, /* truth 2 */
        0, 0, 0, 0, 0, /* truth 3 */
        1, 0, 0, 0, 0, /* truth 4 */
    };
    struct rt_metrics *m = malloc(sizeof *m);
    rt_metrics_from(m, 5, 1, confusion, NULL);
    assert_int_equal(m->classes, 5);
    assert_near(m->accuracy, 7.0 / 11);
    assert_near(m->of[0].iou, 5.0 / 9);
    assert_near(m->of[0].precision, 5.0 / 6);
    assert_near(m->of[0].recall, 5.0 / 8);
    assert_near(m->of[0].f1, 10.0 / 14);
    assert_int_equal(m->of[0].support, 8);
    assert_near(m->of[1].iou, 0.5);
    assert_near(m->of[1].recall, 1);
    assert_nan(m->of[2].iou);
    assert_nan(m->of[2].precision);
    assert_nan(m->of[2].recall);
    assert_nan(m->of[2].f1);
    assert_near(m->of[3].iou, 0);
    assert_near(m->of[3].precision, 0);
    assert_nan(m->of[3].recall);
    assert_near(m->of[4].iou, 0);
    assert_nan(m->of[4].precision);
    assert_near(m->of[4].recall, 0);
    assert_near(m->mean_iou, (5.0 / 9 + 0.5 + 0 + 0) / 4);
    assert_near(m->mean_iou_labelled, (5.0 / 9 + 0 + 0) / 3);
    assert_int_equal(m->confusion[0 * 5 + 1], 2);
    assert_nan(m->of[0].average_precision);
    assert_nan(m->of[0].curve_recall[0]);
    free(m);
}

static void metrics_of_nothing_are_undefined(void **state)
{
    (void)state;
    const uint64_t confusion[4] = {0};
    struct rt_metrics *m = malloc(sizeof *m);
    rt_metrics_from(m, 2, -1, confusion, NULL);
    assert_nan(m->accuracy);
    assert_nan(m->mean_iou);
    free(m);
}

static void curves_of_a_histogram_by_hand(void **state)
{
    (void)state;
    uint64_t(*histogram)[2][RT_HISTOGRAM_BINS] = calloc(2, sizeof *histogram);
    const uint64_t confusion[4] = {3, 1, 0, 0};
    /* Class 0: true pixels at 255, 200, 200 and 10; a false one each at 200 and 0. */
    histogram[0][1][255] = 1;
    histogram[0][1][200] = 2;
    histogram[0][1][10] = 1;
    histogram[0][0][200] = 1;
    histogram[0][0][0] = 1;
    struct rt_metrics *m = malloc(sizeof *m);
    rt_metrics_from(m, 2, -1, confusion, &histogram[0][0][0]);
    const struct rt_class_metrics *c = &m->of[0];
    assert_near(c->curve_precision[256], 1);
    assert_near(c->curve_recall[256], 0);
    assert_near(c->curve_precision[201], 1);
    assert_near(c->curve_recall[201], 0.25);
    assert_near(c->curve_precision[200], 0.75);
    assert_near(c->curve_recall[200], 0.75);
    assert_near(c->curve_precision[10], 0.8);
    assert_near(c->curve_recall[10], 1);
    assert_near(c->curve_precision[0], 4.0 / 6);
    assert_near(c->average_precision, 0.25 * 1 + 0.5 * 0.75 + 0.25 * 0.8);
    /* Class 1 is never true. */
    assert_nan(m->of[1].average_precision);
    assert_nan(m->of[1].curve_recall[0]);
    free(m);
    free(histogram);
}

static void learning_rates_follow_their_schedule(void **state)
{
    (void)state;
    assert_float_equal(rt_schedule_rate(RT_SCHEDULE_CONSTANT, 0.5f, 99, 100), 0.5, 0);
    assert_float_equal(rt_schedule_rate(RT_SCHEDULE_COSINE, 0.5f, 0, 100), 0.5, 0);
    assert_float_equal(rt_schedule_rate(RT_SCHEDULE_COSINE, 0.5f, 25, 100), 0.42677669, 1e-7);
    assert_float_equal(rt_schedule_rate(RT_SCHEDULE_COSINE, 0.5f, 50, 100), 0.25, 1e-7);
    assert_true(rt_schedule_rate(RT_SCHEDULE_COSINE, 0.5f, 99, 100) > 0);
    assert_true(rt_schedule_rate(RT_SCHEDULE_COSINE, 0.5f, 99, 100) < 2e-4f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(metrics_of_a_confusion_by_hand),
        cmocka_unit_test(metrics_of_nothing_are_undefined),
        cmocka_unit_test(curves_of_a_histogram_by_hand),
        cmocka_unit_test(learning_rates_follow_their_schedule),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
