#include "learn/run_folder.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/process.h"
#include "device/device.h"
#include "learn/config.h"

#define LOG_BYTES_MAX ((size_t)1 << 28)

rt_status rt_run_folder_init(struct rt_run_folder *folder, const char *path)
{
    rt_status status = RT_OK;
    *folder = (struct rt_run_folder){0};
    RT_TRY(rt_path_join(&folder->config, path, "config.json"));
    RT_TRY(rt_path_join(&folder->log, path, "log.csv"));
    RT_TRY(rt_path_join(&folder->events, path, "log.jsonl"));
    RT_TRY(rt_path_join(&folder->best, path, "best.safetensors"));
    RT_TRY(rt_path_join(&folder->last, path, "last.safetensors"));
    RT_TRY(rt_path_join(&folder->state, path, "state.safetensors"));
end:
    if (status < 0)
        rt_run_folder_finish(folder);
    return status;
}

void rt_run_folder_finish(struct rt_run_folder *folder)
{
    free(folder->config);
    free(folder->log);
    free(folder->events);
    free(folder->best);
    free(folder->last);
    free(folder->state);
    rt_lock_finish(&folder->lock);
    *folder = (struct rt_run_folder){0};
}

/* config.json comes last: as long as it is there, the others are known to be a run's. */
#define FILES(folder)                                                                              \
    {                                                                                              \
        (folder)->state, (folder)->last, (folder)->best, (folder)->events, (folder)->log,          \
            (folder)->config                                                                       \
    }

static rt_status check_foreign(const struct rt_run_folder *folder)
{
    const char *files[] = FILES(folder);
    for (size_t i = 0; i < RT_COUNT(files); i++)
        if (rt_path_exists(files[i]))
            return rt_fail(RT_ERROR_ARGUMENT,
                           "cannot write a run here: %s exists and is not of a retort run; choose "
                           "another folder",
                           files[i]);
    return RT_OK;
}

static enum rt_math math_of(const struct rt_device *device)
{
    return rt_device_is_exact(device) ? RT_MATH_EXACT : RT_MATH_FAST;
}

rt_status rt_run_folder_check(struct rt_run_folder *folder, const struct rt_train_options *options,
                              const struct rt_device *device)
{
    if (options->resume && options->force)
        return rt_fail(RT_ERROR_ARGUMENT,
                       "cannot both resume the run in %s and replace it by force", options->out);
    bool holds_run = false;
    rt_status status =
        rt_path_is_folder(options->out) ? rt_lock_folder(&folder->lock, options->out) : RT_OK;
    if (status == RT_OK)
        status = rt_config_is_ours(folder->config, &holds_run);
    if (status < 0)
        return status;
    if (options->resume && holds_run)
        return rt_config_expect(folder->config, options, rt_device_describe(device)->name,
                                math_of(device));
    if (options->resume)
        return rt_fail(RT_ERROR_ARGUMENT, "cannot resume: there is no run in %s", options->out);
    if (!holds_run)
        return check_foreign(folder);
    if (!options->force)
        return rt_fail(RT_ERROR_ARGUMENT,
                       "%s already holds a run: resume it, replace it by force, or choose another "
                       "folder",
                       options->out);
    return RT_OK;
}

static rt_status remove_files(const struct rt_run_folder *folder)
{
    const char *files[] = FILES(folder);
    for (size_t i = 0; i < RT_COUNT(files); i++)
        if (unlink(files[i]) != 0 && errno != ENOENT)
            return rt_fail(RT_ERROR_IO, "cannot remove %s: %s", files[i], strerror(errno));
    return RT_OK;
}

static rt_status sweep(const struct rt_run_folder *folder)
{
    const char *files[] = FILES(folder);
    rt_status status = RT_OK;
    for (size_t i = 0; i < RT_COUNT(files) && status == RT_OK; i++)
        status = rt_file_sweep(files[i]);
    return status;
}

rt_status rt_run_folder_begin(struct rt_run_folder *folder, const struct rt_train_options *options,
                              const struct rt_device *device)
{
    rt_status status = RT_OK;
    RT_TRY(rt_folder_create(options->out));
    if (!folder->lock.held) /* another process may have made the folder in the meantime */
        RT_TRY(rt_run_folder_check(folder, options, device));
    if (!options->resume)
        RT_TRY(remove_files(folder));
    RT_TRY(sweep(folder));
    RT_TRY(rt_config_write(folder->config, options, rt_device_describe(device)->name,
                           math_of(device)));
end:
    return status;
}

/* --- the log -------------------------------------------------------------------------------- */

enum { COLUMNS = 8 };
static const char *const columns[COLUMNS] = {
    "epoch",        "train_loss", "val_loss",          "val_accuracy",
    "val_mean_iou", "seconds",    "images_per_second", "peak_device_bytes"};
typedef char row_texts[COLUMNS][32];

/* The numbers as both files have them, to the last digit. */
static void format_row(row_texts texts, const struct rt_epoch_row *row)
{
    const size_t size = sizeof texts[0];
    snprintf(texts[0], size, "%d", row->epoch);
    snprintf(texts[1], size, "%.9g", row->train_loss);
    snprintf(texts[2], size, "%.9g", row->val_loss);
    snprintf(texts[3], size, "%.9g", row->val_accuracy);
    snprintf(texts[4], size, "%.9g", row->val_mean_iou);
    snprintf(texts[5], size, "%.3f", row->seconds);
    snprintf(texts[6], size, "%.3f", row->images_per_second);
    snprintf(texts[7], size, "%zu", row->peak_device_bytes);
}

static void format_csv(char *line, size_t size, row_texts texts)
{
    size_t length = 0;
    for (int i = 0; i < COLUMNS; i++)
        length += (size_t)snprintf(line + length, size - length, "%s%s", i ? "," : "", texts[i]);
}

/* JSON has no word for what is no number ("nan", "inf"). */
static void format_json(char *line, size_t size, row_texts texts)
{
    size_t length = 0;
    for (int i = 0; i < COLUMNS; i++)
        length += (size_t)snprintf(line + length, size - length, "%s\"%s\": %s", i ? ", " : "{",
                                   columns[i], strchr(texts[i], 'n') ? "null" : texts[i]);
    snprintf(line + length, size - length, ", \"wall_time\": %.3f}", rt_clock_wall());
}

/* The length of the first `lines` lines of a text, or of what is there of them. */
static size_t kept_length(const char *text, int lines)
{
    const char *end = text;
    for (int i = 0; i < lines && *end; i++) {
        const char *line_end = strchr(end, '\n');
        if (!line_end)
            break;
        end = line_end + 1;
    }
    return (size_t)(end - text);
}

/* Writes a file anew: so many of its lines, or `header` where it has none, and after them one. */
static rt_status write_after(const char *path, int lines, const char *header, const char *line)
{
    rt_status status = RT_OK;
    char *before = NULL, *text = NULL;
    size_t size = 0;
    if (lines > 0 && rt_path_exists(path))
        RT_TRY(rt_file_read(path, LOG_BYTES_MAX, &before, &size));
    size_t kept = before ? kept_length(before, lines) : 0;
    RT_TRY(
        rt_format(&text, "%.*s%s%s\n", (int)kept, before ? before : "", kept ? "" : header, line));
    RT_TRY(rt_file_write(path, text, strlen(text)));
end:
    free(before);
    free(text);
    return status;
}

rt_status rt_run_folder_log(const struct rt_run_folder *folder, const struct rt_epoch_row *row)
{
    rt_status status = RT_OK;
    const int before = row->epoch - 1; /* epochs */
    row_texts texts;
    char header[256] = "", line[512];
    format_row(texts, row);
    for (int i = 0; i < COLUMNS; i++)
        snprintf(header + strlen(header), sizeof header - strlen(header), "%s%s", columns[i],
                 i + 1 < COLUMNS ? "," : "\n");
    format_csv(line, sizeof line, texts);
    RT_TRY(write_after(folder->log, before ? before + 1 : 0, header, line));
    format_json(line, sizeof line, texts);
    status = write_after(folder->events, before, "", line);
end:
    return status;
}
