/* Files and folders. Every function leaves a message that names the path. */
#ifndef RT_BASE_FILE_H
#define RT_BASE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "base/error.h"

/* The whole file in *bytes (released by free()), followed by a zero byte that *size does not
 * count. Errors: IO, FORMAT above `limit` bytes, MEMORY. */
rt_status rt_file_read(const char *path, size_t limit, char **bytes, size_t *size);

/* A file that appears under its name only when it is whole: opened under a temporary name beside
 * it, flushed to disk and renamed by rt_file_commit. */
struct rt_file_writer {
    FILE *stream;
    char *path;
    char *temporary;
};
rt_status rt_file_begin(struct rt_file_writer *writer, const char *path);
/* Checks every write so far, flushes, renames. Releases the writer whatever the result. */
rt_status rt_file_commit(struct rt_file_writer *writer);
/* Removes the temporary file. Does nothing after a commit. */
void rt_file_abandon(struct rt_file_writer *writer);

/* Flushes a file that another library has written to disk and gives it its name. Errors: IO. */
rt_status rt_file_adopt(const char *temporary, const char *path);

/* Removes what killed processes have left of writing this file. For when none writes it: the caller
 * holds a lock. Errors: IO, MEMORY. */
rt_status rt_file_sweep(const char *path);

/* The three steps for a text or block that is at hand. */
rt_status rt_file_write(const char *path, const void *bytes, size_t size);

/* The folder and its parents, made where missing. */
rt_status rt_folder_create(const char *path);

bool rt_path_exists(const char *path);
bool rt_path_is_folder(const char *path);
/* Whether both lead to one file that exists. */
bool rt_path_is_same(const char *a, const char *b);

/* folder/name in a new string, released by free(). */
rt_status rt_path_join(char **path, const char *folder, const char *name);

/* The part after the last '/', and a copy of the path's last part without its extension. */
const char *rt_path_name(const char *path);
rt_status rt_path_stem(char **stem, const char *path);

#endif
