/* What retort doctor says, to the terminal and to a file. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/duration.h"
#include "base/file.h"
#include "base/json.h"
#include "base/memory.h"
#include "base/size.h"
#include "cli/common.h"
#include "cli/doctor.h"
#include "cli/terminal.h"
#include "device/quirks.h"

#define FORMAT_VERSION 1
#define MIB ((double)(1 << 20))

static const char *const result_names[] = {"right", "wrong", "not run"};
static const char *const limit_names[] = {"fit", "less", "unfit"};
static const char *const verdict_names[] = {"fit", "replaced", "unfit"};

/* --- the terminal --------------------------------------------------------------------------- */

void doctor_print_device(const struct doctor *doctor)
{
    const struct rt_device_info *info = rt_device_describe(doctor->device);
    const struct rt_quirk *quirk = NULL;
    if (terminal_quiet)
        return;
    printf("%s (%s), %s, driver %s\n\n", info->name, rt_device_type_name(info->type),
           info->platform_name, info->driver);
    printf("limits\n");
    for (int i = 0; i < RT_LIMITS; i++) {
        const struct rt_limit *limit = &doctor->limits[i];
        printf("  %-24s %-24s ", limit->name, limit->found);
        if (limit->verdict == RT_LIMIT_FIT)
            printf("%s\n", terminal_paint(TERMINAL_GOOD, "ok"));
        else
            printf("%s: needed for %s\n",
                   limit->verdict == RT_LIMIT_LESS ? terminal_paint(TERMINAL_DOUBTFUL, "less")
                                                   : terminal_paint(TERMINAL_BAD, "NOT FIT"),
                   limit->wanted);
    }
    while ((quirk = rt_quirk_next(info, quirk)))
        printf("  known: %s%s%s%s\n", quirk->why, quirk->source ? " (" : "",
               quirk->source ? quirk->source : "", quirk->source ? ")" : "");
    printf("\n%-27s %-9s %-7s %9s %9s %9s\n", "kernels", "variant", "result", "error", "allowed",
           "build, s");
    fflush(stdout);
}

/* The first line of a message. */
static int first_line(const char *text)
{
    return (int)strcspn(text, "\n");
}

void doctor_print_row(const struct doctor_row *row)
{
    static const enum terminal_colour colours[] = {TERMINAL_GOOD, TERMINAL_BAD, TERMINAL_FAINT};
    static const char *const words[] = {"ok     ", "WRONG  ", "-      "};
    const char *variant = row->check->variant ? row->check->variant : "";
    if (terminal_quiet && row->result != DOCTOR_WRONG)
        return;
    printf("  %-25s %-9s %s ", row->check->what, variant,
           terminal_paint(colours[row->result], words[row->result]));
    if (row->result == DOCTOR_RIGHT)
        printf("%9.1e %9.1e %9.2f\n", row->verified.error, row->verified.bound, row->build_seconds);
    else
        printf("%.*s\n", first_line(row->why), row->why);
    fflush(stdout);
}

void doctor_print_memory(const struct doctor *doctor)
{
    char size[RT_SIZE_TEXT], buffer[RT_SIZE_TEXT], time[RT_DURATION_TEXT];
    const struct rt_memory_trial *m = &doctor->memory;
    const struct rt_device_info *info = rt_device_describe(doctor->device);
    if (terminal_quiet && !*doctor->memory_problem)
        return;
    printf("\nmemory\n  reported   %s, one buffer up to %s\n",
           rt_size_text(size, info->memory_bytes), rt_size_text(buffer, info->buffer_bytes));
    printf("  tried      %s, one buffer of %s\n", rt_size_text(size, m->tried),
           rt_size_text(buffer, m->tried_buffer));
    printf("  had        %s, one buffer of %s, in %s\n", rt_size_text(size, m->had),
           rt_size_text(buffer, m->had_buffer), rt_duration_text(time, m->seconds));
    if (*m->why)
        printf("  %s\n", m->why);
    if (*doctor->memory_problem)
        printf("  %s %s\n", terminal_paint(TERMINAL_BAD, "WRONG"), doctor->memory_problem);
    else if (m->had < m->tried || m->had_buffer < m->tried_buffer)
        printf("  %s: give --memory-limit %.0fM to train, or less\n",
               terminal_paint(TERMINAL_DOUBTFUL, "less than it reports"), (double)m->had / MIB);
}

static void print_exact(const struct doctor *doctor)
{
    const struct doctor_row *rows = doctor_rows(doctor, -1);
    for (size_t i = 0; i < doctor->checks; i++)
        if (strcmp(rows[i].check->section, RT_SECTION_EXACT) == 0 && rows[i].result == DOCTOR_WRONG)
            printf("%s here: its results are not those of other devices\n",
                   terminal_paint(TERMINAL_BAD, "--math exact is not exact"));
}

void doctor_print_verdict(const struct doctor *doctor)
{
    const struct rt_replaced *replaced = rt_choices_replaced(rt_device_choices(doctor->device));
    if (!terminal_quiet)
        printf("\n");
    if (doctor->verdict == DOCTOR_FIT)
        printf("verdict: %s\n",
               terminal_paint(TERMINAL_GOOD,
                              doctor->only ? "right, as far as was asked" : "fit for training"));
    if (doctor->verdict == DOCTOR_UNFIT)
        printf("verdict: %s: %s\n", terminal_paint(TERMINAL_BAD, "not fit"), doctor->why);
    if (doctor->verdict != DOCTOR_REPLACED)
        print_exact(doctor);
    fflush(stdout); /* before what standard error may say */
    if (doctor->verdict != DOCTOR_REPLACED)
        return;
    printf("verdict: %s\n",
           terminal_paint(TERMINAL_DOUBTFUL, "fit for training, but these kernels are replaced:"));
    for (size_t i = 0; i < replaced->count; i++)
        printf("  %s, %s: by another variant\n", replaced->avoided[i].what,
               replaced->avoided[i].variant);
    if (replaced->vector)
        printf("  all: by ones with vectors of %d and work-groups of %d\n", replaced->vector,
               replaced->group);
    printf("%s\n", doctor->why);
    print_exact(doctor);
}

/* --- the file ------------------------------------------------------------------------------- */

static json_t *rows_json(const struct doctor *doctor, int setting)
{
    json_t *list = json_array();
    const struct doctor_row *rows = doctor_rows(doctor, setting);
    for (size_t i = 0; i < doctor->checks; i++) {
        const struct doctor_row *row = &rows[i];
        const bool compared = isfinite(row->verified.error) && row->verified.bound > 0;
        rt_json_append(&list,
                       json_pack("{s:s, s:s, s:s?, s:s, s:o, s:f, s:f, s:f, s:s}", "section",
                                 row->check->section, "what", row->check->what, "variant",
                                 row->check->variant, "result", result_names[row->result], "error",
                                 compared ? json_real(row->verified.error) : json_null(), "bound",
                                 row->verified.bound, "build_seconds", row->build_seconds,
                                 "seconds", row->seconds, "why", row->why));
    }
    return list;
}

static json_t *settings_json(const struct doctor *doctor)
{
    json_t *list = json_array();
    for (int i = 0; i < doctor->setting_count; i++)
        rt_json_append(&list,
                       json_pack("{s:i, s:i, s:o}", "vector", doctor->settings[i].vector, "group",
                                 doctor->settings[i].group, "checks", rows_json(doctor, i)));
    return list;
}

static json_t *limits_json(const struct doctor *doctor)
{
    json_t *list = json_array();
    for (int i = 0; i < RT_LIMITS; i++) {
        const struct rt_limit *limit = &doctor->limits[i];
        rt_json_append(&list,
                       json_pack("{s:s, s:s, s:s, s:s}", "name", limit->name, "found", limit->found,
                                 "for", limit->wanted, "verdict", limit_names[limit->verdict]));
    }
    return list;
}

static json_t *memory_json(const struct doctor *doctor)
{
    const struct rt_memory_trial *m = &doctor->memory;
    return json_pack("{s:I, s:I, s:I, s:I, s:f, s:s, s:s}", "tried", (json_int_t)m->tried, "had",
                     (json_int_t)m->had, "tried_buffer", (json_int_t)m->tried_buffer, "had_buffer",
                     (json_int_t)m->had_buffer, "seconds", m->seconds, "why", m->why, "problem",
                     doctor->memory_problem);
}

static json_t *quirks_json(const struct doctor *doctor)
{
    json_t *list = json_array();
    const struct rt_quirk *quirk = NULL;
    while ((quirk = rt_quirk_next(rt_device_describe(doctor->device), quirk)))
        rt_json_append(&list, json_pack("{s:s, s:s?}", "why", quirk->why, "source", quirk->source));
    return list;
}

rt_status doctor_write(const struct doctor *doctor, const char *path)
{
    char *text = NULL;
    json_t *report = json_pack(
        "{s:i, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:s, s:s}", "format", FORMAT_VERSION, "retort",
        RT_VERSION, "device", describe_device(rt_device_describe(doctor->device)), "limits",
        limits_json(doctor), "quirks", quirks_json(doctor), "settings", settings_json(doctor),
        "memory", memory_json(doctor), "replaced",
        rt_replaced_json(rt_choices_replaced(rt_device_choices(doctor->device))), "verdict",
        verdict_names[doctor->verdict], "why", doctor->why);
    rt_status status = rt_json_text(&text, report, JSON_INDENT(1));
    if (status == RT_OK)
        status = rt_file_write(path, text, strlen(text));
    free(text);
    json_decref(report);
    return status;
}
