/* Pages for man, as the build installs them: roff with the macros of man(7). */
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "cli/commands.h"
#include "cli/page.h"
#include "retort/version.h"

#define DATE "2026-11-27" /* of this version */

/* --- roff ----------------------------------------------------------------------------------- */

static void put_letter(char letter, bool line_begins)
{
    if (line_begins && (letter == '.' || letter == '\''))
        printf("\\&");
    switch (letter) {
    case '-':
        printf("\\-");
        break;
    case '\\':
        printf("\\e");
        break;
    case '~':
        printf("\\(ti");
        break;
    case '^':
        printf("\\(ha");
        break;
    default:
        putchar(letter);
    }
}

static void put_text(const char *text, size_t length)
{
    for (size_t i = 0; i < length && text[i]; i++)
        put_letter(text[i], i == 0);
}

/* Words in lines of up to 72 letters. */
static void put_words(const char *text)
{
    size_t column = 0;
    while (*text) {
        const size_t length = strcspn(text, " \n"), gap = strspn(text + length, " \n");
        const bool wraps = column > 0 && column + 1 + length > 72;
        if (column > 0)
            putchar(wraps ? '\n' : ' ');
        column = wraps ? length : column + 1 + length;
        put_text(text, length);
        text += length + gap;
    }
    printf("\n");
}

/* --- the parts of a page -------------------------------------------------------------------- */

static void put_usage(const char *command, const char *arguments)
{
    printf(".SH SYNOPSIS\n\\fBretort%s", *command ? " " : "");
    put_text(command, SIZE_MAX);
    printf("\\fR ");
    put_text(arguments, SIZE_MAX);
    printf("\n");
}

static bool section_begins; /* man takes no other paragraph there */

static void put_section(const char *title)
{
    section_begins = true;
    printf(".SH ");
    for (; *title; title++)
        putchar(*title >= 'a' && *title <= 'z' ? *title - 'a' + 'A' : *title);
    printf("\n");
}

static void begin_paragraph(void)
{
    printf("%s", section_begins ? "" : ".PP\n");
    section_begins = false;
}

static void put_paragraph(const char *text)
{
    begin_paragraph();
    put_words(text);
}

/* Lines as they are. */
static void put_verbatim(const char *text)
{
    begin_paragraph();
    printf(".RS 4\n.nf\n");
    while (*text) {
        const size_t length = strcspn(text, "\n"), indent = strspn(text, " ") < 2 ? 0 : 2;
        put_text(text + indent, length - indent);
        printf("\n");
        text += length + (text[length] == '\n');
    }
    printf(".fi\n.RE\n");
}

static void put_group(const char *title)
{
    printf(".SS ");
    put_text(title, SIZE_MAX);
    printf("\n");
}

/* The first word is to be typed, what follows stands for something. */
static void put_item(const char *term, const char *text)
{
    const size_t length = strcspn(term, " ");
    printf(".TP\n\\fB");
    put_text(term, length);
    printf("\\fR");
    if (term[length]) {
        printf(" \\fI");
        put_text(term + length + 1, SIZE_MAX);
        printf("\\fR");
    }
    printf("\n");
    put_words(text);
}

static void put_example(const char *what, const char *command)
{
    begin_paragraph();
    put_text(what, SIZE_MAX);
    printf(":\n.PP\n.RS 4\n.nf\n");
    size_t column = 0;
    for (size_t length; *command; command += length) {
        command += *command == ' ';
        length = strcspn(command, " ");
        if (column > 0 && column + 1 + length > 66) {
            printf(" \\e\n    ");
            column = 4;
        } else if (column > 0) {
            putchar(' ');
        }
        put_text(command, length);
        column += length + 1;
    }
    printf("\n.fi\n.RE\n");
}

static void put_references(const char *commands)
{
    size_t length = strspn(commands, " ");
    for (commands += length; *commands; commands += strspn(commands, " ")) {
        length = strcspn(commands, " ");
        printf(".BR retort\\-%.*s (1),\n", (int)length, commands);
        commands += length;
    }
    printf(".BR retort (1)\n");
}

static const struct page_writer writer = {
    .usage = put_usage,
    .section = put_section,
    .group = put_group,
    .paragraph = put_paragraph,
    .verbatim = put_verbatim,
    .item = put_item,
    .example = put_example,
    .references = put_references,
};

/* --- retort manual -------------------------------------------------------------------------- */

static void put_name(const char *command, const char *summary)
{
    char title[64];
    snprintf(title, sizeof title, "RETORT%s%s", *command ? "-" : "", command);
    printf(".TH ");
    for (const char *letter = title; *letter; letter++)
        put_letter(*letter >= 'a' && *letter <= 'z' ? (char)(*letter - 'a' + 'A') : *letter, false);
    printf(" 1 \"" DATE "\" \"retort " RT_VERSION "\" \"User commands\"\n");
    printf(".SH NAME\nretort%s", *command ? "\\-" : "");
    put_text(command, SIZE_MAX);
    printf(" \\- ");
    put_text(summary, SIZE_MAX);
    printf("\n");
}

static void put_page(void *user, const struct command_line *line, const char *name)
{
    const struct command *command = user;
    put_name(name, command->summary ? command->summary : "for retort's own use");
    page_write(&writer, line, name);
}

rt_status run_manual(int argc, char **argv)
{
    const struct command *command = NULL;
    if (argc < 2) {
        put_name("", "train and distil networks that segment satellite images");
        page_write_program(&writer);
        return RT_OK;
    }
    rt_status status = command_find(argv[1], &command);
    if (status < 0)
        return status;
    command_line_hook.tables = put_page;
    command_line_hook.user = (void *)command;
    status = command->run(1, (char *[]){(char *)command->name, NULL});
    return status == RT_ERROR_INTERRUPTED ? RT_OK : status;
}
