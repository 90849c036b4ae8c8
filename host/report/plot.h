/* Pictures by gnuplot. A picture NAME.png has its script NAME.gp beside it, which reads data files
 * in the same folder: `gnuplot NAME.gp` there draws it again. */
#ifndef RT_REPORT_PLOT_H
#define RT_REPORT_PLOT_H

#include "base/file.h"
#include "retort/data.h"

struct rt_plot {
    struct rt_file_writer writer;
    FILE *script; /* of the writer: commands go here */
    char *folder, *name;
    char **pictures; /* the paths of what it draws */
    size_t count, capacity;
};

/* Starts the script; rt_plot_chart goes on, or the caller with a terminal of its own and
 * rt_plot_output. Errors: IO, MEMORY. */
rt_status rt_plot_begin(struct rt_plot *plot, const char *folder, const char *name);

/* What is drawn next goes to NAME.png, a picture that appears only when it is whole. Errors:
 * MEMORY.
 */
rt_status rt_plot_output(struct rt_plot *plot, const char *name);

/* The script's NAME.png in retort's style, width x height on a page and twice as many pixels, for
 * sharp screens. Errors: MEMORY. */
rt_status rt_plot_chart(struct rt_plot *plot, int width, int height);

/* Writes text into a gnuplot command as a string. */
void rt_plot_text(FILE *script, const char *text);

/* Finishes the script, runs it and puts its pictures in their places. That gnuplot is missing or
 * fails is a warning to the log: no picture is worth a lost result. Releases the plot whatever the
 * result. Errors: IO, MEMORY. */
rt_status rt_plot_finish(struct rt_plot *plot);

/* Does nothing after rt_plot_finish. */
void rt_plot_abandon(struct rt_plot *plot);

#endif
