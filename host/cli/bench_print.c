#include <jansson.h>
#include <stdio.h>
#include <sys/utsname.h>

#include "base/size.h"
#include "cli/bench.h"
#include "cli/common.h"
#include "learn/names.h"

#define WORTH_A_LINE 0.02 /* of a step's time */

static double per_second(double work, double seconds)
{
    return seconds > 0 ? work / seconds : 0;
}

static double images_per_second(const struct bench_report *report, const struct bench_result *r)
{
    return per_second(report->settings.batch, r->seconds);
}

/* The share of the roof that an operation reaches; below 0 where its work is not known. */
static double share_of_roof(const struct bench_report *report, const struct bench_operation *o)
{
    const double least = rt_roof_seconds(&report->roof, o->cost);
    return least > 0 && o->seconds > 0 ? least / o->seconds : -1;
}

/* --- tables ---------------------------------------------------------------------------------- */

static void print_heading(const struct bench_report *report)
{
    const struct bench_settings *s = &report->settings;
    const struct rt_device_info *device = report->device;
    printf("%s (%s, %d compute units), %s, driver %s\n", device->name,
           rt_device_type_name(device->type), device->units, device->platform_name, device->driver);
    printf("teacher %s, student %s, batch %d, %d x %d pixels, medians of %d steps%s\n", s->teacher,
           s->student, s->batch, s->patch, s->patch, s->steps,
           report->standard ? ": " BENCH_WORKLOAD : "; not the standard workload");
    printf("at most %.1f GFLOPS in multiply-adds and %.1f GB/s in copies, measured here\n\n",
           1e-9 * report->roof.flops, 1e-9 * report->roof.bytes);
}

static void print_cases(const struct bench_report *report)
{
    char size[RT_SIZE_TEXT];
    printf("%-20s %10s %10s %10s %10s %12s\n", "", "s/step", "images/s", "GFLOPS", "% of peak",
           "device");
    for (int i = 0; i < BENCH_CASES; i++) {
        const struct bench_result *r = &report->results[i];
        const double flops = per_second(r->cost.flops, r->seconds);
        printf("%-20s %10.4f %10.2f %10.1f %10.1f %12s\n", r->name, r->seconds,
               images_per_second(report, r), 1e-9 * flops, 100 * flops / report->roof.flops,
               rt_size_text(size, r->peak_device_bytes));
    }
    printf("\npeak resident memory of the process: %s\n",
           rt_size_text(size, report->peak_resident_bytes));
}

/* Right-aligned, or a dash where nothing is known. */
static void print_figure(double value)
{
    if (value > 0)
        printf(" %9.1f", value);
    else
        printf(" %9s", "-");
}

static void print_operations(const struct bench_report *report, const struct bench_result *r)
{
    printf("\n%-44s %9s %9s %9s %9s %9s\n", r->name, "% of time", "ms", "GFLOPS", "GB/s",
           "% of roof");
    for (size_t i = 0; i < r->count && r->operations[i].share >= WORTH_A_LINE; i++) {
        const struct bench_operation *o = &r->operations[i];
        printf("  %-42s %9.1f %9.3f", o->label, 100 * o->share, 1e3 * o->seconds);
        print_figure(1e-9 * per_second(o->cost.flops, o->seconds));
        print_figure(1e-9 * per_second(o->cost.bytes, o->seconds));
        print_figure(100 * share_of_roof(report, o));
        putchar('\n');
    }
}

void bench_print(const struct bench_report *report)
{
    print_heading(report);
    print_cases(report);
    for (int i = 0; i < BENCH_CASES; i++)
        print_operations(report, &report->results[i]);
    printf(
        "\nOf each operation the roof is the multiply-adds or the copies a second, whichever its\n"
        "work meets first; data that stay in a cache can be above it.\n");
}

/* --- JSON ------------------------------------------------------------------------------------ */

static json_t *settings_json(const struct bench_settings *s)
{
    return json_pack("{ss ss si si si si si ss ss ss sf sf ss ss}", "teacher", s->teacher,
                     "student", s->student, "batch", s->batch, "patch", s->patch, "channels",
                     BENCH_CHANNELS, "classes", BENCH_CLASSES, "steps", s->steps, "optimizer",
                     "adam", "loss", "ce", "distillation", "kl", "alpha", (double)BENCH_ALPHA,
                     "temperature", (double)BENCH_TEMPERATURE, "conv", conv_names[s->conv], "math",
                     rt_math_names[s->math]);
}

static json_t *device_json(const struct rt_device_info *d)
{
    return json_pack("{ss ss sb ss ss ss ss si si sI}", "name", d->name, "type",
                     rt_device_type_name(d->type), "integrated", d->integrated, "vendor", d->vendor,
                     "platform", d->platform_name, "driver", d->driver, "opencl", d->version,
                     "compute_units", d->units, "mhz", d->mhz, "memory_bytes",
                     (json_int_t)d->memory_bytes);
}

/* Of the machine that ran it, what does not change from run to run. */
static json_t *host_json(void)
{
    struct utsname name;
    if (uname(&name) != 0)
        return json_pack("{ss ss}", "os", "unknown", "architecture", "unknown");
    return json_pack("{ss ss}", "os", name.sysname, "architecture", name.machine);
}

static json_t *operation_json(const struct bench_report *report, const struct bench_operation *o)
{
    const double share = share_of_roof(report, o);
    return json_pack("{ss sI sf sf sf sf sf sf so}", "operation", o->label, "launches",
                     (json_int_t)o->launches, "seconds", o->seconds, "share", o->share, "flops",
                     o->cost.flops, "bytes", o->cost.bytes, "gflops",
                     1e-9 * per_second(o->cost.flops, o->seconds), "gb_per_second",
                     1e-9 * per_second(o->cost.bytes, o->seconds), "share_of_roof",
                     share < 0 ? json_null() : json_real(share));
}

static json_t *result_json(const struct bench_report *report, const struct bench_result *r)
{
    const double flops = per_second(r->cost.flops, r->seconds);
    json_t *operations = json_array();
    for (size_t i = 0; i < r->count; i++)
        json_array_append_new(operations, operation_json(report, &r->operations[i]));
    return json_pack("{ss sf sf sf sf sI so}", "case", r->name, "seconds", r->seconds,
                     "images_per_second", images_per_second(report, r), "gflops", 1e-9 * flops,
                     "share_of_peak", flops / report->roof.flops, "peak_device_bytes",
                     (json_int_t)r->peak_device_bytes, "operations", operations);
}

rt_status bench_print_json(const struct bench_report *report)
{
    json_t *cases = json_array();
    for (int i = 0; i < BENCH_CASES; i++)
        json_array_append_new(cases, result_json(report, &report->results[i]));
    json_t *root =
        json_pack("{ss sb so ss so so s{sf sf} sI so}", "workload", BENCH_WORKLOAD, "standard",
                  report->standard, "settings", settings_json(&report->settings), "retort",
                  RT_VERSION, "host", host_json(), "device", device_json(report->device), "roof",
                  "gflops", 1e-9 * report->roof.flops, "gb_per_second", 1e-9 * report->roof.bytes,
                  "peak_resident_bytes", (json_int_t)report->peak_resident_bytes, "cases", cases);
    return print_json(root);
}
