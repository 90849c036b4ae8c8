#include "cli/page.h"

#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "cli/commands.h"

static const char about[] =
    "Trains U-Nets that segment satellite images, distils them into small ones, and compares each "
    "with the same small network trained alone, on any OpenCL device: an integrated GPU, an AMD or "
    "NVIDIA card, or the CPU through PoCL.";

/* --- options -------------------------------------------------------------------------------- */

static void write_option(const struct page_writer *writer, const struct option *option)
{
    char term[320], choices[256], value[128], text[640];
    const char *argument = option->argument;
    if (option->choices) {
        option_list_choices(option, choices, sizeof choices);
        argument = choices;
    }
    snprintf(term, sizeof term, "--%s%s%s", option->name, argument ? " " : "",
             argument ? argument : "");
    option_format_default(option, value, sizeof value);
    snprintf(text, sizeof text, "%s%s%s%s", option->help, option->required ? " (required)" : "",
             !option->required && value[0] ? " (default: " : "", option->required ? "" : value);
    if (!option->required && value[0])
        strncat(text, ")", sizeof text - strlen(text) - 1);
    writer->item(term, text);
}

static void write_options(const struct page_writer *writer, const struct command_line *line)
{
    for (int i = 0; i < line->count; i++) {
        if (line->options[i].name)
            write_option(writer, &line->options[i]);
        else
            writer->group(line->options[i].help);
    }
}

/* --- what all pages have -------------------------------------------------------------------- */

static const struct {
    const char *name, *text;
    bool of_device; /* for commands that open one */
} environment[] = {
    {"RETORT_DEVICE", "the device to take where --device names none", true},
    {"RETORT_PROFILE_DIR",
     "the folder of what retort tune and retort doctor found; empty: none. Else "
     "$XDG_CONFIG_HOME/retort or ~/.config/retort",
     true},
    {"RETORT_CACHE_DIR",
     "the folder of compiled kernels, which may be deleted at any time; empty: none. Else "
     "$XDG_CACHE_HOME/retort or ~/.cache/retort",
     true},
    {"RETORT_CL_DIR", "a folder to read the kernels' source from, to develop them", true},
    {"NO_COLOR", "not empty: no colours (they are for terminals alone)", false},
    {"CLICOLOR_FORCE", "not empty nor 0: colours, whatever the output is", false},
};

static void write_environment(const struct page_writer *writer, bool of_device)
{
    writer->section("Environment");
    for (size_t i = 0; i < RT_COUNT(environment); i++)
        if (of_device || !environment[i].of_device)
            writer->item(environment[i].name, environment[i].text);
}

static void write_statuses(const struct page_writer *writer)
{
    writer->section("Exit status");
    writer->item("0", "done");
    writer->item("1", "it failed; the last line on standard error says why");
    writer->item("2", "wrong usage: nothing was begun");
    writer->item("130", "interrupted by Ctrl-C, after what was reached had been saved");
}

static bool opens_device(const struct command_line *line)
{
    for (int i = 0; i < line->count; i++)
        if (line->options[i].name && strcmp(line->options[i].name, "device") == 0)
            return true;
    return false;
}

/* Paragraphs with an empty line between them; what begins with two spaces stays as it is. */
static void write_about(const struct page_writer *writer, const char *text)
{
    char part[2048];
    while (*text) {
        const char *end = strstr(text, "\n\n");
        const size_t length = end ? (size_t)(end - text) : strlen(text);
        snprintf(part, sizeof part, "%.*s", (int)length, text);
        if (strncmp(part, "  ", 2) == 0)
            writer->verbatim(part);
        else
            writer->paragraph(part);
        text += length + (end ? 2 : 0);
    }
}

/* --- pages ---------------------------------------------------------------------------------- */

void page_write(const struct page_writer *writer, const struct command_line *line,
                const char *command)
{
    writer->usage(command, line->usage);
    writer->section("Description");
    write_about(writer, line->about);
    writer->section("Options");
    write_options(writer, line);
    if (line->examples) {
        writer->section("Examples");
        for (const struct command_example *e = line->examples; e->command; e++)
            writer->example(e->what, e->command);
    }
    write_statuses(writer);
    write_environment(writer, opens_device(line));
    writer->section("See also");
    writer->references(line->see ? line->see : "");
}

static const struct command_example program_examples[] = {
    {"See what there is to compute with", "retort devices"},
    {"Look into a folder with images and masks folders anywhere below it", "retort data PHOTOS"},
    {"Train a teacher",
     "retort train --data PHOTOS --model unet:16 --epochs 30 --out runs/teacher"},
    {"Distil it into a small network, and train the same alone to compare",
     "retort distill --data PHOTOS --teacher runs/teacher/best.safetensors --model unet:4 "
     "--epochs 30 --control --out runs/student"},
    {"Write a page about both", "retort report runs/teacher runs/student --out report.html"},
    {"Segment a photo",
     "retort predict --model runs/student/best.safetensors --out masks PHOTO.jpg"},
};

void page_write_program(const struct page_writer *writer)
{
    const struct command *command = NULL;
    writer->usage("", "COMMAND [--option VALUE ...]");
    writer->section("Description");
    writer->paragraph(about);
    writer->section("Commands");
    while ((command = command_next(command)))
        writer->item(command->name, command->summary);
    writer->paragraph("retort help COMMAND explains one; retort --version tells the version.");
    writer->section("Examples");
    for (size_t i = 0; i < RT_COUNT(program_examples); i++)
        writer->example(program_examples[i].what, program_examples[i].command);
    write_statuses(writer);
    write_environment(writer, true);
    writer->section("See also");
    writer->references("");
}
