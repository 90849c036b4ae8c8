#include "device/choices.h"

#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/lock.h"
#include "base/log.h"
#include "base/memory.h"
#include "device/internal.h"
#include "device/sources.h"

#define FORMAT_VERSION 1
#define PROFILE_BYTES_MAX ((size_t)4 << 20)
#define NAME_BYTES 80 /* of the device's and the driver's part of a file's name */

struct rt_choices {
    char *path; /* NULL: there is no place for profiles */
    struct rt_choice *items;
    size_t count, capacity;
    bool doubted; /* a warning was given */
};

/* --- the place of a profile ----------------------------------------------------------------- */

/* Appends a text to a file's name: letters, digits, dots, and for all between them one '_'. */
static void append_name(char *name, const char *text)
{
    size_t length = strlen(name);
    const size_t most = length + NAME_BYTES;
    for (; *text && length < most; text++) {
        const bool plain = (*text >= 'a' && *text <= 'z') || (*text >= 'A' && *text <= 'Z') ||
                           (*text >= '0' && *text <= '9') || *text == '.';
        if (plain || (length > 0 && name[length - 1] != '_'))
            name[length++] = plain ? *text : '_';
    }
    name[length] = 0;
}

rt_status rt_choices_path(const struct rt_device_info *info, char **path)
{
    rt_status status = RT_OK;
    const char *chosen = getenv("RETORT_PROFILE_DIR"), *settings = getenv("XDG_CONFIG_HOME"),
               *home = getenv("HOME");
    char name[2 * NAME_BYTES + sizeof "-.json"] = "", *folder = NULL;
    *path = NULL;
    if (chosen)
        RT_TRY(*chosen ? rt_copy_text(&folder, chosen) : RT_OK);
    else if (settings && *settings == '/') /* the standard says to ignore a relative path */
        RT_TRY(rt_path_join(&folder, settings, "retort"));
    else if (home && *home)
        RT_TRY(rt_path_join(&folder, home, ".config/retort"));
    if (!folder)
        return RT_OK;
    append_name(name, info->name);
    strcat(name, "-");
    append_name(name, info->driver);
    strcat(name, ".json");
    status = rt_path_join(path, folder, name);
end:
    free(folder);
    return status;
}

/* What tells the kernels of this retort from those of another: times hold for these alone. */
static void name_kernels(char name[17])
{
    uint64_t hashes[2] = {0};
    for (const struct rt_source *source = rt_sources; source->name; source++) {
        hashes[1] = rt_hash(source->text, strlen(source->text));
        hashes[0] = rt_hash(hashes, sizeof hashes);
    }
    snprintf(name, 17, "%016" PRIx64, hashes[0]);
}

/* --- reading -------------------------------------------------------------------------------- */

static rt_status fail_damaged(const char *path, const char *what)
{
    return rt_fail(RT_ERROR_FORMAT, "%s is damaged: %s", path, what);
}

/* Copies a text into an array of a fixed size; false where it is none, empty or too long. */
static bool copy_text(const char *text, char *to, size_t size)
{
    return text && *text && (size_t)snprintf(to, size, "%s", text) < size;
}

static bool copy_number(const json_t *value, double *to)
{
    *to = json_number_value(value);
    return json_is_number(value) && isfinite(*to) && *to >= 0;
}

static bool read_choice(const char *key, const json_t *value, struct rt_choice *choice)
{
    const json_t *variants = json_object_get(value, "variants");
    const json_int_t batch = json_integer_value(json_object_get(value, "batch"));
    *choice = (struct rt_choice){.count = (int)json_array_size(variants), .batch = (int)batch};
    if (!copy_text(key, choice->key, sizeof choice->key) || batch < 1 || batch > 1 << 20 ||
        !json_is_array(variants) || json_array_size(variants) > RT_CHOICE_VARIANTS)
        return false;
    for (int i = 0; i < choice->count; i++) {
        const json_t *item = json_array_get(variants, (size_t)i);
        struct rt_choice_variant *variant = &choice->variants[i];
        if (!copy_text(json_string_value(json_object_get(item, "name")), variant->name,
                       sizeof variant->name) ||
            !copy_number(json_object_get(item, "seconds"), &variant->seconds) ||
            !copy_number(json_object_get(item, "error"), &variant->error))
            return false;
    }
    return true;
}

static bool is_text(const json_t *root, const char *name, const char *expected)
{
    const char *text = json_string_value(json_object_get(root, name));
    return text && strcmp(text, expected) == 0;
}

static rt_status append(struct rt_choices *choices, const struct rt_choice *choice)
{
    rt_status status =
        rt_grow(&choices->items, &choices->capacity, choices->count + 1, sizeof *choices->items);
    if (status == RT_OK)
        choices->items[choices->count++] = *choice;
    return status;
}

/* Adds the choices of a profile for the keys that have none. The device's own is read first and
 * holds no key twice: it is not searched, which would take minutes for a large one. */
static rt_status read_choices(struct rt_choices *choices, const char *path, const json_t *root,
                              bool shipped)
{
    rt_status status = RT_OK;
    json_t *items = json_object_get(root, "choices"), *item;
    const char *key;
    struct rt_choice choice;
    if (!json_is_object(items))
        return fail_damaged(path, "it has no choices");
    json_object_foreach(items, key, item)
    {
        if (!read_choice(key, item, &choice))
            return rt_fail(RT_ERROR_FORMAT, "%s is damaged: its choice for '%.100s'", path, key);
        choice.shipped = shipped;
        if (!shipped || !rt_choices_find(choices, key))
            RT_TRY(append(choices, &choice));
    }
end:
    return status;
}

/* Whether a profile was made on this device by these kernels. */
static rt_status check_own(const char *path, const struct rt_device_info *info, const json_t *root)
{
    char kernels[17];
    name_kernels(kernels);
    if (json_integer_value(json_object_get(root, "format")) != FORMAT_VERSION)
        return fail_damaged(path, "it does not say that it is a profile of format 1");
    if (!is_text(root, "platform", info->platform_name) || !is_text(root, "device", info->name) ||
        !is_text(root, "driver", info->driver))
        return rt_fail(RT_ERROR_FORMAT, "%s was written for another device or driver than %s, %s",
                       path, info->name, info->driver);
    if (!is_text(root, "kernels", kernels))
        return rt_fail(RT_ERROR_FORMAT, "%s was measured with the kernels of another version",
                       path);
    return RT_OK;
}

static rt_status read_own(struct rt_choices *choices, const struct rt_device_info *info)
{
    rt_status status = RT_OK;
    char *bytes = NULL;
    size_t size;
    json_t *root = NULL;
    json_error_t error;
    if (!choices->path || !rt_path_exists(choices->path))
        return RT_OK;
    RT_TRY(rt_file_read(choices->path, PROFILE_BYTES_MAX, &bytes, &size));
    root = json_loadb(bytes, size, JSON_REJECT_DUPLICATES, &error);
    if (!root)
        RT_TRY(fail_damaged(choices->path, error.text));
    RT_TRY(check_own(choices->path, info, root));
    status = read_choices(choices, choices->path, root, false);
end:
    json_decref(root);
    free(bytes);
    return status;
}

/* The profiles that come with retort hold for any device of their platform and type. They belong to
 * this version, so they are not asked for which kernels they were measured. */
static rt_status read_shipped(struct rt_choices *choices, const struct rt_device_info *info)
{
    rt_status status = RT_OK;
    json_t *root = NULL;
    json_error_t error;
    for (const struct rt_source *profile = rt_shipped_profiles; profile->name; profile++) {
        json_decref(root);
        root = json_loads(profile->text, JSON_REJECT_DUPLICATES, &error);
        if (!root)
            RT_TRY(fail_damaged(profile->name, error.text));
        if (is_text(root, "platform", info->platform_name) &&
            is_text(root, "type", rt_device_type_name(info->type)))
            RT_TRY(read_choices(choices, profile->name, root, true));
    }
end:
    json_decref(root);
    return status;
}

rt_status rt_choices_create(struct rt_choices **choices, const struct rt_device_info *info)
{
    rt_status status = RT_OK;
    const char *chosen = getenv("RETORT_PROFILE_DIR");
    RT_TRY(rt_alloc(choices, 1, sizeof **choices));
    RT_TRY(rt_choices_path(info, &(*choices)->path));
    status = read_own(*choices, info);
    if (status < 0 && status != RT_ERROR_MEMORY) {
        rt_warn("the device's profile is ignored: %s; retort tune writes it anew",
                rt_error_message());
        (*choices)->count = 0;
        status = RT_OK;
    }
    if (status == RT_OK && !(chosen && !*chosen))
        status = read_shipped(*choices, info);
end:
    if (status < 0) {
        rt_choices_destroy(*choices);
        *choices = NULL;
    }
    return status;
}

void rt_choices_destroy(struct rt_choices *choices)
{
    if (!choices)
        return;
    free(choices->path);
    free(choices->items);
    free(choices);
}

/* --- the choices ---------------------------------------------------------------------------- */

size_t rt_choices_count(const struct rt_choices *choices)
{
    return choices->count;
}

const struct rt_choice *rt_choices_get(const struct rt_choices *choices, size_t index)
{
    return &choices->items[index];
}

const struct rt_choice *rt_choices_find(const struct rt_choices *choices, const char *key)
{
    for (size_t i = 0; i < choices->count; i++)
        if (strcmp(choices->items[i].key, key) == 0)
            return &choices->items[i];
    return NULL;
}

rt_status rt_choices_set(struct rt_choices *choices, const struct rt_choice *choice)
{
    struct rt_choice *old = (struct rt_choice *)rt_choices_find(choices, choice->key);
    struct rt_choice fresh = *choice;
    fresh.fresh = true;
    fresh.shipped = false;
    if (old) {
        *old = fresh;
        return RT_OK;
    }
    return append(choices, &fresh);
}

struct rt_choices *rt_device_choices(struct rt_device *device)
{
    return device->choices;
}

const char *rt_device_choice(const struct rt_device *device, const char *key)
{
    const struct rt_choice *choice = rt_choices_find(device->choices, key);
    return choice && choice->count > 0 ? choice->variants[0].name : NULL;
}

void rt_device_doubt_choice(const struct rt_device *device, const char *key)
{
    struct rt_choices *choices = device->choices;
    const struct rt_choice *choice = rt_choices_find(choices, key);
    if (choices->doubted)
        return;
    choices->doubted = true;
    rt_warn("%s names '%s' for '%s', which this retort does not have; such choices are ignored, "
            "and retort tune makes them anew",
            choice->shipped ? "the profile that comes with retort" : choices->path,
            choice->variants[0].name, key);
}

/* --- writing -------------------------------------------------------------------------------- */

static json_t *choice_to_json(const struct rt_choice *choice)
{
    json_t *variants = json_array();
    for (int i = 0; i < choice->count; i++)
        rt_json_append(&variants,
                       json_pack("{s:s, s:f, s:f}", "name", choice->variants[i].name, "seconds",
                                 choice->variants[i].seconds, "error", choice->variants[i].error));
    return json_pack("{s:i, s:o}", "batch", choice->batch, "variants", variants);
}

/* All of them as a profile's text, released by free(). */
static rt_status profile_text(const struct rt_choices *choices, const struct rt_device_info *info,
                              char **text)
{
    rt_status status = RT_OK;
    char kernels[17];
    json_t *root = NULL, *items = json_object();
    name_kernels(kernels);
    bool complete = items != NULL;
    for (size_t i = 0; i < choices->count; i++)
        complete &= json_object_set_new(items, choices->items[i].key,
                                        choice_to_json(&choices->items[i])) == 0;
    root = json_pack("{s:i, s:s, s:s, s:s, s:s, s:s, s:O}", "format", FORMAT_VERSION, "platform",
                     info->platform_name, "type", rt_device_type_name(info->type), "device",
                     info->name, "driver", info->driver, "kernels", kernels, "choices", items);
    if (!root || !complete)
        RT_TRY(rt_fail(RT_ERROR_MEMORY,
                       "cannot write %s: out of memory, or the name of the device "
                       "or driver is no UTF-8",
                       choices->path));
    status = rt_json_text(text, root, JSON_INDENT(1) | JSON_REAL_PRECISION(6));
end:
    json_decref(items);
    json_decref(root);
    return status;
}

/* What the profile on disk holds now, with what was set in the place of what it says. */
static rt_status merge(struct rt_choices *merged, const struct rt_choices *choices,
                       const struct rt_device_info *info)
{
    rt_status status = read_own(merged, info);
    if (status == RT_ERROR_MEMORY)
        return status;
    if (status < 0)
        merged->count = 0;
    status = RT_OK;
    for (size_t i = 0; i < choices->count && status == RT_OK; i++)
        if (choices->items[i].fresh)
            status = rt_choices_set(merged, &choices->items[i]);
    return status;
}

rt_status rt_choices_write(const struct rt_choices *choices, const struct rt_device_info *info)
{
    rt_status status = RT_OK;
    struct rt_choices merged = {.path = choices->path};
    struct rt_lock lock = {0};
    char *folder = NULL, *text = NULL, *lock_path = NULL;
    if (!choices->path)
        return rt_fail(RT_ERROR_ARGUMENT, "there is no place for profiles: RETORT_PROFILE_DIR is "
                                          "empty, or there is neither it nor a home folder");
    RT_TRY(rt_format(&folder, "%.*s", (int)(rt_path_name(choices->path) - choices->path),
                     choices->path));
    RT_TRY(rt_folder_create(folder));
    RT_TRY(rt_format(&lock_path, "%s.lock", choices->path));
    RT_TRY(rt_lock_wait(&lock, lock_path));
    RT_TRY(merge(&merged, choices, info));
    RT_TRY(profile_text(&merged, info, &text));
    status = rt_file_write(choices->path, text, strlen(text));
end:
    rt_lock_finish(&lock);
    free(merged.items);
    free(text);
    free(lock_path);
    free(folder);
    return status;
}
