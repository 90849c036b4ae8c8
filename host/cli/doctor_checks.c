/* The checks of retort doctor, each in a process of its own: a driver that crashes or never ends
 * costs one check. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/child.h"
#include "base/json.h"
#include "base/memory.h"
#include "base/process.h"
#include "cli/commands.h"
#include "cli/common.h"
#include "cli/doctor.h"
#include "cli/terminal.h"

#define CHECK_SECONDS 600.0 /* where a device is emulated, kernels take minutes */
#define MEMORY_SECONDS 20.0
#define MEMORY "memory"

struct doctor_row *doctor_rows(const struct doctor *doctor, int setting)
{
    const int which = setting < 0 ? doctor->setting_count - 1 : setting;
    return doctor->rows + (size_t)which * doctor->checks;
}

bool doctor_wants(const struct doctor *doctor, const char *what)
{
    return !doctor->only || strncmp(what, doctor->only, strlen(doctor->only)) == 0;
}

/* --- the parent ----------------------------------------------------------------------------- */

/* Starts a check and reads its answer, the last line: a driver may have printed others. Errors: as
 * of rt_child_run; FORMAT. */
static rt_status ask(const struct doctor *doctor, const char *what, const char *variant,
                     json_t **answer)
{
    rt_status status = RT_OK;
    char *program = NULL, *output = NULL, index[16], vector[16], group[16];
    const struct doctor_setting *setting = &doctor->settings[doctor->setting_count - 1];
    *answer = NULL;
    snprintf(index, sizeof index, "%d", rt_device_describe(doctor->device)->index);
    snprintf(vector, sizeof vector, "%d", setting->vector);
    snprintf(group, sizeof group, "%d", setting->group);
    RT_TRY(rt_program_path(&program));
    const char *command[14] = {program, "doctor-check", "--device", index,     "--what",
                               what,    "--vector",     vector,     "--group", group};
    size_t count = 10;
    if (variant) {
        command[count++] = "--variant";
        command[count++] = variant;
    }
    if (terminal_verbose)
        command[count++] = "--verbose";
    RT_TRY(rt_child_run(command, CHECK_SECONDS, !terminal_verbose, &output));
    size_t length = strlen(output);
    while (length > 0 && output[length - 1] == '\n')
        output[--length] = 0;
    const char *line = strrchr(output, '\n');
    *answer = json_loads(line ? line + 1 : output, 0, NULL);
    if (!json_is_object(*answer))
        status = rt_fail(RT_ERROR_FORMAT, "it gave no answer");
end:
    free(program);
    free(output);
    return status;
}

static void read_row(const json_t *answer, struct doctor_row *row)
{
    const char *problem = json_string_value(json_object_get(answer, "problem"));
    row->verified =
        (struct rt_verified){.error = json_number_value(json_object_get(answer, "error")),
                             .bound = json_number_value(json_object_get(answer, "bound"))};
    row->build_seconds = json_number_value(json_object_get(answer, "build_seconds"));
    row->result = json_is_true(json_object_get(answer, "not_run")) ? DOCTOR_NOT_RUN
                  : problem                                        ? DOCTOR_WRONG
                                                                   : DOCTOR_RIGHT;
    snprintf(row->why, sizeof row->why, "%s", problem ? problem : "");
}

static rt_status stop_if_asked(void)
{
    return terminal_interrupted(NULL)
               ? rt_fail(RT_ERROR_INTERRUPTED, "interrupted; nothing was written")
               : RT_OK;
}

static rt_status run_check(struct doctor *doctor, struct doctor_row *row)
{
    json_t *answer;
    const double start = rt_clock_seconds();
    rt_status status = ask(doctor, row->check->what, row->check->variant, &answer);
    if (status == RT_OK)
        read_row(answer, row);
    else
        snprintf(row->why, sizeof row->why, "its process failed: %.900s", rt_error_message());
    json_decref(answer);
    row->seconds = rt_clock_seconds() - start;
    return status == RT_ERROR_MEMORY ? status : stop_if_asked();
}

rt_status doctor_run_checks(struct doctor *doctor)
{
    rt_status status = RT_OK;
    size_t count;
    const struct rt_check *checks = rt_checks(&count);
    struct doctor_row *rows = doctor_rows(doctor, -1);
    for (size_t i = 0; i < count; i++) {
        char text[128];
        rows[i] = (struct doctor_row){.check = &checks[i], .result = DOCTOR_NOT_RUN};
        snprintf(rows[i].why, sizeof rows[i].why, "not asked for");
        if (!doctor_wants(doctor, checks[i].what))
            continue;
        snprintf(text, sizeof text, "check %zu of %zu: %s%s%s", i + 1, count, checks[i].what,
                 checks[i].variant ? ", " : "", checks[i].variant ? checks[i].variant : "");
        terminal_work(text);
        rows[i].result = DOCTOR_WRONG;
        RT_TRY(run_check(doctor, &rows[i]));
        terminal_work("");
        doctor_print_row(&rows[i]);
    }
end:
    terminal_work("");
    return status;
}

rt_status doctor_run_memory(struct doctor *doctor)
{
    json_t *answer;
    struct rt_memory_trial *memory = &doctor->memory;
    terminal_work("trying the memory");
    rt_status status = ask(doctor, MEMORY, NULL, &answer);
    terminal_work("");
    if (status == RT_ERROR_MEMORY)
        return status;
    const char *problem = status < 0 ? rt_error_message()
                                     : json_string_value(json_object_get(answer, "problem")),
               *why = json_string_value(json_object_get(answer, "why"));
    snprintf(doctor->memory_problem, sizeof doctor->memory_problem, "%.500s",
             problem ? problem : "");
    *memory = (struct rt_memory_trial){
        .tried = (size_t)json_integer_value(json_object_get(answer, "tried")),
        .had = (size_t)json_integer_value(json_object_get(answer, "had")),
        .tried_buffer = (size_t)json_integer_value(json_object_get(answer, "tried_buffer")),
        .had_buffer = (size_t)json_integer_value(json_object_get(answer, "had_buffer")),
        .seconds = json_number_value(json_object_get(answer, "seconds"))};
    snprintf(memory->why, sizeof memory->why, "%s", why ? why : "");
    json_decref(answer);
    return stop_if_asked();
}

/* --- the child ------------------------------------------------------------------------------ */

/* The message, which may hold a compiler's log, in letters that JSON takes. */
static json_t *problem_json(void)
{
    char text[1024];
    snprintf(text, sizeof text, "%s", rt_error_message());
    for (char *letter = text; *letter; letter++)
        if ((unsigned char)*letter > 126)
            *letter = '?';
    return json_string(text);
}

static const struct rt_check *find_check(const char *what, const char *variant)
{
    size_t count;
    const struct rt_check *checks = rt_checks(&count);
    for (size_t i = 0; i < count; i++)
        if (strcmp(checks[i].what, what) == 0 &&
            strcmp(checks[i].variant ? checks[i].variant : "", variant) == 0)
            return &checks[i];
    return NULL;
}

/* Two turns: only the first has its kernels built, by some drivers not before they are launched. */
static json_t *check_kernels(struct rt_device *device, const char *what, const char *variant)
{
    const struct rt_check *check = find_check(what, variant);
    struct rt_verified verified = {0};
    rt_status status =
        check ? RT_OK : rt_fail(RT_ERROR_ARGUMENT, "there is no check '%s', '%s'", what, variant);
    double turns[2] = {0, 0};
    for (int i = 0; i < 2 && status == RT_OK; i++) {
        const double start = rt_clock_seconds();
        status = check->run(device, check, &verified);
        turns[i] = rt_clock_seconds() - start;
    }
    json_t *answer =
        json_pack("{s:f, s:f, s:b}", "bound", verified.bound, "build_seconds",
                  fmax(turns[0] - turns[1], 0), "not_run", status == RT_ERROR_UNSUPPORTED);
    json_object_set_new(answer, "error", json_real(verified.error)); /* none where it is NaN */
    if (status < 0)
        json_object_set_new(answer, "problem", problem_json());
    return answer;
}

static json_t *check_memory(struct rt_device *device)
{
    struct rt_memory_trial trial;
    const rt_status status = rt_device_try_memory(device, MEMORY_SECONDS, &trial);
    json_t *answer = json_pack(
        "{s:I, s:I, s:I, s:I, s:f, s:s}", "tried", (json_int_t)trial.tried, "had",
        (json_int_t)trial.had, "tried_buffer", (json_int_t)trial.tried_buffer, "had_buffer",
        (json_int_t)trial.had_buffer, "seconds", trial.seconds, "why", trial.why);
    if (status < 0)
        json_object_set_new(answer, "problem", problem_json());
    return answer;
}

static rt_status check(const char *which, const char *what, const char *variant,
                       const struct doctor_setting *setting)
{
    rt_status status = RT_OK;
    struct rt_device *device = NULL;
    char *text = NULL;
    RT_TRY(rt_device_open(&device, which));
    /* What an earlier visit replaced is looked at anew. */
    *rt_choices_replaced(rt_device_choices(device)) = (struct rt_replaced){0};
    rt_device_force(device, setting->vector, setting->group);
    json_t *answer =
        strcmp(what, MEMORY) == 0 ? check_memory(device) : check_kernels(device, what, variant);
    RT_TRY(rt_json_text(&text, answer, JSON_COMPACT));
    puts(text);
    json_decref(answer);
end:
    free(text);
    rt_device_close(device);
    return status;
}

rt_status run_doctor_check(int argc, char **argv)
{
    rt_status status = RT_OK;
    const char *which = NULL, *what = NULL, *variant = "";
    struct doctor_setting setting = {0};
    struct command_line line = {
        .usage = "--what NAME",
        .about = "Makes one of the checks of retort doctor and prints a line of JSON.",
    };
    const struct option options[] = {
        OPTION_HEADING("Options"),
        OPTION(OPTION_TEXT, "what", &what, .argument = "NAME", .required = true,
               .help = "what is checked: \"conv2d forward\", memory, ..."),
        OPTION(OPTION_TEXT, "variant", &variant, .argument = "NAME", .help = "which way to do it"),
        OPTION(OPTION_INT, "vector", &setting.vector, .argument = "N", .least = 0, .most = 16,
               .help = "floats in a vector; 0: what suits the device"),
        OPTION(OPTION_INT, "group", &setting.group, .argument = "N", .least = 0, .most = 1024,
               .help = "work-items in a group, likewise"),
        OPTION(OPTION_TEXT, "device", &which, .argument = "DEVICE", .help = "as for doctor"),
    };
    command_line_add(&line, options, RT_COUNT(options));
    add_general_options(&line);
    RT_TRY(command_line_parse(&line, argc, argv));
    status = check(which, what, variant, &setting);
end:
    command_line_finish(&line);
    return status;
}
