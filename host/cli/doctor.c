/* retort doctor: whether a device computes what it should. */
#include "cli/doctor.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/word.h"
#include "cli/commands.h"
#include "cli/common.h"
#include "cli/terminal.h"
#include "ops/conv2d.h"

/* What kernels are built for where those that suit the device are wrong: the plainest. */
static const struct doctor_setting plainer[DOCTOR_SETTINGS - 1] = {{4, 1}, {1, 1}};

/* --- what follows from the checks ----------------------------------------------------------- */

/* The part of a convolution that a check is of; RT_CONV2D_PARTS: of none. */
static int part_of(const struct rt_check *check)
{
    int part = 0;
    while (part < RT_CONV2D_PARTS &&
           (!check->variant ||
            strcmp(rt_conv2d_part_name((enum rt_conv2d_part)part), check->what) != 0))
        part++;
    return part;
}

/* Whether a variant can take the place of any other: it does the 3x3 convolutions of U-Nets and
 * their head. */
static bool is_general(const struct doctor *doctor, const struct rt_check *check)
{
    const struct rt_conv2d_variant *variant = rt_conv2d_find(check->variant);
    const enum rt_conv2d_part part = (enum rt_conv2d_part)part_of(check);
    const struct rt_shape x = {1, 16, 64, 64};
    for (int kernel = 1; kernel <= 3; kernel += 2) {
        const struct rt_conv2d a = {.channels = 16, .kernel = kernel, .stride = 1, .bias = true};
        if (!variant->supports(doctor->device, &a, x, part))
            return false;
    }
    return true;
}

static bool has_substitute(const struct doctor *doctor, const struct doctor_row *wrong)
{
    const struct doctor_row *rows = doctor_rows(doctor, -1);
    if (part_of(wrong->check) == RT_CONV2D_PARTS)
        return false;
    for (size_t i = 0; i < doctor->checks; i++)
        if (rows[i].result == DOCTOR_RIGHT &&
            strcmp(rows[i].check->what, wrong->check->what) == 0 &&
            is_general(doctor, rows[i].check))
            return true;
    return false;
}

static bool is_exact(const struct doctor_row *row)
{
    return strcmp(row->check->section, RT_SECTION_EXACT) == 0;
}

/* The first check of what training needs that failed for good; NULL: none. */
static const struct doctor_row *find_hopeless(const struct doctor *doctor)
{
    const struct doctor_row *rows = doctor_rows(doctor, -1);
    for (size_t i = 0; i < doctor->checks; i++)
        if (rows[i].result == DOCTOR_WRONG && !is_exact(&rows[i]) &&
            !has_substitute(doctor, &rows[i]))
            return &rows[i];
    return NULL;
}

/* --- the visit ------------------------------------------------------------------------------ */

/* Checks with what suits the device and, where that is wrong for good, with what is plainer. */
static rt_status run_checks(struct doctor *doctor)
{
    rt_status status = RT_OK;
    doctor->setting_count = 1;
    RT_TRY(doctor_run_checks(doctor));
    while (find_hopeless(doctor) && doctor->setting_count < DOCTOR_SETTINGS) {
        const struct doctor_setting *next = &plainer[doctor->setting_count - 1];
        if (!terminal_quiet)
            printf("\nonce more, with vectors of %d and work-groups of %d\n", next->vector,
                   next->group);
        doctor->settings[doctor->setting_count++] = *next;
        RT_TRY(doctor_run_checks(doctor));
    }
end:
    return status;
}

static void decide(struct doctor *doctor)
{
    struct rt_replaced *replaced = rt_choices_replaced(rt_device_choices(doctor->device));
    const struct doctor_row *rows = doctor_rows(doctor, -1), *hopeless = find_hopeless(doctor);
    const struct doctor_setting *setting = &doctor->settings[doctor->setting_count - 1];
    if (hopeless) {
        doctor->verdict = DOCTOR_UNFIT;
        snprintf(doctor->why, sizeof doctor->why,
                 "%s is wrong, and nothing plainer is right: %.400s", hopeless->check->what,
                 hopeless->why);
    }
    if (*doctor->memory_problem) {
        doctor->verdict = DOCTOR_UNFIT;
        snprintf(doctor->why, sizeof doctor->why, "its memory: %.400s", doctor->memory_problem);
    }
    for (int i = 0; i < RT_LIMITS; i++)
        if (doctor->limits[i].verdict == RT_LIMIT_UNFIT) {
            doctor->verdict = DOCTOR_UNFIT;
            snprintf(doctor->why, sizeof doctor->why, "%s: %s", doctor->limits[i].name,
                     doctor->limits[i].found);
        }
    if (doctor->verdict == DOCTOR_UNFIT)
        return;
    if (!doctor->only || setting->vector) {
        replaced->vector = setting->vector;
        replaced->group = setting->group;
    }
    for (size_t i = 0; i < doctor->checks; i++)
        if (rows[i].result == DOCTOR_WRONG && !is_exact(&rows[i]))
            rt_replaced_add(replaced, rows[i].check->what, rows[i].check->variant, rows[i].why);
    if (replaced->vector || replaced->count > 0)
        doctor->verdict = DOCTOR_REPLACED;
}

/* Writes what is replaced into the profile, or that nothing is any more. */
static rt_status keep(struct doctor *doctor, bool was_replaced)
{
    rt_status status = RT_OK;
    struct rt_choices *choices = rt_device_choices(doctor->device);
    const struct rt_device_info *info = rt_device_describe(doctor->device);
    char *path = NULL;
    RT_TRY(rt_choices_path(info, &path));
    if (doctor->verdict == DOCTOR_REPLACED && !path)
        snprintf(doctor->why, sizeof doctor->why,
                 "This is kept nowhere, as there is no place for profiles: without "
                 "RETORT_PROFILE_DIR, or with a folder in it, training will obey it.");
    if (doctor->verdict == DOCTOR_REPLACED && path)
        snprintf(doctor->why, sizeof doctor->why,
                 "This is kept in %.400s for this device and driver; all commands obey it.", path);
    rt_choices_keep_replaced(choices);
    if (path && (doctor->verdict == DOCTOR_REPLACED || was_replaced))
        status = rt_choices_write(choices, info);
end:
    free(path);
    return status;
}

/* What is looked at anew. */
static void forget(const struct doctor *doctor, struct rt_replaced *replaced)
{
    size_t left = 0;
    for (size_t i = 0; i < replaced->count; i++)
        if (!doctor_wants(doctor, replaced->avoided[i].what))
            replaced->avoided[left++] = replaced->avoided[i];
    replaced->count = left;
    if (!doctor->only)
        replaced->vector = replaced->group = 0;
}

static rt_status check_names(const struct doctor *doctor)
{
    size_t count;
    const struct rt_check *checks = rt_checks(&count);
    for (size_t i = 0; i < count; i++)
        if (doctor_wants(doctor, checks[i].what))
            return RT_OK;
    char meant[RT_WORD_MEANT];
    return rt_fail(
        RT_ERROR_ARGUMENT,
        "there is no check whose name begins with '%s'%s; retort doctor shows them all",
        doctor->only,
        rt_word_meant(meant, "",
                      rt_word_closest(doctor->only, &checks[0].what, count, sizeof *checks)));
}

/* What cannot be written should fail before the work. */
static rt_status check_writable(const char *path)
{
    struct rt_file_writer writer;
    if (!path)
        return RT_OK;
    rt_status status = rt_file_begin(&writer, path);
    if (status == RT_OK)
        rt_file_abandon(&writer);
    return status;
}

static rt_status examine(struct doctor *doctor, const char *json)
{
    rt_status status = RT_OK;
    struct rt_replaced *replaced = rt_choices_replaced(rt_device_choices(doctor->device));
    const bool was_replaced = replaced->count > 0 || replaced->vector;
    forget(doctor, replaced);
    rt_checks(&doctor->checks);
    RT_TRY(rt_alloc(&doctor->rows, DOCTOR_SETTINGS * doctor->checks, sizeof *doctor->rows));
    RT_TRY(rt_device_limits(rt_device_describe(doctor->device), doctor->limits));
    doctor_print_device(doctor);
    RT_TRY(run_checks(doctor));
    if (!doctor->only) {
        RT_TRY(doctor_run_memory(doctor));
        doctor_print_memory(doctor);
    }
    decide(doctor);
    RT_TRY(keep(doctor, was_replaced));
    doctor_print_verdict(doctor);
    if (json) {
        RT_TRY(doctor_write(doctor, json));
        if (!terminal_quiet)
            printf("%s is the report to attach to a bug\n", json);
    }
    if (doctor->verdict == DOCTOR_UNFIT)
        status = rt_fail(RT_ERROR_DEVICE, "%s is not fit for training",
                         rt_device_describe(doctor->device)->name);
end:
    return status;
}

rt_status run_doctor(int argc, char **argv)
{
    static const struct command_example examples[] = {
        {"Certify the device that would be trained on", "retort doctor"},
        {"Write the report to attach to a bug", "retort doctor --device gpu --json doctor.json"},
        {"Look at exact math alone", "retort doctor --only \"exact math\""},
        {NULL, NULL},
    };
    rt_status status = RT_OK;
    const char *which = NULL, *json = NULL;
    struct doctor doctor = {0};
    struct command_line line = {
        .usage = "[--device DEVICE] [--json FILE] [--only NAME]",
        .about =
            "Finds out whether a device and its driver compute what they should. Every kernel "
            "that\n"
            "retort may run there, in each variant, is compared with the same computed on the "
            "host\n"
            "in double precision, at awkward sizes, each in a process of its own, so that a "
            "driver\n"
            "that crashes or hangs costs one check. The device's limits are compared with what is\n"
            "needed, and the memory that it reports is tried. This takes some minutes, most of "
            "them\n"
            "for building kernels.\n\n"
            "The verdict is \"fit for training\" or \"not fit\" (exit status 1), or that some "
            "kernels\n"
            "are wrong and replaced: by another variant, or by kernels with shorter vectors. That "
            "is\n"
            "kept in the device's profile (see retort help tune) for this device and driver, and\n"
            "all commands obey it until the doctor is asked again. --json writes the report to\n"
            "attach to a bug.",
        .examples = examples,
        .see = "devices tune bench",
    };
    const struct option options[] = {
        OPTION_HEADING("Options"),
        OPTION(OPTION_TEXT, "device", &which, .argument = "DEVICE",
               .help = "an index, platform:device, gpu, cpu or part of a name; see retort devices"),
        OPTION(OPTION_TEXT, "json", &json, .argument = "FILE", .help = "write a report, too"),
        OPTION(OPTION_TEXT, "only", &doctor.only, .argument = "NAME",
               .help = "make the checks alone whose name begins with this; what an earlier visit "
                       "replaced of others stays so"),
    };
    command_line_add(&line, options, RT_COUNT(options));
    add_general_options(&line);
    RT_TRY(command_line_parse(&line, argc, argv));
    RT_TRY(check_names(&doctor));
    RT_TRY(check_writable(json));
    RT_TRY(rt_device_open(&doctor.device, which));
    terminal_catch_interrupts();
    status = examine(&doctor, json);
end:
    free(doctor.rows);
    rt_device_close(doctor.device);
    command_line_finish(&line);
    return status;
}
