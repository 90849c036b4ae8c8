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

#define OPTIONS_MAX 64

/* Something to type, as it stands, and what for. */
struct command_example {
    const char *what;    /* "Train on your own photos" */
    const char *command; /* "retort train --data PHOTOS --out runs/teacher" */
};

/* A subcommand's command line. */
struct command_line {
    /* What follows "retort CMD": "--model FILE IMAGE...". Where there are positional arguments, the
     * first word that is of no option tells what they are; see argument_kind. */
    const char *usage;
    /* Paragraphs for --help, with an empty line between them; filled anew, but for those that begin
     * with two spaces. */
    const char *about;
    const struct command_example *examples; /* static, ends with NULLs; NULL: none */
    const char *see;                        /* related commands, "train eval"; NULL: none */
    struct option options[OPTIONS_MAX];
    int count;
    int least, most; /* positional arguments; most < 0: any number */
    struct option_texts positionals;
};

/* Appends a table. */
void command_line_add(struct command_line *line, const struct option *options, size_t count);

/* Reads the arguments that follow argv[0], the subcommand's name. --help prints what the tables
 * say and ends the program. Errors: ARGUMENT, naming the option and what it takes; INTERRUPTED (the
 * command is not to run, see command_line_hook). */
rt_status command_line_parse(struct command_line *line, int argc, char **argv);
void command_line_finish(struct command_line *line);

/* For what explains commands instead of running them: what becomes of every command line. */
extern struct command_line_hook {
    /* Is handed the tables, before anything is read; NULL: they are read. */
    void (*tables)(void *user, const struct command_line *line, const char *command);
    void *user;
    bool parse_only; /* the arguments are read and checked, and that is all */
} command_line_hook;

/* What the word for a value ("FILE", "RUN") says of it. */
enum argument_kind {
    ARGUMENT_OTHER,
    ARGUMENT_FILE,
    ARGUMENT_FOLDER,
    ARGUMENT_DATA, /* a folder or "synth" */
    ARGUMENT_DEVICE,
    ARGUMENT_NETWORK,
    ARGUMENT_COMMAND,
    ARGUMENT_SHELL,
};
enum argument_kind argument_kind(const char *word);

/* "a|b|c"; and the value that stands, as the user would type it, "" where there is none. */
void option_list_choices(const struct option *option, char *list, size_t size);
void option_format_default(const struct option *option, char *text, size_t size);

/* The word for the positional arguments, "IMAGE"; "" where there are none. */
#define OPERAND_BYTES 32
const char *command_line_operand(const struct command_line *line, char word[OPERAND_BYTES]);

#endif
