/* precision_recall.csv: numbers under names. */
#include "fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "report/table.h"

/* A name that is read is found, and what is written of it is read as the same. */
static void write_again(const struct rt_table *table)
{
    struct rt_table again;
    char *text;
    size_t size;
    FILE *stream = open_memstream(&text, &size);
    fuzz_refuse(!stream, "out of memory");
    for (size_t i = 0; i < table->columns; i++) {
        fuzz_refuse(rt_table_column(table, table->names[i]) > i, "a name is not found");
        if (i > 0)
            fputc(',', stream);
        rt_csv_text(stream, table->names[i]);
    }
    fputc('\n', stream);
    fclose(stream);
    fuzz_refuse(rt_table_read(&again, fuzz_file("again.csv", text, size)) != RT_OK,
                "what was written is not read");
    fuzz_refuse(again.columns != table->columns, "other columns");
    for (size_t i = 0; i < table->columns; i++)
        fuzz_refuse(strcmp(again.names[i], table->names[i]) != 0, "another name");
    rt_table_finish(&again);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct rt_table table;
    if (rt_table_read(&table, fuzz_file("table.csv", data, size)) != RT_OK)
        return 0;
    write_again(&table);
    rt_table_finish(&table);
    return 0;
}
