/* Pages for a terminal, and retort help. */
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "cli/commands.h"
#include "cli/common.h"
#include "cli/page.h"
#include "cli/terminal.h"

#define COLUMNS 80
#define TEXT_COLUMN 28 /* of what stands beside an option */

/* --- lines ---------------------------------------------------------------------------------- */

/* The length of the word that text begins with; what stands in brackets is one. */
static size_t word_length(const char *text)
{
    size_t length = 0;
    int depth = 0;
    for (; text[length] && (depth > 0 || !strchr(" \n", text[length])); length++)
        depth += (text[length] == '[') - (text[length] == ']' && depth > 0);
    return length;
}

/* Writes a text whose first line begins at `column`, the others at `indent`; the end of a line is a
 * space. */
static void fill(const char *text, size_t column, size_t indent)
{
    bool first = true;
    while (*text) {
        size_t length = word_length(text);
        if (!first && column + 1 + length > COLUMNS) {
            printf("\n%*s", (int)indent, "");
            column = indent;
            first = true;
        }
        printf("%s", first ? "" : " ");
        for (size_t i = 0; i < length; i++)
            putchar(text[i] == '\n' ? ' ' : text[i]);
        column += length + !first;
        first = false;
        text += length;
        text += strspn(text, " \n");
    }
    printf("\n");
}

/* --- the parts of a page -------------------------------------------------------------------- */

static void print_usage(const char *command, const char *arguments)
{
    const size_t column = (size_t)printf("usage: retort %s%s", command, *command ? " " : "");
    fill(arguments, column, column < COLUMNS / 2 ? column : COLUMNS / 2);
}

static void print_group(const char *title)
{
    printf("\n%s:\n", terminal_paint(TERMINAL_STRONG, title));
}

static void print_section(const char *title)
{
    /* The text stands for itself, and the groups of options have titles of their own. */
    if (strcmp(title, "Description") != 0 && strcmp(title, "Options") != 0)
        print_group(title);
}

static void print_paragraph(const char *text)
{
    printf("\n");
    fill(text, 0, 0);
}

static void print_verbatim(const char *text)
{
    printf("\n%s\n", text);
}

static void print_item(const char *term, const char *text)
{
    printf("  %-24s", term);
    if (strlen(term) > TEXT_COLUMN - 4)
        printf("\n%*s", TEXT_COLUMN, "");
    else
        printf("  ");
    fill(text, TEXT_COLUMN, TEXT_COLUMN);
}

/* A command that is too long goes on in the next line, as a shell reads it. */
static void print_example(const char *what, const char *command)
{
    printf("  ");
    fill(what, 2, 2);
    size_t column = (size_t)printf("   ");
    for (size_t length; *command; command += length) {
        command += *command == ' ';
        length = strcspn(command, " ");
        if (column + 1 + length > COLUMNS - 2)
            column = (size_t)printf(" \\\n       ") - 3;
        column += (size_t)printf(" %.*s", (int)length, command);
    }
    printf("\n");
}

static void print_references(const char *commands)
{
    size_t column = (size_t)printf("  retort help");
    for (size_t length; *commands; commands += length) {
        commands += strspn(commands, " ");
        length = strcspn(commands, " ");
        if (column + strlen(", retort help ") + length > COLUMNS)
            column = (size_t)printf(",\n  retort help %.*s", (int)length, commands) - 2;
        else
            column += (size_t)printf(", retort help %.*s", (int)length, commands);
    }
    printf("\n");
}

static const struct page_writer printer = {
    .usage = print_usage,
    .section = print_section,
    .group = print_group,
    .paragraph = print_paragraph,
    .verbatim = print_verbatim,
    .item = print_item,
    .example = print_example,
    .references = print_references,
};

void page_print(const struct command_line *line, const char *command)
{
    page_write(&printer, line, command);
}

/* --- retort help ---------------------------------------------------------------------------- */

rt_status run_help(int argc, char **argv)
{
    rt_status status = RT_OK;
    const struct command *command = NULL;
    struct command_line line = {
        .usage = "[COMMAND]",
        .about = "Explains a command, as COMMAND --help does, or tells which there are.",
        .examples = (const struct command_example[]){{"Explain training", "retort help train"},
                                                     {NULL, NULL}},
        .most = 1,
    };
    add_general_options(&line);
    RT_TRY(command_line_parse(&line, argc, argv));
    if (line.positionals.count > 0) {
        RT_TRY(command_find(line.positionals.items[0], &command));
        char *arguments[] = {(char *)command->name, "--help", NULL};
        status = command->run(2, arguments);
    } else {
        page_write_program(&printer);
    }
end:
    command_line_finish(&line);
    return status;
}
