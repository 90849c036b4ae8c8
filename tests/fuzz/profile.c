/* A device's profile. The kernels that it was measured with are named by a hash of their sources,
 * which changes with them: in the input stands KERNELS_NAMED_HERE for it. */
#include "fuzz.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "device/choices.h"

#define PLACEHOLDER "KERNELS_NAMED_HERE"

static const struct rt_device_info info = {
    .platform_name = "Platform", .name = "Device", .driver = "1"};

/* The name as an empty profile tells it. */
static const char *kernels(void)
{
    static char name[17];
    struct rt_choices *choices;
    char *path = NULL;
    if (*name)
        return name;
    setenv("RETORT_PROFILE_DIR", fuzz_folder(), 1);
    fuzz_refuse(rt_choices_create(&choices, &info) != RT_OK ||
                    rt_choices_write(choices, &info) != RT_OK ||
                    rt_choices_path(&info, &path) != RT_OK,
                rt_error_message());
    json_t *profile = json_load_file(path, 0, NULL);
    const char *text = json_string_value(json_object_get(profile, "kernels"));
    fuzz_refuse(!text || strlen(text) >= sizeof name, "an empty profile without kernels");
    strcpy(name, text);
    json_decref(profile);
    free(path);
    rt_choices_destroy(choices);
    return name;
}

static void write_profile(const uint8_t *data, size_t size)
{
    const size_t named = strlen(PLACEHOLDER), length = strlen(kernels());
    uint8_t *text = malloc(size + 1);
    memcpy(text, data, size);
    uint8_t *place = memmem(text, size, PLACEHOLDER, named);
    if (place) {
        memcpy(place, kernels(), length);
        memmove(place + length, place + named, size - (size_t)(place - text) - named);
        size -= named - length;
    }
    fuzz_file("Device-1.json", text, size);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct rt_choices *choices;
    write_profile(data, size);
    fuzz_refuse(rt_choices_create(&choices, &info) != RT_OK, rt_error_message());
    for (size_t i = 0; i < rt_choices_count(choices); i++) {
        const struct rt_choice *choice = rt_choices_get(choices, i);
        fuzz_refuse(rt_choices_find(choices, choice->key) != choice, "a key for two choices");
        fuzz_refuse(choice->count > RT_CHOICE_VARIANTS || choice->batch < 1, "a choice");
    }
    rt_choices_destroy(choices);
    return 0;
}
