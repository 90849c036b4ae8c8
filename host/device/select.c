#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/memory.h"
#include "base/word.h"
#include "device/internal.h"

/* A discrete GPU, then an integrated one, then an accelerator, then a CPU; one with a problem only
 * where there is no other. */
static int preference(const struct rt_device_info *info)
{
    if (info->problem[0])
        return 0;
    if (info->type == RT_DEVICE_GPU)
        return info->integrated ? 3 : 4;
    return info->type == RT_DEVICE_ACCELERATOR ? 2 : 1;
}

static bool matches(const struct rt_device_info *info, const char *which)
{
    char number[16], pair[32];
    snprintf(number, sizeof number, "%d", info->index);
    snprintf(pair, sizeof pair, "%d:%d", info->platform, info->device);
    if (which[0] >= '0' && which[0] <= '9' && strspn(which, "0123456789:") == strlen(which))
        return strcmp(which, number) == 0 || strcmp(which, pair) == 0;
    return strcasecmp(which, rt_device_type_name(info->type)) == 0 ||
           strcasestr(info->name, which) || strcasestr(info->platform_name, which);
}

static bool is_type(const char *text)
{
    return strcasecmp(text, rt_device_type_name(RT_DEVICE_GPU)) == 0 ||
           strcasecmp(text, rt_device_type_name(RT_DEVICE_CPU)) == 0 ||
           strcasecmp(text, rt_device_type_name(RT_DEVICE_ACCELERATOR)) == 0;
}

/* The type of a device that is there, or the word of a name, that is spelt most like `which`; "":
 * none, as for a type that is spelt right. */
static void find_meant(const struct rt_device_info *devices, size_t count, const char *which,
                       char meant[RT_WORD_MEANT])
{
    char names[2 * sizeof devices->name + 32], closest[sizeof names] = "";
    for (size_t i = 0; i < count && !is_type(which); i++) {
        char *place = NULL;
        snprintf(names, sizeof names, "%s %s %s", rt_device_type_name(devices[i].type),
                 devices[i].name, devices[i].platform_name);
        for (char *word = strtok_r(names, " ()", &place); word;
             word = strtok_r(NULL, " ()", &place)) {
            const char *const words[] = {*closest ? closest : NULL, word};
            if (rt_word_closest(which, words, RT_COUNT(words), sizeof *words) == word)
                snprintf(closest, sizeof closest, "%s", word);
        }
    }
    rt_word_meant(meant, "", *closest ? closest : NULL);
}

rt_status rt_device_select(const struct rt_device_info *devices, size_t count, const char *which,
                           size_t *index)
{
    if (count == 0)
        return rt_fail(RT_ERROR_DEVICE,
                       "no OpenCL device was found; install your GPU's OpenCL driver, or "
                       "pocl-opencl-icd to use the CPU");
    if (!which || !*which)
        which = getenv("RETORT_DEVICE");
    if (!which)
        which = "";
    const struct rt_device_info *best = NULL;
    for (const struct rt_device_info *info = devices; info < devices + count; info++)
        if ((!*which || matches(info, which)) && (!best || preference(info) > preference(best)))
            best = info;
    if (best) {
        *index = (size_t)(best - devices);
        return RT_OK;
    }
    char list[2048] = "", meant[RT_WORD_MEANT];
    size_t length = 0;
    for (size_t i = 0; i < count && length < sizeof list - 1; i++)
        length +=
            (size_t)snprintf(list + length, sizeof list - length, "%s%zu (%s, %s)", i ? ", " : "",
                             i, rt_device_type_name(devices[i].type), devices[i].name);
    find_meant(devices, count, which, meant);
    return rt_fail(RT_ERROR_ARGUMENT, "no device is called '%s'%s; there is: %s", which, meant,
                   list);
}
