/* Files that the report module writes and reads. */
#include "test.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"
#include "report/chart.h"
#include "report/run_log.h"
#include "report/table.h"
#include "retort/report.h"

/* Every test has an empty folder. */
static char folder[64];

static int make_folder(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/retort-report-XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -r '%s'", folder);
    return system(command);
}

static char *path_of(const char *name)
{
    static char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static char *text_of(const char *name)
{
    char *text;
    size_t size;
    assert_ok(rt_file_read(path_of(name), 1 << 20, &text, &size));
    return text;
}

static void write_text(const char *name, const char *text)
{
    assert_ok(rt_file_write(path_of(name), text, strlen(text)));
}

static bool have_gnuplot(void)
{
    return system("gnuplot --version >/dev/null 2>&1") == 0;
}

#define HEADER                                                                                     \
    "epoch,train_loss,val_loss,val_accuracy,val_mean_iou,seconds,images_per_second,"               \
    "peak_device_bytes\n"

static void logs_are_read_or_refused(void **state)
{
    (void)state;
    struct rt_run_epoch *rows;
    size_t count;
    write_text("log.csv", HEADER "1,1.5,1.25,0.5,0.25,3,12,1000\r\n2,1,nan,0.6,0.5,3,12,1000");
    assert_ok(rt_run_log_read(path_of("log.csv"), &rows, &count));
    assert_int_equal(count, 2);
    assert_true(rows[0].val_mean_iou == 0.25 && rows[1].epoch == 2 && isnan(rows[1].val_loss));
    free(rows);

    static const struct {
        const char *text, *message;
    } damaged[] = {
        {"", "holds no epoch"},
        {HEADER, "holds no epoch"},
        {"epoch,loss\n1,2\n", "begins with 'epoch,loss'"},
        {HEADER "1,1.5,1.25,0.5,0.25,3,12,1000\n2,1.4,1.\n", "line 3"},
        {HEADER "1,1.5,1.25,0.5,0.25,3,12,1000,7\n", "line 2"},
        {HEADER "1,1.5,x,0.5,0.25,3,12,1000\n", "not 8 numbers"},
    };
    for (size_t i = 0; i < sizeof damaged / sizeof *damaged; i++) {
        write_text("log.csv", damaged[i].text);
        assert_fails(rt_run_log_read(path_of("log.csv"), &rows, &count), RT_ERROR_FORMAT,
                     damaged[i].message);
        assert_null(rows);
    }
    assert_fails(rt_run_log_read("/nowhere/log.csv", &rows, &count), RT_ERROR_IO,
                 "/nowhere/log.csv");
}

static void tables_are_read_or_refused(void **state)
{
    (void)state;
    struct rt_table table;
    write_text("t.csv", "x,\"a, b\",\"\"\"c\"\"\nd\"\r\n1,2,nan\r\n-4,5e3,6");
    assert_ok(rt_table_read(&table, path_of("t.csv")));
    assert_int_equal(table.columns, 3);
    assert_int_equal(table.rows, 2);
    assert_int_equal(rt_table_column(&table, "a, b"), 1);
    assert_int_equal(rt_table_column(&table, "\"c\"\nd"), 2);
    assert_int_equal(rt_table_column(&table, "c"), 3);
    assert_true(table.values[1] == 2 && isnan(table.values[2]) && table.values[4] == 5000);
    rt_table_finish(&table);

    write_text("t.csv", "x,y\n1,2\n3\n");
    assert_fails(rt_table_read(&table, path_of("t.csv")), RT_ERROR_FORMAT,
                 "t.csv is '3', not 2 numbers");
    write_text("t.csv", "x\n1,2\n");
    assert_fails(rt_table_read(&table, path_of("t.csv")), RT_ERROR_FORMAT, "not 1 numbers");
    FILE *stream = fopen(path_of("t.csv"), "w");
    for (int i = 0; i < 2000; i++)
        fputs("x,", stream);
    fclose(stream);
    assert_fails(rt_table_read(&table, path_of("t.csv")), RT_ERROR_FORMAT, "more than 1000");
    assert_fails(rt_table_read(&table, "/nowhere.csv"), RT_ERROR_IO, "/nowhere.csv");
}

/* What the chart of these lines is. */
static char *draw(const struct rt_chart_line *lines, int count)
{
    char *text;
    size_t size;
    struct rt_chart chart = {open_memstream(&text, &size), "a < b", "y", 0, 1, 0, 1};
    assert_non_null(chart.page);
    rt_chart_begin(&chart, "\"alt\"");
    for (int i = 0; i < count; i++)
        rt_chart_line(&chart, &lines[i], "run-1");
    rt_chart_end(&chart);
    fclose(chart.page);
    return text;
}

static void charts_hold_every_turn_of_a_line(void **state)
{
    (void)state;
    enum { COUNT = 1000 };
    static double flat[COUNT], along[COUNT];
    const double x[] = {0, 0.5, 0.6, 0.7, 1}, y[] = {0, NAN, 1, INFINITY, 0.5};
    for (int i = 0; i < COUNT; i++) { /* a thousand points within a pixel, then one far away */
        along[i] = i + 1 < COUNT ? i * 1e-6 : 1;
        flat[i] = i + 1 < COUNT ? 0.5 : 1;
    }
    char *text = draw((const struct rt_chart_line[]){{x, y, 5, 1}, {along, flat, COUNT, 1}}, 2);
    assert_non_null(strstr(text, "aria-label=\"&quot;alt&quot;\""));
    assert_non_null(strstr(text, ">a &lt; b</text>"));
    assert_null(strstr(text, "-0.0"));
    assert_null(strstr(text, "nan"));
    assert_null(strstr(text, "inf"));
    /* The axes' ends are at 40 and 310, 178 and 8. */
    assert_non_null(strstr(text, "d=\"M40.0 178.0M202.0 8.0M310.0 93.0\""));
    assert_non_null(strstr(text, "d=\"M40.0 93.0L40.3 93.0L310.0 8.0\""));
    free(text);
    assert_true(rt_chart_end_of_axis(0.73) == 0.8 && rt_chart_end_of_axis(19) == 20);
    assert_true(rt_chart_end_of_axis(NAN) == 1 && rt_chart_end_of_axis(INFINITY) == 1 &&
                rt_chart_end_of_axis(0) == 1);
}

static void curves_are_drawn(void **state)
{
    (void)state;
    FILE *stream = fopen(path_of("log.csv"), "w");
    fputs(HEADER, stream);
    for (int i = 1; i <= 40; i++)
        fprintf(stream, "%d,%g,%g,%g,%g,3,12,1000\n", i, 2.0 / i, 2.2 / i + 0.002 * i,
                0.85 - 0.5 / i, 0.7 - 0.6 / i);
    fclose(stream);
    assert_ok(rt_report_curves(folder));
    assert_true(rt_path_exists(path_of("loss.gp")));
    assert_int_equal(rt_path_exists(path_of("loss.png")), have_gnuplot());
}

/* Three classes, the last one absent, with names that break careless formats. */
static void make_metrics(struct rt_model_info *model, struct rt_metrics *metrics)
{
    *model = (struct rt_model_info){
        .network = "unet:4",
        .channels = 3,
        .palette = {.name = "a \"b\"",
                    .count = 3,
                    .unlabeled = -1,
                    .classes = {{"Road, paved", {0x6e, 0xc1, 0xe4}},
                                {"O'Hara's <field> & \"co\"", {0xfe, 0xdd, 0x3a}},
                                {"Water", {0xe2, 0xa9, 0x29}}}},
        .patch = 64,
    };
    memset(metrics, 0, sizeof *metrics);
    metrics->classes = 3;
    metrics->accuracy = 0.75;
    metrics->mean_iou = metrics->mean_iou_labelled = 0.5;
    metrics->confusion[0] = 60;
    metrics->confusion[1] = 20;
    metrics->confusion[4] = 20;
    metrics->of[0].support = 80;
    metrics->of[1].support = 20;
    metrics->of[2] = (struct rt_class_metrics){NAN, NAN, NAN, NAN, .average_precision = NAN};
    for (int c = 0; c < 2; c++)
        for (int k = 0; k < RT_CURVE_POINTS; k++) {
            metrics->of[c].curve_precision[k] = 0.4 + 0.6 * k / 256;
            metrics->of[c].curve_recall[k] = sqrt(1 - k / 256.0) - 0.1 * c;
        }
    metrics->parameters = 121750;
    metrics->milliseconds_per_image = NAN;
}

static void metrics_are_written(void **state)
{
    (void)state;
    static struct rt_model_info model;
    static struct rt_metrics metrics;
    make_metrics(&model, &metrics);
    assert_ok(rt_report_metrics(folder, &model, &metrics));

    char *text = text_of("metrics.json");
    json_t *root = json_loads(text, 0, NULL);
    assert_non_null(root);
    assert_true(json_number_value(json_object_get(root, "accuracy")) == 0.75);
    assert_true(json_is_null(json_object_get(root, "milliseconds_per_image")));
    const json_t *classes = json_object_get(root, "classes");
    assert_int_equal(json_array_size(classes), 3);
    assert_string_equal(json_string_value(json_object_get(json_array_get(classes, 1), "name")),
                        "O'Hara's <field> & \"co\"");
    assert_true(json_is_null(json_object_get(json_array_get(classes, 2), "iou")));
    const json_t *row = json_array_get(json_object_get(root, "confusion"), 0);
    assert_int_equal(json_integer_value(json_array_get(row, 1)), 20);
    json_decref(root);
    free(text);

    text = text_of("confusion.csv");
    assert_string_equal(text, "truth,\"Road, paved\",\"O'Hara's <field> & \"\"co\"\"\",Water\n"
                              "\"Road, paved\",75.00,25.00,0.00\n"
                              "\"O'Hara's <field> & \"\"co\"\"\",0.00,100.00,0.00\n"
                              "Water,nan,nan,nan\n");
    free(text);
    text = text_of("precision_recall.csv");
    assert_non_null(strstr(text, "threshold,\"Road, paved recall\",\"Road, paved precision\","));
    assert_non_null(strstr(text, "\n0.5,0.707107,0.7,"));
    assert_null(strstr(text, "Water"));
    free(text);
    assert_int_equal(rt_path_exists(path_of("precision_recall.png")), have_gnuplot());
    assert_int_equal(rt_path_exists(path_of("confusion.png")), have_gnuplot());
}

static void no_gnuplot_is_no_failure(void **state)
{
    (void)state;
    static struct rt_model_info model;
    static struct rt_metrics metrics;
    char *path = strdup(getenv("PATH"));
    make_metrics(&model, &metrics);
    setenv("PATH", folder, 1);
    assert_ok(rt_report_metrics(folder, &model, &metrics));
    setenv("PATH", path, 1);
    free(path);
    assert_true(rt_path_exists(path_of("confusion.gp")));
    assert_false(rt_path_exists(path_of("confusion.png")));
    assert_fails(rt_report_metrics("/dev/null/x", &model, &metrics), RT_ERROR_IO, "/dev/null/x");
}

/* A gnuplot of its own in PATH, which draws a picture by halves and then ends so. */
static void draw_halves(const char *end)
{
    static struct rt_model_info model;
    static struct rt_metrics metrics;
    char script[512], out[128];
    make_metrics(&model, &metrics);
    snprintf(script, sizeof script,
             "#!/bin/sh\n"
             "part=${3#*\\'}\n"
             "name=${4%%.gp}.png\n"
             "echo half > \"$name${part%%\\'}\"\n"
             "cp \"$name\" seen-\"$name\"\n"
             "%s\n",
             end);
    write_text("gnuplot", script);
    assert_int_equal(chmod(path_of("gnuplot"), 0755), 0);
    char *path = strdup(getenv("PATH")), *both;
    assert_ok(rt_format(&both, "%s:%s", folder, path));
    setenv("PATH", both, 1);
    snprintf(out, sizeof out, "%s/eval", folder);
    assert_ok(rt_report_metrics(out, &model, &metrics));
    setenv("PATH", path, 1);
    free(path);
    free(both);
}

static void pictures_appear_whole(void **state)
{
    (void)state;
    char command[128];
    assert_ok(rt_folder_create(path_of("eval")));
    write_text("eval/confusion.png", "old");
    draw_halves("kill -9 $$");
    char *text = text_of("eval/confusion.png");
    assert_string_equal(text, "old");
    free(text);
    assert_false(rt_path_exists(path_of("eval/precision_recall.png")));
    draw_halves("exit 0");
    text = text_of("eval/seen-confusion.png"); /* while it was drawn */
    assert_string_equal(text, "old");
    free(text);
    text = text_of("eval/confusion.png");
    assert_string_equal(text, "half\n");
    free(text);
    snprintf(command, sizeof command, "ls %s/eval/*.tmp 2>/dev/null", folder);
    assert_int_not_equal(system(command), 0);
}

static void names_of_classes_are_no_commands(void **state)
{
    (void)state;
    static struct rt_model_info model;
    static struct rt_metrics metrics;
    static const char *const names[] = {"'; system('''touch done-1') #", "`touch done-2`",
                                        "\"; $(touch done-3)\\"};
    char out[128], file[192];
    make_metrics(&model, &metrics);
    for (int i = 0; i < 3; i++)
        strcpy(model.palette.classes[i].name, names[i]);
    snprintf(out, sizeof out, "%s/commands", folder);
    assert_ok(rt_report_metrics(out, &model, &metrics));
    for (int i = 1; i <= 3; i++) {
        snprintf(file, sizeof file, "%s/done-%d", out, i);
        assert_false(rt_path_exists(file));
    }
    snprintf(file, sizeof file, "%s/confusion.png", out);
    assert_int_equal(rt_path_exists(file), have_gnuplot());
    snprintf(file, sizeof file, "%s/precision_recall.png", out);
    assert_int_equal(rt_path_exists(file), have_gnuplot());
}

/* RUN/config.json and what an evaluation writes to RUN/eval but for the plots, which take gnuplot
 * time that a page does not need. */
static void make_run_of(const char *run, const char *config, const char *network, double mean_iou)
{
    static struct rt_model_info model;
    static struct rt_metrics metrics;
    char name[64], eval[256];
    make_metrics(&model, &metrics);
    metrics.mean_iou = mean_iou;
    snprintf(model.network, sizeof model.network, "%s", network);
    snprintf(eval, sizeof eval, "%s/%s/eval", folder, run);
    char *path = strdup(getenv("PATH"));
    setenv("PATH", folder, 1);
    assert_ok(rt_report_metrics(eval, &model, &metrics));
    setenv("PATH", path, 1);
    free(path);
    snprintf(name, sizeof name, "%s/config.json", run);
    write_text(name, config);
}

static void make_run(const char *run, const char *config, const char *network)
{
    make_run_of(run, config, network, 0.5);
}

/* The page about runs of the test's folder, with spaces between their names; released by free(). */
static char *make_page(const char *names)
{
    char copy[64], out[128], runs[4][128], *place = NULL, *page;
    const char *list[4];
    int count = 0;
    size_t size;
    snprintf(copy, sizeof copy, "%s", names);
    for (char *name = strtok_r(copy, " ", &place); name; name = strtok_r(NULL, " ", &place)) {
        snprintf(runs[count], sizeof runs[count], "%s/%s", folder, name);
        list[count] = runs[count];
        count++;
    }
    snprintf(out, sizeof out, "%s/page.html", folder);
    assert_ok(rt_report_html(out, list, count));
    assert_ok(rt_file_read(out, 1 << 26, &page, &size));
    return page;
}

static size_t count_of(const char *page, const char *text)
{
    size_t count = 0;
    for (; (page = strstr(page, text)); page += strlen(text))
        count++;
    return count;
}

static const char *position(const char *page, const char *text)
{
    const char *found = strstr(page, text);
    if (!found)
        fail_msg("'%s' is not on the page", text);
    return found;
}

static void a_page_tells_roles_and_escapes(void **state)
{
    (void)state;
    make_run("a", "{\"network\": \"<script>alert(1)</script>\"}", "unet:16,depth=3");
    make_run("b", "{\"teachers\": [\"a/best.safetensors\"]}", "unet:4,depth=3");
    make_run("b/control", "{}", "unet:4,depth=3");
    char *page = make_page("a b");
    position(page, "<title>unet:4 distilled from unet:16</title>");
    const char *teacher = position(page, "<th scope=\"col\">teacher</th>");
    const char *alone = position(page, "<th scope=\"col\">student alone</th>");
    const char *distilled = position(page, "<th scope=\"col\">student distilled</th>");
    assert_true(teacher < alone && alone < distilled);
    position(page, "O&#39;Hara&#39;s &lt;field&gt; &amp; &quot;co&quot;");
    position(page, "&lt;script&gt;alert(1)");
    free(page);
}

/* One script, ours, of which the policy knows the hash; and no way out. */
static void a_page_stands_alone(void **state)
{
    (void)state;
    make_run("a", "{}", "unet:16");
    char *page = make_page("a");
    assert_int_equal(count_of(page, "<script"), 1);
    position(page, "default-src 'none'; img-src data:;");
    position(page, "script-src 'sha256-");
    assert_null(strstr(page, "http:"));
    assert_null(strstr(page, "https:"));
    assert_null(strstr(page, "url("));
    assert_null(strstr(page, "@import"));
    free(page);
}

static void a_verdict_is_what_the_figures_say(void **state)
{
    (void)state;
    static const struct {
        double teacher, alone, distilled;
        const char *verdict;
    } cases[] = {
        {0.8, 0.4, 0.7,
         "lifts the student’s mean IoU from 0.400 to <b>0.700</b>, 75&nbsp;% of the "
         "way to its teacher’s 0.800."},
        {0.8, 0.4, 0.85, "from 0.400 to <b>0.850</b>, no less than its teacher’s 0.800."},
        {0.8, 0.6, 0.601,
         "makes no difference here: a mean IoU of <b>0.601</b> against 0.600 trained "
         "alone; its teacher’s is 0.800."},
        {0.8, 0.6, 0.5,
         "does not help here: the student’s mean IoU is <b>0.500</b>, and 0.600 when "
         "it is trained alone; its teacher’s is 0.800."},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        make_run_of("a", "{}", "unet:16", cases[i].teacher);
        make_run_of("b", "{\"teachers\": [\"t\"]}", "unet:4", cases[i].distilled);
        make_run_of("b/control", "{}", "unet:4", cases[i].alone);
        char *page = make_page("a b");
        position(page, cases[i].verdict);
        assert_null(strstr(page, "Not the same test"));
        free(page);
    }
    make_run_of("a", "{}", "unet:16", 0.75);
    char *page = make_page("a");
    position(page,
             "It reaches a mean IoU of <b>0.750</b> and sees <b>75.0&nbsp;%</b> of the pixels");
    free(page);
}

/* Runs of one role are told apart, and what was judged on other pixels is not compared unwarned. */
static void many_runs_have_names_of_their_own(void **state)
{
    (void)state;
    char *text, *page;
    size_t size;
    make_run("t", "{}", "unet:16");
    make_run("b", "{\"teachers\": [\"t\"]}", "unet:4");
    make_run("b/control", "{}", "unet:4");
    make_run("c", "{\"teachers\": [\"t\"]}", "unet:4");
    make_run("deep/c", "{\"teachers\": [\"t\"]}", "unet:4");
    page = make_page("t b c deep/c");
    position(page, "<th scope=\"col\">teacher</th>");
    position(page, "<th scope=\"col\">student alone</th>");
    position(page, "<th scope=\"col\">student distilled (b)</th>");
    position(page, "<th scope=\"col\">student distilled (4)</th>");
    position(page, "<th scope=\"col\">student distilled (5)</th>");
    assert_null(strstr(page, "Not the same test"));
    free(page);

    assert_ok(rt_file_read(path_of("c/eval/metrics.json"), 1 << 20, &text, &size));
    memcpy(text + (position(text, "\"support\": 80") - text), "\"support\": 81", 13);
    write_text("c/eval/metrics.json", text);
    free(text);
    page = make_page("t b c");
    position(page, "Not the same test");
    free(page);
}

/* Commands that a shell takes as they were meant, and lines that link to tables. */
static void a_page_tells_how_to_make_it_again(void **state)
{
    (void)state;
    make_run("a",
             "{\"data\": \"it's $HOME\", \"augment\": true, \"palette\": null, \"rate\": 0.001, "
             "\"epochs\": 3, \"masks\": 1.0}",
             "unet:16");
    char *page = make_page("a");
    position(page, "retort train --data &#39;it&#39;\\&#39;&#39;s $HOME&#39; --augment --epochs 3 "
                   "--lr 0.001");
    assert_null(strstr(page, "--masks"));
    assert_null(strstr(page, "--palette"));
    position(page, "href=\"data:text/csv;charset=utf-8,class,run,pixels,");
    position(page, "%0A%22Road,%20paved%22,trained,80,");
    free(page);
}

/* The digits of 1e300 would be longer than any count. */
static void counts_beyond_reason_are_no_counts(void **state)
{
    (void)state;
    make_run("a", "{}", "unet:16");
    write_text("a/eval/metrics.json", "{\"parameters\": 1e300}");
    char *page = make_page("a");
    position(page, "<td>0</td>");
    free(page);
}

/* A metrics.json of somebody else's, whose colour is a style. */
static void a_page_fetches_nothing(void **state)
{
    (void)state;
    char *text;
    size_t size;
    make_run("styled", "{}", "unet:4");
    assert_ok(rt_file_read(path_of("styled/eval/metrics.json"), 1 << 20, &text, &size));
    memcpy(text + (position(text, "#FEDD3A") - text), "url(//x", 7);
    write_text("styled/eval/metrics.json", text);
    free(text);
    char *page = make_page("styled");
    assert_null(strstr(page, "url("));
    position(page, "background:#6EC1E4");
    free(page);
}

/* Two runs' panels of one patch are side by side, its image once. */
static void panels_of_a_patch_come_together(void **state)
{
    (void)state;
    static const char *const runs[] = {"a", "b"};
    static const char *const kinds[] = {"image", "truth", "prediction"};
    static uint8_t pixels[12] = {0x6e, 0xc1, 0xe4};
    const struct rt_image picture = {.width = 2, .height = 2, .channels = 3, .pixels = pixels};
    make_run("a", "{}", "unet:16");
    make_run("b", "{\"teachers\": [\"t\"]}", "unet:4");
    for (int i = 0; i < 2; i++) {
        char name[64];
        snprintf(name, sizeof name, "%s/eval/panels.json", runs[i]);
        write_text(name, "{\"panels\": [{\"image\": \"<b>.png\", \"x\": 2, \"y\": 0, \"known\": 4, "
                         "\"right\": 3, \"truth\": {\"Water\": 3, \"Land\": 1}}]}");
        for (int k = 0; k < 3; k++) {
            snprintf(name, sizeof name, "%s/eval/panel-01-%s.png", runs[i], kinds[k]);
            assert_ok(rt_image_write_png(&picture, path_of(name)));
        }
    }
    char *page = make_page("a b");
    assert_int_equal(count_of(page, "<article class=\"patch\">"), 1);
    assert_int_equal(count_of(page, "data:image/png;base64,iVBORw0KGgo"), 4);
    assert_int_equal(count_of(page, "<b>75.0&nbsp;%</b>"), 2);
    position(page, "alt=\"Truth: Water 75 %, Land 25 %\"");
    position(page, "&lt;b&gt;.png <span>at 2, 0</span>");
    free(page);
}

static void pages_need_evaluated_runs(void **state)
{
    (void)state;
    char run[128], out[128];
    const char *runs[] = {run};
    snprintf(run, sizeof run, "%s/a", folder);
    snprintf(out, sizeof out, "%s/page.html", folder);
    assert_fails(rt_report_html(out, runs, 0), RT_ERROR_ARGUMENT, "at least one run");
    assert_fails(rt_report_html(out, runs, 1), RT_ERROR_IO, "a/config.json");
    make_run("a", "{", "unet:4");
    assert_fails(rt_report_html(out, runs, 1), RT_ERROR_FORMAT, "a/config.json is damaged");
    write_text("a/config.json", "{}");
    write_text("a/eval/metrics.json", "[1, 2]");
    assert_fails(rt_report_html(out, runs, 1), RT_ERROR_FORMAT, "holds no object");
    write_text("a/eval/metrics.json", "{\"classes\": 7, \"network\": []}");
    assert_ok(rt_report_html(out, runs, 1));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_folder, remove_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(logs_are_read_or_refused),
        TEST(tables_are_read_or_refused),
        TEST(charts_hold_every_turn_of_a_line),
        TEST(curves_are_drawn),
        TEST(metrics_are_written),
        TEST(no_gnuplot_is_no_failure),
        TEST(a_page_tells_roles_and_escapes),
        TEST(a_page_stands_alone),
        TEST(a_verdict_is_what_the_figures_say),
        TEST(many_runs_have_names_of_their_own),
        TEST(a_page_tells_how_to_make_it_again),
        TEST(panels_of_a_patch_come_together),
        TEST(counts_beyond_reason_are_no_counts),
        TEST(a_page_fetches_nothing),
        TEST(pages_need_evaluated_runs),
        TEST(pictures_appear_whole),
        TEST(names_of_classes_are_no_commands),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
