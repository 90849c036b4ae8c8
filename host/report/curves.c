/* Losses and scores against epochs. */
#include <stdlib.h>

#include "report/run_log.h"
#include "report/plot.h"
#include "retort/report.h"

rt_status rt_report_curves(const char *run)
{
    rt_status status = RT_OK;
    char *path = NULL;
    struct rt_run_epoch *rows = NULL;
    size_t count;
    struct rt_plot plot = {0};
    RT_TRY(rt_path_join(&path, run, "log.csv"));
    RT_TRY(rt_run_log_read(path, &rows, &count));
    RT_TRY(rt_plot_begin(&plot, run, "loss"));
    RT_TRY(rt_plot_chart(&plot, 1000, 360));
    const char *style = count > 1 ? "lines linewidth 2" : "points pointtype 7";
    fprintf(plot.script,
            "set key outside top center horizontal\n"
            "set xlabel 'epoch'\nset xrange [1:%zu]\nset xtics %s\nset multiplot layout 1,2\n"
            "set ylabel 'loss'\nset yrange [0:*]\n"
            "plot 'log.csv' skip 1 using 1:2 with %s linecolor rgb '#1f77b4' title 'training', \\\n"
            "  '' skip 1 using 1:3 with %s linecolor rgb '#d95f02' title 'validation'\n"
            "set ylabel 'score on the held-out part'\nset yrange [0:1]\n"
            "plot 'log.csv' skip 1 using 1:5 with %s linecolor rgb '#2a7f3f' title 'mean IoU', \\\n"
            "  '' skip 1 using 1:4 with %s linecolor rgb '#8856a7' title 'accuracy'\n"
            "unset multiplot\n",
            count > 1 ? count : 2, count > 12 ? "autofreq" : "1", style, style, style, style);
    status = rt_plot_finish(&plot);
end:
    free(path);
    free(rows);
    return status;
}
