#include "report/plot.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "base/memory.h"

extern char **environ;

static void release(struct rt_plot *plot)
{
    free(plot->folder);
    free(plot->name);
    for (size_t i = 0; i < plot->count; i++)
        free(plot->pictures[i]);
    free(plot->pictures);
    memset(plot, 0, sizeof *plot);
}

rt_status rt_plot_begin(struct rt_plot *plot, const char *folder, const char *name)
{
    rt_status status = RT_OK;
    char *file = NULL, *path = NULL;
    memset(plot, 0, sizeof *plot);
    RT_TRY(rt_copy_text(&plot->folder, folder));
    RT_TRY(rt_copy_text(&plot->name, name));
    RT_TRY(rt_format(&file, "%s.gp", name));
    RT_TRY(rt_path_join(&path, folder, file));
    RT_TRY(rt_file_begin(&plot->writer, path));
    plot->script = plot->writer.stream;
    /* The end of the names under which pictures are drawn; none for whoever draws them again. */
    fputs("if (!exists('part')) part = ''\n", plot->script);
end:
    free(file);
    free(path);
    if (status < 0)
        release(plot);
    return status;
}

rt_status rt_plot_output(struct rt_plot *plot, const char *name)
{
    rt_status status = RT_OK;
    char *file = NULL;
    RT_TRY(rt_grow(&plot->pictures, &plot->capacity, plot->count + 1, sizeof *plot->pictures));
    RT_TRY(rt_format(&file, "%s.png", name));
    RT_TRY(rt_path_join(&plot->pictures[plot->count], plot->folder, file));
    plot->count++;
    fprintf(plot->script, "set output '%s'.part\n", file);
end:
    free(file);
    return status;
}

rt_status rt_plot_chart(struct rt_plot *plot, int width, int height)
{
    fprintf(plot->script,
            "set terminal pngcairo noenhanced font 'DejaVu Sans,11' background '#ffffff' "
            "size %d,%d fontscale 2 linewidth 2 pointscale 2\n"
            "set datafile separator comma\n"
            "set datafile missing 'nan'\n"
            "set border 3 linecolor rgb '#9a9a9a'\n"
            "set tics nomirror textcolor rgb '#404040'\n"
            "set grid linecolor rgb '#e8e8e8' linewidth 1 linetype 1\n"
            "set key outside right top Left reverse samplen 2 spacing 1.3\n",
            2 * width, 2 * height);
    return rt_plot_output(plot, plot->name);
}

void rt_plot_text(FILE *script, const char *text)
{
    fputc('\'', script);
    for (char before = '\''; *text; before = *text++) {
        if (*text == '\'') /* gnuplot 5.4 takes no quote after another, or at the beginning */
            fputs(before == '\'' ? " ''" : "''", script);
        else
            fputc((unsigned char)*text < ' ' ? ' ' : *text, script);
    }
    fputc('\'', script);
}

/* Runs `gnuplot -d -e "part = 'PART'" FILE`, with none of the user's settings, in the folder with
 * its output dropped; the error, or 0 with its exit status in *exit_status. */
static int run_gnuplot(const char *folder, const char *part, char *file, int *exit_status)
{
    char set[64];
    posix_spawn_file_actions_t actions;
    pid_t child;
    snprintf(set, sizeof set, "part = '%s'", part);
    int error = posix_spawn_file_actions_init(&actions);
    if (error)
        return error;
    error = posix_spawn_file_actions_addchdir_np(&actions, folder);
    for (int stream = STDIN_FILENO; stream <= STDERR_FILENO && !error; stream++)
        error = posix_spawn_file_actions_addopen(&actions, stream, "/dev/null", O_RDWR, 0);
    if (!error)
        error = posix_spawnp(&child, "gnuplot", &actions, NULL,
                             (char *[]){"gnuplot", "-d", "-e", set, file, NULL}, environ);
    posix_spawn_file_actions_destroy(&actions);
    if (error)
        return error;
    while (waitpid(child, exit_status, 0) < 0)
        if (errno != EINTR)
            return errno;
    return 0;
}

/* Puts what gnuplot has drawn in its place, or removes it where it may not be whole. */
static rt_status place_pictures(const struct rt_plot *plot, const char *part, bool whole)
{
    rt_status status = RT_OK;
    for (size_t i = 0; i < plot->count && status == RT_OK; i++) {
        char *drawn = NULL;
        status = rt_format(&drawn, "%s%s", plot->pictures[i], part);
        if (drawn && !whole)
            unlink(drawn);
        else if (drawn && rename(drawn, plot->pictures[i]) != 0)
            rt_warn("the picture %s is left out: %s", plot->pictures[i], strerror(errno));
        free(drawn);
    }
    return status;
}

rt_status rt_plot_finish(struct rt_plot *plot)
{
    char *file = NULL, part[32];
    rt_status status = rt_file_commit(&plot->writer);
    if (status < 0)
        goto end;
    RT_TRY(rt_format(&file, "%s.gp", plot->name));
    snprintf(part, sizeof part, ".%ld.tmp", (long)getpid()); /* as rt_file_begin */
    int exit_status = 0, error = run_gnuplot(plot->folder, part, file, &exit_status);
    if (error == ENOENT)
        rt_warn("the pictures of %s/%s are left out: gnuplot is not installed", plot->folder, file);
    else if (error || exit_status)
        rt_warn("the pictures of %s/%s are left out: gnuplot fails; run it there to see why",
                plot->folder, file);
    status = place_pictures(plot, part, !error && !exit_status);
end:
    free(file);
    release(plot);
    return status;
}

void rt_plot_abandon(struct rt_plot *plot)
{
    rt_file_abandon(&plot->writer);
    release(plot);
}
