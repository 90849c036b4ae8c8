/* The report: a run's config.json, and its evaluation's metrics.json, precision_recall.csv and
 * panels.json and its log.csv, as far as they are there, with a zero byte between them. */
#include "fuzz.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "retort/report.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const names[] = {"config.json", "eval/metrics.json",
                                        "eval/precision_recall.csv", "eval/panels.json", "log.csv"};
    enum { NEEDED = 2, FILES = sizeof names / sizeof *names };
    const char *const runs[] = {fuzz_folder()};
    char page[256];
    for (int i = 0; i < FILES; i++) {
        const uint8_t *zero = size ? memchr(data, 0, size) : NULL;
        const size_t length = zero ? (size_t)(zero - data) : size;
        const char *path = fuzz_file(names[i], data, length);
        if (length == 0 && i >= NEEDED)
            unlink(path);
        data += length;
        size -= length;
        if (zero) {
            data++;
            size--;
        }
    }
    snprintf(page, sizeof page, "%s/page.html", runs[0]);
    rt_report_html(page, runs, 1);
    return 0;
}
