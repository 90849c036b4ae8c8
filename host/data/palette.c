#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <jansson.h>

#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/word.h"
#include "data/palette.h"

#define FILE_BYTES_MAX ((size_t)1 << 20)

/* Humans in the Loop, "Semantic segmentation of aerial imagery": the colours that its masks use,
 * which are not those of its classes.json. */
#define AERIAL_CLASSES                                                                             \
    .count = 6, .unlabeled = 5,                                                                    \
    .classes = {                                                                                   \
        {"Building", {0x3c, 0x10, 0x98}}, {"Land", {0x84, 0x29, 0xf6}},                            \
        {"Road", {0x6e, 0xc1, 0xe4}},     {"Vegetation", {0xfe, 0xdd, 0x3a}},                      \
        {"Water", {0xe2, 0xa9, 0x29}},    {"Unlabeled", {0x9b, 0x9b, 0x9b}},                       \
    }

static const struct rt_palette builtins[] = {
    {.name = "dubai", AERIAL_CLASSES},
    {.name = "synth", AERIAL_CLASSES},
};

const struct rt_palette *rt_palette_builtin(const char *name)
{
    for (size_t i = 0; i < RT_COUNT(builtins); i++)
        if (strcmp(builtins[i].name, name) == 0)
            return &builtins[i];
    return NULL;
}

const struct rt_palette *rt_palette_builtin_at(size_t index)
{
    return index < RT_COUNT(builtins) ? &builtins[index] : NULL;
}

void rt_palette_colorize(const struct rt_palette *palette, const uint8_t *labels, size_t count,
                         uint8_t *rgb)
{
    static const uint8_t black[3] = {0, 0, 0};
    for (size_t i = 0; i < count; i++)
        memcpy(rgb + 3 * i, labels[i] < palette->count ? palette->classes[labels[i]].rgb : black,
               3);
}

static bool parse_colour(const char *text, uint8_t rgb[3])
{
    if (!text || strlen(text) != 7 || text[0] != '#' ||
        strspn(text + 1, "0123456789abcdefABCDEF") != 6)
        return false;
    unsigned long value = strtoul(text + 1, NULL, 16);
    rgb[0] = (uint8_t)(value >> 16);
    rgb[1] = (uint8_t)(value >> 8);
    rgb[2] = (uint8_t)value;
    return true;
}

static rt_status parse_class(struct rt_palette *palette, const json_t *json)
{
    struct rt_class *class = &palette->classes[palette->count];
    int number = palette->count + 1;
    const char *name = json_string_value(json_object_get(json, "name"));
    if (!name)
        name = json_string_value(json_object_get(json, "title"));
    if (!name || !*name || strlen(name) >= sizeof class->name)
        return rt_fail(RT_ERROR_FORMAT, "class %d needs a \"name\" of 1 to %zu bytes", number,
                       sizeof class->name - 1);
    snprintf(class->name, sizeof class->name, "%s", name);
    const char *colour = json_string_value(json_object_get(json, "color"));
    if (!parse_colour(colour, class->rgb))
        return rt_fail(RT_ERROR_FORMAT, "class %d (%s) has the \"color\" %s, expected \"#RRGGBB\"",
                       number, name, colour ? colour : "missing");
    for (int i = 0; i < palette->count; i++) {
        if (strcmp(palette->classes[i].name, name) == 0)
            return rt_fail(RT_ERROR_FORMAT, "two classes are called %s", name);
        if (memcmp(palette->classes[i].rgb, class->rgb, 3) == 0)
            return rt_fail(RT_ERROR_FORMAT, "the classes %s and %s have the same colour %s",
                           palette->classes[i].name, name, colour);
    }
    palette->count++;
    return RT_OK;
}

const char *rt_palette_closest(const struct rt_palette *palette, const char *name)
{
    const char *names[RT_CLASSES_MAX];
    for (int i = 0; i < palette->count; i++)
        names[i] = palette->classes[i].name;
    return rt_word_closest(name, names, (size_t)palette->count, sizeof *names);
}

/* Annotation tools have no such key, but call the class by this very name. */
static rt_status parse_unlabeled(struct rt_palette *palette, const json_t *root)
{
    const char *name = json_string_value(json_object_get(root, "unlabeled"));
    char meant[RT_WORD_MEANT];
    palette->unlabeled = -1;
    for (int i = 0; i < palette->count; i++)
        if (strcasecmp(palette->classes[i].name, name ? name : "unlabeled") == 0)
            palette->unlabeled = i;
    if (name && palette->unlabeled < 0)
        return rt_fail(RT_ERROR_FORMAT, "\"unlabeled\" names %s, which is none of the classes%s",
                       name, rt_word_meant(meant, "", rt_palette_closest(palette, name)));
    return RT_OK;
}

static rt_status parse_palette(struct rt_palette *palette, const json_t *root)
{
    const json_t *classes = json_object_get(root, "classes");
    size_t count = json_array_size(classes);
    if (count < 1 || count > RT_CLASSES_MAX)
        return rt_fail(RT_ERROR_FORMAT, "it lists %zu \"classes\", expected 1 to %d", count,
                       RT_CLASSES_MAX);
    for (size_t i = 0; i < count; i++) {
        rt_status status = parse_class(palette, json_array_get(classes, i));
        if (status < 0)
            return status;
    }
    return parse_unlabeled(palette, root);
}

/* Models keep the name as UTF-8: a long one is cut between two characters, and a file's name may be
 * no UTF-8 at all. */
static void set_name(struct rt_palette *palette, const char *name)
{
    json_t *text = json_string(name);
    if (!text)
        name = "palette";
    size_t length = strlen(name);
    if (length >= sizeof palette->name)
        for (length = sizeof palette->name - 1; (name[length] & 0xc0) == 0x80;)
            length--;
    snprintf(palette->name, sizeof palette->name, "%.*s", (int)length, name);
    json_decref(text);
}

rt_status rt_palette_read(struct rt_palette *palette, const char *path)
{
    rt_status status = RT_OK;
    char *text = NULL, *stem = NULL;
    size_t size;
    json_t *root = NULL;
    json_error_t error;
    *palette = (struct rt_palette){.unlabeled = -1};
    RT_TRY(rt_file_read(path, FILE_BYTES_MAX, &text, &size));
    RT_TRY(rt_path_stem(&stem, path));
    root = json_loadb(text, size, JSON_REJECT_DUPLICATES, &error);
    if (!root) {
        status = rt_fail(RT_ERROR_FORMAT, "cannot read the palette %s: line %d: %s", path,
                         error.line, error.text);
        goto end;
    }
    const char *name = json_string_value(json_object_get(root, "name"));
    set_name(palette, name ? name : stem);
    status = parse_palette(palette, root);
    if (status < 0)
        status = rt_fail_context(status, "cannot read the palette %s: ", path);
end:
    json_decref(root);
    free(stem);
    free(text);
    return status;
}

rt_status rt_palette_choose(struct rt_palette *palette, const char *name)
{
    const struct rt_palette *builtin = rt_palette_builtin(name);
    const char *names[RT_COUNT(builtins)];
    char meant[RT_WORD_MEANT];
    if (rt_path_exists(name))
        return rt_palette_read(palette, name);
    if (builtin) {
        *palette = *builtin;
        return RT_OK;
    }
    for (size_t i = 0; i < RT_COUNT(builtins); i++)
        names[i] = builtins[i].name;
    return rt_fail(
        RT_ERROR_IO, "there is no palette file %s, nor is a palette of this name built in%s", name,
        rt_word_meant(meant, "", rt_word_closest(name, names, RT_COUNT(names), sizeof *names)));
}
