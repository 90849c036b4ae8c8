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
#include "report/run_log.h"
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

/* RUN/config.json and RUN/eval/metrics.json, as an evaluated run has them. */
static void make_run(const char *run, const char *config, const char *network)
{
    static struct rt_model_info model;
    static struct rt_metrics metrics;
    char name[64], eval[256];
    make_metrics(&model, &metrics);
    snprintf(model.network, sizeof model.network, "%s", network);
    snprintf(eval, sizeof eval, "%s/%s/eval", folder, run);
    assert_ok(rt_report_metrics(eval, &model, &metrics));
    snprintf(name, sizeof name, "%s/config.json", run);
    write_text(name, config);
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
    char out[128], first[128], second[128];
    make_run("a", "{\"network\": \"<script>alert(1)</script>\"}", "unet:16");
    make_run("b", "{\"teachers\": [\"a/best.safetensors\"]}", "unet:4");
    make_run("b/control", "{}", "unet:4");
    snprintf(first, sizeof first, "%s/a", folder);
    snprintf(second, sizeof second, "%s/b", folder);
    snprintf(out, sizeof out, "%s/page.html", folder);
    assert_ok(rt_report_html(out, (const char *const[]){first, second}, 2));
    char *page;
    size_t size;
    assert_ok(rt_file_read(out, 1 << 26, &page, &size));
    const char *teacher = position(page, "<td class=\"text\">teacher</td>");
    const char *alone = position(page, "<td class=\"text\">student alone</td>");
    const char *distilled = position(page, "<td class=\"text\">student distilled</td>");
    assert_true(teacher < alone && alone < distilled);
    position(page, "O&#39;Hara&#39;s &lt;field&gt; &amp; &quot;co&quot;");
    position(page, "&lt;script&gt;alert(1)");
    assert_null(strstr(page, "<script"));
    assert_null(strstr(page, "http"));
    if (have_gnuplot()) /* the first bytes of every PNG file, in base64 */
        position(page, "data:image/png;base64,iVBORw0KGgo");
    free(page);
}

/* The digits of 1e300 would be longer than any count. */
static void counts_beyond_reason_are_no_counts(void **state)
{
    (void)state;
    char out[128], run[128];
    make_run("a", "{}", "unet:16");
    write_text("a/eval/metrics.json", "{\"parameters\": 1e300}");
    snprintf(run, sizeof run, "%s/a", folder);
    snprintf(out, sizeof out, "%s/page.html", folder);
    assert_ok(rt_report_html(out, (const char *const[]){run}, 1));
    char *page;
    size_t size;
    assert_ok(rt_file_read(out, 1 << 26, &page, &size));
    position(page, "<td>0</td>");
    free(page);
}

/* A metrics.json of somebody else's, whose colour is a style. */
static void a_page_fetches_nothing(void **state)
{
    (void)state;
    char run[128], out[128], *text, *page;
    size_t size;
    make_run("styled", "{}", "unet:4");
    assert_ok(rt_file_read(path_of("styled/eval/metrics.json"), 1 << 20, &text, &size));
    memcpy(text + (position(text, "#FEDD3A") - text), "url(//x", 7);
    write_text("styled/eval/metrics.json", text);
    free(text);
    snprintf(run, sizeof run, "%s/styled", folder);
    snprintf(out, sizeof out, "%s/styled.html", folder);
    assert_ok(rt_report_html(out, (const char *const[]){run}, 1));
    assert_ok(rt_file_read(out, 1 << 26, &page, &size));
    assert_null(strstr(page, "url("));
    position(page, "background:#6EC1E4");
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
        TEST(curves_are_drawn),
        TEST(metrics_are_written),
        TEST(no_gnuplot_is_no_failure),
        TEST(a_page_tells_roles_and_escapes),
        TEST(counts_beyond_reason_are_no_counts),
        TEST(a_page_fetches_nothing),
        TEST(pages_need_evaluated_runs),
        TEST(pictures_appear_whole),
        TEST(names_of_classes_are_no_commands),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
