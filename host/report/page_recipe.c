/* How the runs were made, how to make them again, and what the words mean. */
#include "report/page.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/memory.h"

#define LINE_LENGTH 76

/* --- commands -------------------------------------------------------------------------------- */

/* A command in lines of about LINE_LENGTH that a shell takes as one. */
struct command {
    FILE *page;
    int length; /* of the line so far */
};

static bool is_plain(const char *word)
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
                                "-_./:,=+%@";
    return *word && word[strspn(word, plain)] == 0;
}

/* Quoted where a shell would read more in it than the word, then escaped for HTML. */
static void put_word(struct command *command, const char *word)
{
    command->length += 1 + (int)strlen(word);
    fputc(' ', command->page);
    if (is_plain(word)) {
        fputs(word, command->page);
        return;
    }
    fputs("&#39;", command->page);
    for (; *word; word++) {
        if (*word == '\'')
            fputs("&#39;\\&#39;&#39;", command->page);
        else
            rt_html_text(command->page, (char[]){*word, 0});
    }
    fputs("&#39;", command->page);
}

/* The value is NULL for a flag. */
static void put_option(struct command *command, const char *flag, const char *value)
{
    if (command->length + (int)strlen(flag) + (int)(value ? strlen(value) : 0) > LINE_LENGTH) {
        fputs(" \\\n   ", command->page);
        command->length = 3;
    }
    put_word(command, flag);
    if (value)
        put_word(command, value);
}

/* What a config.json holds, as options of `retort train`. */
static const struct {
    const char *name, *flag;
} options[] = {
    {"data", "--data"},
    {"palette", "--palette"},
    {"patch", "--patch"},
    {"split", "--split"},
    {"validation", "--validation"},
    {"split_seed", "--split-seed"},
    {"scaling", "--scaling"},
    {"augment", "--augment"},
    {"network", "--model"},
    {"epochs", "--epochs"},
    {"batch", "--batch"},
    {"rate", "--lr"},
    {"schedule", "--schedule"},
    {"patience", "--patience"},
    {"loss", "--loss"},
    {"optimizer", "--optimizer"},
    {"decay", "--weight-decay"},
    {"momentum", "--momentum"},
    {"seed", "--seed"},
    {"memory_limit", "--memory-limit"},
    {"teachers", "--teacher"},
    {"alpha", "--alpha"},
    {"temperature", "--temperature"},
    {"soft", "--soft"},
    {"masks", "--masks"},
    {"transfer", "--transfer"},
    {"math", "--math"},
};

/* Nothing for null and false; a flag for true; an option an item for an array. */
static rt_status put_setting(struct command *command, const char *flag, const json_t *value)
{
    rt_status status = RT_OK;
    char *text = NULL;
    if (json_is_string(value))
        put_option(command, flag, json_string_value(value));
    else if (json_is_true(value))
        put_option(command, flag, NULL);
    else if (json_is_array(value))
        for (size_t i = 0; i < json_array_size(value); i++) {
            const char *item = json_string_value(json_array_get(value, i));
            put_option(command, flag, item ? item : "");
        }
    else if (json_is_number(value)) {
        RT_TRY(rt_json_text(&text, value, JSON_ENCODE_ANY | JSON_REAL_PRECISION(7)));
        put_option(command, flag, text);
    }
end:
    free(text);
    return status;
}

/* A control is made by the command of its run. `retort train` has no --masks. */
static rt_status put_command(const struct rt_report *report, const struct rt_subject *subject)
{
    rt_status status = RT_OK;
    struct command command = {report->page, 0};
    bool distilled = json_array_size(json_object_get(subject->config, "teachers")) > 0;
    if (subject->is_control)
        return RT_OK;
    fputs("retort", command.page);
    put_word(&command, distilled ? "distill" : "train");
    for (size_t i = 0; i < RT_COUNT(options); i++) {
        const json_t *value = json_object_get(subject->config, options[i].name);
        if (distilled || strcmp(options[i].name, "masks") != 0)
            RT_TRY(put_setting(&command, options[i].flag, value));
    }
    if (subject > report->subjects && subject[-1].is_control)
        put_option(&command, "--control", NULL);
    put_option(&command, "--out", subject->folder);
    fputc('\n', command.page);
end:
    return status;
}

static rt_status put_commands(const struct rt_report *report)
{
    rt_status status = RT_OK;
    struct command command = {report->page, 0};
    fputs("<h3 id=\"again\">To make it again</h3>\n<pre tabindex=\"0\" aria-labelledby=\"again\">",
          report->page);
    for (size_t i = 0; i < report->count; i++)
        RT_TRY(put_command(report, &report->subjects[i]));
    fputs("retort report", command.page);
    for (int i = 0; i < report->run_count; i++)
        put_option(&command, report->runs[i], NULL);
    put_option(&command, "--out", report->path);
    fputs("</pre>\n", report->page);
end:
    return status;
}

/* --- settings -------------------------------------------------------------------------------- */

static rt_status put_settings(const struct rt_report *report, const struct rt_subject *subject)
{
    rt_status status = RT_OK;
    FILE *page = report->page;
    const char *name;
    json_t *value;
    char *text = NULL;
    fputs("<details><summary>Settings of the ", page);
    rt_html_text(page, subject->label);
    fputs("</summary>\n<div class=\"wide\"><table class=\"settings\">\n<caption>config.json of ",
          page);
    rt_html_text(page, subject->folder);
    fputs("</caption>\n<tbody>\n", page);
    json_object_foreach(subject->config, name, value)
    {
        free(text);
        RT_TRY(rt_json_text(&text, value, JSON_ENCODE_ANY | JSON_REAL_PRECISION(7)));
        fputs("<tr><th scope=\"row\">", page);
        rt_html_text(page, name);
        fputs("</th><td class=\"text\">", page);
        rt_html_text(page, json_is_string(value) ? json_string_value(value) : text);
        fputs("</td></tr>\n", page);
    }
    fputs("</tbody></table></div></details>\n", page);
end:
    free(text);
    return status;
}

/* --- words ----------------------------------------------------------------------------------- */

static void put_words(FILE *page)
{
    static const struct {
        const char *word, *meaning;
    } words[] = {
        {"IoU", "intersection over union of a class: the pixels that are of it both in truth and "
                "prediction, divided by those that are of it in either. The mean is over the "
                "classes that occur; that of the labelled classes leaves out the one that stands "
                "for ground nobody has labelled."},
        {"Precision", "of the pixels predicted as a class, the share that is of it."},
        {"Recall", "of the pixels that are of a class, the share predicted as it."},
        {"Average precision", "the area under the curve of precision against recall."},
        {"Accuracy", "the share of all pixels that were seen right."},
        {"Held-out part", "the images, or patches, that no run was trained on."},
        {"Time per image", "of a patch, predicted in batches on the device named above."},
        {"Memory", "the most that was held on the device at once."},
        {"Distilled", "trained to answer as a larger network does, the teacher, rather than from "
                      "the masks alone."},
    };
    fputs("<details><summary>What the words mean</summary>\n<dl class=\"words\">\n", page);
    for (size_t i = 0; i < RT_COUNT(words); i++)
        fprintf(page, "<dt>%s</dt><dd>%s</dd>\n", words[i].word, words[i].meaning);
    fputs("</dl></details>\n", page);
}

rt_status rt_page_recipe(const struct rt_report *report)
{
    rt_status status = RT_OK;
    rt_page_section(report->page, "recipe", "Recipe");
    RT_TRY(put_commands(report));
    for (size_t i = 0; i < report->count; i++)
        RT_TRY(put_settings(report, &report->subjects[i]));
    put_words(report->page);
    fputs("</section>\n", report->page);
end:
    return status;
}
