/* CSV files of numbers under a line of names. */
#ifndef RT_REPORT_TABLE_H
#define RT_REPORT_TABLE_H

#include <stdbool.h>
#include <stdio.h>

#include "base/error.h"

struct rt_table {
    char **names;   /* of the columns */
    double *values; /* [rows][columns] */
    size_t columns, rows;
};

/* Reads a file; a name is quoted where it holds a comma, a quote or the end of a line. Release with
 * rt_table_finish. Errors: IO, FORMAT (a line that is not as many numbers as there are names),
 * MEMORY. */
rt_status rt_table_read(struct rt_table *table, const char *path);
void rt_table_finish(struct rt_table *table);

/* The place of the column, table->columns where there is none of this name. */
size_t rt_table_column(const struct rt_table *table, const char *name);

/* As many numbers as `count`, with commas between them and nothing after them. */
bool rt_csv_numbers(const char *line, double *numbers, size_t count);

/* A field of text, quoted where it needs it. */
void rt_csv_text(FILE *stream, const char *text);

#endif
