/* retort eval: judges weights. */
#include <stdlib.h>

#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "cli/commands.h"
#include "cli/common.h"

struct evaluation {
    const char *weights, *out;
    bool json;
    struct rt_data_recipe recipe;
    struct foreign_choice foreign;
    struct device_choice device;
};

static rt_status parse(struct evaluation *evaluation, int argc, char **argv)
{
    struct raster_choice views = {0};
    static const struct command_example examples[] = {
        {"Judge a run's best weights on what its data holds out",
         "retort eval --model runs/teacher/best.safetensors --out verdict"},
        {"Judge them on other data, all of it", "retort eval --model runs/teacher/best.safetensors "
                                                "--data OTHER --validation 0 --out verdict"},
        {NULL, NULL},
    };
    struct command_line line = {
        .usage = "--model FILE --out DIR [--data SRC] [--option VALUE ...]",
        .about = "Judges weights on the held-out part of the data: metrics.json, precision-recall\n"
                 "curves, the confusion matrix and segmented panels. For weights in a run folder,\n"
                 "the data and its split are by default those of the run.",
        .examples = examples,
        .see = "train distill report predict",
    };
    const struct option options[] = {
        OPTION_HEADING("Evaluation"),
        OPTION(OPTION_TEXT, "model", &evaluation->weights, .argument = "FILE", .required = true,
               .help = "weights, as in RUN/best.safetensors, or an ONNX file"),
        OPTION(OPTION_TEXT, "out", &evaluation->out, .argument = "DIR", .required = true,
               .help = "the folder for what is found"),
    };
    command_line_add(&line, options, RT_COUNT(options));
    add_foreign_options(&line, &evaluation->foreign, "scaling", "channels");
    add_data_options(&line, &evaluation->recipe, &views);
    add_json_option(&line, &evaluation->json);
    add_device_options(&line, &evaluation->device);
    rt_status status = command_line_parse(&line, argc, argv);
    if (status == RT_OK)
        status = rt_raster_view_parse(&evaluation->recipe.view, views.bands, views.range);
    command_line_finish(&line);
    return status;
}

/* The recipe of the run that the weights are from; zeroed where they lie in no run folder. */
static rt_status find_recipe(const char *weights, struct rt_data_recipe *recipe)
{
    char *config;
    int folder = (int)(rt_path_name(weights) - weights);
    rt_status status = rt_format(&config, "%.*sconfig.json", folder, weights);
    if (status == RT_OK && rt_path_exists(config))
        status = rt_data_recipe_read(recipe, config);
    free(config);
    return status;
}

/* All that was found, as it was written. */
static rt_status print_metrics(const struct evaluation *evaluation)
{
    char *path = NULL;
    rt_status status = rt_path_join(&path, evaluation->out, "metrics.json");
    if (status < 0)
        return status;
    json_t *metrics = json_load_file(path, 0, NULL);
    status = print_json(json_pack("{ss ss so}", "model", evaluation->weights, "out",
                                  evaluation->out, "metrics", metrics));
    free(path);
    return status;
}

rt_status run_eval(int argc, char **argv)
{
    rt_status status = RT_OK;
    struct rt_train_options defaults;
    struct rt_data_recipe of_run = {0};
    struct rt_device *device = NULL;
    struct verdict verdict = {.role = "evaluated"};
    struct rt_import_options foreign;
    struct rt_scaling scaling;
    rt_train_defaults(&defaults);
    struct evaluation evaluation = {.recipe = defaults.data};
    RT_TRY(parse(&evaluation, argc, argv));
    RT_TRY(find_recipe(evaluation.weights, &of_run));
    if (of_run.source) {
        evaluation.recipe = of_run;
        RT_TRY(parse(&evaluation, argc, argv)); /* again: what is given goes before the run's */
    }
    if (rt_path_exists(evaluation.out) && !rt_path_is_folder(evaluation.out))
        RT_TRY(rt_fail(RT_ERROR_ARGUMENT, "--out %s is a file: it takes a folder", evaluation.out));
    RT_TRY(read_foreign(&evaluation.foreign, &foreign, &scaling));
    foreign.patch_else = evaluation.recipe.patch;
    RT_TRY(open_device(&device, &evaluation.device));
    RT_TRY(
        judge(device, evaluation.weights, &foreign, &evaluation.recipe, evaluation.out, &verdict));
    if (evaluation.json)
        status = print_metrics(&evaluation);
    else
        print_verdicts(&verdict, 1);
end:
    rt_device_close(device);
    rt_data_recipe_finish(&of_run);
    return status;
}
