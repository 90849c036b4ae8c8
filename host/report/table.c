#include "report/table.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"

#define TABLE_BYTES_MAX (64 << 20)
#define COLUMNS_MAX 1000

bool rt_csv_numbers(const char *line, double *numbers, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        char *end;
        numbers[i] = strtod(line, &end);
        if (end == line || *end != (i + 1 < count ? ',' : 0))
            return false;
        line = end + 1;
    }
    return true;
}

void rt_csv_text(FILE *stream, const char *text)
{
    if (!strpbrk(text, ",\"\r\n")) {
        fputs(text, stream);
        return;
    }
    fputc('"', stream);
    for (; *text; text++) {
        if (*text == '"')
            fputc('"', stream);
        fputc(*text, stream);
    }
    fputc('"', stream);
}

/* The field at *place, unquoted in its place, where *place moves on to what ends it; the character
 * that it was is in *end. */
static char *take_field(char **place, char *end)
{
    char *field = *place, *from = field, *to = field;
    bool quoted = *from == '"';
    if (quoted)
        from++;
    for (; *from; *to++ = *from++) {
        if (quoted && *from == '"' && *++from != '"')
            quoted = false;
        if (!quoted && (*from == ',' || *from == '\r' || *from == '\n' || !*from))
            break;
    }
    *end = *from;
    *place = *from ? from + 1 : from;
    *to = 0;
    return field;
}

/* The first line, up to the text that *place is moved to. */
static rt_status read_names(struct rt_table *table, char **place, const char *path)
{
    rt_status status = RT_OK;
    size_t capacity = 0;
    char end = ',';
    while (end == ',') {
        if (table->columns == COLUMNS_MAX)
            RT_TRY(rt_fail(RT_ERROR_FORMAT, "%s has more than %d columns", path, COLUMNS_MAX));
        RT_TRY(rt_grow(&table->names, &capacity, table->columns + 1, sizeof *table->names));
        RT_TRY(rt_copy_text(&table->names[table->columns], take_field(place, &end)));
        table->columns++;
    }
end:
    return status;
}

rt_status rt_table_read(struct rt_table *table, const char *path)
{
    rt_status status = RT_OK;
    char *text = NULL, *rest, *place = NULL;
    size_t size, capacity = 0;
    *table = (struct rt_table){0};
    RT_TRY(rt_file_read(path, TABLE_BYTES_MAX, &text, &size));
    rest = text;
    RT_TRY(read_names(table, &rest, path));
    for (char *line = strtok_r(rest, "\r\n", &place); line; line = strtok_r(NULL, "\r\n", &place)) {
        RT_TRY(rt_grow(&table->values, &capacity, (table->rows + 1) * table->columns,
                       sizeof *table->values));
        if (!rt_csv_numbers(line, table->values + table->rows * table->columns, table->columns))
            RT_TRY(rt_fail(RT_ERROR_FORMAT, "row %zu of %s is '%.80s', not %zu numbers",
                           table->rows + 1, path, line, table->columns));
        table->rows++;
    }
end:
    free(text);
    if (status < 0)
        rt_table_finish(table);
    return status;
}

void rt_table_finish(struct rt_table *table)
{
    for (size_t i = 0; i < table->columns; i++)
        free(table->names[i]);
    free(table->names);
    free(table->values);
    *table = (struct rt_table){0};
}

size_t rt_table_column(const struct rt_table *table, const char *name)
{
    size_t column = 0;
    while (column < table->columns && strcmp(table->names[column], name) != 0)
        column++;
    return column;
}
