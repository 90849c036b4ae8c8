#include "cli/terminal.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/duration.h"
#include "base/hash.h"
#include "base/memory.h"
#include "base/process.h"

#define CLEAR_LINE "\r\033[K"
#define REDRAW_SECONDS 0.1

bool terminal_verbose, terminal_quiet;
static bool line_shown; /* a progress line stands, without its line end */
static json_t *kept;    /* of terminal_keep */

/* Whether lines can be drawn over, and anything be coloured, there. */
static bool is_terminal(int file)
{
    const char *kind = getenv("TERM");
    return isatty(file) && kind && strcmp(kind, "dumb") != 0;
}

static bool has_colours(int file)
{
    const char *refused = getenv("NO_COLOR"), *forced = getenv("CLICOLOR_FORCE");
    if (refused && *refused)
        return false;
    return (forced && *forced && strcmp(forced, "0") != 0) || is_terminal(file);
}

/* The same word for a file that is a terminal's. */
static const char *paint(int file, enum terminal_colour colour, const char *word)
{
    static const int codes[] = {32, 33, 31, 2, 1};
    static char painted[4][128];
    static int last;
    if (!has_colours(file))
        return word;
    last = (last + 1) % 4;
    snprintf(painted[last], sizeof painted[last], "\033[%dm%s\033[0m", codes[colour], word);
    return painted[last];
}

const char *terminal_paint(enum terminal_colour colour, const char *word)
{
    return paint(STDOUT_FILENO, colour, word);
}

static void clear_line(void)
{
    if (line_shown)
        fputs(CLEAR_LINE, stderr);
    line_shown = false;
}

/* Data that are opened for each part of the work have the same to say each time. */
static bool said_before(const char *warning)
{
    static uint64_t said[64];
    static size_t count;
    const uint64_t hash = rt_hash(warning, strlen(warning));
    for (size_t i = 0; i < count; i++)
        if (said[i] == hash)
            return true;
    if (count < RT_COUNT(said))
        said[count++] = hash;
    return false;
}

static void show_log(void *user, enum rt_log_level level, const char *message)
{
    (void)user;
    if (kept && level > RT_LOG_DEBUG)
        json_array_append_new(kept, json_string(message));
    if (level == RT_LOG_DEBUG && !terminal_verbose)
        return;
    if (level < RT_LOG_WARNING && terminal_quiet)
        return;
    if (level == RT_LOG_WARNING && said_before(message))
        return;
    clear_line();
    fprintf(stderr, "retort: %s%s\n",
            level == RT_LOG_WARNING ? paint(STDERR_FILENO, TERMINAL_DOUBTFUL, "warning: ") : "",
            message);
}

void terminal_start(void)
{
    rt_log_set(show_log, NULL);
}

void terminal_keep(json_t *texts)
{
    kept = texts;
}

void terminal_fail(const char *message)
{
    clear_line();
    fprintf(stderr, "%s %s\n", paint(STDERR_FILENO, TERMINAL_BAD, "retort:"), message);
}

void terminal_status(const char *text)
{
    clear_line();
    if (terminal_quiet)
        return;
    line_shown = *text && is_terminal(STDERR_FILENO);
    if (*text)
        fprintf(stderr, "%s%s", text, line_shown ? "" : "\n");
}

void terminal_work(const char *text)
{
    if (is_terminal(STDERR_FILENO))
        terminal_status(text);
}

void terminal_progress(void *user, const struct rt_progress *progress)
{
    (void)user;
    static double last_drawn;
    char left[RT_DURATION_TEXT];
    if (terminal_quiet)
        return;
    rt_duration_text(left, progress->seconds_left);
    if (progress->epoch_done) {
        clear_line();
        fprintf(stderr,
                "epoch %d/%d: loss %.4f, validation loss %.4f, accuracy %.1f %%, mean IoU %.4f, "
                "%.1f images/s, %s left\n",
                progress->epoch, progress->epochs, progress->loss, progress->val_loss,
                100 * progress->val_accuracy, progress->val_mean_iou, progress->images_per_second,
                left);
        return;
    }
    double now = rt_clock_seconds();
    if (now - last_drawn < REDRAW_SECONDS || !is_terminal(STDERR_FILENO))
        return;
    last_drawn = now;
    fprintf(stderr, CLEAR_LINE "epoch %d/%d, step %d/%d: loss %.4f, %.1f images/s, %s left",
            progress->epoch, progress->epochs, progress->step, progress->steps, progress->loss,
            progress->images_per_second, left);
    line_shown = true;
}

static volatile sig_atomic_t interrupted;

static void on_interrupt(int signal)
{
    (void)signal;
    interrupted = 1;
}

void terminal_catch_interrupts(void)
{
    struct sigaction action = {.sa_handler = on_interrupt, .sa_flags = (int)SA_RESETHAND};
    sigaction(SIGINT, &action, NULL);
}

bool terminal_interrupted(void *user)
{
    (void)user;
    return interrupted;
}
