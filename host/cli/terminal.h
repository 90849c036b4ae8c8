/* What the user sees while a command works, on standard error: log lines and progress; and how the
 * user stops it. */
#ifndef RT_CLI_TERMINAL_H
#define RT_CLI_TERMINAL_H

#include <stdbool.h>

#include <jansson.h>

#include "retort/learn.h"

/* Sends the library's log to standard error; its debug lines only while terminal_verbose. While
 * terminal_quiet it is warnings alone, and no progress. */
void terminal_start(void);
extern bool terminal_verbose, terminal_quiet;

/* From here on the library's information and warnings are also added to an array of texts; NULL: no
 * more of them. */
void terminal_keep(json_t *texts);

/* Says why the program ends. */
void terminal_fail(const char *message);

/* Says what is being done: on a terminal in a line that the next text replaces, and "" clears;
 * everywhere else in a line of its own. */
void terminal_status(const char *text);

/* The same where others follow within seconds: nothing but a terminal shows it. */
void terminal_work(const char *text);

/* A word for standard output, coloured where that is a terminal: never with NO_COLOR set
 * (https://no-color.org) or on a dumb one, everywhere with CLICOLOR_FORCE set and not 0. It stands
 * until the next but three. */
enum terminal_colour {
    TERMINAL_GOOD,
    TERMINAL_DOUBTFUL,
    TERMINAL_BAD,
    TERMINAL_FAINT,
    TERMINAL_STRONG
};
const char *terminal_paint(enum terminal_colour colour, const char *word);

/* For rt_train_options.progress: on a terminal one line that changes with every step; everywhere
 * one line an epoch. */
void terminal_progress(void *user, const struct rt_progress *progress);

/* From here on the first SIGINT makes terminal_interrupted (for rt_train_options.stop) true, and
 * the second ends the program. */
void terminal_catch_interrupts(void);
bool terminal_interrupted(void *user);

#endif
