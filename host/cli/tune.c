/* retort tune: which kernels are the fastest on this device. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/memory.h"
#include "cli/commands.h"
#include "cli/common.h"
#include "cli/search.h"
#include "device/gemm.h"
#include "model/model.h"
#include "ops/conv2d.h"
#include "ops/tune.h"

struct tune {
    const char *which; /* the device */
    const char *networks[2];
    int patch;
    bool show, json;
    struct search search;
};

/* --- the table ------------------------------------------------------------------------------ */

/* What runs for a key; NULL where that depends on the choice alone. */
static const char *taken(const struct search *search, const char *key)
{
    struct rt_conv2d attributes;
    struct rt_shape x;
    enum rt_conv2d_part part;
    if (strcmp(key, RT_GEMM_KEY) == 0 || rt_conv2d_parse_key(key, &attributes, &x, &part) < 0)
        return NULL;
    x.n = search->batch;
    return rt_conv2d_taken(search->device, &attributes, x, part)->name;
}

static void print_others(const struct rt_choice *choice)
{
    printf(" %10.3f ", 1e3 * choice->variants[0].seconds);
    for (int i = 1; i < choice->count; i++)
        printf("%s%s %.3f (%.2fx)", i > 1 ? ", " : " ", choice->variants[i].name,
               1e3 * choice->variants[i].seconds,
               choice->variants[i].seconds / choice->variants[0].seconds);
}

/* What runs for a key, and which choice it is of; NULL where the rule says so. */
struct chosen {
    const char *name, *from;
    const struct rt_choice *choice;
};

static struct chosen find_chosen(const struct search *search, const char *key)
{
    struct chosen chosen = {taken(search, key), "rule", NULL};
    const struct rt_choice *choice = rt_choices_find(rt_device_choices(search->device), key);
    if (choice && choice->count > 0 &&
        (!chosen.name || strcmp(chosen.name, choice->variants[0].name) == 0))
        chosen = (struct chosen){choice->variants[0].name, choice->shipped ? "shipped" : "profile",
                                 choice};
    if (!chosen.name)
        chosen.name = "default";
    return chosen;
}

/* A key is "OPERATION PART SHAPE": one word, some words, and from the first digit on the shape. */
static void print_row(const struct search *search, const char *key)
{
    const char *part = key + strcspn(key, " "), *shape = part + strcspn(part, "0123456789");
    const struct chosen chosen = find_chosen(search, key);
    printf("%-10.*s%-18.*s %-42s %-13s %-8s", (int)(part - key), key, (int)(shape - part), part,
           shape, chosen.name, chosen.from);
    if (chosen.choice)
        print_others(chosen.choice);
    printf("\n");
}

static json_t *row_json(const struct search *search, const char *key)
{
    const struct chosen chosen = find_chosen(search, key);
    json_t *measured = json_array();
    for (int i = 0; chosen.choice && i < chosen.choice->count; i++)
        rt_json_append(&measured, json_pack("{ss sf}", "variant", chosen.choice->variants[i].name,
                                            "seconds", chosen.choice->variants[i].seconds));
    return json_pack("{ss ss ss so}", "key", key, "variant", chosen.name, "from", chosen.from,
                     "measured", measured);
}

static json_t *choices_json(const struct search *search, const char *profile)
{
    json_t *rows = json_array();
    for (size_t i = 0; i < search->count; i++)
        rt_json_append(&rows, row_json(search, search->parts[i].key));
    return json_pack("{so ss? so}", "device", describe_device(rt_device_describe(search->device)),
                     "profile", profile, "choices", rows);
}

static void print_table(const struct search *search, const char *profile)
{
    const struct rt_device_info *info = rt_device_describe(search->device);
    printf("%s, %s\n\n", info->name, info->driver);
    printf("%-10s %-17s %-42s %-13s %-8s %10s  %s\n", "operation", "part", "shape", "variant",
           "from", "ms", "others, ms (times as long)");
    for (size_t i = 0; i < search->count; i++)
        print_row(search, search->parts[i].key);
    printf("\nprofile: measured on this device, %s%s\n"
           "shipped: comes with retort, measured on another device of its platform and type\n"
           "rule:    for devices of its type, not measured; retort tune measures\n",
           profile ? "kept in " : "kept nowhere", profile ? profile : "");
}

static rt_status print_choices(struct tune *tune)
{
    rt_status status = RT_OK;
    struct search *search = &tune->search;
    const struct rt_choices *choices = rt_device_choices(search->device);
    char *path = NULL;
    RT_TRY(rt_choices_path(rt_device_describe(search->device), &path));
    for (size_t i = 0; i < rt_choices_count(choices); i++)
        RT_TRY(search_add(search, rt_choices_get(choices, i)->key, 0));
    if (tune->json)
        status = print_json(choices_json(search, path));
    else
        print_table(search, path);
end:
    free(path);
    return status;
}

/* --- tuning --------------------------------------------------------------------------------- */

static rt_status add_network(struct tune *tune, const char *network)
{
    rt_status status = RT_OK;
    struct rt_model_info info = {
        .channels = 3, .palette = *rt_palette_builtin("synth"), .patch = tune->patch};
    struct rt_model *model = NULL;
    snprintf(info.network, sizeof info.network, "%s", network);
    RT_TRY(rt_model_create(&model, tune->search.device, &info, 1));
    status = search_add_model(&tune->search, model, true);
end:
    rt_model_destroy(model);
    return status;
}

static rt_status run_parsed(struct tune *tune)
{
    rt_status status = RT_OK;
    size_t found;
    RT_TRY(rt_device_open(&tune->search.device, tune->which));
    /* First, as the convolutions by products of matrices are timed with what is found. */
    RT_TRY(search_add(&tune->search, RT_GEMM_KEY, 0));
    for (size_t i = 0; i < RT_COUNT(tune->networks); i++)
        if (tune->networks[i])
            RT_TRY(add_network(tune, tune->networks[i]));
    if (!tune->show)
        RT_TRY(search_run(&tune->search, INFINITY, &found));
    status = print_choices(tune);
end:
    return status;
}

rt_status run_tune(int argc, char **argv)
{
    static const struct command_example examples[] = {
        {"Find the fastest kernels for a teacher and its student",
         "retort tune --model unet:16 --student unet:4"},
        {"See what was found", "retort tune --show"},
        {NULL, NULL},
    };
    rt_status status = RT_OK;
    struct tune tune = {.networks = {"unet:16", NULL}, .patch = 256, .search = {.batch = 8}};
    struct command_line line = {
        .usage = "[--model NETWORK] [--student NETWORK] [--show] [--option VALUE ...]",
        .about =
            "Times every way to compute each convolution of the networks, and sets of CLBlast's\n"
            "parameters, checks the results, and keeps what was the fastest in the device's\n"
            "profile, which all commands obey unless --conv says otherwise. The profile is a\n"
            "file for the device and its driver in $XDG_CONFIG_HOME/retort or\n"
            "~/.config/retort; RETORT_PROFILE_DIR names another folder, or, empty, none.\n"
            "Where that says nothing, a profile that comes with retort may, else a rule for\n"
            "devices of the type chooses.",
        .examples = examples,
        .see = "bench doctor devices",
    };
    const struct option options[] = {
        OPTION_HEADING("Options"),
        OPTION(OPTION_TEXT, "model", &tune.networks[0], .argument = "NETWORK",
               .help = "the network"),
        OPTION(OPTION_TEXT, "student", &tune.networks[1], .argument = "NETWORK",
               .help = "another one"),
        OPTION(OPTION_INT, "batch", &tune.search.batch, .argument = "N", .least = 1, .most = 4096,
               .help = "images a step; what is found holds for other batches, too"),
        OPTION(OPTION_INT, "patch", &tune.patch, .argument = "N", .least = 1, .most = 16384,
               .help = "width and height of an image, pixels; it holds for these alone"),
        OPTION(OPTION_FLAG, "show", &tune.show,
               .help = "say what is chosen, where that comes from and by how much it won, and "
                       "tune nothing"),
        OPTION(OPTION_FLAG, "json", &tune.json, .help = "print what is chosen as JSON"),
        OPTION_HEADING("Device"),
        OPTION(OPTION_TEXT, "device", &tune.which, .argument = "DEVICE",
               .help = "an index, platform:device, gpu, cpu or part of a name; see retort devices"),
    };
    command_line_add(&line, options, RT_COUNT(options));
    add_general_options(&line);
    RT_TRY(command_line_parse(&line, argc, argv));
    status = run_parsed(&tune);
end:
    search_finish(&tune.search);
    rt_device_close(tune.search.device);
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
