#include "report/run_log.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "report/table.h"

#define LOG_BYTES_MAX (64 << 20)
#define COLUMNS (sizeof(struct rt_run_epoch) / sizeof(double))

static const char header[] = "epoch,train_loss,val_loss,val_accuracy,val_mean_iou,seconds,"
                             "images_per_second,peak_device_bytes";

rt_status rt_run_log_read(const char *path, struct rt_run_epoch **rows, size_t *count)
{
    rt_status status = RT_OK;
    char *text = NULL, *place = NULL;
    size_t size, capacity = 0, number = 0;
    *rows = NULL;
    *count = 0;
    RT_TRY(rt_file_read(path, LOG_BYTES_MAX, &text, &size));
    for (char *line = strtok_r(text, "\r\n", &place); line; line = strtok_r(NULL, "\r\n", &place)) {
        if (number++ == 0) {
            if (strcmp(line, header) != 0)
                RT_TRY(rt_fail(RT_ERROR_FORMAT, "%s begins with '%.80s', but a log with '%s'", path,
                               line, header));
            continue;
        }
        RT_TRY(rt_grow(rows, &capacity, *count + 1, sizeof **rows));
        double numbers[COLUMNS];
        if (!rt_csv_numbers(line, numbers, COLUMNS))
            RT_TRY(rt_fail(RT_ERROR_FORMAT, "line %zu of %s is '%.80s', not %zu numbers", number,
                           path, line, COLUMNS));
        memcpy(&(*rows)[*count], numbers, sizeof numbers);
        ++*count;
    }
    if (*count == 0)
        status = rt_fail(RT_ERROR_FORMAT, "%s holds no epoch", path);
end:
    free(text);
    if (status < 0) {
        free(*rows);
        *rows = NULL;
        *count = 0;
    }
    return status;
}
