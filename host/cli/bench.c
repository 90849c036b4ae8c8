/* retort bench: how fast this device infers, trains and distils. */
#include "cli/bench.h"

#include <string.h>

#include "base/memory.h"
#include "base/process.h"
#include "cli/commands.h"
#include "cli/common.h"

/* What BENCH_WORKLOAD stands for. */
static const struct bench_settings standard = {
    .teacher = "unet:16", .student = "unet:8", .batch = 8, .patch = 256, .steps = 5};

static bool is_standard(const struct bench_settings *s)
{
    return strcmp(s->teacher, standard.teacher) == 0 && strcmp(s->student, standard.student) == 0 &&
           s->batch == standard.batch && s->patch == standard.patch && s->steps == standard.steps &&
           s->conv == standard.conv && s->math == standard.math;
}

static void add_options(struct command_line *line, struct bench_settings *settings, bool *json)
{
    const struct option options[] = {
        OPTION_HEADING("Options"),
        OPTION(OPTION_TEXT, "model", &settings->teacher, .argument = "NETWORK",
               .help = "the teacher"),
        OPTION(OPTION_TEXT, "student", &settings->student, .argument = "NETWORK",
               .help = "the student"),
        OPTION(OPTION_INT, "batch", &settings->batch, .argument = "N", .least = 1, .most = 4096,
               .help = "images a step"),
        OPTION(OPTION_INT, "patch", &settings->patch, .argument = "N", .least = 1, .most = 16384,
               .help = "width and height of an image, pixels"),
        OPTION(OPTION_INT, "steps", &settings->steps, .argument = "N", .least = 1, .most = 1000,
               .help = "timed steps, of which the median counts"),
        OPTION(OPTION_FLAG, "json", json, .help = "print JSON, with every operation"),
    };
    command_line_add(line, options, RT_COUNT(options));
}

rt_status run_bench(int argc, char **argv)
{
    static const struct command_example examples[] = {
        {"Keep the results of the standard workload", "retort bench --json > HERE.json"},
        {"Time a network of your own", "retort bench --model unet:32 --batch 4 --steps 3"},
        {NULL, NULL},
    };
    rt_status status = RT_OK;
    struct bench_report report = {.settings = standard};
    struct rt_device *device = NULL;
    struct device_choice choice = {0};
    bool json = false;
    struct command_line line = {
        .usage = "[--model NETWORK] [--student NETWORK] [--json] [--option VALUE ...]",
        .about = "Times inference, training and distillation on one device: images per second,\n"
                 "GFLOPS, memory, and of each operation the share of the time and of what the\n"
                 "device can do at most, which is measured too. Data are random. Without options\n"
                 "it is the workload '" BENCH_WORKLOAD "', whose results compare across machines\n"
                 "with tools/bench-compare.",
        .examples = examples,
        .see = "tune devices doctor",
    };
    add_options(&line, &report.settings, &json);
    add_device_options(&line, &choice);
    RT_TRY(command_line_parse(&line, argc, argv));
    report.settings.conv = choice.conv;
    report.settings.math = choice.math;
    report.standard = is_standard(&report.settings);
    RT_TRY(open_device(&device, &choice));
    report.device = rt_device_describe(device);
    RT_TRY(bench_run(device, &report.settings, report.results));
    report.peak_resident_bytes = rt_process_peak_bytes(); /* before the roof's large buffers */
    RT_TRY(rt_roof_measure(device, &report.roof));
    if (json)
        status = bench_print_json(&report);
    else
        bench_print(&report);
end:
    bench_finish(report.results);
    rt_device_close(device);
    command_line_finish(&line);
    return status;
}
