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

void command_line_add(struct command_line *line, const struct option *options, size_t count)
{
    assert(count <= (size_t)(OPTIONS_MAX - line->count));
    memcpy(line->options + line->count, options, count * sizeof *options);
    line->count += (int)count;
}

/* --- spelling ------------------------------------------------------------------------------- */

/* The least number of letters inserted, removed or replaced that turn a into b (Levenshtein). */
static size_t spelling_distance(const char *a, const char *b)
{
    size_t row[64], length = strlen(b);
    if (length >= RT_COUNT(row))
        return SIZE_MAX;
    for (size_t j = 0; j <= length; j++)
        row[j] = j;
    for (size_t i = 1; a[i - 1]; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= length; j++) {
            size_t replaced = diagonal + (a[i - 1] != b[j - 1]);
            diagonal = row[j];
            size_t shifted = (row[j] < row[j - 1] ? row[j] : row[j - 1]) + 1;
            row[j] = replaced < shifted ? replaced : shifted;
        }
    }
    return row[length];
}

const char *closest_word(const char *text, const char *const *words, size_t count, size_t stride)
{
    const char *closest = NULL;
    size_t best = strlen(text) / 3 + 2; /* this many changes make another word */
    for (size_t i = 0; i < count; i++) {
        const char *word = *(const char *const *)((const char *)words + i * stride);
        size_t distance = word ? spelling_distance(text, word) : SIZE_MAX;
        if (distance < best) {
            best = distance;
            closest = word;
        }
    }
    return closest;
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

static void list_choices(const struct option *option, char *list, size_t size)
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
    list_choices(option, list, sizeof list);
    return rt_fail(RT_ERROR_ARGUMENT, "--%s takes %s, not '%s'", option->name, list, text);
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
        *(const char **)option->value = text;
        break;
    case OPTION_TEXTS:
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

/* --- help ----------------------------------------------------------------------------------- */

static void format_number(const struct option *option, double number, char *text, size_t size)
{
    if (number >= option->least && number <= option->most)
        snprintf(text, size, "%g", number);
}

/* The value that stands, as the user would type it; "" where there is none. */
static void format_default(const struct option *option, char *text, size_t size)
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

static void print_option(const struct option *option)
{
    char left[320], list[256], value[128];
    const char *argument = option->argument;
    if (option->choices) {
        list_choices(option, list, sizeof list);
        argument = list;
    }
    snprintf(left, sizeof left, "--%s %s", option->name, argument ? argument : "");
    format_default(option, value, sizeof value);
    printf("  %-24s%s  %s", left, strlen(left) > 24 ? "\n                          " : "",
           option->help);
    if (option->required)
        printf(" (required)");
    else if (value[0])
        printf(" (default: %s)", value);
    printf("\n");
}

static void print_help(const struct command_line *line, const char *name)
{
    printf("usage: retort %s %s\n\n%s\n", name, line->usage, line->about);
    for (int i = 0; i < line->count; i++) {
        if (line->options[i].name)
            print_option(&line->options[i]);
        else
            printf("\n%s:\n", line->options[i].help);
    }
}

/* --- parsing -------------------------------------------------------------------------------- */

static rt_status fail_unknown(const struct command_line *line, const char *command,
                              const char *name)
{
    const char *closest =
        closest_word(name, &line->options[0].name, (size_t)line->count, sizeof line->options[0]);
    return rt_fail(RT_ERROR_ARGUMENT, "%s has no option --%s%s%s%s; see retort %s --help", command,
                   name, closest ? "; did you mean --" : "", closest ? closest : "",
                   closest ? "?" : "", command);
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
        return parse_value(option, NULL);
    }
    if (equals)
        return parse_value(option, equals + 1);
    if (*place + 1 == argc)
        return rt_fail(RT_ERROR_ARGUMENT, "--%s needs a value; see retort %s --help", name,
                       argv[0]);
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
    if (count < line->least)
        return rt_fail(RT_ERROR_ARGUMENT, "%s needs more arguments: retort %s %s", command, command,
                       line->usage);
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

rt_status command_line_parse(struct command_line *line, int argc, char **argv)
{
    rt_status status = RT_OK;
    bool given[OPTIONS_MAX] = {false};
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
        if (strcmp(argv[i], "--help") == 0) {
            print_help(line, argv[0]);
            exit(0);
        }
    }
    RT_TRY(collect(&line->positionals, argc));
    for (int i = 0; i < line->count; i++)
        if (line->options[i].name && line->options[i].kind == OPTION_TEXTS)
            RT_TRY(collect(line->options[i].value, argc));
    bool options_end = false;
    for (int i = 1; i < argc; i++) {
        if (options_end || argv[i][0] != '-' || argv[i][1] == 0)
            line->positionals.items[line->positionals.count++] = argv[i];
        else if (strcmp(argv[i], "--") == 0)
            options_end = true;
        else if (argv[i][1] != '-')
            RT_TRY(rt_fail(RT_ERROR_ARGUMENT, "%s has no option %s; options are spelt out: --name",
                           argv[0], argv[i]));
        else
            RT_TRY(parse_option(line, argc, argv, &i, given));
    }
    status = check_given(line, argv[0], given);
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
