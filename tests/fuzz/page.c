/* The report: a run's config.json, a zero byte, and the metrics.json of its evaluation. */
#include "fuzz.h"

#include <stdio.h>
#include <string.h>

#include "retort/report.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *zero = size ? memchr(data, 0, size) : NULL;
    const size_t first = zero ? (size_t)(zero - data) : size;
    const char *const runs[] = {fuzz_folder()};
    char page[256];
    fuzz_file("config.json", data, first);
    fuzz_file("eval/metrics.json", zero ? zero + 1 : data, zero ? size - first - 1 : 0);
    snprintf(page, sizeof page, "%s/page.html", runs[0]);
    rt_report_html(page, runs, 1);
    return 0;
}
