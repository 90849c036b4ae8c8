#include "test.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/hash.h"
#include "base/memory.h"
#include "device/program_cache.h"
#include "ops/check.h"

/* --- a folder of kernels and one for what is compiled from them --------------------------- */

static char kernels[] = "/tmp/retort-kernels-XXXXXX", cache[] = "/tmp/retort-cache-XXXXXX";

static void write_text(const char *folder, const char *name, const char *text)
{
    char *path;
    assert_ok(rt_path_join(&path, folder, name));
    assert_ok(rt_file_write(path, text, strlen(text)));
    free(path);
}

/* The number of files in a folder; *path (released by free()) is one of them or NULL. */
static int list(const char *folder, char **path)
{
    int count = 0;
    DIR *stream = opendir(folder);
    assert_non_null(stream);
    *path = NULL;
    for (struct dirent *file; (file = readdir(stream));) {
        if (file->d_name[0] == '.')
            continue;
        free(*path);
        assert_ok(rt_path_join(path, folder, file->d_name));
        count++;
    }
    closedir(stream);
    return count;
}

static void empty(const char *folder)
{
    char *path;
    while (list(folder, &path) > 0) {
        assert_int_equal(remove(path), 0);
        free(path);
    }
}

/* The only entry of the cache. */
static char *entry_path(void)
{
    char *path;
    assert_int_equal(list(cache, &path), 1);
    return path;
}

#define COMMON "#define BASE 1\n"
#define SCALE                                                                                      \
    "__kernel void scale(__global int *to)\n"                                                      \
    "{\n"                                                                                          \
    "    to[get_global_id(0)] = BASE + FACTOR * (int)get_global_id(0);\n"                          \
    "}\n"

/* --- programs compiled and loaded --------------------------------------------------------- */

static int built, loaded; /* as the log says */
static char reason[512];  /* why an entry was not loaded */

static void count_programs(void *user, enum rt_log_level level, const char *message)
{
    (void)user;
    (void)level;
    built += strncmp(message, "built ", 6) == 0;
    loaded += strncmp(message, "loaded ", 7) == 0;
    if (strncmp(message, "compiling again: ", 17) == 0)
        snprintf(reason, sizeof reason, "%s", message + 17);
}

#define ITEMS 8

static rt_status scale(struct rt_device *device, int factor, int32_t *to)
{
    rt_status status = RT_OK;
    struct rt_buffer *buffer = NULL;
    char options[32];
    snprintf(options, sizeof options, "-DFACTOR=%d", factor);
    RT_TRY(rt_buffer_create(&buffer, device, ITEMS * sizeof *to));
    RT_TRY(
        RT_LAUNCH(device, "scale.cl", "scale", options, (ITEMS, 1, 1), rt_buffer_argument(buffer)));
    status = rt_buffer_read(buffer, 0, ITEMS * sizeof *to, to);
end:
    rt_buffer_destroy(buffer);
    return status;
}

/* Opens the device anew, as another process would, and runs the kernel: its program is built or
 * loaded as `expected` ("built", "loaded") says. */
static void check_scale(size_t index, int base, int factor, const char *expected)
{
    int32_t got[ITEMS];
    struct rt_device *device = check_device(index);
    built = loaded = 0;
    assert_ok(scale(device, factor, got));
    rt_device_close(device);
    for (int i = 0; i < ITEMS; i++)
        assert_int_equal(got[i], base + factor * i);
    assert_string_equal(built == 1 && loaded == 0   ? "built"
                        : built == 0 && loaded == 1 ? "loaded"
                                                    : "neither",
                        expected);
}

/* Runs a check on every device with an empty cache. */
static void on_devices(void (*check)(size_t index))
{
    struct rt_device *device;
    check_any_device();
    for (size_t i = 0; (device = check_device(i)); i++) {
        rt_device_close(device);
        empty(cache);
        check(i);
    }
}

static int start(void **state)
{
    (void)state;
    assert_non_null(mkdtemp(kernels));
    assert_non_null(mkdtemp(cache));
    write_text(kernels, "common.cl", COMMON);
    write_text(kernels, "scale.cl", SCALE);
    setenv("RETORT_CL_DIR", kernels, 1);
    setenv("RETORT_CACHE_DIR", cache, 1);
    rt_log_set(count_programs, NULL);
    return 0;
}

static int end(void **state)
{
    (void)state;
    unsetenv("RETORT_CL_DIR");
    empty(kernels);
    empty(cache);
    return rmdir(kernels) | rmdir(cache);
}

/* --- tests -------------------------------------------------------------------------------- */

#define PROCESSES 3
#define PROGRAMS 3

/* The exit status of a process that runs every program on the first device. */
static int run_programs(void)
{
    struct rt_device *device = NULL;
    int32_t got[ITEMS] = {0};
    if (rt_device_open(&device, "0") < 0)
        return 2;
    for (int factor = 1; factor <= PROGRAMS; factor++) {
        if (scale(device, factor, got) < 0)
            return 1;
        for (int i = 0; i < ITEMS; i++)
            if (got[i] != 1 + factor * i)
                return 1;
    }
    rt_device_close(device);
    return 0;
}

/* Comes first: a process that has used OpenCL must not fork. */
static void processes_share_a_folder(void **state)
{
    (void)state;
    pid_t processes[PROCESSES];
    int result, failed = 0, without = 0;
    for (int i = 0; i < PROCESSES; i++) {
        processes[i] = fork();
        assert_true(processes[i] >= 0);
        if (processes[i] == 0)
            _exit(run_programs());
    }
    for (int i = 0; i < PROCESSES; i++) {
        assert_int_equal(waitpid(processes[i], &result, 0), processes[i]);
        without += WIFEXITED(result) && WEXITSTATUS(result) == 2;
        failed += !WIFEXITED(result) || WEXITSTATUS(result) == 1;
    }
    assert_int_equal(failed, 0);
    check_any_device();
    assert_int_equal(without, 0);
    char *path;
    assert_int_equal(list(cache, &path), PROGRAMS); /* and no temporary file */
    free(path);
}

static void check_hits(size_t index)
{
    check_scale(index, 1, 3, "built");
    check_scale(index, 1, 3, "loaded");
    check_scale(index, 1, 4, "built");
    check_scale(index, 1, 4, "loaded");
    check_scale(index, 1, 3, "loaded");
    write_text(kernels, "common.cl", "#define BASE 7\n");
    check_scale(index, 7, 3, "built");
    write_text(kernels, "common.cl", COMMON);
    write_text(kernels, "scale.cl", SCALE "\n");
    check_scale(index, 1, 3, "built");
    write_text(kernels, "scale.cl", SCALE);
    check_scale(index, 1, 3, "loaded");
}

static void a_program_is_built_once(void **state)
{
    (void)state;
    on_devices(check_hits);
}

/* These bytes in the place of the only entry are not loaded but replaced. */
static void check_replaced(size_t index, const char *path, const char *bytes, size_t size)
{
    assert_ok(rt_file_write(path, bytes, size));
    check_scale(index, 1, 3, "built");
    check_scale(index, 1, 3, "loaded");
}

/* Of an entry's file: 16 bytes of magic, the lengths of key and binary, a checksum. */
#define KEY_BYTES 16
#define BINARY_BYTES 24
#define CHECKSUM 32
#define HEADER_BYTES 40

static void check_damage(size_t index)
{
    char *bytes;
    size_t size;
    uint64_t key_bytes;
    check_scale(index, 1, 3, "built");
    char *path = entry_path();
    assert_ok(rt_file_read(path, SIZE_MAX, &bytes, &size));
    memcpy(&key_bytes, bytes + KEY_BYTES, sizeof key_bytes);
    const size_t key = HEADER_BYTES, binary = key + (size_t)key_bytes;
    const size_t lengths[] = {0,          1,      15,         16,           39,      40,
                              binary - 1, binary, binary + 1, binary + 100, size - 1};
    for (size_t i = 0; i < RT_COUNT(lengths); i++)
        check_replaced(index, path, bytes, lengths[i]);
    assert_int_equal(bytes[size], 0);
    check_replaced(index, path, bytes, size + 1); /* something after the binary */
    const size_t places[] = {
        0,   15,         KEY_BYTES, KEY_BYTES + 7, BINARY_BYTES, CHECKSUM,
        key, binary - 1, binary,    size - 1,      binary + 60,  BINARY_BYTES + 7};
    for (size_t i = 0; i < RT_COUNT(places); i++) {
        bytes[places[i]] ^= 4;
        check_replaced(index, path, bytes, size);
        bytes[places[i]] ^= 4;
    }
    free(bytes);
    free(path);
}

static void damaged_entries_are_built_again(void **state)
{
    (void)state;
    on_devices(check_damage);
}

static void check_foreign(size_t index)
{
    char *other, *bytes;
    size_t size;
    check_scale(index, 1, 4, "built");
    other = entry_path();
    assert_ok(rt_file_read(other, SIZE_MAX, &bytes, &size));
    assert_int_equal(remove(other), 0);
    free(other);
    check_scale(index, 1, 3, "built");
    char *path = entry_path();
    check_replaced(index, path, bytes, size); /* whole, but of another key */
    free(bytes);
    /* Whole, of this key, and no program. */
    assert_ok(rt_file_read(path, SIZE_MAX, &bytes, &size));
    uint64_t key_bytes, checksum;
    memcpy(&key_bytes, bytes + KEY_BYTES, sizeof key_bytes);
    char *binary = bytes + HEADER_BYTES + key_bytes;
    const size_t binary_bytes = size - HEADER_BYTES - (size_t)key_bytes;
    memset(binary, 'x', binary_bytes);
    checksum = rt_hash(binary, binary_bytes);
    memcpy(bytes + CHECKSUM, &checksum, sizeof checksum);
    check_replaced(index, path, bytes, size);
    free(bytes);
    assert_int_equal(truncate(path, (65 << 20)), 0);
    check_scale(index, 1, 3, "built");
    assert_non_null(strstr(reason, "larger than"));
    check_scale(index, 1, 3, "loaded");
    free(path);
}

static void foreign_entries_are_built_again(void **state)
{
    (void)state;
    on_devices(check_foreign);
}

static void check_unwritable(size_t index)
{
    char *path, *below;
    check_scale(index, 1, 3, "built");
    path = entry_path();
    assert_int_equal(remove(path), 0);
    assert_ok(rt_folder_create(path)); /* a folder in the place of the entry */
    check_scale(index, 1, 3, "built");
    assert_int_equal(rmdir(path), 0);
    assert_ok(rt_file_write(path, "", 0)); /* a file in the place of the folder */
    assert_ok(rt_path_join(&below, path, "retort"));
    setenv("RETORT_CACHE_DIR", below, 1);
    check_scale(index, 1, 3, "built");
    setenv("RETORT_CACHE_DIR", cache, 1);
    assert_int_equal(remove(path), 0);
    free(path);
    free(below);
    assert_int_equal(chmod(cache, 0555), 0);
    check_scale(index, 1, 3, "built");
    assert_int_equal(list(cache, &path), geteuid() == 0); /* root writes where it may not */
    assert_int_equal(chmod(cache, 0755), 0);
    free(path);
}

static void a_folder_that_cannot_be_written_is_no_error(void **state)
{
    (void)state;
    on_devices(check_unwritable);
}

/* A file that takes so many bytes, last used at this time. */
static char *make_old(const char *name, off_t bytes, time_t used)
{
    char *path;
    const struct timespec times[2] = {{.tv_sec = used}, {.tv_sec = used}};
    write_text(cache, name, "");
    assert_ok(rt_path_join(&path, cache, name));
    assert_int_equal(truncate(path, bytes), 0); /* none of it on the disk */
    assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
    return path;
}

static void check_bounded(size_t index)
{
    const off_t third = (off_t)RT_PROGRAM_CACHE_BYTES / 3;
    char *first, *others[4];
    check_scale(index, 1, 3, "built");
    first = entry_path();
    const struct timespec long_ago[2] = {{.tv_sec = 1}, {.tv_sec = 1}};
    assert_int_equal(utimensat(AT_FDCWD, first, long_ago, 0), 0);
    check_scale(index, 1, 3, "loaded"); /* now it is the last one used */
    others[0] = make_old("0000000000000001.bin", third, 2000);
    others[1] = make_old("0000000000000002.bin.123.tmp", third, 1000);
    others[2] = make_old("0000000000000003.bin", third, 3000);
    others[3] = make_old("notes.bin", third, 500); /* not ours */
    check_scale(index, 1, 4, "built");
    assert_false(rt_path_exists(others[1]));
    assert_true(rt_path_exists(others[0]) && rt_path_exists(others[2]) &&
                rt_path_exists(others[3]));
    free(others[1]);
    others[1] = make_old("0000000000000004.bin", 2 * third, 4000);
    check_scale(index, 1, 5, "built");
    assert_false(rt_path_exists(others[0]) || rt_path_exists(others[2]));
    assert_true(rt_path_exists(others[1]) && rt_path_exists(others[3]));
    check_scale(index, 1, 3, "loaded");
    check_scale(index, 1, 4, "loaded");
    check_scale(index, 1, 5, "loaded");
    for (int i = 0; i < 4; i++)
        free(others[i]);
    free(first);
}

static void the_folder_does_not_grow_forever(void **state)
{
    (void)state;
    on_devices(check_bounded);
}

static void check_disabled(size_t index)
{
    char *path;
    setenv("RETORT_CACHE_DIR", "", 1);
    check_scale(index, 1, 3, "built");
    check_scale(index, 1, 3, "built");
    setenv("RETORT_CACHE_DIR", cache, 1);
    assert_int_equal(list(cache, &path), 0);
}

static void an_empty_name_disables_the_cache(void **state)
{
    (void)state;
    on_devices(check_disabled);
}

static void assert_folder(const char *platform, const char *expected)
{
    struct rt_device_info info = {0};
    char *folder;
    snprintf(info.platform_name, sizeof info.platform_name, "%s", platform);
    assert_ok(rt_program_cache_folder(&info, &folder));
    if (expected)
        assert_string_equal(folder, expected);
    else
        assert_null(folder);
    free(folder);
}

static void the_folder_is_the_users(void **state)
{
    (void)state;
    char *home = strdup(getenv("HOME") ? getenv("HOME") : "");
    setenv("HOME", "/home/a", 1);
    unsetenv("XDG_CACHE_HOME");
    unsetenv("RETORT_CACHE_DIR");
    assert_folder("rusticl", "/home/a/.cache/retort");
    setenv("XDG_CACHE_HOME", "/b", 1);
    assert_folder("Intel(R) OpenCL Graphics", "/b/retort");
    assert_folder("NVIDIA CUDA", NULL);
    assert_folder("Portable Computing Language", NULL);
    setenv("XDG_CACHE_HOME", "b", 1);
    assert_folder("rusticl", "/home/a/.cache/retort");
    setenv("RETORT_CACHE_DIR", "c/d", 1);
    assert_folder("rusticl", "c/d");
    assert_folder("NVIDIA CUDA", "c/d");
    setenv("RETORT_CACHE_DIR", "", 1);
    assert_folder("rusticl", NULL);
    unsetenv("RETORT_CACHE_DIR");
    unsetenv("XDG_CACHE_HOME");
    unsetenv("HOME");
    assert_folder("rusticl", NULL);
    setenv("HOME", home, 1);
    setenv("RETORT_CACHE_DIR", cache, 1);
    free(home);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(processes_share_a_folder),
        cmocka_unit_test(a_program_is_built_once),
        cmocka_unit_test(damaged_entries_are_built_again),
        cmocka_unit_test(foreign_entries_are_built_again),
        cmocka_unit_test(a_folder_that_cannot_be_written_is_no_error),
        cmocka_unit_test(the_folder_does_not_grow_forever),
        cmocka_unit_test(an_empty_name_disables_the_cache),
        cmocka_unit_test(the_folder_is_the_users),
    };
    return cmocka_run_group_tests(tests, start, end);
}
