#include "test.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/child.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/process.h"
#include "device/gemm.h"
#include "ops/conv2d.h"
#include "ops/tune.h"

/* --- a folder for profiles, and what is said about them ----------------------------------- */

static char folder[] = "/tmp/retort-profiles-XXXXXX";
static const struct rt_device_info info = {
    .platform_name = "Some Platform", .name = "A (fast) device/1", .driver = "2.3 beta"};

static int warnings;
static char warning[2048]; /* all since the last reset */

static void keep_warnings(void *user, enum rt_log_level level, const char *message)
{
    (void)user;
    const size_t length = strlen(warning);
    if (level != RT_LOG_WARNING)
        return;
    warnings++;
    snprintf(warning + length, sizeof warning - length, "%s\n", message);
}

static void forget_warnings(void)
{
    warnings = 0;
    warning[0] = 0;
}

static void assert_warned(int count, const char *text)
{
    assert_int_equal(warnings, count);
    if (!strstr(warning, text))
        fail_msg("'%s' is not in the warnings '%s'", text, warning);
}

static char *profile_path(void)
{
    char *path;
    assert_ok(rt_choices_path(&info, &path));
    assert_non_null(path);
    return path;
}

static int start(void **state)
{
    (void)state;
    assert_non_null(mkdtemp(folder));
    setenv("RETORT_PROFILE_DIR", folder, 1);
    rt_log_set(keep_warnings, NULL);
    return 0;
}

static int end(void **state)
{
    (void)state;
    setenv("RETORT_PROFILE_DIR", folder, 1);
    char *path = profile_path();
    remove(path);
    free(path);
    return rmdir(folder);
}

/* --- the store ---------------------------------------------------------------------------- */

static const struct rt_choice forward = {.key = "conv2d forward 3x16x16 to 2, kernel 3, stride 1",
                                         .batch = 4,
                                         .count = 2,
                                         .variants = {{"direct", 0.25, 1e-6}, {"gemm", 0.5, 0}}};
static const struct rt_choice backward = {
    .key = "conv2d backward data 3x16x16 to 2, kernel 3, stride 1",
    .batch = 8,
    .count = 1,
    .variants = {{"plain", 2, 2e-7}}};

static void assert_same_choice(const struct rt_choice *a, const struct rt_choice *b)
{
    assert_string_equal(a->key, b->key);
    assert_int_equal(a->batch, b->batch);
    assert_int_equal(a->count, b->count);
    for (int i = 0; i < a->count; i++) {
        assert_string_equal(a->variants[i].name, b->variants[i].name);
        assert_true(fabs(a->variants[i].seconds - b->variants[i].seconds) < 1e-6);
        assert_true(fabs(a->variants[i].error - b->variants[i].error) < 1e-12);
    }
}

static void write_two(void)
{
    struct rt_choices *choices;
    char *path = profile_path();
    remove(path);
    free(path);
    assert_ok(rt_choices_create(&choices, &info));
    assert_int_equal(rt_choices_count(choices), 0);
    assert_ok(rt_choices_set(choices, &forward));
    assert_ok(rt_choices_set(choices, &backward));
    assert_ok(rt_choices_write(choices, &info));
    rt_choices_destroy(choices);
}

static void what_is_written_is_read(void **state)
{
    (void)state;
    struct rt_choices *choices;
    struct rt_choice changed = forward;
    forget_warnings();
    write_two();
    assert_ok(rt_choices_create(&choices, &info));
    assert_int_equal(rt_choices_count(choices), 2);
    assert_same_choice(rt_choices_get(choices, 0), &forward);
    assert_same_choice(rt_choices_find(choices, backward.key), &backward);
    assert_null(rt_choices_find(choices, "conv2d forward 3x16x16 to 2, kernel 3, stride 2"));
    changed.variants[0] = forward.variants[1];
    changed.count = 1;
    assert_ok(rt_choices_set(choices, &changed)); /* in the place of the old one */
    assert_ok(rt_choices_write(choices, &info));
    rt_choices_destroy(choices);
    assert_ok(rt_choices_create(&choices, &info));
    assert_int_equal(rt_choices_count(choices), 2);
    assert_same_choice(rt_choices_find(choices, forward.key), &changed);
    assert_same_choice(rt_choices_find(choices, backward.key), &backward);
    rt_choices_destroy(choices);
    assert_int_equal(warnings, 0);
}

/* Each has read the profile before the other wrote it. */
static void what_others_write_is_kept(void **state)
{
    (void)state;
    struct rt_choices *first, *second;
    struct rt_choice theirs = forward, new = backward;
    forget_warnings();
    write_two();
    assert_ok(rt_choices_create(&first, &info));
    assert_ok(rt_choices_create(&second, &info));
    theirs.count = 1;
    snprintf(new.key, sizeof new.key, "gemm");
    assert_ok(rt_choices_set(first, &theirs));
    assert_ok(rt_choices_set(second, &new));
    assert_ok(rt_choices_write(first, &info));
    assert_ok(rt_choices_write(second, &info));
    rt_choices_destroy(first);
    rt_choices_destroy(second);
    assert_ok(rt_choices_create(&first, &info));
    assert_int_equal(rt_choices_count(first), 3);
    assert_same_choice(rt_choices_find(first, forward.key), &theirs);
    assert_same_choice(rt_choices_find(first, backward.key), &backward);
    assert_same_choice(rt_choices_find(first, "gemm"), &new);
    rt_choices_destroy(first);
    assert_int_equal(warnings, 0);
}

enum { WRITERS = 4, WRITES = 25 };

/* The exit status of a process that writes a choice after the other. */
static int write_many(int writer)
{
    struct rt_choices *choices;
    struct rt_choice choice = forward;
    if (rt_choices_create(&choices, &info) < 0)
        return 1;
    for (int i = 0; i < WRITES; i++) {
        snprintf(choice.key, sizeof choice.key, "%d of writer %d", i, writer);
        if (rt_choices_set(choices, &choice) < 0 || rt_choices_write(choices, &info) < 0)
            return 1;
    }
    rt_choices_destroy(choices);
    return 0;
}

static void processes_share_a_profile(void **state)
{
    (void)state;
    struct rt_choices *choices;
    pid_t processes[WRITERS];
    int result;
    forget_warnings();
    write_two();
    for (int i = 0; i < WRITERS; i++) {
        processes[i] = fork();
        assert_true(processes[i] >= 0);
        if (processes[i] == 0)
            _exit(write_many(i));
    }
    for (int i = 0; i < WRITERS; i++) {
        assert_int_equal(waitpid(processes[i], &result, 0), processes[i]);
        assert_int_equal(result, 0);
    }
    assert_ok(rt_choices_create(&choices, &info));
    assert_int_equal(rt_choices_count(choices), 2 + WRITERS * WRITES);
    rt_choices_destroy(choices);
    assert_int_equal(warnings, 0);
}

/* The profile counts as none, and one warning names it and says this. */
static void assert_ignored(const char *reason)
{
    struct rt_choices *choices;
    char *path = profile_path();
    forget_warnings();
    assert_ok(rt_choices_create(&choices, &info));
    if (rt_choices_count(choices) != 0)
        fail_msg("%zu choices were read where this was expected: %s", rt_choices_count(choices),
                 reason);
    rt_choices_destroy(choices);
    assert_warned(1, path);
    assert_warned(1, reason);
    free(path);
}

static void cut_off_profiles_are_ignored(void **state)
{
    (void)state;
    char *path = profile_path(), *bytes;
    size_t size;
    write_two();
    assert_ok(rt_file_read(path, SIZE_MAX, &bytes, &size));
    for (size_t length = 0; length + 2 < size; length += length < 64 ? 1 : 37) {
        assert_ok(rt_file_write(path, bytes, length));
        assert_ignored("is damaged");
    }
    assert_int_equal(truncate(path, 5 << 20), 0);
    assert_ignored("larger than");
    assert_int_equal(remove(path), 0);
    assert_ok(rt_folder_create(path));
    assert_ignored("cannot read");
    assert_int_equal(rmdir(path), 0);
    free(bytes);
    free(path);
}

/* The profile with the first `old` replaced. */
static void write_changed(const char *old, const char *new)
{
    char *path = profile_path(), *bytes, *changed;
    size_t size;
    write_two();
    assert_ok(rt_file_read(path, SIZE_MAX, &bytes, &size));
    char *place = strstr(bytes, old);
    if (!place)
        fail_msg("'%s' is not in the profile '%s'", old, bytes);
    assert_ok(
        rt_format(&changed, "%.*s%s%s", (int)(place - bytes), bytes, new, place + strlen(old)));
    assert_ok(rt_file_write(path, changed, strlen(changed)));
    free(bytes);
    free(changed);
    free(path);
}

/* 100 000 keys that are compared with each other would take minutes. */
static void large_profiles_take_no_time(void **state)
{
    (void)state;
    enum { KEYS = 100000 };
    struct rt_choices *choices;
    char *many = malloc(64 * KEYS), *end = many;
    assert_non_null(many);
    end += sprintf(end, "\"choices\": {");
    for (int i = 0; i < KEYS; i++)
        end += sprintf(end, "\"%d\":{\"batch\":1,\"variants\":[]},", i);
    write_changed("\"choices\": {", many);
    const double before = rt_clock_seconds();
    assert_ok(rt_choices_create(&choices, &info));
    assert_true(rt_clock_seconds() - before < 20);
    assert_true(rt_choices_count(choices) > KEYS);
    rt_choices_destroy(choices);
    free(many);
}

static void damaged_and_foreign_profiles_are_ignored(void **state)
{
    (void)state;
    static const char *const changes[][3] = {
        {"\"format\": 1", "\"format\": 2", "format 1"},
        {"\"format\"", "\"fromat\"", "format 1"},
        {"2.3 beta", "2.4", "another device or driver than A (fast) device/1, 2.3 beta"},
        {"Some Platform", "Other", "another device"},
        {"\"kernels\": \"", "\"kernels\": \"0", "measured with the kernels of another version"},
        {"\"kernels\"", "\"colonels\"", "measured with the kernels of another version"},
        {"A (fast) device/1", "B", "another device"},
        {"\"choices\"", "\"chioces\"", "no choices"},
        {"\"direct\"", "7", "its choice for 'conv2d forward 3x16x16"},
        {"\"direct\"", "\"\"", "its choice for"},
        {"\"direct\"", "\"a name that is longer than any variant's\"", "its choice for"},
        {"\"batch\": 4", "\"batch\": 0", "its choice for"},
        {"\"batch\": 4", "\"batch\": \"4\"", "its choice for"},
        {"\"variants\"", "\"vairants\"", "its choice for"},
        {"0.25", "-0.25", "its choice for"},
        {"0.25", "\"fast\"", "its choice for"},
        {"0.25", "1e999", "is damaged"},
        {"", "", "its choice for"},
        {"stride 1\"", "stride 1, and a text after it that makes the key too long to be one\"",
         "its choice for"},
        {"direct",
         "dir\xff"
         "ct",
         "is damaged"},
        {"{", "[", "is damaged"},
    };
    for (size_t i = 0; i < RT_COUNT(changes); i++) {
        if (!*changes[i][0]) /* an empty key */
            write_changed(forward.key, "");
        else
            write_changed(changes[i][0], changes[i][1]);
        assert_ignored(changes[i][2]);
    }
    char *path = profile_path(), many[2048] = "\"variants\": [";
    for (int i = 0; i <= RT_CHOICE_VARIANTS; i++)
        strcat(many, "{\"name\": \"x\", \"seconds\": 1, \"error\": 0}, ");
    write_changed("\"variants\": [", many);
    assert_ignored("its choice for");
    assert_ok(rt_file_write(path, "null", 4));
    assert_ignored("is damaged");
    free(path);
}

static void a_key_may_be_known_to_have_no_choice(void **state)
{
    (void)state;
    struct rt_choices *choices;
    struct rt_choice nothing = backward;
    nothing.count = 0;
    write_two();
    assert_ok(rt_choices_create(&choices, &info));
    assert_ok(rt_choices_set(choices, &nothing));
    assert_ok(rt_choices_write(choices, &info));
    rt_choices_destroy(choices);
    forget_warnings();
    assert_ok(rt_choices_create(&choices, &info));
    assert_int_equal(warnings, 0);
    assert_int_equal(rt_choices_count(choices), 2);
    assert_int_equal(rt_choices_find(choices, backward.key)->count, 0);
    rt_choices_destroy(choices);
}

/* --- profiles that come with retort ------------------------------------------------------- */

static const struct rt_device_info pocl = {.platform_name = "Portable Computing Language",
                                           .name = "any",
                                           .driver = "any",
                                           .type = RT_DEVICE_CPU};

static bool is_gemm_set(const char *name)
{
    size_t i = 0;
    while (rt_gemm_set(i) && strcmp(rt_gemm_set(i), name) != 0)
        i++;
    return rt_gemm_set(i) != NULL;
}

/* What retort has a variant for. */
static void assert_sound(const struct rt_choice *choice)
{
    struct rt_conv2d attributes;
    struct rt_shape x;
    enum rt_conv2d_part part;
    assert_true(choice->count > 0);
    for (int i = 0; i < choice->count; i++) {
        if (strcmp(choice->key, RT_GEMM_KEY) == 0) {
            assert_true(is_gemm_set(choice->variants[i].name));
            continue;
        }
        assert_ok(rt_conv2d_parse_key(choice->key, &attributes, &x, &part));
        assert_non_null(rt_conv2d_find(choice->variants[i].name));
    }
}

static size_t count_choices(const struct rt_device_info *device)
{
    struct rt_choices *choices;
    assert_ok(rt_choices_create(&choices, device));
    size_t count = rt_choices_count(choices);
    rt_choices_destroy(choices);
    return count;
}

static void profiles_come_with_retort(void **state)
{
    (void)state;
    struct rt_choices *choices;
    struct rt_device_info gpu = pocl, other = pocl;
    gpu.type = RT_DEVICE_GPU;
    strcpy(other.platform_name, "Other");
    forget_warnings();
    assert_ok(rt_choices_create(&choices, &pocl));
    const size_t count = rt_choices_count(choices);
    assert_true(count > 0);
    for (size_t i = 0; i < count; i++) {
        assert_true(rt_choices_get(choices, i)->shipped);
        assert_sound(rt_choices_get(choices, i));
    }
    rt_choices_destroy(choices);
    assert_int_equal(count_choices(&gpu), 0);
    assert_int_equal(count_choices(&other), 0);
    setenv("RETORT_PROFILE_DIR", "", 1);
    assert_int_equal(count_choices(&pocl), 0);
    setenv("RETORT_PROFILE_DIR", folder, 1);
    assert_int_equal(warnings, 0);
}

static void the_device_s_own_profile_comes_first(void **state)
{
    (void)state;
    struct rt_choices *choices;
    char *path, *bytes;
    size_t size;
    assert_ok(rt_choices_create(&choices, &pocl));
    const size_t count = rt_choices_count(choices);
    struct rt_choice own = *rt_choices_get(choices, count - 1);
    own.shipped = false;
    own.count = 1;
    strcpy(own.variants[0].name, "plain");
    assert_ok(rt_choices_set(choices, &own));
    assert_ok(rt_choices_write(choices, &pocl));
    rt_choices_destroy(choices);

    assert_ok(rt_choices_create(&choices, &pocl));
    assert_int_equal(rt_choices_count(choices), count);
    assert_false(rt_choices_find(choices, own.key)->shipped);
    assert_string_equal(rt_choices_find(choices, own.key)->variants[0].name, "plain");
    rt_choices_destroy(choices);

    /* The others are not written, and stand where the device's own are damaged. */
    assert_ok(rt_choices_path(&pocl, &path));
    assert_ok(rt_file_read(path, SIZE_MAX, &bytes, &size));
    assert_non_null(strstr(bytes, own.key));
    assert_null(strstr(strstr(bytes, "\"batch\"") + 1, "\"batch\""));
    assert_ok(rt_file_write(path, bytes, size / 2));
    forget_warnings();
    assert_int_equal(count_choices(&pocl), count);
    assert_warned(1, "is damaged");
    assert_int_equal(remove(path), 0);
    free(bytes);
    free(path);
}

/* --- places ------------------------------------------------------------------------------- */

static void assert_place(const char *expected)
{
    char *path;
    assert_ok(rt_choices_path(&info, &path));
    if (expected)
        assert_string_equal(path, expected);
    else
        assert_null(path);
    free(path);
}

static void profiles_have_their_place(void **state)
{
    (void)state;
    struct rt_choices *choices;
    setenv("RETORT_PROFILE_DIR", "/somewhere", 1);
    assert_place("/somewhere/A_fast_device_1-2.3_beta.json");
    unsetenv("RETORT_PROFILE_DIR");
    setenv("XDG_CONFIG_HOME", "/settings", 1);
    setenv("HOME", "/home/me", 1);
    assert_place("/settings/retort/A_fast_device_1-2.3_beta.json");
    setenv("XDG_CONFIG_HOME", "settings", 1);
    assert_place("/home/me/.config/retort/A_fast_device_1-2.3_beta.json");
    setenv("HOME", "", 1);
    assert_place(NULL);
    setenv("RETORT_PROFILE_DIR", "", 1);
    setenv("HOME", "/home/me", 1);
    assert_place(NULL);
    assert_ok(rt_choices_create(&choices, &info));
    assert_fails(rt_choices_write(choices, &info), RT_ERROR_ARGUMENT, "RETORT_PROFILE_DIR");
    rt_choices_destroy(choices);
    setenv("RETORT_PROFILE_DIR", "/dev/null/profiles", 1);
    assert_ok(rt_choices_create(&choices, &info));
    assert_fails(rt_choices_write(choices, &info), RT_ERROR_IO, "/dev/null/profiles");
    rt_choices_destroy(choices);
    setenv("RETORT_PROFILE_DIR", folder, 1);
}

/* --- child processes ---------------------------------------------------------------------- */

static rt_status run_script(const char *script, double seconds, char **output)
{
    const char *const arguments[] = {"/bin/sh", "-c", script, NULL};
    return rt_child_run(arguments, seconds, true, output);
}

static void children_answer_or_are_told_about(void **state)
{
    (void)state;
    char *output;
    assert_ok(run_script("echo out; echo err >&2; cat; echo end", 60, &output));
    assert_string_equal(output, "out\nend\n");
    free(output);
    assert_ok(run_script("head -c 200000 /dev/zero | tr '\\0' x", 60, &output));
    assert_int_equal(strlen(output), 1 << 16); /* the rest is dropped */
    free(output);
    assert_fails(run_script("exit 3", 60, &output), RT_ERROR_IO, "exit status was 3");
    assert_null(output);
    assert_fails(run_script("kill -SEGV $$", 60, &output), RT_ERROR_IO, "ended by signal 11");
    const double before = rt_clock_seconds();
    assert_fails(run_script("exec sleep 600", 0.2, &output), RT_ERROR_IO, "within 0.2 seconds");
    assert_fails(run_script("exec sleep 600 >/dev/null", 0.2, &output), RT_ERROR_IO, "within 0.2");
    assert_true(rt_clock_seconds() - before < 300);
    const char *const nothing[] = {"/nowhere/at/all", NULL};
    assert_fails(rt_child_run(nothing, 60, true, &output), RT_ERROR_IO, "cannot be started");
    assert_ok(rt_program_path(&output));
    assert_string_equal(rt_path_name(output), "test-choices");
    free(output);
}

/* --- tuning: candidates are shell scripts ------------------------------------------------- */

#define KEY "conv2d forward 3x16x16 to 2, kernel 3, stride 1"

/* $2, $4, $6, $8 and ${10} are the key, batch, variant, seed and the best time so far. */
static const char candidates[] =
    "[ \"$1$3$5$7$9\" = --key--batch--variant--seed--best ] && [ \"$2\" = '" KEY
    "' ] && [ $4 = 3 ] || "
    "exit 9\n"
    "case $6-$8 in\n"
    "slow-*) echo '{\"seconds\": 3, \"error\": 0}';;\n"
    "fast-*) echo chatter; echo '{\"seconds\": 2, \"error\": 2e-5}';;\n"
    "wrong-*) echo '{\"seconds\": 1, \"error\": 2.1e-5}';;\n"
    "lucky-1) echo '{\"seconds\": 1, \"error\": 0}';;\n"
    "lucky-*) echo '{\"seconds\": 1, \"error\": 1}';;\n"
    "unbuilt-*) echo '{\"problem\": \"its kernel does not build\"}';;\n"
    "mute-*) echo '{\"seconds\": 1}';;\n"
    "crashing-*) kill -SEGV $$;;\n"
    "patient-1) [ ${10} = 2 ] && echo '{\"seconds\": 4, \"error\": 0}';;\n"
    "hanging-*) exec sleep 600;;\n"
    "esac\n";

static void tune(const char *const *names, int count, struct rt_choice *choice)
{
    const char *const command[] = {"/bin/sh", "-c", candidates, "sh", NULL};
    const struct rt_tuner tuner = {.command = command, .batch = 3, .seconds = 5, .quiet = true};
    forget_warnings();
    assert_ok(rt_tune(&tuner, KEY, names, count, choice));
    assert_string_equal(choice->key, KEY);
    assert_int_equal(choice->batch, 3);
}

static void the_fastest_right_candidate_is_chosen(void **state)
{
    (void)state;
    struct rt_choice choice;
    tune((const char *const[]){"slow", "fast"}, 2, &choice);
    assert_int_equal(choice.count, 2);
    assert_string_equal(choice.variants[0].name, "fast");
    assert_true(fabs(choice.variants[0].seconds - 2) + fabs(choice.variants[0].error - 2e-5) <
                1e-12);
    assert_string_equal(choice.variants[1].name, "slow");
    tune((const char *const[]){"slow", "fast", "patient"}, 3, &choice); /* told of the best */
    assert_int_equal(choice.count, 3);
    assert_string_equal(choice.variants[2].name, "patient");
    assert_int_equal(warnings, 0);
    tune((const char *const[]){"fast", "wrong", "slow"}, 3, &choice);
    assert_int_equal(choice.count, 2);
    assert_string_equal(choice.variants[0].name, "fast");
    assert_warned(1, "wrong is left out for " KEY ": its results are wrong by 2.1e-05");
    tune((const char *const[]){"slow", "lucky"}, 2, &choice); /* wrong on other data */
    assert_int_equal(choice.count, 1);
    assert_string_equal(choice.variants[0].name, "slow");
    assert_warned(1, "lucky is left out");
    tune((const char *const[]){"wrong"}, 1, &choice);
    assert_int_equal(choice.count, 0);
}

static void a_candidate_that_fails_costs_only_itself(void **state)
{
    (void)state;
    struct rt_choice choice;
    tune((const char *const[]){"crashing", "slow", "hanging", "unbuilt", "mute", "fast"}, 6,
         &choice);
    assert_int_equal(choice.count, 2);
    assert_string_equal(choice.variants[0].name, "fast");
    assert_string_equal(choice.variants[1].name, "slow");
    assert_warned(4, "crashing is left out for " KEY ": it was ended by signal 11");
    assert_warned(4, "hanging is left out for " KEY ": it did not end within 5 seconds");
    assert_warned(4, "unbuilt is left out for " KEY ": its kernel does not build");
    assert_warned(4, "mute is left out for " KEY ": it gave no answer");
}

static bool stop_at_once(void *user)
{
    assert_null(user);
    return true;
}

static void tuning_ends_in_time(void **state)
{
    (void)state;
    static const char *const names[] = {"fast", "hanging", "slow"};
    const char *const command[] = {"/bin/sh", "-c", candidates, "sh", NULL};
    struct rt_tuner tuner = {.command = command, .batch = 3, .seconds = 600, .quiet = true};
    struct rt_choice choice;
    const double start_time = rt_clock_seconds();
    forget_warnings();
    tuner.deadline = start_time + 1;
    assert_ok(rt_tune(&tuner, KEY, names, 3, &choice));
    assert_int_equal(choice.count, 0); /* slow was not compared */
    assert_true(rt_clock_seconds() - start_time < 300);
    tuner.deadline = start_time + 600;
    assert_ok(rt_tune(&tuner, KEY, names, 1, &choice));
    assert_int_equal(choice.count, 1);
    tuner.stop = stop_at_once;
    assert_ok(rt_tune(&tuner, KEY, names, 1, &choice));
    assert_int_equal(choice.count, 0);
    assert_int_equal(warnings, 0);
}

static void answers_are_one_line(void **state)
{
    (void)state;
    const struct rt_choice_variant measured = {"x", 0.5, 0.25};
    char *line = rt_tune_answer(RT_OK, &measured);
    assert_string_equal(line, "{\"seconds\":0.5,\"error\":0.25}");
    free(line);
    rt_fail(RT_ERROR_BUILD, "a log\nof \"lines\" \xff");
    line = rt_tune_answer(RT_ERROR_BUILD, &measured);
    assert_string_equal(line, "{\"problem\":\"a log\\nof \\\"lines\\\" ?\"}");
    free(line);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_read),
        cmocka_unit_test(what_others_write_is_kept),
        cmocka_unit_test(processes_share_a_profile),
        cmocka_unit_test(cut_off_profiles_are_ignored),
        cmocka_unit_test(large_profiles_take_no_time),
        cmocka_unit_test(damaged_and_foreign_profiles_are_ignored),
        cmocka_unit_test(a_key_may_be_known_to_have_no_choice),
        cmocka_unit_test(profiles_come_with_retort),
        cmocka_unit_test(the_device_s_own_profile_comes_first),
        cmocka_unit_test(profiles_have_their_place),
        cmocka_unit_test(children_answer_or_are_told_about),
        cmocka_unit_test(the_fastest_right_candidate_is_chosen),
        cmocka_unit_test(a_candidate_that_fails_costs_only_itself),
        cmocka_unit_test(tuning_ends_in_time),
        cmocka_unit_test(answers_are_one_line),
    };
    return cmocka_run_group_tests(tests, start, end);
}
