#include "report/chart.h"

#include <math.h>

#include "report/html.h"

/* Lengths in the chart's own unit, which is about a pixel. */
#define WIDTH 320
#define HEIGHT 214
#define LEFT 40
#define RIGHT 10
#define TOP 8
#define BOTTOM 36
#define NEAR 0.4 /* points nearer than this look like one */
#define INTERVALS 5

static double place_x(const struct rt_chart *chart, double x)
{
    double share = (x - chart->x_least) / (chart->x_most - chart->x_least);
    return LEFT + share * (WIDTH - LEFT - RIGHT);
}

static double place_y(const struct rt_chart *chart, double y)
{
    double share = (y - chart->y_least) / (chart->y_most - chart->y_least);
    return HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM);
}

/* 1, 2 or 5 times a power of ten, so that about INTERVALS of it are the range. */
static double step_of(double range)
{
    double step = pow(10, floor(log10(range / INTERVALS)));
    double factor = range / INTERVALS / step;
    return step * (factor > 5 ? 10 : factor > 2 ? 5 : factor > 1 ? 2 : 1);
}

double rt_chart_end_of_axis(double largest)
{
    if (!(largest > 1e-9 && largest < 1e9))
        return 1;
    double step = step_of(largest);
    return step * ceil(largest / step - 1e-9);
}

/* From the first multiple of the step on; their numbers have as many decimals as the step. */
static void put_axis(const struct rt_chart *chart, bool horizontal)
{
    double least = horizontal ? chart->x_least : chart->y_least;
    double most = horizontal ? chart->x_most : chart->y_most;
    double step = step_of(most - least);
    int decimals = step < 1 ? (int)ceil(-log10(step) - 1e-9) : 0;
    if (horizontal && step < 1 && least >= 1) { /* epochs are whole */
        step = 1;
        decimals = 0;
    }
    /* Without the 0 that is added, a zero would be -0. */
    for (double k = ceil(least / step - 1e-9) + 0.0; k * step <= most + step * 1e-9; k++) {
        if (horizontal) {
            double x = place_x(chart, k * step);
            fprintf(chart->page, "<text class=\"x\" x=\"%.1f\" y=\"%d\">%.*f</text>", x,
                    HEIGHT - BOTTOM + 14, decimals, k * step);
        } else {
            double y = place_y(chart, k * step);
            fprintf(chart->page,
                    "<path class=\"%s\" d=\"M%d %.1fH%d\"/>"
                    "<text class=\"y\" x=\"%d\" y=\"%.1f\">%.*f</text>",
                    k == 0 ? "axis" : "grid", LEFT, y, WIDTH - RIGHT, LEFT - 6, y + 4, decimals,
                    k * step);
        }
    }
}

void rt_chart_begin(const struct rt_chart *chart, const char *alt)
{
    FILE *page = chart->page;
    fprintf(page, "<svg viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"", WIDTH, HEIGHT);
    rt_html_text(page, alt);
    fputs("\">", page);
    put_axis(chart, true);
    put_axis(chart, false);
    fprintf(page, "<text class=\"x\" x=\"%d\" y=\"%d\">", (LEFT + WIDTH - RIGHT) / 2, HEIGHT - 5);
    rt_html_text(page, chart->x_label);
    fprintf(page, "</text><text class=\"x\" transform=\"translate(10 %d)rotate(-90)\">",
            (TOP + HEIGHT - BOTTOM) / 2);
    rt_html_text(page, chart->y_label);
    fputs("</text>\n", page);
}

/* Without a number, or far from the chart, there is no point. */
static bool is_point(double x, double y)
{
    return fabs(x) < 1e4 && fabs(y) < 1e4;
}

void rt_chart_line(const struct rt_chart *chart, const struct rt_chart_line *line, const char *look)
{
    double last_x = NAN, last_y = NAN, x = NAN, y = NAN;
    bool held = false; /* the point before was left out */
    if (line->count == 1) {
        rt_chart_dot(chart, line->x[0], line->y[0], look, "");
        return;
    }
    fprintf(chart->page, "<path class=\"line %s\" d=\"", look);
    for (size_t i = 0; i < line->count; i++) {
        double before_x = x, before_y = y;
        x = place_x(chart, line->x[i * line->stride]);
        y = place_y(chart, line->y[i * line->stride]);
        if (!is_point(x, y)) {
            last_x = last_y = NAN;
            held = false;
            continue;
        }
        bool starts = isnan(last_x);
        if (!starts && hypot(x - last_x, y - last_y) < NEAR && i + 1 < line->count) {
            held = true;
            continue;
        }
        if (held) /* where a long step begins, or the line would run askew */
            fprintf(chart->page, "L%.1f %.1f", before_x, before_y);
        fprintf(chart->page, "%c%.1f %.1f", starts ? 'M' : 'L', x, y);
        last_x = x;
        last_y = y;
        held = false;
    }
    fputs("\"/>\n", chart->page);
}

void rt_chart_dot(const struct rt_chart *chart, double x, double y, const char *look,
                  const char *text)
{
    x = place_x(chart, x);
    y = place_y(chart, y);
    if (!is_point(x, y))
        return;
    fprintf(chart->page, "<circle class=\"dot %s\" cx=\"%.1f\" cy=\"%.1f\" r=\"3.5\">", look, x, y);
    if (*text) {
        fputs("<title>", chart->page);
        rt_html_text(chart->page, text);
        fputs("</title>", chart->page);
    }
    fputs("</circle>\n", chart->page);
}

void rt_chart_end(const struct rt_chart *chart)
{
    fputs("</svg>\n", chart->page);
}

void rt_chart_sample(FILE *page, const char *look)
{
    fprintf(page,
            "<svg class=\"sample\" viewBox=\"0 0 26 8\" aria-hidden=\"true\">"
            "<path class=\"line %s\" d=\"M1 4H25\"/></svg>",
            look);
}
