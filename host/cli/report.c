/* retort report: one page about some runs. */
#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "cli/commands.h"
#include "cli/common.h"

static rt_status check_run(const char *run)
{
    char *config = NULL;
    rt_status status = rt_path_join(&config, run, "config.json");
    if (status == RT_OK && !rt_path_exists(config))
        status = rt_fail(RT_ERROR_IO,
                         "there is no run in %s: a run is the --out folder of retort train or "
                         "distill, which holds %s",
                         run, config);
    free(config);
    return status;
}

rt_status run_report(int argc, char **argv)
{
    static const struct command_example examples[] = {
        {"Write a page about a teacher and its student",
         "retort report runs/teacher runs/student --out report.html"},
        {NULL, NULL},
    };
    rt_status status = RT_OK;
    const char *out = NULL;
    struct command_line line = {
        .usage = "--out FILE RUN...",
        .about = "Writes one HTML file, with everything in it, from run folders: a verdict, the\n"
                 "comparison, IoU by class, losses, precision-recall curves, confusion matrices,\n"
                 "and segmented patches with a slider between truth and prediction; each figure\n"
                 "as CSV, too. A run that was distilled with --control is shown beside it.",
        .examples = examples,
        .see = "train distill eval",
        .least = 1,
        .most = -1,
    };
    const struct option options[] = {
        OPTION_HEADING("Options"),
        OPTION(OPTION_TEXT, "out", &out, .argument = "FILE", .required = true,
               .help = "the page; replaced if it exists"),
    };
    command_line_add(&line, options, RT_COUNT(options));
    add_general_options(&line);
    RT_TRY(command_line_parse(&line, argc, argv));
    for (int i = 0; i < line.positionals.count; i++)
        RT_TRY(check_run(line.positionals.items[i]));
    RT_TRY(rt_report_html(out, line.positionals.items, line.positionals.count));
    printf("%s\n", out);
end:
    command_line_finish(&line);
    return status;
}
