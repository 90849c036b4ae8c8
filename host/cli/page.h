/* What explains a command, made of its tables: for the terminal and for man. */
#ifndef RT_CLI_PAGE_H
#define RT_CLI_PAGE_H

#include "cli/options.h"

/* How the parts of a page are written, in their order, to standard output. */
struct page_writer {
    void (*usage)(const char *command, const char *arguments); /* "train", "--out RUN" */
    void (*section)(const char *title);
    void (*group)(const char *title); /* of options */
    void (*paragraph)(const char *text);
    void (*verbatim)(const char *text);               /* lines that begin with two spaces */
    void (*item)(const char *term, const char *text); /* "--out RUN", "NO_COLOR", "train" */
    void (*example)(const char *what, const char *command);
    void (*references)(const char *commands); /* "train eval"; "": retort's page alone */
};

/* The page of a command, from its usage on. */
void page_write(const struct page_writer *writer, const struct command_line *line,
                const char *command);
/* The page of the whole program. */
void page_write_program(const struct page_writer *writer);

/* For a terminal, in 80 columns. */
void page_print(const struct command_line *line, const char *command);

#endif
