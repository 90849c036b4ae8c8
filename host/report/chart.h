/* Line charts as SVG in the page: sharp at any size, in the page's colours. The lines' looks are
 * classes of the style sheet. */
#ifndef RT_REPORT_CHART_H
#define RT_REPORT_CHART_H

#include <stddef.h>
#include <stdio.h>

struct rt_chart {
    FILE *page;
    const char *x_label, *y_label; /* escaped */
    double x_least, x_most, y_least, y_most;
};

/* y, [count] numbers of which the next is `stride` further, as are those of x. */
struct rt_chart_line {
    const double *x, *y;
    size_t count, stride;
};

/* A number at which an axis from 0 may end that shows all up to this value; 1 for what is none. */
double rt_chart_end_of_axis(double largest);

/* The axes. `alt` is what a reader who does not see the chart is told; it is escaped. */
void rt_chart_begin(const struct rt_chart *chart, const char *alt);

/* The line, with a gap where a number is none; `look` is one or more classes. Points too near to
 * each other to be told apart are left out. */
void rt_chart_line(const struct rt_chart *chart, const struct rt_chart_line *line,
                   const char *look);

/* A dot with a text that is shown where a pointer rests on it. */
void rt_chart_dot(const struct rt_chart *chart, double x, double y, const char *look,
                  const char *text);

void rt_chart_end(const struct rt_chart *chart);

/* A short piece of such a line, for a legend. */
void rt_chart_sample(FILE *page, const char *look);

#endif
