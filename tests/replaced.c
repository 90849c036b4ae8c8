/* What a profile says that a device does wrong, and what is known of drivers. */
#include "test.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "device/choices.h"
#include "device/quirks.h"

static char folder[] = "/tmp/retort-replaced-XXXXXX";
static const struct rt_device_info info = {
    .platform_name = "Some Platform", .name = "A (fast) device/1", .driver = "2.3 beta"};
static const struct rt_choice forward = {.key = "conv2d forward 3x16x16 to 2, kernel 3, stride 1",
                                         .batch = 4,
                                         .count = 1,
                                         .variants = {{"direct", 0.25, 1e-6}}},
                              backward = {
                                  .key = "conv2d backward data 3x16x16 to 2, kernel 3, stride 1"};

static int start(void **state)
{
    (void)state;
    return !mkdtemp(folder) || setenv("RETORT_PROFILE_DIR", folder, 1);
}

static int end(void **state)
{
    (void)state;
    char script[64];
    snprintf(script, sizeof script, "rm -r %s", folder);
    return system(script);
}

static void what_is_replaced_outlives_the_kernels(void **state)
{
    (void)state;
    struct rt_choices *choices;
    char *path;
    assert_ok(rt_choices_path(&info, &path));
    assert_ok(rt_choices_create(&choices, &info));
    struct rt_replaced *replaced = rt_choices_replaced(choices);
    rt_replaced_add(replaced, "conv2d forward", "direct", "off by 0.25\n\xff");
    replaced->vector = 4;
    replaced->group = 1;
    rt_choices_keep_replaced(choices);
    assert_ok(rt_choices_set(choices, &forward));
    assert_ok(rt_choices_write(choices, &info));
    rt_choices_destroy(choices);
    char script[512];
    snprintf(script, sizeof script, "sed -i 's/\"kernels\": \"/\"kernels\": \"x/' %s", path);
    assert_int_equal(system(script), 0);
    assert_ok(rt_choices_create(&choices, &info));
    assert_null(rt_choices_find(choices, forward.key));
    replaced = rt_choices_replaced(choices);
    assert_int_equal(replaced->count, 1);
    assert_string_equal(replaced->avoided[0].why, "off by 0.25  ");
    assert_int_equal(replaced->vector, 4);
    assert_int_equal(replaced->group, 1);
    assert_true(rt_replaced_avoids(replaced, forward.key, "direct"));
    assert_true(rt_replaced_avoids(replaced, "conv2d forward", "direct"));
    assert_false(rt_replaced_avoids(replaced, forward.key, "gemm"));
    assert_false(rt_replaced_avoids(replaced, backward.key, "direct"));
    assert_false(rt_replaced_avoids(replaced, "conv2d forwards", "direct"));
    rt_choices_destroy(choices);
    free(path);
}

static void what_is_replaced_must_make_sense(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "[]",
        "{\"vector\": 4, \"group\": 1}",
        "{\"vector\": 3, \"group\": 1, \"avoided\": []}",
        "{\"vector\": 4, \"group\": 3, \"avoided\": []}",
        "{\"vector\": 4, \"group\": -1, \"avoided\": []}",
        "{\"vector\": 0, \"group\": 0, \"avoided\": [{\"what\": \"a\", \"variant\": \"b\"}]}"};
    for (size_t i = 0; i < RT_COUNT(wrong); i++) {
        struct rt_replaced replaced;
        json_t *value = json_loads(wrong[i], 0, NULL);
        assert_non_null(value);
        assert_false(rt_replaced_read(&replaced, value));
        assert_int_equal(replaced.count + (size_t)replaced.vector, 0);
        json_decref(value);
    }
}

static void quirks_hold_for_versions(void **state)
{
    (void)state;
    const struct rt_device_info device = {
        .platform_name = "Some Platform", .name = "Fast 2000", .driver = "5.12 (beta)"};
    assert_true(rt_quirk_holds(&(struct rt_quirk){0}, &device));
    assert_true(
        rt_quirk_holds(&(struct rt_quirk){.platform = "Platform", .device = "Fast"}, &device));
    assert_false(rt_quirk_holds(&(struct rt_quirk){.platform = "Other"}, &device));
    assert_false(rt_quirk_holds(&(struct rt_quirk){.device = "Slow"}, &device));
    assert_true(rt_quirk_holds(&(struct rt_quirk){.from = "5.9", .before = "5.13"}, &device));
    assert_true(rt_quirk_holds(&(struct rt_quirk){.from = "5.12"}, &device));
    assert_false(rt_quirk_holds(&(struct rt_quirk){.before = "5.12"}, &device));
    assert_false(rt_quirk_holds(&(struct rt_quirk){.from = "6"}, &device));
    const struct rt_device_info pocl = {.platform_name = "Portable Computing Language"};
    assert_int_equal(rt_quirk_next(&pocl, NULL)->effect, RT_QUIRK_CACHES);
    assert_null(rt_quirk_next(&device, NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_replaced_outlives_the_kernels),
        cmocka_unit_test(what_is_replaced_must_make_sense),
        cmocka_unit_test(quirks_hold_for_versions),
    };
    return cmocka_run_group_tests(tests, start, end);
}
