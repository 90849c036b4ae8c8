#include "cli/search.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/child.h"
#include "base/duration.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/process.h"
#include "cli/terminal.h"
#include "device/gemm.h"
#include "graph/graph.h"
#include "model/model.h"
#include "ops/conv2d.h"
#include "ops/tune.h"

#define CANDIDATE_SECONDS 60.0
#define FIRST_SECONDS 30.0
#define FIRST_BATCH 4 /* at most: more images tell little more, and take longer */

/* --- what there is to find ------------------------------------------------------------------ */

void search_finish(struct search *search)
{
    free(search->parts);
}

rt_status search_add(struct search *search, const char *key, double flops)
{
    for (size_t i = 0; i < search->count; i++)
        if (strcmp(search->parts[i].key, key) == 0) {
            search->parts[i].flops += flops;
            return RT_OK;
        }
    rt_status status =
        rt_grow(&search->parts, &search->capacity, search->count + 1, sizeof *search->parts);
    if (status < 0)
        return status;
    struct search_part *part = &search->parts[search->count++];
    snprintf(part->key, sizeof part->key, "%s", key);
    part->flops = flops;
    return RT_OK;
}

static rt_status add_part(struct search *search, const struct rt_graph_call *call,
                          enum rt_conv2d_part part)
{
    char key[RT_CHOICE_KEY_BYTES];
    rt_conv2d_key(call->attributes, call->x[0], part, key);
    /* All three parts take as many. */
    return search_add(search, key, rt_op_conv2d.cost(call->attributes, call->x, RT_FORWARD).flops);
}

rt_status search_add_model(struct search *search, struct rt_model *model, bool training)
{
    rt_status status = RT_OK;
    const int patch = rt_model_describe(model)->patch;
    struct rt_graph_call *calls = NULL;
    size_t count = 0;
    RT_TRY(rt_model_calls(model, 1, patch, patch, &calls, &count));
    for (size_t i = 0; i < count; i++) {
        if (calls[i].op != &rt_op_conv2d || rt_conv2d_groups(calls[i].attributes) > 1)
            continue; /* there is one way for groups of channels */
        RT_TRY(add_part(search, &calls[i], RT_CONV2D_FORWARD));
        if (training && calls[i].backward)
            RT_TRY(add_part(search, &calls[i], RT_CONV2D_BACKWARD_WEIGHTS));
        if (training && calls[i].dx[0])
            RT_TRY(add_part(search, &calls[i], RT_CONV2D_BACKWARD_DATA));
    }
end:
    free(calls);
    return status;
}

/* The names of what may be chosen for a key; *count of them. */
static rt_status find_candidates(const struct search *search, const char *key,
                                 const char *names[RT_CHOICE_VARIANTS], int *count)
{
    struct rt_conv2d attributes;
    struct rt_shape x;
    enum rt_conv2d_part part;
    *count = 0;
    if (strcmp(key, RT_GEMM_KEY) == 0) {
        for (; *count < RT_CHOICE_VARIANTS && rt_gemm_set((size_t)*count); ++*count)
            names[*count] = rt_gemm_set((size_t)*count);
        return RT_OK;
    }
    rt_status status = rt_conv2d_parse_key(key, &attributes, &x, &part);
    x.n = search->batch;
    for (const struct rt_conv2d_variant *const *v = rt_conv2d_variants; status == RT_OK && *v;
         v++) {
        const struct rt_conv2d_variant *better = (*v)->better;
        if (*count < RT_CHOICE_VARIANTS &&
            rt_conv2d_usable(search->device, &attributes, x, part, *v) &&
            !(better && rt_conv2d_usable(search->device, &attributes, x, part, better)))
            names[(*count)++] = (*v)->name;
    }
    return status;
}

/* --- finding it ----------------------------------------------------------------------------- */

static rt_status search_key(const struct search *search, const struct rt_tuner *tuner,
                            const char *key, bool *found)
{
    rt_status status = RT_OK;
    const char *names[RT_CHOICE_VARIANTS];
    int count;
    struct rt_choice choice;
    RT_TRY(find_candidates(search, key, names, &count));
    RT_TRY(rt_tune(tuner, key, names, count, &choice));
    *found = choice.count > 0;
    if (terminal_interrupted(NULL))
        return rt_fail(RT_ERROR_INTERRUPTED, "interrupted while it tried kernels; what was found "
                                             "before is kept");
    if (!*found && !(tuner->deadline > 0 && rt_clock_seconds() >= tuner->deadline))
        rt_warn("nothing is left for %s; the rule for devices of this type stands", key);
    /* Also where nothing was found: it was tried. */
    RT_TRY(rt_choices_set(rt_device_choices(search->device), &choice));
    status =
        rt_choices_write(rt_device_choices(search->device), rt_device_describe(search->device));
end:
    return status;
}

static void show_place(const struct search *search, size_t place, double left)
{
    char text[RT_CHOICE_KEY_BYTES + 96], time[RT_DURATION_TEXT] = "";
    if (isfinite(left))
        rt_duration_text(time, ceil(left));
    snprintf(text, sizeof text, "tuning %zu/%zu%s%s%s: %s", place + 1, search->count,
             *time ? ", " : "", time, *time ? " left" : "", search->parts[place].key);
    terminal_status(text);
}

rt_status search_run(const struct search *search, double seconds, size_t *found)
{
    rt_status status = RT_OK;
    const struct rt_device_info *info = rt_device_describe(search->device);
    const double end_time = rt_clock_seconds() + seconds;
    char *program = NULL, index[16];
    bool chosen;
    *found = 0;
    snprintf(index, sizeof index, "%d", info->index);
    RT_TRY(rt_program_path(&program));
    const char *const command[] = {
        program, "tune-candidate", "--device", index, terminal_verbose ? "--verbose" : NULL, NULL};
    /* One candidate must not take most of the time. */
    const struct rt_tuner tuner = {.command = command,
                                   .batch = search->batch,
                                   .seconds = fmin(CANDIDATE_SECONDS, seconds / 3),
                                   .quiet = !terminal_verbose,
                                   .deadline = isfinite(end_time) ? end_time : 0,
                                   .stop = terminal_interrupted};
    /* What cannot be written should fail before the work. */
    RT_TRY(rt_choices_write(rt_device_choices(search->device), info));
    for (size_t i = 0; i < search->count; i++) {
        const double left = end_time - rt_clock_seconds();
        if (left <= 0)
            break;
        show_place(search, i, left);
        RT_TRY(search_key(search, &tuner, search->parts[i].key, &chosen));
        *found += chosen;
        if (*found == 0 && isfinite(seconds))
            break;
    }
end:
    terminal_status("");
    free(program);
    return status;
}

/* --- before the first training -------------------------------------------------------------- */

void add_first_search(struct command_line *line, struct first_search *first)
{
    first->seconds = -1;
    const struct option options[] = {
        OPTION(OPTION_NUMBER, "tune", &first->seconds, .argument = "SECONDS", .least = 0,
               .most = 1e6,
               .help = "time to find the fastest kernels in, where the device's profile has none "
                       "(default: 30, on a CPU 0)"),
    };
    command_line_add(line, options, RT_COUNT(options));
}

/* Adds what a model needs, unless something of it is known: then a search had its time. */
static rt_status add_unknown(struct search *search, struct rt_model *model, bool training)
{
    rt_status status = RT_OK;
    struct search own = {0};
    bool known = false;
    RT_TRY(search_add_model(&own, model, training));
    for (size_t i = 0; i < own.count; i++)
        known |= rt_choices_find(rt_device_choices(search->device), own.parts[i].key) != NULL;
    for (size_t i = 0; i < own.count && !known; i++)
        RT_TRY(search_add(search, own.parts[i].key, own.parts[i].flops));
end:
    search_finish(&own);
    return status;
}

static int compare_parts(const void *a, const void *b)
{
    double x = ((const struct search_part *)a)->flops, y = ((const struct search_part *)b)->flops;
    int order = (x < y) - (x > y);
    return order ? order : strcmp(a, b); /* the keys come first */
}

/* Searches, tells of it, and takes the time off. */
static rt_status search_at_first(const struct search *search, const char *path,
                                 struct first_search *first)
{
    size_t found = 0;
    const double start = rt_clock_seconds();
    rt_info("%s has no profile for this network: looking for the fastest kernels, for at most "
            "%.0f s; retort tune takes the time for all",
            rt_device_describe(search->device)->name, ceil(first->seconds));
    rt_status status = search_run(search, first->seconds, &found);
    first->seconds = fmax(first->seconds - (rt_clock_seconds() - start), 0);
    if (status == RT_ERROR_MEMORY || status == RT_ERROR_INTERRUPTED)
        return status;
    if (status < 0)
        rt_warn("the search is left out: %s", rt_error_message());
    else
        rt_info("chose kernels for %zu of %zu parts of convolutions; they are kept in %s", found,
                search->count, path);
    return RT_OK;
}

rt_status first_search(void *user, struct rt_model *const *models, int count, int batch)
{
    rt_status status = RT_OK;
    struct first_search *first = user;
    struct search search = {.device = rt_model_device(models[0]),
                            .batch = batch < FIRST_BATCH ? batch : FIRST_BATCH};
    char *path = NULL;
    if (first->seconds < 0)
        first->seconds = rt_device_is_cpu(search.device) ? 0 : FIRST_SECONDS;
    RT_TRY(rt_choices_path(rt_device_describe(search.device), &path));
    if (first->seconds <= 0 || !path || rt_device_conv(search.device) != RT_CONV_AUTO ||
        rt_device_is_exact(search.device))
        goto end;
    for (int i = 0; i < count; i++)
        RT_TRY(add_unknown(&search, models[i], i == 0));
    if (search.count == 0)
        goto end;
    qsort(search.parts, search.count, sizeof *search.parts, compare_parts);
    status = search_at_first(&search, path, first);
end:
    search_finish(&search);
    free(path);
    return status;
}
