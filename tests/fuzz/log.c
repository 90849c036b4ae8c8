/* log.csv: the epochs of a run. */
#include "fuzz.h"

#include <stdlib.h>

#include "report/run_log.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct rt_run_epoch *rows;
    size_t count;
    if (rt_run_log_read(fuzz_file("log.csv", data, size), &rows, &count) == RT_OK)
        free(rows);
    return 0;
}
