#include "cli/terminal.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/process.h"

#define CLEAR_LINE "\r\033[K"
#define REDRAW_SECONDS 0.1

bool terminal_verbose;
static bool line_shown; /* a progress line stands, without its line end */

static void clear_line(void)
{
    if (line_shown)
        fputs(CLEAR_LINE, stderr);
    line_shown = false;
}

static void show_log(void *user, enum rt_log_level level, const char *message)
{
    (void)user;
    if (level == RT_LOG_DEBUG && !terminal_verbose)
        return;
    clear_line();
    fprintf(stderr, "retort: %s%s\n", level == RT_LOG_WARNING ? "warning: " : "", message);
}

void terminal_start(void)
{
    rt_log_set(show_log, NULL);
}

void terminal_fail(const char *message)
{
    clear_line();
    fprintf(stderr, "retort: %s\n", message);
}

void terminal_status(const char *text)
{
    clear_line();
    line_shown = *text && isatty(STDERR_FILENO);
    if (*text)
        fprintf(stderr, "%s%s", text, line_shown ? "" : "\n");
}

void terminal_work(const char *text)
{
    if (isatty(STDERR_FILENO))
        terminal_status(text);
}

const char *terminal_paint(enum terminal_colour colour, const char *word)
{
    static const int codes[] = {32, 33, 31, 2};
    static char painted[4][128];
    static int last;
    const char *refused = getenv("NO_COLOR");
    if (!isatty(STDOUT_FILENO) || (refused && *refused))
        return word;
    last = (last + 1) % 4;
    snprintf(painted[last], sizeof painted[last], "\033[%dm%s\033[0m", codes[colour], word);
    return painted[last];
}

void terminal_duration(double seconds, char *text, size_t size)
{
    long whole = (long)(seconds + 0.5);
    if (whole >= 3600)
        snprintf(text, size, "%ld:%02ld:%02ld", whole / 3600, whole / 60 % 60, whole % 60);
    else
        snprintf(text, size, "%ld:%02ld", whole / 60, whole % 60);
}

void terminal_progress(void *user, const struct rt_progress *progress)
{
    (void)user;
    static double last_drawn;
    char left[32];
    terminal_duration(progress->seconds_left, left, sizeof left);
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
    if (now - last_drawn < REDRAW_SECONDS || !isatty(STDERR_FILENO))
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
