/* retort train and retort distill: a run folder with weights, log and verdict. */
#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "cli/commands.h"
#include "cli/common.h"
#include "cli/search.h"
#include "cli/terminal.h"
#include "learn/names.h"

struct training {
    struct rt_train_options options;
    struct device_choice device;
    struct first_search search;
    struct option_texts teachers;
    struct foreign_choice foreign; /* of teachers */
    struct rt_scaling teacher_scaling;
    unsigned soft; /* the place in soft_names */
    bool control, json;
    struct raster_choice views;
};

static const char *const soft_names[] = {"kl", "logits", NULL}; /* enum rt_soft_loss but NONE */

static void add_training_options(struct command_line *line, struct training *training)
{
    struct rt_train_options *o = &training->options;
    const struct option data[] = {
        OPTION(OPTION_INT, "patch", &o->data.patch, .argument = "N", .least = 16, .most = 4096,
               .help = "width and height of the patches, pixels"),
        OPTION(OPTION_FLAG, "augment", &o->augment,
               .help = "flip, turn and brighten patches at random"),
        OPTION(OPTION_CHOICE, "scaling", &o->data.scaling, .choices = rt_scaling_names,
               .help = "to the deviation over the data, or to each patch's range"),
    };
    const struct option learning[] = {
        OPTION_HEADING("Network and training"),
        OPTION(OPTION_TEXT, "model", &o->network, .argument = "NETWORK",
               .help = "unet:W, W features at the first level; after it, each with a comma before "
                       "it, depth=D, up=transpose|nearest|bilinear, norm=none|batch, dropout=P"),
        OPTION(OPTION_INT, "epochs", &o->epochs, .argument = "N", .least = 1, .most = 1e6,
               .help = "passes over the training patches"),
        OPTION(OPTION_INT, "batch", &o->batch, .argument = "N", .least = 1, .most = 4096,
               .help = "patches a step"),
        OPTION(OPTION_NUMBER, "lr", &o->rate, .argument = "F", .least = 1e-9, .most = 10,
               .help = "learning rate at the start"),
        OPTION(OPTION_CHOICE, "schedule", &o->schedule, .choices = rt_schedule_names,
               .help = "of the learning rate"),
        OPTION(OPTION_INT, "patience", &o->patience, .argument = "N", .least = 0, .most = 1e6,
               .help = "stop after so many epochs without a better mean IoU; 0 never does"),
        OPTION(OPTION_CHOICE, "loss", &o->loss, .choices = rt_hard_loss_names,
               .help = "against the masks"),
        OPTION(OPTION_CHOICE, "optimizer", &o->optimizer.kind, .choices = rt_optimizer_names,
               .help = "the rule of a step"),
        OPTION(OPTION_NUMBER, "weight-decay", &o->optimizer.decay, .argument = "F", .least = 0,
               .most = 1, .help = "pulls weights to zero"),
        OPTION(OPTION_NUMBER, "momentum", &o->optimizer.momentum, .argument = "F", .least = 0,
               .most = 0.9999, .help = "of sgd"),
        OPTION(OPTION_SEED, "seed", &o->seed, .argument = "N",
               .help = "of weights, order, augmentation and dropout"),
        OPTION(OPTION_SIZE, "memory-limit", &o->memory_limit, .argument = "SIZE",
               .help = "the most device memory to train in, as 800M or 2G; a step that needs more "
                       "goes in parts, or computes some of its activations twice"),
        OPTION(OPTION_INT, "self-check", &o->self_check, .argument = "N", .least = 0, .most = 1e9,
               .help = "every N steps compute a tile of one operation on the host, too, and stop "
                       "where the device is wrong; 0 never does"),
        OPTION_HEADING("Run"),
        OPTION(OPTION_TEXT, "out", &o->out, .argument = "RUN", .required = true,
               .help = "the run folder"),
        OPTION(OPTION_FLAG, "resume", &o->resume, .help = "go on with the run that is there"),
        OPTION(OPTION_FLAG, "force", &o->force, .help = "replace the run that is there"),
    };
    add_data_options(line, &o->data, &training->views);
    command_line_add(line, data, RT_COUNT(data));
    command_line_add(line, learning, RT_COUNT(learning));
}

static void add_distilling_options(struct command_line *line, struct training *training)
{
    struct rt_train_options *o = &training->options;
    const struct option options[] = {
        OPTION_HEADING("Distillation"),
        OPTION(OPTION_TEXTS, "teacher", &training->teachers, .argument = "FILE", .required = true,
               .help = "weights to learn from, or an ONNX file; several are averaged"),
        OPTION(OPTION_NUMBER, "alpha", &o->alpha, .argument = "F", .least = 0, .most = 1,
               .help = "loss = alpha * hard + (1 - alpha) * soft"),
        OPTION(OPTION_NUMBER, "temperature", &o->temperature, .argument = "F", .least = 0.01,
               .most = 1000, .help = "softens both sides' probabilities"),
        OPTION(OPTION_CHOICE, "soft", &training->soft, .choices = soft_names,
               .help = "against the teacher: divergence, or squared difference of logits"),
        OPTION(OPTION_NUMBER, "masks", &o->masks, .argument = "SHARE", .least = 0.001, .most = 1,
               .help = "the share of the training patches whose masks the student learns from"),
        OPTION(OPTION_TEXT, "transfer", &o->transfer, .argument = "DIR",
               .help = "unlabelled images to learn from the teacher alone"),
        OPTION(OPTION_FLAG, "control", &training->control,
               .help = "also train the same student without a teacher, into RUN/control"),
    };
    command_line_add(line, options, RT_COUNT(options));
    add_foreign_options(line, &training->foreign, "teacher-scaling", "teacher-channels");
}

/* The teachers, each as its own row. */
static rt_status judge_teachers(struct rt_device *device, const struct training *training,
                                struct verdict *verdicts)
{
    rt_status status = RT_OK;
    const struct rt_import_options foreign = {.scaling = training->options.teacher_scaling,
                                              .order = training->options.teacher_channels,
                                              .patch_else = training->options.data.patch};
    for (int i = 0; i < training->teachers.count; i++) {
        verdicts[i].role = "teacher";
        RT_TRY(judge(device, training->teachers.items[i], &foreign, &training->options.data, NULL,
                     &verdicts[i]));
    }
end:
    return status;
}

/* The student without teachers: everything else as it was, the number of steps too. */
static rt_status train_control(struct rt_device *device, const struct training *training,
                               struct verdict *verdict)
{
    rt_status status = RT_OK;
    char *out = NULL, *config = NULL;
    struct rt_train_options options = training->options;
    RT_TRY(rt_path_join(&out, training->options.out, "control"));
    RT_TRY(rt_path_join(&config, out, "config.json"));
    options.teacher_count = 0;
    options.out = out;
    options.resume = options.resume && rt_path_exists(config);
    verdict->role = "student alone";
    status = train_and_judge(device, &options, verdict);
end:
    free(out);
    free(config);
    return status;
}

static rt_status print_result(const struct training *training, const struct verdict *verdicts,
                              int count)
{
    const struct rt_train_options *options = &training->options;
    if (training->json)
        return print_json(json_pack("{ss so sf ss?}", "run", options->out, "verdicts",
                                    verdicts_json(verdicts, count), "masks", options->masks,
                                    "transfer", options->transfer));
    print_verdicts(verdicts, count);
    print_what_was_shown(options);
    return RT_OK;
}

static rt_status run(const struct training *training)
{
    rt_status status = RT_OK;
    struct rt_device *device = NULL;
    struct verdict *verdicts = NULL;
    int teachers = training->teachers.count, count = teachers;
    RT_TRY(rt_alloc(&verdicts, (size_t)teachers + 2, sizeof *verdicts));
    RT_TRY(open_device(&device, &training->device));
    terminal_catch_interrupts();
    struct verdict trained = {.role = teachers ? "student distilled" : "trained"};
    RT_TRY(train_and_judge(device, &training->options, &trained));
    RT_TRY(judge_teachers(device, training, verdicts));
    if (training->control)
        RT_TRY(train_control(device, training, &verdicts[count++]));
    verdicts[count++] = trained;
    status = print_result(training, verdicts, count);
end:
    free(verdicts);
    rt_device_close(device);
    return status;
}

static rt_status parse_and_run(struct command_line *line, bool distill, int argc, char **argv)
{
    rt_status status = RT_OK;
    struct training training = {0};
    struct rt_train_options *options = &training.options;
    rt_train_defaults(options);
    if (distill)
        add_distilling_options(line, &training);
    add_training_options(line, &training);
    add_first_search(line, &training.search);
    add_json_option(line, &training.json);
    add_device_options(line, &training.device);
    RT_TRY(command_line_parse(line, argc, argv));
    RT_TRY(rt_raster_view_parse(&options->data.view, training.views.bands, training.views.range));
    options->teachers = training.teachers.items;
    options->teacher_count = training.teachers.count;
    options->soft = RT_SOFT_KL + training.soft;
    struct rt_import_options foreign;
    RT_TRY(read_foreign(&training.foreign, &foreign, &training.teacher_scaling));
    options->teacher_scaling = foreign.scaling;
    options->teacher_channels = foreign.order;
    options->prepare = first_search;
    options->user = &training.search;
    status = run(&training);
end:
    command_line_finish(line);
    return status;
}

rt_status run_train(int argc, char **argv)
{
    static const struct command_example examples[] = {
        {"Train on your own photos, in a folder with images and masks folders",
         "retort train --data PHOTOS --epochs 30 --augment --out runs/teacher"},
        {"Try it on drawn scenes, in a few seconds",
         "retort train --data synth:4 --model unet:4,depth=2 --patch 64 --epochs 2 --out runs/try"},
        {"Go on with it after Ctrl-C, a kill or a power cut",
         "retort train --data PHOTOS --epochs 30 --augment --out runs/teacher --resume"},
        {"Follow a run from elsewhere", "watch tail -n 1 runs/teacher/log.jsonl"},
        {NULL, NULL},
    };
    struct command_line line = {
        .usage = "--out RUN [--data SRC] [--model NETWORK] [--option VALUE ...]",
        .about = "Trains a network and judges it on the held-out part of the data. RUN will hold\n"
                 "config.json, the best and the last weights (best.safetensors,\n"
                 "last.safetensors), a log of the epochs (log.csv, and the same as a JSON object\n"
                 "a line in log.jsonl), and the verdict in eval.\n\n"
                 "Ctrl-C ends it after the step under way, with everything saved; --resume, with\n"
                 "the options it began with, goes on from there, and from wherever it was killed.",
        .examples = examples,
        .see = "distill eval predict report data",
    };
    return parse_and_run(&line, false, argc, argv);
}

rt_status run_distill(int argc, char **argv)
{
    static const struct command_example examples[] = {
        {"Distil a teacher into a small network, and train the same alone to compare",
         "retort distill --data PHOTOS --teacher runs/teacher/best.safetensors --model unet:4 "
         "--epochs 30 --control --out runs/student"},
        {"Learn from a tenth of the masks, and of the other images what the teacher says",
         "retort distill --data PHOTOS --teacher runs/teacher/best.safetensors --model unet:8 "
         "--masks 0.1 --temperature 1 --out runs/few"},
        {"Learn from images without masks, too",
         "retort distill --data PHOTOS --teacher runs/teacher/best.safetensors --model unet:8 "
         "--transfer MORE_PHOTOS --out runs/more"},
        {NULL, NULL},
    };
    struct command_line line = {
        .usage = "--teacher FILE --out RUN [--data SRC] [--model NETWORK] [--option VALUE ...]",
        .about = "Trains a small network, the student, to answer as its teachers do, and compares\n"
                 "them on the held-out part of the data (arXiv 1503.02531). RUN is written and\n"
                 "resumed as by train; the student alone, asked for by --control, is in\n"
                 "RUN/control.",
        .examples = examples,
        .see = "train eval predict report",
    };
    return parse_and_run(&line, true, argc, argv);
}
