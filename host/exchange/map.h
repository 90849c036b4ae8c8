/* Names of a file's tensors as retort's: lines "THEIRS = OURS", '#' begins a comment. Either side
 * is a tensor or a module, whose tensors keep their last words: with "enc.*.conv = down.*.0", the
 * tensor enc.2.conv.weight is down.2.0.weight. A '*' is a whole number, on the right the same one;
 * OURS may be '-': the tensor is left out. The first line that fits counts. */
#ifndef RT_EXCHANGE_MAP_H
#define RT_EXCHANGE_MAP_H

#include <stddef.h>

#include "base/error.h"

#define RT_MAP_LEFT_OUT "-"

struct rt_map_line {
    int number; /* in the file, from 1 */
    const char *theirs, *ours;
    size_t used; /* the names that fitted */
};

struct rt_map {
    char *text; /* owns the lines' texts */
    struct rt_map_line *lines;
    size_t count, capacity;
};

/* Errors: IO, FORMAT (names the line), MEMORY. Release with rt_map_finish. */
rt_status rt_map_read(struct rt_map *map, const char *path);
void rt_map_finish(struct rt_map *map);

/* The name's counterpart, released by free(); RT_MAP_LEFT_OUT where it is to be left out, NULL
 * where no line fits. Errors: MEMORY. */
rt_status rt_map_name(struct rt_map *map, const char *name, char **ours);

#endif
