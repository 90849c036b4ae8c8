/* retort completion: what has a shell complete retort's command lines, made of the commands'
 * tables. Devices are asked for when the user wants one. */
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/word.h"
#include "cli/commands.h"
#include "cli/common.h"

static void put_all(const char *const *texts, size_t count)
{
    for (size_t i = 0; i < count; i++)
        puts(texts[i]);
}

/* Calls back with the tables of every command. */
static void for_each_command(void (*tables)(void *user, const struct command_line *line,
                                            const char *command))
{
    const struct command *command = NULL;
    command_line_hook.tables = tables;
    while ((command = command_next(command))) {
        command_line_hook.user = (void *)command;
        command->run(1, (char *[]){(char *)command->name, NULL});
    }
    command_line_hook.tables = NULL;
}

/* --- bash ----------------------------------------------------------------------------------- */

static const char *const bash_start[] = {
    "# Completes command lines of retort in bash; written by: retort completion bash",
    "",
    "_retort_words() {",
    "    COMPREPLY=($(compgen -W \"$1\" -- \"$word\"))",
    "}",
    "",
    "_retort_paths() {",
    "    local IFS=$'\\n'",
    "    compopt -o filenames 2>/dev/null",
    "    COMPREPLY=($(compgen \"$1\" -- \"$word\"))",
    "}",
    "",
    "_retort_data() {",
    "    _retort_paths -d",
    "    [[ synth == \"$word\"* ]] && COMPREPLY+=(synth)",
    "}",
    "",
    "# Numbers, types and names, of which some have spaces.",
    "_retort_devices() {",
    "    local line form='^([0-9]+)  (.*) \\((integrated )?([a-z]+)\\)$' name known=$'\\n'",
    "    while IFS= read -r line; do",
    "        [[ $line =~ $form ]] || continue",
    "        for name in \"${BASH_REMATCH[1]}\" \"${BASH_REMATCH[4]}\" \"${BASH_REMATCH[2]}\"; do",
    "            [[ $name == \"$word\"* && $known != *$'\\n'\"$name\"$'\\n'* ]] || continue",
    "            known+=$name$'\\n'",
    "            COMPREPLY+=(\"$(printf %q \"$name\")\")",
    "        done",
    "    done < <(\"${COMP_WORDS[0]}\" devices 2>/dev/null)",
    "}",
    "",
    "_retort() {",
    "    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}",
    "    COMPREPLY=()",
    "    if [[ $word == '=' ]]; then # --option=VALUE comes in three words",
    "        word=",
    "    elif [[ $before == '=' ]]; then",
    "        before=${COMP_WORDS[COMP_CWORD - 2]}",
    "    fi",
};

static const char *const bash_end[] = {
    "    esac",
    "}",
    "",
    "complete -F _retort retort",
};

/* What completes a value of this kind; NULL: nothing does. */
static const char *bash_action(enum argument_kind kind)
{
    static const char *const actions[] = {
        [ARGUMENT_FILE] = "_retort_paths -f",
        [ARGUMENT_FOLDER] = "_retort_paths -d",
        [ARGUMENT_DATA] = "_retort_data",
        [ARGUMENT_DEVICE] = "_retort_devices",
        [ARGUMENT_NETWORK] = "_retort_words 'unet:4 unet:8 unet:16 unet:32'",
        [ARGUMENT_COMMAND] = "_retort_words \"$commands\"",
        [ARGUMENT_SHELL] = "_retort_words 'bash zsh fish'",
    };
    return actions[kind];
}

static void bash_value(const char *command, const struct option *option)
{
    printf("    '%s --%s')\n        ", command, option->name);
    const char *action = option->kind == OPTION_TEXT || option->kind == OPTION_TEXTS
                             ? bash_action(argument_kind(option->argument ? option->argument : ""))
                             : NULL;
    if (option->choices) {
        printf("_retort_words '");
        for (int i = 0; option->choices[i]; i++)
            printf("%s%s", i ? " " : "", option->choices[i]);
        printf("'\n");
    } else {
        printf("%s\n", action ? action : ":");
    }
    printf("        ;;\n");
}

/* Values first, then what else may follow the command. */
static void bash_command(void *user, const struct command_line *line, const char *command)
{
    (void)user;
    for (int i = 0; i < line->count; i++)
        if (line->options[i].name && line->options[i].kind != OPTION_FLAG)
            bash_value(command, &line->options[i]);
    char word[OPERAND_BYTES];
    const char *operand = command_line_operand(line, word),
               *action = bash_action(argument_kind(operand));
    printf("    '%s '*)\n%s        _retort_words '", command,
           *operand ? "        if [[ $word == -* ]]; then\n    " : "");
    for (int i = 0; i < line->count; i++)
        if (line->options[i].name)
            printf("--%s ", line->options[i].name);
    printf("'\n");
    if (*operand)
        printf("        else\n            %s\n        fi\n",
               action ? action : bash_action(ARGUMENT_FILE));
    printf("        ;;\n");
}

static void write_bash(void)
{
    const struct command *command = NULL;
    put_all(bash_start, RT_COUNT(bash_start));
    printf("    local commands='");
    while ((command = command_next(command)))
        printf("%s ", command->name);
    printf("'\n    if ((COMP_CWORD == 1)); then\n"
           "        _retort_words \"$commands --help --version\"\n        return\n    fi\n"
           "    case \"${COMP_WORDS[1]} $before\" in\n");
    for_each_command(bash_command);
    put_all(bash_end, RT_COUNT(bash_end));
}

/* --- zsh ------------------------------------------------------------------------------------ */

static const char *const zsh_start[] = {
    "#compdef retort",
    "# Completes command lines of retort in zsh; written by: retort completion zsh",
    "",
    "_retort_devices() {",
    "    local -a devices",
    "    local line",
    "    for line in ${(f)\"$(_call_program devices retort devices 2>/dev/null)\"}; do",
    "        [[ $line =~ '^([0-9]+)  (.*) \\((integrated )?([a-z]+)\\)$' ]] || continue",
    "        devices+=(\"$match[1]:$match[2]\" \"$match[4]:any $match[4]\")",
    "    done",
    "    _describe device devices",
    "}",
    "",
    "_retort_data() {",
    "    _alternative 'folders:folder:_files -/' 'drawn:drawn scenes:(synth)'",
    "}",
    "",
};

static const char *const zsh_end[] = {
    "    esac",
    "}",
    "",
    "_retort \"$@\"",
};

/* Within quotes, and within a specification of _arguments. */
static void zsh_text(const char *text)
{
    for (; *text; text++) {
        if (*text == '\'')
            printf("'\\''");
        else
            printf("%s%c", strchr("[]:\\", *text) ? "\\" : "", *text);
    }
}

static const char *zsh_action(enum argument_kind kind)
{
    static const char *const actions[] = {
        [ARGUMENT_FILE] = "_files",
        [ARGUMENT_FOLDER] = "_files -/",
        [ARGUMENT_DATA] = "_retort_data",
        [ARGUMENT_DEVICE] = "_retort_devices",
        [ARGUMENT_NETWORK] = "(unet\\:4 unet\\:8 unet\\:16 unet\\:32)",
        [ARGUMENT_COMMAND] = "($commands)",
        [ARGUMENT_SHELL] = "(bash zsh fish)",
    };
    return actions[kind] ? actions[kind] : " ";
}

static void zsh_option(const struct option *option)
{
    printf("            %s'--%s%s[", option->kind == OPTION_TEXTS ? "\\*" : "", option->name,
           option->kind == OPTION_FLAG ? "" : "=");
    zsh_text(option->help);
    printf("]");
    if (option->choices) {
        printf(":value:(");
        for (int i = 0; option->choices[i]; i++)
            printf("%s%s", i ? " " : "", option->choices[i]);
        printf(")");
    } else if (option->kind != OPTION_FLAG) {
        const char *word = option->argument ? option->argument : "VALUE";
        printf(":%s:%s", word, zsh_action(argument_kind(word)));
    }
    printf("' \\\n");
}

static void zsh_command(void *user, const struct command_line *line, const char *command)
{
    (void)user;
    char word[OPERAND_BYTES];
    const char *operand = command_line_operand(line, word);
    const enum argument_kind kind = argument_kind(operand);
    printf("    %s)\n        _arguments \\\n", command);
    for (int i = 0; i < line->count; i++)
        if (line->options[i].name)
            zsh_option(&line->options[i]);
    if (kind == ARGUMENT_COMMAND)
        printf("            \"*:command:($names)\"\n");
    else if (*operand)
        printf("            '*:argument:%s'\n",
               zsh_action(kind == ARGUMENT_OTHER ? ARGUMENT_FILE : kind));
    else
        printf("            && return\n");
    printf("        ;;\n");
}

static void write_zsh(void)
{
    const struct command *command = NULL;
    put_all(zsh_start, RT_COUNT(zsh_start));
    printf("_retort() {\n    local context state state_descr line names='");
    while ((command = command_next(command)))
        printf("%s ", command->name);
    printf("'\n    local -a commands=(\n");
    while ((command = command_next(command))) {
        printf("        '%s:", command->name);
        zsh_text(command->summary);
        printf("'\n");
    }
    printf("    )\n    typeset -A opt_args\n"
           "    _arguments -C '(- *)--help[tell which commands there are]' \\\n"
           "        '(- *)--version[tell the version]' '1: :->command' '*:: :->rest' && return\n"
           "    if [[ $state == command ]]; then\n        _describe command commands\n"
           "        return\n    fi\n    case $words[1] in\n");
    for_each_command(zsh_command);
    put_all(zsh_end, RT_COUNT(zsh_end));
}

/* --- fish ----------------------------------------------------------------------------------- */

static const char *const fish_start[] = {
    "# Completes command lines of retort in fish; written by: retort completion fish",
    "",
    "function __retort_is",
    "    set -l words (commandline -opc)",
    "    test (count $words) -gt 1; and test \"$words[2]\" = $argv[1]",
    "end",
    "",
    "function __retort_is_alone",
    "    test (count (commandline -opc)) -eq 1",
    "end",
    "",
    "function __retort_devices",
    "    set -l form '^(\\d+)  (.*) \\((?:integrated )?(\\w+)\\)$'",
    "    set -l devices (retort devices 2>/dev/null)",
    "    string replace -rf $form '$1'\\t'$2' $devices",
    "    string replace -rf $form '$3'\\t'any $3' $devices | sort -u",
    "end",
    "",
    "complete -c retort -f",
    "complete -c retort -n __retort_is_alone -l help -d 'tell which commands there are'",
    "complete -c retort -n __retort_is_alone -l version -d 'tell the version'",
};

static void fish_text(const char *text)
{
    putchar('\'');
    for (; *text; text++)
        printf("%s%c", strchr("'\\", *text) ? "\\" : "", *text);
    putchar('\'');
}

/* Arguments of `complete` for a value of this kind. */
static const char *fish_action(enum argument_kind kind)
{
    static const char *const actions[] = {
        [ARGUMENT_FILE] = "-F",
        [ARGUMENT_FOLDER] = "-a '(__fish_complete_directories)'",
        [ARGUMENT_DATA] = "-a 'synth (__fish_complete_directories)'",
        [ARGUMENT_DEVICE] = "-a '(__retort_devices)'",
        [ARGUMENT_NETWORK] = "-a 'unet:4 unet:8 unet:16 unet:32'",
        [ARGUMENT_COMMAND] = "-a \"$commands\"",
        [ARGUMENT_SHELL] = "-a 'bash zsh fish'",
    };
    return actions[kind] ? actions[kind] : "";
}

static void fish_option(const char *command, const struct option *option)
{
    printf("complete -c retort -n '__retort_is %s' -l %s", command, option->name);
    if (option->choices) {
        printf(" -x -a '");
        for (int i = 0; option->choices[i]; i++)
            printf("%s%s", i ? " " : "", option->choices[i]);
        printf("'");
    } else if (option->kind != OPTION_FLAG) {
        const enum argument_kind kind = argument_kind(option->argument ? option->argument : "");
        printf(" %s %s", kind == ARGUMENT_FILE ? "-r" : "-x", fish_action(kind));
    }
    printf(" -d ");
    fish_text(option->help);
    printf("\n");
}

static void fish_command(void *user, const struct command_line *line, const char *command)
{
    const struct command *self = user;
    char word[OPERAND_BYTES];
    const char *operand = command_line_operand(line, word);
    enum argument_kind kind = argument_kind(operand);
    printf("\ncomplete -c retort -n __retort_is_alone -a %s -d ", command);
    fish_text(self->summary);
    printf("\n");
    for (int i = 0; i < line->count; i++)
        if (line->options[i].name)
            fish_option(command, &line->options[i]);
    if (kind == ARGUMENT_OTHER)
        kind = ARGUMENT_FILE;
    if (*operand)
        printf("complete -c retort -n '__retort_is %s' %s\n", command, fish_action(kind));
}

static void write_fish(void)
{
    const struct command *command = NULL;
    put_all(fish_start, RT_COUNT(fish_start));
    printf("set -l commands");
    while ((command = command_next(command)))
        printf(" %s", command->name);
    printf("\n");
    for_each_command(fish_command);
}

/* --- retort completion ---------------------------------------------------------------------- */

static const char *const shell_names[] = {"bash", "zsh", "fish", NULL};
static void (*const writers[])(void) = {write_bash, write_zsh, write_fish};

static rt_status write_completion(const char *shell)
{
    char meant[RT_WORD_MEANT];
    for (size_t i = 0; i < RT_COUNT(writers); i++)
        if (strcmp(shell, shell_names[i]) == 0) {
            writers[i]();
            return RT_OK;
        }
    return rt_fail(RT_ERROR_ARGUMENT, "completion is for bash, zsh and fish, not '%s'%s", shell,
                   rt_word_meant(meant, "", rt_word_closest_of(shell, shell_names)));
}

rt_status run_completion(int argc, char **argv)
{
    static const struct command_example examples[] = {
        {"In this bash, and the next ones",
         "retort completion bash >~/.local/share/bash-completion/completions/retort"},
        {"In zsh, where ~/.zfunc is in $fpath", "retort completion zsh >~/.zfunc/_retort"},
        {"In fish", "retort completion fish >~/.config/fish/completions/retort.fish"},
        {NULL, NULL},
    };
    struct command_line line = {
        .usage = "SHELL",
        .about = "Writes a script that has a shell, bash, zsh or fish, complete retort's commands, "
                 "options, values, files and devices when the tabulator key is pressed. An "
                 "installed retort has them where the shells look.",
        .examples = examples,
        .least = 1,
        .most = 1,
    };
    add_general_options(&line);
    rt_status status = command_line_parse(&line, argc, argv);
    if (status == RT_OK)
        status = write_completion(line.positionals.items[0]);
    command_line_finish(&line);
    return status;
}
