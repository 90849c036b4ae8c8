/* Long options, described by tables: the parser, the messages and --help all read the same lines.
 */
#ifndef RT_CLI_OPTIONS_H
#define RT_CLI_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "retort/status.h"

enum option_kind {
    OPTION_FLAG,   /* bool */
    OPTION_TEXT,   /* const char *; points into argv */
    OPTION_TEXTS,  /* struct option_texts; every use adds one */
    OPTION_INT,    /* int within least..most */
    OPTION_NUMBER, /* float or double, told by `size`, within least..most */
    OPTION_SEED,   /* uint64_t */
    OPTION_SIZE,   /* size_t, bytes: "800M"; a default of 0 stands for none */
    OPTION_CHOICE, /* an enum: the place of the word in `choices` */
};

/* Texts in the order given. An option collects them in an array as long as argv. */
struct option_texts {
    const char **items;
    int count;
};

/* What *value holds before parsing is the default, and shown as such by --help. */
struct option {
    const char *name; /* without "--"; NULL: a heading, which `help` holds */
    enum option_kind kind;
    void *value;
    size_t size;                /* of *value */
    const char *argument;       /* how --help calls the value: "FILE" */
    double least, most;         /* a default outside of them stands for none */
    const char *const *choices; /* static, ends with NULL */
    bool required;
    const char *help;
};

#define OPTION_HEADING(text)                                                                       \
    {                                                                                              \
        .help = (text)                                                                             \
    }
#define OPTION(kind_, name_, value_, ...)                                                          \
    {                                                                                              \
        .name = (name_), .kind = (kind_), .value = (value_), .size = sizeof *(value_), __VA_ARGS__ \
    }

#define OPTIONS_MAX 48

/* A subcommand's command line. */
struct command_line {
    const char *usage; /* what follows "retort CMD": "--model FILE IMAGE..." */
    const char *about; /* a paragraph for --help */
    struct option options[OPTIONS_MAX];
    int count;
    int least, most; /* positional arguments; most < 0: any number */
    struct option_texts positionals;
};

/* Appends a table. */
void command_line_add(struct command_line *line, const struct option *options, size_t count);

/* Reads the arguments that follow argv[0], the subcommand's name. --help prints what the tables
 * say and ends the program. Errors: ARGUMENT, naming the option and what it takes. */
rt_status command_line_parse(struct command_line *line, int argc, char **argv);
void command_line_finish(struct command_line *line);

/* The word of `words`, each at `stride` bytes from the last, that is spelt most like `text`; NULL
 * where none comes near. */
const char *closest_word(const char *text, const char *const *words, size_t count, size_t stride);

#endif
