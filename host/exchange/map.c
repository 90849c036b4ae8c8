#include "exchange/map.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"

#define FILE_BYTES_MAX ((size_t)1 << 20)
#define STARS_MAX 8
#define SPACES " \t\r"
#define DIGITS "0123456789"

/* --- reading -------------------------------------------------------------------------------- */

/* The text without the spaces around it. */
static char *trim(char *text)
{
    text += strspn(text, SPACES);
    for (size_t length = strlen(text); length > 0 && strchr(SPACES, text[length - 1]);)
        text[--length] = 0;
    return text;
}

static size_t count_stars(const char *text)
{
    size_t stars = 0;
    for (; *text; text++)
        stars += *text == '*';
    return stars;
}

static rt_status read_line(struct rt_map *map, const char *path, char *text, int number)
{
    rt_status status = RT_OK;
    text[strcspn(text, "#")] = 0;
    text = trim(text);
    if (!*text)
        return RT_OK;
    char *equals = strchr(text, '=');
    if (!equals || strchr(equals + 1, '='))
        return rt_fail(RT_ERROR_FORMAT, "line %d of the map %s is not THEIRS = OURS", number, path);
    *equals = 0;
    const struct rt_map_line line = {number, trim(text), trim(equals + 1), 0};
    if (!*line.theirs || !*line.ours)
        return rt_fail(RT_ERROR_FORMAT, "line %d of the map %s lacks one of its names", number,
                       path);
    if (count_stars(line.theirs) > STARS_MAX || count_stars(line.ours) > count_stars(line.theirs))
        return rt_fail(RT_ERROR_FORMAT,
                       "line %d of the map %s has more than %d '*', or more of them on the right "
                       "than on the left",
                       number, path, STARS_MAX);
    RT_TRY(rt_grow(&map->lines, &map->capacity, map->count + 1, sizeof *map->lines));
    map->lines[map->count++] = line;
end:
    return status;
}

rt_status rt_map_read(struct rt_map *map, const char *path)
{
    rt_status status = RT_OK;
    size_t size;
    *map = (struct rt_map){0};
    RT_TRY(rt_file_read(path, FILE_BYTES_MAX, &map->text, &size));
    if (memchr(map->text, 0, size))
        RT_TRY(rt_fail(RT_ERROR_FORMAT, "the map %s is no text", path));
    char *rest = map->text;
    for (int number = 1; rest; number++) {
        char *line = rest;
        rest = strchr(line, '\n');
        if (rest)
            *rest++ = 0;
        RT_TRY(read_line(map, path, line, number));
    }
    if (map->count == 0)
        status = rt_fail(RT_ERROR_FORMAT, "the map %s holds no line THEIRS = OURS", path);
end:
    if (status < 0)
        rt_map_finish(map);
    return status;
}

void rt_map_finish(struct rt_map *map)
{
    free(map->text);
    free(map->lines);
    *map = (struct rt_map){0};
}

/* --- names ---------------------------------------------------------------------------------- */

/* The numbers that the stars of a line stand for in a name. */
struct stars {
    const char *digits[STARS_MAX];
    int lengths[STARS_MAX];
};

/* What of the name follows the pattern, "" or from a '.' on; NULL where it does not fit. */
static const char *match(const char *pattern, const char *name, struct stars *stars)
{
    int count = 0;
    for (; *pattern; pattern++) {
        if (*pattern == '*') {
            size_t length = strspn(name, DIGITS);
            if (length == 0 || length > 9)
                return NULL;
            stars->digits[count] = name;
            stars->lengths[count++] = (int)length;
            name += length;
        } else if (*pattern == *name) {
            name++;
        } else {
            return NULL;
        }
    }
    return *name == 0 || *name == '.' ? name : NULL;
}

/* The right side with its stars filled in, and the rest of the name. */
static rt_status fill(const char *ours, const struct stars *stars, const char *rest, char **name)
{
    rt_status status = RT_OK;
    int star = 0;
    char *filled = NULL;
    RT_TRY(rt_copy_text(name, ""));
    while (*ours) {
        int length = *ours == '*' ? stars->lengths[star] : (int)strcspn(ours, "*");
        const char *part = *ours == '*' ? stars->digits[star++] : ours;
        RT_TRY(rt_format(&filled, "%s%.*s", *name, length, part));
        ours += *ours == '*' ? 1 : length;
        free(*name);
        *name = filled;
    }
    RT_TRY(rt_format(&filled, "%s%s", *name, rest));
    free(*name);
    *name = filled;
end:
    if (status < 0) {
        free(*name);
        *name = NULL;
    }
    return status;
}

rt_status rt_map_name(struct rt_map *map, const char *name, char **ours)
{
    struct stars stars = {0};
    *ours = NULL;
    for (size_t i = 0; i < map->count; i++) {
        struct rt_map_line *line = &map->lines[i];
        const char *rest = match(line->theirs, name, &stars);
        if (!rest)
            continue;
        line->used++;
        return strcmp(line->ours, RT_MAP_LEFT_OUT) == 0 ? rt_copy_text(ours, line->ours)
                                                        : fill(line->ours, &stars, rest, ours);
    }
    return RT_OK;
}
