#include "cli/options.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/size.h"
#include "base/word.h"
#include "cli/page.h"

struct command_line_hook command_line_hook;

void command_line_add(struct command_line *line, const struct option *options, size_t count)
{
    assert(count <= (size_t)(OPTIONS_MAX - line->count));
    memcpy(line->options + line->count, options, count * sizeof *options);
    line->count += (int)count;
}

/* --- values --------------------------------------------------------------------------------- */

static rt_status parse_number(const struct option *option, const char *text, double *number)
{
    char *end;
    errno = 0;
    *number = strtod(text, &end);
    bool whole = option->kind == OPTION_NUMBER || *number == floor(*number);
    if (end == text || *end || !isfinite(*number) || !whole)
        return rt_fail(RT_ERROR_ARGUMENT, "--%s takes a %snumber, not '%s'", option->name,
                       option->kind == OPTION_INT ? "whole " : "", text);
    if (*number < option->least || *number > option->most)
        return rt_fail(RT_ERROR_ARGUMENT, "--%s is %s, but must be from %g to %.10g", option->name,
                       text, option->least, option->most);
    return RT_OK;
}

static rt_status parse_seed(const struct option *option, const char *text, uint64_t *seed)
{
    char *end;
    errno = 0;
    *seed = strtoull(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || *end || errno)
        return rt_fail(RT_ERROR_ARGUMENT, "--%s takes a whole number from 0 to 2^64 - 1, not '%s'",
                       option->name, text);
    return RT_OK;
}

void option_list_choices(const struct option *option, char *list, size_t size)
{
    size_t length = 0;
    for (int i = 0; option->choices[i] && length < size; i++)
        length += (size_t)snprintf(list + length, size - length, "%s%s", i ? "|" : "",
                                   option->choices[i]);
}

static rt_status parse_choice(const struct option *option, const char *text)
{
    for (unsigned i = 0; option->choices[i]; i++) {
        if (strcmp(text, option->choices[i]) == 0) {
            assert(option->size == sizeof i);
            memcpy(option->value, &i, sizeof i);
            return RT_OK;
        }
    }
    char list[256];
    option_list_choices(option, list, sizeof list);
    char meant[RT_WORD_MEANT];
    return rt_fail(RT_ERROR_ARGUMENT, "--%s takes %s, not '%s'%s", option->name, list, text,
                   rt_word_meant(meant, "", rt_word_closest_of(text, option->choices)));
}

/* An empty text names nothing, as of a variable that is not set. */
static rt_status check_text(const struct option *option, const char *text)
{
    if (*text || argument_kind(option->argument ? option->argument : "") == ARGUMENT_DEVICE)
        return RT_OK;
    return rt_fail(RT_ERROR_ARGUMENT, "--%s is empty, but takes %s", option->name,
                   option->argument ? option->argument : "a text");
}

static rt_status parse_value(const struct option *option, const char *text)
{
    rt_status status = RT_OK;
    double number;
    char name[64];
    struct option_texts *texts;
    switch (option->kind) {
    case OPTION_FLAG:
        *(bool *)option->value = true;
        break;
    case OPTION_TEXT:
        RT_TRY(check_text(option, text));
        *(const char **)option->value = text;
        break;
    case OPTION_TEXTS:
        RT_TRY(check_text(option, text));
        texts = option->value;
        texts->items[texts->count++] = text;
        break;
    case OPTION_INT:
        RT_TRY(parse_number(option, text, &number));
        *(int *)option->value = (int)number;
        break;
    case OPTION_NUMBER:
        RT_TRY(parse_number(option, text, &number));
        if (option->size == sizeof(float))
            *(float *)option->value = (float)number;
        else
            *(double *)option->value = number;
        break;
    case OPTION_SEED:
        status = parse_seed(option, text, option->value);
        break;
    case OPTION_SIZE:
        snprintf(name, sizeof name, "--%s", option->name);
        status = rt_size_parse(name, text, option->value);
        break;
    case OPTION_CHOICE:
        status = parse_choice(option, text);
        break;
    }
end:
    return status;
}

/* --- what the tables say -------------------------------------------------------------------- */

static void format_number(const struct option *option, double number, char *text, size_t size)
{
    if (number >= option->least && number <= option->most)
        snprintf(text, size, "%g", number);
}

void option_format_default(const struct option *option, char *text, size_t size)
{
    unsigned choice;
    const char *word;
    text[0] = 0;
    switch (option->kind) {
    case OPTION_FLAG:
    case OPTION_TEXTS:
        break;
    case OPTION_TEXT:
        word = *(const char **)option->value;
        if (word)
            snprintf(text, size, "%s", word);
        break;
    case OPTION_INT:
        format_number(option, *(int *)option->value, text, size);
        break;
    case OPTION_NUMBER:
        if (option->size == sizeof(float))
            format_number(option, (double)*(float *)option->value, text, size);
        else
            format_number(option, *(double *)option->value, text, size);
        break;
    case OPTION_SEED:
        snprintf(text, size, "%llu", (unsigned long long)*(uint64_t *)option->value);
        break;
    case OPTION_SIZE:
        if (*(size_t *)option->value > 0)
            snprintf(text, size, "%zu", *(size_t *)option->value);
        break;
    case OPTION_CHOICE:
        memcpy(&choice, option->value, sizeof choice);
        snprintf(text, size, "%s", option->choices[choice]);
        break;
    }
}

enum argument_kind argument_kind(const char *word)
{
    static const struct {
        const char *word;
        enum argument_kind kind;
    } kinds[] = {
        {"FILE", ARGUMENT_FILE},     {"MODEL", ARGUMENT_FILE},      {"IMAGE", ARGUMENT_FILE},
        {"DIR", ARGUMENT_FOLDER},    {"RUN", ARGUMENT_FOLDER},      {"SRC", ARGUMENT_DATA},
        {"DEVICE", ARGUMENT_DEVICE}, {"NETWORK", ARGUMENT_NETWORK}, {"COMMAND", ARGUMENT_COMMAND},
        {"SHELL", ARGUMENT_SHELL},
    };
    for (size_t i = 0; i < RT_COUNT(kinds); i++)
        if (strcmp(word, kinds[i].word) == 0)
            return kinds[i].kind;
    return ARGUMENT_OTHER;
}

const char *command_line_operand(const struct command_line *line, char word[OPERAND_BYTES])
{
    bool of_option = false;
    word[0] = 0;
    for (const char *text = line->usage; line->most != 0 && *text; text += strspn(text, " ")) {
        const bool bracket = *text == '[', option = text[bracket] == '-';
        const size_t length = bracket ? strcspn(text, "]") + 1 : strcspn(text, " ");
        if (!option && !of_option) {
            const char *name = text + bracket;
            snprintf(word, OPERAND_BYTES, "%.*s", (int)strcspn(name, ". ]"), name);
            return word;
        }
        of_option = option && !bracket;
        text += length;
    }
    return word;
}

/* --- parsing -------------------------------------------------------------------------------- */

static rt_status fail_unknown(const struct command_line *line, const char *command,
                              const char *name)
{
    char meant[RT_WORD_MEANT];
    rt_word_meant(meant, "--",
                  rt_word_closest(name, &line->options[0].name, (size_t)line->count,
                                  sizeof line->options[0]));
    if (*meant)
        return rt_fail(RT_ERROR_ARGUMENT, "%s has no option --%s%s", command, name, meant);
    return rt_fail(RT_ERROR_ARGUMENT, "%s has no option --%s; see retort %s --help", command, name,
                   command);
}

/* One option at argv[*place], with its value there ("--name=value") or in the next argument. */
static rt_status parse_option(struct command_line *line, int argc, char **argv, int *place,
                              bool *given)
{
    char name[64];
    const char *text = argv[*place] + 2, *equals = strchr(text, '=');
    snprintf(name, sizeof name, "%.*s", equals ? (int)(equals - text) : (int)strlen(text), text);
    int i = 0;
    while (i < line->count && !(line->options[i].name && !strcmp(name, line->options[i].name)))
        i++;
    if (i == line->count)
        return fail_unknown(line, argv[0], name);
    const struct option *option = &line->options[i];
    given[i] = true;
    if (option->kind == OPTION_FLAG) {
        if (equals)
            return rt_fail(RT_ERROR_ARGUMENT, "--%s takes no value", name);
        return parse_value(option, "");
    }
    if (equals)
        return parse_value(option, equals + 1);
    if (*place + 1 == argc)
        return rt_fail(RT_ERROR_ARGUMENT, "--%s needs a value; see retort %s --help", name,
                       argv[0]);
    if (strncmp(argv[*place + 1], "--", 2) == 0)
        return rt_fail(RT_ERROR_ARGUMENT,
                       "--%s needs a value, but %s follows; a value that begins so is written "
                       "--%s=VALUE",
                       name, argv[*place + 1], name);
    return parse_value(option, argv[++*place]);
}

static rt_status check_given(const struct command_line *line, const char *command,
                             const bool *given)
{
    for (int i = 0; i < line->count; i++)
        if (line->options[i].required && !given[i])
            return rt_fail(RT_ERROR_ARGUMENT, "%s needs --%s; see retort %s --help", command,
                           line->options[i].name, command);
    int count = line->positionals.count;
    char word[OPERAND_BYTES];
    if (count < line->least)
        return rt_fail(RT_ERROR_ARGUMENT, "%s needs %s: retort %s %s", command,
                       command_line_operand(line, word), command, line->usage);
    if (line->most >= 0 && count > line->most)
        return rt_fail(RT_ERROR_ARGUMENT, "%s does not know what to do with '%s': retort %s %s",
                       command, line->positionals.items[line->most], command, line->usage);
    return RT_OK;
}

static rt_status collect(struct option_texts *texts, int argc)
{
    texts->count = 0;
    return rt_alloc(&texts->items, (size_t)argc, sizeof *texts->items);
}

/* Whether the explanation is asked for, by --help or, what options are not, by -h. */
static bool wants_help(int argc, char **argv)
{
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
            return true;
    return false;
}

static bool is_negative_number(const char *text)
{
    return text[0] == '-' && text[1] >= '0' && text[1] <= '9';
}

static rt_status parse_all(struct command_line *line, int argc, char **argv, bool *given)
{
    bool options_end = false;
    rt_status status = RT_OK;
    for (int i = 1; i < argc && status == RT_OK; i++) {
        if (options_end || argv[i][0] != '-' || argv[i][1] == 0)
            line->positionals.items[line->positionals.count++] = argv[i];
        else if (strcmp(argv[i], "--") == 0)
            options_end = true;
        else if (is_negative_number(argv[i]))
            status = rt_fail(RT_ERROR_ARGUMENT, "%s does not know what to do with '%s'", argv[0],
                             argv[i]);
        else if (argv[i][1] != '-')
            status = rt_fail(RT_ERROR_ARGUMENT,
                             "%s has no option %s; options are spelt out: --name, see retort %s "
                             "--help",
                             argv[0], argv[i], argv[0]);
        else
            status = parse_option(line, argc, argv, &i, given);
    }
    return status;
}

rt_status command_line_parse(struct command_line *line, int argc, char **argv)
{
    rt_status status = RT_OK;
    bool given[OPTIONS_MAX] = {false};
    if (command_line_hook.tables) {
        command_line_hook.tables(command_line_hook.user, line, argv[0]);
        return rt_fail(RT_ERROR_INTERRUPTED, "%s was not to run", argv[0]);
    }
    if (wants_help(argc, argv)) {
        page_print(line, argv[0]);
        exit(0);
    }
    RT_TRY(collect(&line->positionals, argc));
    for (int i = 0; i < line->count; i++)
        if (line->options[i].name && line->options[i].kind == OPTION_TEXTS)
            RT_TRY(collect(line->options[i].value, argc));
    RT_TRY(parse_all(line, argc, argv, given));
    RT_TRY(check_given(line, argv[0], given));
    if (command_line_hook.parse_only)
        status = rt_fail(RT_ERROR_INTERRUPTED, "%s was not to run", argv[0]);
end:
    return status;
}

void command_line_finish(struct command_line *line)
{
    free(line->positionals.items);
    for (int i = 0; i < line->count; i++) {
        if (line->options[i].name && line->options[i].kind == OPTION_TEXTS) {
            struct option_texts *texts = line->options[i].value;
            free(texts->items);
        }
    }
}
