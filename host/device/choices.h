/* Which of several ways of doing the same was the fastest on a device: what `retort tune` measured,
 * kept on disk as the device's profile, a JSON file:
 *   {"format": 1, "platform": "...", "type": "gpu", "device": "...", "driver": "...",
 *    "kernels": "0123456789abcdef",
 *    "choices": {"conv2d forward 16x256x256 to 16, kernel 3, stride 1":
 *                {"batch": 8, "variants": [{"name": "winograd", "seconds": 1e-3, "error": 1e-6},
 *                                          {"name": "direct", ...}, ...]}, ...}}
 * The first of the variants is chosen; without any, nothing is known to be better than the rule.
 * "kernels" is a hash of the kernels' sources.
 *
 * Profiles that come with retort, host/device/profiles, are such files, too. They hold for all
 * devices of their platform and type, where the device's own profile says nothing. */
#ifndef RT_DEVICE_CHOICES_H
#define RT_DEVICE_CHOICES_H

#include "device/device.h"

#define RT_CHOICE_VARIANTS 8

struct rt_choice {
    char key[RT_CHOICE_KEY_BYTES]; /* what is to be done */
    int batch;                     /* images that it was measured for */
    bool shipped;                  /* it came with retort, and is not of the device's own */
    bool fresh;                    /* it was set, and is not of a profile that was read */
    int count;                     /* of the variants; the first is chosen */
    struct rt_choice_variant {
        char name[24];
        double seconds; /* of one run; of a hopeless one an estimate */
        double error;   /* the largest, as a share of the results' largest magnitude */
    } variants[RT_CHOICE_VARIANTS];
};

struct rt_choices;

/* As read when the device was opened, and what was set since. */
struct rt_choices *rt_device_choices(struct rt_device *device);

/* The path of a device's profile, in a new string: "NAME-DRIVER.json" in RETORT_PROFILE_DIR, else
 * in retort's place among the user's settings; NULL where RETORT_PROFILE_DIR is empty or there is
 * no such place. Errors: MEMORY. */
rt_status rt_choices_path(const struct rt_device_info *info, char **path);

/* Reads a device's profile, and what came with retort for the keys that it lacks, unless
 * RETORT_PROFILE_DIR is empty. A profile that is damaged, or was written for another device or
 * driver or by a retort with other kernels, counts as none, and a warning names the file. Errors:
 * MEMORY. */
rt_status rt_choices_create(struct rt_choices **choices, const struct rt_device_info *info);
void rt_choices_destroy(struct rt_choices *choices);

size_t rt_choices_count(const struct rt_choices *choices);
const struct rt_choice *rt_choices_get(const struct rt_choices *choices, size_t index);
/* NULL: none. */
const struct rt_choice *rt_choices_find(const struct rt_choices *choices, const char *key);

/* Adds a choice, or replaces the one with its key. What was planned for the device before must not
 * be run any more. Errors: MEMORY. */
rt_status rt_choices_set(struct rt_choices *choices, const struct rt_choice *choice);

/* Adds what was set to the profile on disk, whole or not at all: what other processes have added to
 * it since it was read stays. One that cannot be used is replaced. Errors: ARGUMENT (there is no
 * place for profiles), IO, MEMORY. */
rt_status rt_choices_write(const struct rt_choices *choices, const struct rt_device_info *info);

#endif
