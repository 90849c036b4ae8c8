/* What several subcommands share: options, and the steps from weights to a verdict. */
#ifndef RT_CLI_COMMON_H
#define RT_CLI_COMMON_H

#include <jansson.h>

#include "cli/options.h"
#include "retort/retort.h"

/* --verbose, --quiet and --help. */
void add_general_options(struct command_line *line);

/* --json, of commands that print JSON to standard output in the place of text. */
void add_json_option(struct command_line *line, bool *json);
/* Prints the value, which it owns, as JSON to standard output. Errors: MEMORY, also for NULL, which
 * json_pack gives where a text is no UTF-8, too. */
rt_status print_json(json_t *value);

struct device_choice {
    const char *which;
    enum rt_conv conv;
    enum rt_math math;
};

/* The words for enum rt_conv; NULL at the end. */
extern const char *const conv_names[];

/* --device, --conv, --math and the general options. */
void add_device_options(struct command_line *line, struct device_choice *choice);
/* Errors: those of rt_device_open and rt_device_set_math; ARGUMENT (a way to compute convolutions
 * with exact math, which has its own). */
rt_status open_device(struct rt_device **device, const struct device_choice *choice);

/* What a model is and takes: network, parameters, patch, palette and scaling as files have them,
 * and a view where it has one. NULL: out of memory. */
json_t *describe_model(const struct rt_model *model);

/* What a device says of itself, as `retort devices --json` prints it; NULL: out of memory. */
json_t *describe_device(const struct rt_device_info *info);

/* How rasters are to be seen, for rt_raster_view_parse; NULL where it is not given. */
struct raster_choice {
    const char *bands, *range;
};

/* --bands and --range, without a heading. */
void add_raster_options(struct command_line *line, struct raster_choice *choice);

/* Under a heading "Data": where it is, its palette, what is held out, and the raster options. */
void add_data_options(struct command_line *line, struct rt_data_recipe *recipe,
                      struct raster_choice *views);

/* The words for enum rt_channel_order; NULL at the end. */
extern const char *const order_names[];

/* How the images of a model of another program's are to be scaled, where its file does not tell. */
struct foreign_choice {
    const char *scaling; /* the words for it; NULL: as the file tells */
    enum rt_channel_order channels;
};

/* --SCALING and --CHANNELS, under such names. */
void add_foreign_options(struct command_line *line, struct foreign_choice *choice,
                         const char *scaling, const char *channels);
/* Sets *options, which point to *scaling where it is given. Errors: ARGUMENT. */
rt_status read_foreign(const struct foreign_choice *choice, struct rt_import_options *options,
                       struct rt_scaling *scaling);

/* A line of the table that compares models. */
struct verdict {
    const char *role; /* "teacher", "student alone", ... */
    char network[96];
    size_t parameters, bytes;
    double accuracy, mean_iou, mean_iou_labelled, milliseconds;
};

/* Judges weights on the data's held-out part. With a folder, writes the metrics, the curves and
 * panels there. `foreign` is for models of other programs. Errors: those of rt_model_open,
 * rt_evaluate and the report. */
rt_status judge(struct rt_device *device, const char *weights,
                const struct rt_import_options *foreign, const struct rt_data_recipe *recipe,
                const char *folder, struct verdict *verdict);
void print_verdicts(const struct verdict *verdicts, int count);
/* An array of them; NULL: out of memory. */
json_t *verdicts_json(const struct verdict *verdicts, int count);

/* Says below the verdicts what the distilled student was shown that its twin was not, if anything.
 */
void print_what_was_shown(const struct rt_train_options *options);

/* Trains, or distils, and judges the best weights into OUT/eval. */
rt_status train_and_judge(struct rt_device *device, const struct rt_train_options *options,
                          struct verdict *verdict);

#endif
