/* What an evaluation found: as JSON, as curves, as a confusion matrix. */
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/memory.h"
#include "report/plot.h"
#include "report/table.h"
#include "retort/report.h"

/* --- metrics.json --------------------------------------------------------------------------- */

static json_t *number(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}

static json_t *class_json(const struct rt_class *class, const struct rt_class_metrics *metrics)
{
    char color[8];
    snprintf(color, sizeof color, "#%02X%02X%02X", class->rgb[0], class->rgb[1], class->rgb[2]);
    return json_pack("{ss ss so so so so so sI}", "name", class->name, "color", color, "iou",
                     number(metrics->iou), "precision", number(metrics->precision), "recall",
                     number(metrics->recall), "f1", number(metrics->f1), "average_precision",
                     number(metrics->average_precision), "support", (json_int_t)metrics->support);
}

static json_t *classes_json(const struct rt_palette *palette, const struct rt_metrics *metrics)
{
    json_t *list = json_array();
    for (int c = 0; c < metrics->classes; c++)
        rt_json_append(&list, class_json(&palette->classes[c], &metrics->of[c]));
    return list;
}

/* Rows are the truth, columns the prediction. */
static json_t *confusion_json(const struct rt_metrics *metrics)
{
    json_t *rows = json_array();
    for (int t = 0; t < metrics->classes; t++) {
        json_t *row = json_array();
        for (int p = 0; p < metrics->classes; p++)
            rt_json_append(&row,
                           json_integer((json_int_t)metrics->confusion[t * metrics->classes + p]));
        rt_json_append(&rows, row);
    }
    return rows;
}

static rt_status write_json(const char *folder, const struct rt_model_info *model,
                            const struct rt_metrics *metrics)
{
    rt_status status = RT_OK;
    char *path = NULL, *text = NULL;
    const struct rt_palette *palette = &model->palette;
    json_t *root = json_pack(
        "{ss ss si so so so sI sI sI sI so sI so so}", "network", model->network, "palette",
        palette->name, "patch", model->patch, "accuracy", number(metrics->accuracy), "mean_iou",
        number(metrics->mean_iou), "mean_iou_labelled", number(metrics->mean_iou_labelled),
        "patches", (json_int_t)metrics->patches, "ignored", (json_int_t)metrics->ignored,
        "parameters", (json_int_t)metrics->parameters, "bytes", (json_int_t)metrics->bytes,
        "milliseconds_per_image", number(metrics->milliseconds_per_image), "peak_device_bytes",
        (json_int_t)metrics->peak_device_bytes, "classes", classes_json(palette, metrics),
        "confusion", confusion_json(metrics));
    RT_TRY(rt_json_text(&text, root, JSON_INDENT(2) | JSON_REAL_PRECISION(6)));
    RT_TRY(rt_path_join(&path, folder, "metrics.json"));
    status = rt_file_write(path, text, strlen(text));
end:
    json_decref(root);
    free(text);
    free(path);
    return status;
}

/* --- curves --------------------------------------------------------------------------------- */

static bool has_curve(const struct rt_metrics *metrics, int class)
{
    return metrics->of[class].support > 0;
}

/* threshold, then recall and precision of every class that occurs */
static rt_status write_curves_csv(const char *folder, const struct rt_palette *palette,
                                  const struct rt_metrics *metrics)
{
    char *path = NULL;
    struct rt_file_writer writer;
    rt_status status = rt_path_join(&path, folder, "precision_recall.csv");
    if (status < 0)
        return status;
    RT_TRY(rt_file_begin(&writer, path));
    fputs("threshold", writer.stream);
    for (int c = 0; c < metrics->classes; c++) {
        if (!has_curve(metrics, c))
            continue;
        for (int column = 0; column < 2; column++) {
            char name[96];
            snprintf(name, sizeof name, "%s %s", palette->classes[c].name,
                     column ? "precision" : "recall");
            fputc(',', writer.stream);
            rt_csv_text(writer.stream, name);
        }
    }
    for (int k = 0; k < RT_CURVE_POINTS; k++) {
        fprintf(writer.stream, "\n%g", (double)k / (RT_CURVE_POINTS - 1));
        for (int c = 0; c < metrics->classes; c++)
            if (has_curve(metrics, c))
                fprintf(writer.stream, ",%.6g,%.6g", metrics->of[c].curve_recall[k],
                        metrics->of[c].curve_precision[k]);
    }
    fputc('\n', writer.stream);
    status = rt_file_commit(&writer);
end:
    free(path);
    return status;
}

/* Every line is drawn twice: a class may be as light as the paper, so it gets a grey edge. */
static void plot_class(FILE *script, const struct rt_class *class, double average_precision,
                       int column)
{
    char title[128];
    snprintf(title, sizeof title, "%s (%.3f)", class->name, average_precision);
    fprintf(
        script,
        ", \\\n  'precision_recall.csv' skip 1 using %d:%d with lines linewidth 3 linecolor rgb "
        "'#c4c4c4' notitle, \\\n  '' skip 1 using %d:%d with lines linewidth 2 linecolor rgb "
        "'#%02X%02X%02X' title ",
        column, column + 1, column, column + 1, class->rgb[0], class->rgb[1], class->rgb[2]);
    rt_plot_text(script, title);
}

static rt_status plot_curves(const char *folder, const struct rt_palette *palette,
                             const struct rt_metrics *metrics)
{
    struct rt_plot plot = {0};
    rt_status status = RT_OK;
    RT_TRY(rt_plot_begin(&plot, folder, "precision_recall"));
    RT_TRY(rt_plot_chart(&plot, 820, 500));
    fputs("set xlabel 'recall'\nset ylabel 'precision'\n"
          "set xrange [0:1.005]\nset yrange [0:1.005]\nset size ratio 1\n"
          "set key title 'class (average precision)' left\n"
          "plot NaN notitle",
          plot.script);
    int column = 2;
    for (int c = 0; c < metrics->classes; c++) {
        if (!has_curve(metrics, c))
            continue;
        plot_class(plot.script, &palette->classes[c], metrics->of[c].average_precision, column);
        column += 2;
    }
    fputc('\n', plot.script);
    status = rt_plot_finish(&plot);
end:
    rt_plot_abandon(&plot);
    return status;
}

/* --- confusion ------------------------------------------------------------------------------ */

/* The per cent of a class that was predicted as each: "nan" for a class that does not occur. */
static const char *share(char *text, size_t size, const struct rt_metrics *metrics, int truth,
                         int predicted)
{
    uint64_t pixels = metrics->confusion[truth * metrics->classes + predicted];
    uint64_t support = metrics->of[truth].support;
    if (support == 0)
        return "nan";
    snprintf(text, size, "%.2f", 100 * (double)pixels / (double)support);
    return text;
}

/* A row a class of the truth. */
static rt_status write_confusion_csv(const char *folder, const struct rt_palette *palette,
                                     const struct rt_metrics *metrics)
{
    char *path = NULL, text[16];
    struct rt_file_writer writer;
    rt_status status = rt_path_join(&path, folder, "confusion.csv");
    if (status < 0)
        return status;
    RT_TRY(rt_file_begin(&writer, path));
    fputs("truth", writer.stream);
    for (int p = 0; p < metrics->classes; p++) {
        fputc(',', writer.stream);
        rt_csv_text(writer.stream, palette->classes[p].name);
    }
    for (int t = 0; t < metrics->classes; t++) {
        fputc('\n', writer.stream);
        rt_csv_text(writer.stream, palette->classes[t].name);
        for (int p = 0; p < metrics->classes; p++)
            fprintf(writer.stream, ",%s", share(text, sizeof text, metrics, t, p));
    }
    fputc('\n', writer.stream);
    status = rt_file_commit(&writer);
end:
    free(path);
    return status;
}

static rt_status plot_confusion(const char *folder, int classes)
{
    struct rt_plot plot = {0};
    int side = 60 * classes;
    rt_status status = RT_OK;
    RT_TRY(rt_plot_begin(&plot, folder, "confusion"));
    RT_TRY(rt_plot_chart(&plot, side + 330, side + 170));
    fprintf(plot.script,
            "unset key\nunset grid\nset tmargin 1\nset border 15\nset tics scale 0\n"
            "set size ratio 1\nset xtics rotate by 40 right\n"
            "set xrange [-0.5:%d.5]\nset yrange [%d.5:-0.5]\n"
            "set xlabel 'predicted'\nset ylabel 'truth'\n"
            "set cbrange [0:100]\nset cblabel 'per cent of the truth'\n"
            "set palette defined (0 '#ffffff', 50 '#6aa6d6', 100 '#08306b')\n"
            "plot 'confusion.csv' matrix rowheaders columnheaders using 1:2:3 with image, \\\n"
            "  '' matrix rowheaders columnheaders using 1:2:(sprintf('%%.1f', $3)):"
            "($3 > 45 ? 0xffffff : 0x303030) with labels textcolor rgb variable\n",
            classes - 1, classes - 1);
    status = rt_plot_finish(&plot);
end:
    rt_plot_abandon(&plot);
    return status;
}

rt_status rt_report_metrics(const char *folder, const struct rt_model_info *model,
                            const struct rt_metrics *metrics)
{
    rt_status status = RT_OK;
    RT_TRY(rt_folder_create(folder));
    RT_TRY(write_json(folder, model, metrics));
    RT_TRY(write_curves_csv(folder, &model->palette, metrics));
    RT_TRY(plot_curves(folder, &model->palette, metrics));
    RT_TRY(write_confusion_csv(folder, &model->palette, metrics));
    status = plot_confusion(folder, metrics->classes);
end:
    return status;
}
