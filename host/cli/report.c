/* retort report: one page about some runs. */
#include <stdio.h>

#include "base/error.h"
#include "base/memory.h"
#include "cli/commands.h"
#include "cli/common.h"

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
        .usage = "--out FILE.html RUN...",
        .about = "Writes one HTML file, with everything in it, from run folders: the comparison,\n"
                 "losses, precision-recall curves, confusion matrices and segmented panels. A run\n"
                 "that was distilled with --control is shown beside its control.",
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
    RT_TRY(rt_report_html(out, line.positionals.items, line.positionals.count));
    printf("%s\n", out);
end:
    command_line_finish(&line);
    return status;
}
