/* retort tune: which kernels are the fastest on this device. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/child.h"
#include "base/log.h"
#include "base/memory.h"
#include "cli/commands.h"
#include "cli/common.h"
#include "cli/terminal.h"
#include "device/gemm.h"
#include "graph/graph.h"
#include "model/model.h"
#include "ops/conv2d.h"
#include "ops/tune.h"

#define CANDIDATE_SECONDS 60.0

/* The parts of convolutions to tune, each once. */
struct keys {
    char (*items)[RT_CHOICE_KEY_BYTES];
    size_t count, capacity;
};

struct tune {
    const char *which; /* the device */
    const char *networks[2];
    int batch, patch;
    bool show;
    struct rt_device *device;
};

/* --- the table ------------------------------------------------------------------------------ */

/* A key is "OPERATION PART SHAPE": one word, some words, and from the first digit on the shape. */
static void print_row(const struct rt_choice *choice)
{
    const char *part = choice->key + strcspn(choice->key, " "),
               *shape = part + strcspn(part, "0123456789");
    printf("%-10.*s%-18.*s %-42s %5d  %-13s %10.3f ", (int)(part - choice->key), choice->key,
           (int)(shape - part), part, shape, choice->batch, choice->variants[0].name,
           1e3 * choice->variants[0].seconds);
    for (int i = 1; i < choice->count; i++)
        printf("%s%s %.3f", i > 1 ? ", " : " ", choice->variants[i].name,
               1e3 * choice->variants[i].seconds);
    printf("\n");
}

static rt_status print_profile(const struct tune *tune)
{
    rt_status status = RT_OK;
    const struct rt_device_info *info = rt_device_describe(tune->device);
    const struct rt_choices *choices = rt_device_choices(tune->device);
    char *path = NULL;
    RT_TRY(rt_choices_path(info, &path));
    if (rt_choices_count(choices) == 0)
        RT_TRY(rt_fail(RT_ERROR_IO, "there is no profile of %s, %s%s%s; retort tune makes it",
                       info->name, info->driver, path ? ": nothing in " : "", path ? path : ""));
    printf("%s, %s\n%s\n\n", info->name, info->driver, path);
    printf("%-10s %-17s %-42s %5s  %-13s %10s  %s\n", "operation", "part", "shape", "batch",
           "variant", "ms", "others, ms");
    for (size_t i = 0; i < rt_choices_count(choices); i++)
        print_row(rt_choices_get(choices, i));
end:
    free(path);
    return status;
}

/* --- what there is to tune ------------------------------------------------------------------ */

static rt_status add_key(struct keys *keys, const char *key)
{
    for (size_t i = 0; i < keys->count; i++)
        if (strcmp(keys->items[i], key) == 0)
            return RT_OK;
    rt_status status = rt_grow(&keys->items, &keys->capacity, keys->count + 1, sizeof *keys->items);
    if (status == RT_OK)
        snprintf(keys->items[keys->count++], sizeof *keys->items, "%s", key);
    return status;
}

static rt_status add_part(struct keys *keys, const struct rt_graph_call *call,
                          enum rt_conv2d_part part)
{
    char key[RT_CHOICE_KEY_BYTES];
    rt_conv2d_key(call->attributes, call->x[0], part, key);
    return add_key(keys, key);
}

/* The parts of the network's convolutions that training runs. */
static rt_status add_network(struct keys *keys, const struct tune *tune, const char *network)
{
    rt_status status = RT_OK;
    struct rt_model_info info = {
        .channels = 3, .palette = *rt_palette_builtin("synth"), .patch = tune->patch};
    struct rt_model *model = NULL;
    struct rt_graph_call *calls = NULL;
    size_t count = 0;
    snprintf(info.network, sizeof info.network, "%s", network);
    RT_TRY(rt_model_create(&model, tune->device, &info, 1));
    RT_TRY(rt_model_calls(model, tune->batch, tune->patch, tune->patch, &calls, &count));
    for (size_t i = 0; i < count; i++) {
        if (calls[i].op != &rt_op_conv2d)
            continue;
        RT_TRY(add_part(keys, &calls[i], RT_CONV2D_FORWARD));
        if (calls[i].backward)
            RT_TRY(add_part(keys, &calls[i], RT_CONV2D_BACKWARD_WEIGHTS));
        if (calls[i].dx[0])
            RT_TRY(add_part(keys, &calls[i], RT_CONV2D_BACKWARD_DATA));
    }
end:
    free(calls);
    rt_model_destroy(model);
    return status;
}

/* --- tuning --------------------------------------------------------------------------------- */

/* The names of what may be chosen for a key; *count of them. */
static rt_status find_candidates(const struct tune *tune, const char *key,
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
    x.n = tune->batch;
    for (const struct rt_conv2d_variant *const *v = rt_conv2d_variants; status == RT_OK && *v; v++)
        if (*count < RT_CHOICE_VARIANTS && (*v)->supports(tune->device, &attributes, x, part))
            names[(*count)++] = (*v)->name;
    return status;
}

static rt_status tune_key(const struct tune *tune, const struct rt_tuner *tuner, const char *key)
{
    rt_status status = RT_OK;
    const char *names[RT_CHOICE_VARIANTS];
    int count;
    struct rt_choice choice;
    RT_TRY(find_candidates(tune, key, names, &count));
    RT_TRY(rt_tune(tuner, key, names, count, &choice));
    if (choice.count == 0) {
        rt_warn("nothing is left for %s; the rule for devices of this type stands", key);
        return RT_OK;
    }
    RT_TRY(rt_choices_set(rt_device_choices(tune->device), &choice));
    /* At once, so that an interrupted run loses nothing. */
    status = rt_choices_write(rt_device_choices(tune->device), rt_device_describe(tune->device));
end:
    return status;
}

static rt_status tune_keys(const struct tune *tune, const struct keys *keys)
{
    rt_status status = RT_OK;
    const struct rt_device_info *info = rt_device_describe(tune->device);
    char *program = NULL, index[16], text[RT_CHOICE_KEY_BYTES + 64];
    snprintf(index, sizeof index, "%d", info->index);
    RT_TRY(rt_program_path(&program));
    const char *const command[] = {
        program, "tune-candidate", "--device", index, terminal_verbose ? "--verbose" : NULL, NULL};
    const struct rt_tuner tuner = {command, tune->batch, CANDIDATE_SECONDS, !terminal_verbose};
    /* What cannot be written should fail before the work. */
    RT_TRY(rt_choices_write(rt_device_choices(tune->device), info));
    for (size_t i = 0; i < keys->count; i++) {
        snprintf(text, sizeof text, "tuning %zu/%zu: %s", i + 1, keys->count, keys->items[i]);
        terminal_status(text);
        RT_TRY(tune_key(tune, &tuner, keys->items[i]));
    }
    terminal_status("");
    status = print_profile(tune);
end:
    free(program);
    return status;
}

rt_status run_tune(int argc, char **argv)
{
    rt_status status = RT_OK;
    struct tune tune = {.networks = {"unet:16", NULL}, .batch = 8, .patch = 256};
    struct keys keys = {0};
    struct command_line line = {
        .usage = "[--model NETWORK] [--student NETWORK] [--show]",
        .about =
            "Times every way to compute each convolution of the networks, and sets of CLBlast's\n"
            "parameters, checks the results, and keeps what was the fastest in the device's\n"
            "profile, which all commands obey unless --conv says otherwise. The profile is a\n"
            "file for the device and its driver in $XDG_CONFIG_HOME/retort or\n"
            "~/.config/retort; RETORT_PROFILE_DIR names another folder, or, empty, none.\n"
            "Without a profile a rule for devices of the type chooses.",
    };
    const struct option options[] = {
        OPTION_HEADING("Options"),
        OPTION(OPTION_TEXT, "model", &tune.networks[0], .argument = "NETWORK",
               .help = "the network"),
        OPTION(OPTION_TEXT, "student", &tune.networks[1], .argument = "NETWORK",
               .help = "another one"),
        OPTION(OPTION_INT, "batch", &tune.batch, .argument = "N", .least = 1, .most = 4096,
               .help = "images a step; what is found holds for other batches, too"),
        OPTION(OPTION_INT, "patch", &tune.patch, .argument = "N", .least = 1, .most = 16384,
               .help = "width and height of an image, pixels; it holds for these alone"),
        OPTION(OPTION_FLAG, "show", &tune.show, .help = "print the profile and tune nothing"),
        OPTION_HEADING("Device"),
        OPTION(OPTION_TEXT, "device", &tune.which, .argument = "DEVICE",
               .help = "an index, platform:device, gpu, cpu or part of a name; see retort devices"),
    };
    command_line_add(&line, options, RT_COUNT(options));
    add_general_options(&line);
    RT_TRY(command_line_parse(&line, argc, argv));
    RT_TRY(rt_device_open(&tune.device, tune.which));
    /* First, as the convolutions by products of matrices are timed with what is found. */
    RT_TRY(add_key(&keys, RT_GEMM_KEY));
    for (size_t i = 0; i < RT_COUNT(tune.networks) && !tune.show; i++)
        if (tune.networks[i])
            RT_TRY(add_network(&keys, &tune, tune.networks[i]));
    status = tune.show ? print_profile(&tune) : tune_keys(&tune, &keys);
end:
    free(keys.items);
    rt_device_close(tune.device);
    command_line_finish(&line);
    return status;
}

/* --- one candidate -------------------------------------------------------------------------- */

static rt_status measure(const char *which, const char *name, struct rt_conv2d_trial *trial,
                         struct rt_choice_variant *measured)
{
    rt_status status = RT_OK;
    struct rt_device *device = NULL;
    const bool gemm = strcmp(trial->key, RT_GEMM_KEY) == 0;
    trial->variant = rt_conv2d_find(name);
    if (!gemm && !trial->variant)
        return rt_fail(RT_ERROR_ARGUMENT, "there is no variant '%s'", name);
    RT_TRY(rt_device_open(&device, which));
    status =
        gemm ? rt_gemm_measure(device, name, measured) : rt_conv2d_measure(device, trial, measured);
end:
    rt_device_close(device);
    return status;
}

rt_status run_tune_candidate(int argc, char **argv)
{
    rt_status status = RT_OK;
    const char *which = NULL, *name = NULL;
    struct rt_conv2d_trial trial = {.batch = 1, .seed = 1};
    struct rt_choice_variant measured = {0};
    struct command_line line = {
        .usage = "--key KEY --variant NAME",
        .about =
            "Times and checks one way to compute one convolution, for retort tune, and prints\n"
            "a line of JSON.",
    };
    const struct option options[] = {
        OPTION_HEADING("Options"),
        OPTION(OPTION_TEXT, "key", &trial.key, .argument = "KEY", .required = true,
               .help = "what the profile calls it"),
        OPTION(OPTION_TEXT, "variant", &name, .argument = "NAME", .required = true,
               .help = "the way"),
        OPTION(OPTION_INT, "batch", &trial.batch, .argument = "N", .least = 1, .most = 4096,
               .help = "images"),
        OPTION(OPTION_SEED, "seed", &trial.seed, .argument = "N", .help = "of the data"),
        OPTION(OPTION_NUMBER, "best", &trial.best, .argument = "SECONDS", .least = 0, .most = 1e6,
               .help = "what another way takes; 0: unknown"),
        OPTION(OPTION_TEXT, "device", &which, .argument = "DEVICE", .help = "as for tune"),
    };
    command_line_add(&line, options, RT_COUNT(options));
    add_general_options(&line);
    RT_TRY(command_line_parse(&line, argc, argv));
    status = measure(which, name, &trial, &measured);
    char *answer = rt_tune_answer(status, &measured);
    status = answer ? RT_OK : rt_fail(RT_ERROR_MEMORY, "out of memory");
    if (answer)
        puts(answer);
    free(answer);
end:
    command_line_finish(&line);
    return status;
}
