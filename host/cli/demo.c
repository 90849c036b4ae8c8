/* retort demo: the whole chain in some minutes: a teacher, the student alone, the student
 * distilled, their verdicts and the report. */
#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "cli/commands.h"
#include "cli/common.h"
#include "cli/search.h"
#include "cli/terminal.h"

#define PATCH 128
#define BATCH 4
#define RATE 4e-3f /* few steps want long ones */

/* How many patches each network is shown; epochs follow from it, so that any data set takes about
 * as long, unless one epoch of it is longer. */
#define TEACHER_PATCHES 6000
#define STUDENT_PATCHES 6000

/* Whoever is handed a teacher has few masks and many images: the students learn from these masks,
 * the distilled one from what its teacher says of the other images too. */
#define MASKS 0.05

struct demo {
    struct rt_data_recipe recipe;
    const char *out;
    bool force, json;
    struct device_choice device;
    struct first_search search;
    char *teacher, *student, *control, *weights, *page; /* paths below out */
};

/* --- what is to be done ---------------------------------------------------------------------- */

static rt_status count_patches(const struct rt_data_recipe *recipe, size_t *count)
{
    rt_status status = RT_OK;
    struct rt_dataset *dataset = NULL;
    struct rt_patch_list train = {0}, held_out = {0};
    const struct rt_dataset_options options = {.source = recipe->source,
                                               .palette = recipe->palette};
    RT_TRY(rt_dataset_open(&dataset, &options));
    RT_TRY(rt_dataset_patches(dataset, recipe->patch, recipe->split, recipe->validation,
                              recipe->seed, &train, &held_out));
    *count = train.count;
end:
    free(train.patches);
    free(held_out.patches);
    rt_dataset_close(dataset);
    return status;
}

static int epochs_for(size_t shown, size_t patches)
{
    size_t epochs = (shown + patches / 2) / patches;
    return epochs < 1 ? 1 : (int)epochs;
}

static rt_status make_paths(struct demo *demo)
{
    rt_status status = RT_OK;
    RT_TRY(rt_path_join(&demo->teacher, demo->out, "teacher"));
    RT_TRY(rt_path_join(&demo->student, demo->out, "student"));
    RT_TRY(rt_path_join(&demo->control, demo->student, "control"));
    RT_TRY(rt_path_join(&demo->weights, demo->teacher, "best.safetensors"));
    RT_TRY(rt_path_join(&demo->page, demo->out, "report.html"));
end:
    return status;
}

static void release_paths(struct demo *demo)
{
    free(demo->teacher);
    free(demo->student);
    free(demo->control);
    free(demo->weights);
    free(demo->page);
}

/* --- doing it -------------------------------------------------------------------------------- */

static rt_status run_chain(struct rt_device *device, struct demo *demo, size_t patches)
{
    rt_status status = RT_OK;
    const char *const runs[] = {demo->teacher, demo->student}, *teacher = demo->weights;
    struct verdict verdicts[] = {
        {.role = "teacher"}, {.role = "student alone"}, {.role = "student distilled"}};
    struct rt_train_options options;
    rt_train_defaults(&options);
    options.data = demo->recipe;
    options.batch = BATCH;
    options.rate = RATE;
    options.augment = true;
    options.force = demo->force;
    options.prepare = first_search;
    options.user = &demo->search;

    rt_info("1 of 3: the teacher");
    options.network = "unet:16,depth=3,norm=batch,dropout=0";
    options.epochs = epochs_for(TEACHER_PATCHES, patches);
    options.out = demo->teacher;
    RT_TRY(train_and_judge(device, &options, &verdicts[0]));

    rt_info("2 of 3: the student alone, from %.0f %% of the masks", 100 * MASKS);
    options.network = "unet:8,depth=3,norm=batch,dropout=0";
    options.masks = MASKS;
    options.epochs = epochs_for(STUDENT_PATCHES, patches);
    options.out = demo->control;
    RT_TRY(train_and_judge(device, &options, &verdicts[1]));

    rt_info("3 of 3: the student distilled, from the same masks and, for all images, its teacher");
    options.teachers = &teacher;
    options.teacher_count = 1;
    options.out = demo->student;
    RT_TRY(train_and_judge(device, &options, &verdicts[2]));

    RT_TRY(rt_report_html(demo->page, runs, (int)RT_COUNT(runs)));
    if (demo->json)
        return print_json(json_pack("{ss so}", "report", demo->page, "verdicts",
                                    verdicts_json(verdicts, (int)RT_COUNT(verdicts))));
    print_verdicts(verdicts, (int)RT_COUNT(verdicts));
    print_what_was_shown(&options);
    printf("\nThe report is %s\n", demo->page);
end:
    return status;
}

rt_status run_demo(int argc, char **argv)
{
    static const struct command_example examples[] = {
        {"Watch the whole chain on drawn scenes", "retort demo"},
        {"The same on your own photos", "retort demo --data PHOTOS --out my-demo"},
        {NULL, NULL},
    };
    rt_status status = RT_OK;
    struct rt_device *device = NULL;
    size_t patches;
    struct rt_train_options defaults;
    rt_train_defaults(&defaults);
    struct demo demo = {.recipe = defaults.data, .out = "retort-demo"};
    demo.recipe.patch = PATCH;
    struct command_line line = {
        .usage = "[--data SRC] [--out DIR] [--option VALUE ...]",
        .about = "Trains a teacher, the student alone and the student distilled, judges the three\n"
                 "and writes a report, in some minutes on two CPU cores.",
        .examples = examples,
        .see = "train distill report",
    };
    const struct option options[] = {
        OPTION_HEADING("Demo"),
        OPTION(OPTION_TEXT, "data", &demo.recipe.source, .argument = "SRC",
               .help = "a folder of images and masks, or synth[:COUNT[,SEED]]"),
        OPTION(OPTION_TEXT, "out", &demo.out, .argument = "DIR", .help = "the folder for it all"),
        OPTION(OPTION_FLAG, "force", &demo.force, .help = "replace the demo that is there"),
    };
    command_line_add(&line, options, RT_COUNT(options));
    add_first_search(&line, &demo.search);
    add_json_option(&line, &demo.json);
    add_device_options(&line, &demo.device);
    RT_TRY(command_line_parse(&line, argc, argv));
    RT_TRY(make_paths(&demo));
    RT_TRY(count_patches(&demo.recipe, &patches));
    RT_TRY(open_device(&device, &demo.device));
    terminal_catch_interrupts();
    status = run_chain(device, &demo, patches);
end:
    rt_device_close(device);
    release_paths(&demo);
    command_line_finish(&line);
    return status;
}
