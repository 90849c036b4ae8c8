#include "test.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"
#include "device/internal.h"
#include "device/tensor.h"
#include "ops/check.h"

/* --- the list and the choice -------------------------------------------------------------- */

static void devices_describe_themselves(void **state)
{
    (void)state;
    check_any_device();
    struct rt_device_info *devices;
    size_t count;
    assert_ok(rt_device_list(&devices, &count));
    for (size_t i = 0; i < count; i++) {
        const struct rt_device_info *info = &devices[i];
        assert_int_equal(info->index, i);
        assert_true(info->name[0] && info->platform_name[0] && info->version[0]);
        assert_true(info->units > 0 && info->group_size > 0 && info->group_sizes[0] > 0);
        assert_true(info->buffer_bytes > 0 && info->buffer_bytes <= info->memory_bytes);
    }
    free(devices);
}

/* Two platforms: an integrated GPU and a CPU, then a broken GPU and two discrete ones. */
static const struct rt_device_info machine[] = {
    {.index = 0,
     .platform = 0,
     .device = 0,
     .platform_name = "Intel(R) OpenCL",
     .name = "UHD 630",
     .type = RT_DEVICE_GPU,
     .integrated = true},
    {.index = 1,
     .platform = 0,
     .device = 1,
     .platform_name = "Intel(R) OpenCL",
     .name = "Core(TM) i5",
     .type = RT_DEVICE_CPU,
     .integrated = true},
    {.index = 2,
     .platform = 1,
     .device = 0,
     .platform_name = "NVIDIA CUDA",
     .name = "Quadro",
     .type = RT_DEVICE_GPU,
     .problem = "its driver has no compiler"},
    {.index = 3,
     .platform = 1,
     .device = 1,
     .platform_name = "NVIDIA CUDA",
     .name = "RTX 3060",
     .type = RT_DEVICE_GPU},
    {.index = 4,
     .platform = 1,
     .device = 2,
     .platform_name = "NVIDIA CUDA",
     .name = "GTX 1060",
     .type = RT_DEVICE_GPU},
};

/* The index that `which` selects among the first `count` devices of the machine. */
static size_t selected(size_t count, const char *which)
{
    size_t index = SIZE_MAX;
    assert_ok(rt_device_select(machine, count, which, &index));
    return index;
}

static void devices_are_chosen_by_kind_and_name(void **state)
{
    (void)state;
    unsetenv("RETORT_DEVICE");
    assert_int_equal(selected(5, NULL), 3);
    assert_int_equal(selected(3, ""), 0);
    assert_int_equal(rt_device_select(&machine[1], 1, NULL, &(size_t){0}), RT_OK);
    assert_int_equal(selected(5, "1"), 1);
    assert_int_equal(selected(5, "1:2"), 4);
    assert_int_equal(selected(5, "cpu"), 1);
    assert_int_equal(selected(5, "GPU"), 3);
    assert_int_equal(selected(3, "gpu"), 0);
    assert_int_equal(selected(5, "gtx"), 4);
    assert_int_equal(selected(5, "intel"), 0);
    assert_int_equal(selected(5, "quadro"), 2);
    setenv("RETORT_DEVICE", "i5", 1);
    assert_int_equal(selected(5, NULL), 1);
    assert_int_equal(selected(5, "4"), 4);
    unsetenv("RETORT_DEVICE");
    size_t index;
    assert_fails(rt_device_select(machine, 5, "radeon", &index), RT_ERROR_ARGUMENT, "'radeon'");
    assert_fails(rt_device_select(machine, 5, "7", &index), RT_ERROR_ARGUMENT,
                 "1 (cpu, Core(TM) i5)");
    assert_fails(rt_device_select(NULL, 0, NULL, &index), RT_ERROR_DEVICE, "no OpenCL device");
}

static void devices_open_by_name(void **state)
{
    (void)state;
    check_any_device();
    struct rt_device *device;
    assert_ok(rt_device_open(&device, "0:0"));
    assert_int_equal(rt_device_describe(device)->index, 0);
    rt_device_close(device);
    rt_device_close(NULL);
    assert_fails(rt_device_open(&device, "no such device"), RT_ERROR_ARGUMENT, "there is: 0 (");
    assert_null(device);
}

/* --- buffers ------------------------------------------------------------------------------ */

static void check_buffers(struct rt_device *device)
{
    struct rt_buffer *a, *b;
    uint32_t words[16], more[16];
    assert_ok(rt_buffer_create(&a, device, 64));
    assert_ok(rt_buffer_create(&b, device, 64));
    assert_ok(rt_buffer_fill(a, 0, 64, 7));
    assert_ok(rt_buffer_fill(a, 4, 8, 9));
    assert_ok(rt_buffer_copy(b, 8, a, 0, 56));
    assert_ok(rt_buffer_write(b, 0, 8, (uint32_t[]){1, 2}));
    assert_ok(rt_buffer_read(b, 0, 64, words));
    for (int i = 0; i < 16; i++)
        assert_int_equal(words[i], i == 0 ? 1 : i == 1 ? 2 : i == 3 || i == 4 ? 9 : 7);
    const struct rt_rows rows = {.offset = 4, .bytes = 8, .count = 4, .pitch = 16};
    for (uint32_t i = 0; i < 8; i++)
        more[i] = 100 + i;
    assert_ok(rt_buffer_write_rows(b, &rows, more));
    assert_ok(rt_buffer_read(b, 0, 64, words));
    assert_int_equal(words[1], 100);
    assert_int_equal(words[3], 9);
    assert_int_equal(words[14], 107);
    memset(more, 0, sizeof more);
    assert_ok(rt_buffer_read_rows(b, &rows, more));
    assert_int_equal(more[7], 107);
    assert_fails(rt_buffer_read(a, 60, 8, words), RT_ERROR_ARGUMENT, "60 + 8");
    assert_fails(rt_buffer_write(a, SIZE_MAX, 8, words), RT_ERROR_ARGUMENT, "outside");
    assert_fails(rt_buffer_fill(a, 64, 4, 0), RT_ERROR_ARGUMENT, "outside");
    assert_fails(rt_buffer_copy(a, 8, b, 0, 64), RT_ERROR_ARGUMENT, "outside");
    assert_fails(rt_buffer_read_rows(a, &(struct rt_rows){16, 8, 4, 16}, words), RT_ERROR_ARGUMENT,
                 "outside");
    assert_fails(rt_buffer_read_rows(a, &(struct rt_rows){0, 8, SIZE_MAX, 16}, words),
                 RT_ERROR_ARGUMENT, "do not fit");
    assert_ok(rt_buffer_read(a, 64, 0, words));
    rt_buffer_destroy(a);
    rt_buffer_destroy(b);
    rt_buffer_destroy(NULL);
}

static void check_accounting(struct rt_device *device)
{
    struct rt_buffer *a, *b;
    rt_device_reset_peak(device);
    assert_int_equal(rt_device_peak_bytes(device), 0);
    assert_ok(rt_buffer_create(&a, device, 1000));
    assert_ok(rt_buffer_create(&b, device, 500));
    rt_buffer_destroy(a);
    assert_ok(rt_buffer_create(&a, device, 200));
    assert_int_equal(rt_device_peak_bytes(device), 1500);
    rt_device_reset_peak(device);
    assert_int_equal(rt_device_peak_bytes(device), 700);
    rt_buffer_destroy(a);
    rt_buffer_destroy(b);
    size_t most = rt_device_describe(device)->buffer_bytes;
    assert_fails(rt_buffer_create(&a, device, most + 1), RT_ERROR_DEVICE, "smaller batch");
    assert_null(a);
    assert_int_equal(rt_device_peak_bytes(device), 700);
}

static void check_tensors(struct rt_device *device)
{
    struct rt_tensor tensor;
    float from[2 * 3 * 64 * 16], to[RT_COUNT(from)];
    for (size_t i = 0; i < RT_COUNT(from); i++)
        from[i] = (float)i;
    assert_ok(rt_tensor_init(&tensor, device, (struct rt_shape){2, 3, 64, 16}));
    assert_true(tensor.plane > 64 * 16); /* not a page apart */
    assert_ok(rt_tensor_write(&tensor, from));
    assert_ok(rt_tensor_read(&tensor, to));
    assert_memory_equal(from, to, sizeof from);
    rt_tensor_finish(&tensor);
}

/* --- kernels ------------------------------------------------------------------------------ */

static const char counting[] =
    "__kernel void count(__global int *to, int width, int height, __local int *room)\n"
    "{\n"
    "    const int i = get_global_id(0), j = get_global_id(1);\n"
    "    room[0] = 0;\n"
    "    if (i < width && j < height)\n"
    "        to[j * width + i] += STEP + get_global_id(2);\n"
    "}\n";

/* Adds to its own place one more than that place's number. */
static const char placing[] =
    "__kernel void place(__global int *to)\n"
    "{\n"
    "    const int at = ((int)get_global_id(2) * 16 + (int)get_global_id(1)) * 512 +\n"
    "                   (int)get_global_id(0);\n"
    "    to[at] += at + 1;\n"
    "}\n";

/* A folder with common.cl, a kernel that works and one that does not; see RETORT_CL_DIR. */
static char folder[] = "/tmp/retort-test-XXXXXX";
static const char *const files[][2] = {{"common.cl", "\n"},
                                       {"count.cl", counting},
                                       {"place.cl", placing},
                                       {"bad.cl", "__kernel void bad() { int x = y; }\n"}};

static int write_kernels(void **state)
{
    (void)state;
    assert_non_null(mkdtemp(folder));
    for (size_t i = 0; i < RT_COUNT(files); i++) {
        char *path;
        assert_ok(rt_path_join(&path, folder, files[i][0]));
        assert_ok(rt_file_write(path, files[i][1], strlen(files[i][1])));
        free(path);
    }
    setenv("RETORT_CL_DIR", folder, 1);
    return 0;
}

static int remove_kernels(void **state)
{
    (void)state;
    unsetenv("RETORT_CL_DIR");
    for (size_t i = 0; i < RT_COUNT(files); i++) {
        char *path;
        assert_ok(rt_path_join(&path, folder, files[i][0]));
        unlink(path);
        free(path);
    }
    return rmdir(folder);
}

static rt_status count(struct rt_device *device, struct rt_buffer *to, int width, int height,
                       const char *options)
{
    return RT_LAUNCH(device, "count.cl", "count", options, (width, height, 1),
                     rt_buffer_argument(to), rt_int(width), rt_int(height), rt_local(16));
}

static void check_launches(struct rt_device *device)
{
    static const int sizes[][2] = {{1, 1}, {3, 1}, {1, 67}, {13, 17}, {127, 3}, {64, 2}, {65, 9}};
    int32_t got[127 * 17];
    struct rt_buffer *to;
    assert_ok(rt_buffer_create(&to, device, sizeof got));
    for (size_t i = 0; i < RT_COUNT(sizes); i++) {
        int width = sizes[i][0], height = sizes[i][1];
        assert_ok(rt_buffer_fill(to, 0, sizeof got, 0));
        assert_ok(count(device, to, width, height, "-DSTEP=1"));
        assert_ok(count(device, to, width, height, "-DSTEP=2"));
        assert_ok(rt_buffer_read(to, 0, sizeof got, got));
        for (int j = 0; j < (int)RT_COUNT(got); j++)
            assert_int_equal(got[j], j < width * height ? 3 : 0);
    }
    rt_buffer_destroy(to);
}

/* The commands that a launch of 64 x 16 x 4 groups, said to have `flops`, is queued as, where one
 * may have 100. */
static long count_slices(struct rt_device *device, struct rt_buffer *to, double flops)
{
    const struct rt_profile_entry *entries;
    size_t entry_count;
    assert_ok(rt_profile_start(device));
    assert_ok(rt_profile_label(device, "count", flops, 0));
    assert_ok(
        RT_LAUNCH(device, "place.cl", "place", NULL, (64 * 8, 16, 4), rt_buffer_argument(to)));
    assert_ok(rt_profile_label(device, "other", 0, 0));
    assert_ok(rt_profile_stop(device, &entries, &entry_count));
    assert_string_equal(entries[1].label, "count");
    return entries[1].launches;
}

static void check_slices(struct rt_device *device)
{
    static int32_t got[64 * 8 * 16 * 4];
    static const struct {
        double flops;
        long slices;
    } cases[] = {{0, 1}, {100, 1}, {101, 2}, {1000, 16}, {1e5, 1024}, {1e9, 4096}};
    struct rt_buffer *to;
    assert_int_equal(rt_device_is_cpu(device), isinf(rt_device_slice(device)) != 0);
    rt_device_force(device, 4, 8);
    rt_device_force_slice(device, 100);
    assert_ok(rt_buffer_create(&to, device, sizeof got));
    for (size_t i = 0; i < RT_COUNT(cases); i++) {
        assert_ok(rt_buffer_fill(to, 0, sizeof got, 0));
        assert_int_equal(count_slices(device, to, cases[i].flops), cases[i].slices);
        assert_ok(rt_buffer_read(to, 0, sizeof got, got));
        for (int j = 0; j < (int)RT_COUNT(got); j++)
            assert_int_equal(got[j], j + 1); /* every place once */
    }
    rt_buffer_destroy(to);
}

/* The driver is told to start every sixteenth short command, and every long one. */
static void check_starts(struct rt_device *device)
{
    struct rt_buffer *to;
    assert_ok(rt_buffer_create(&to, device, 64));
    assert_ok(rt_buffer_fill(to, 0, 64, 0));
    rt_device_force_slice(device, 100);
    for (int i = 1; i <= 33; i++) {
        assert_ok(count(device, to, 4, 4, "-DSTEP=1"));
        assert_true(device->unflushed == i % 16 / 16.0);
    }
    assert_ok(rt_profile_label(device, "half", 50, 0));
    assert_ok(count(device, to, 1, 1, "-DSTEP=1"));
    assert_true(device->unflushed == 0.625);
    assert_ok(count(device, to, 1, 1, "-DSTEP=1"));
    assert_true(device->unflushed == 0);
    assert_ok(rt_device_finish(device));
    rt_buffer_destroy(to);
}

/* A rehearsal finds a kernel that does not build, builds one that does, and leaves buffers alone.
 */
static void check_rehearsals(struct rt_device *device)
{
    struct rt_buffer *to;
    int32_t got = 0;
    assert_ok(rt_buffer_create(&to, device, 64));
    assert_ok(rt_buffer_fill(to, 0, 64, 7));
    rt_device_rehearse(device, true);
    assert_ok(count(device, to, 4, 4, "-DSTEP=1"));
    assert_non_null(device->kernels);
    assert_fails(RT_LAUNCH(device, "bad.cl", "bad", NULL, (1, 1, 1)), RT_ERROR_BUILD, "bad.cl");
    rt_device_rehearse(device, false);
    assert_ok(rt_buffer_read(to, 0, sizeof got, &got));
    assert_int_equal(got, 7);
    assert_ok(count(device, to, 4, 4, "-DSTEP=1"));
    assert_ok(rt_buffer_read(to, 0, sizeof got, &got));
    assert_int_equal(got, 8);
    rt_buffer_destroy(to);
}

static void check_failures(struct rt_device *device)
{
    assert_fails(count(device, NULL, 1, 1, NULL), RT_ERROR_BUILD, "STEP");
    rt_status status = RT_LAUNCH(device, "bad.cl", "bad", "-DWHAT=7", (1, 1, 1), rt_int(1));
    assert_int_equal(status, RT_ERROR_BUILD);
    assert_non_null(strstr(rt_error_message(), "bad.cl does not build"));
    assert_non_null(strstr(rt_error_message(), "-DWHAT=7"));
    assert_non_null(strstr(rt_error_message(), "'y'")); /* the compiler's own words */
    assert_fails(RT_LAUNCH(device, "count.cl", "other", "-DSTEP=1", (1, 1, 1), rt_int(1)),
                 RT_ERROR_BUILD, "other");
    assert_fails(RT_LAUNCH(device, "none.cl", "none", NULL, (1, 1, 1), rt_int(1)), RT_ERROR_IO,
                 "none.cl");
    assert_fails(RT_LAUNCH(device, "count.cl", "count", "-DSTEP=1", (1, 1, 1), rt_int(1)),
                 RT_ERROR_DEVICE, "argument 0");
}

static void check_profile(struct rt_device *device)
{
    const struct rt_profile_entry *entries;
    size_t entry_count;
    struct rt_buffer *to;
    assert_ok(rt_buffer_create(&to, device, 64));
    assert_ok(rt_buffer_fill(to, 0, 64, 0));
    assert_ok(rt_profile_stop(device, &entries, &entry_count));
    assert_int_equal(entry_count, 0);
    for (int round = 0; round < 2; round++) {
        assert_ok(rt_profile_start(device));
        assert_ok(rt_profile_label(device, "first", 10, 100));
        assert_ok(count(device, to, 4, 4, "-DSTEP=1"));
        assert_ok(rt_profile_label(device, "second", 1, 2));
        assert_ok(count(device, to, 4, 4, "-DSTEP=1"));
        assert_ok(rt_profile_label(device, "first", 10, 100));
        assert_ok(count(device, to, 4, 4, "-DSTEP=1"));
        assert_ok(rt_profile_stop(device, &entries, &entry_count));
        assert_int_equal(entry_count, 3);
        assert_string_equal(entries[0].label, "other");
        assert_int_equal(entries[0].launches, 0);
        assert_string_equal(entries[1].label, "first");
        assert_int_equal(entries[1].launches, 2);
        assert_true(entries[1].flops == 20 && entries[1].bytes == 200);
        assert_true(entries[1].seconds > 0 && entries[1].seconds < 10);
        assert_int_equal(entries[2].launches, 1);
        assert_ok(count(device, to, 4, 4, "-DSTEP=1")); /* not collected */
    }
    rt_buffer_destroy(to);
}

/* Runs a check on every device. */
static void on_devices(void (*check)(struct rt_device *device))
{
    check_any_device();
    struct rt_device *device;
    for (size_t i = 0; (device = check_device(i)); i++) {
        check(device);
        rt_device_close(device);
    }
}

static void buffers(void **state)
{
    (void)state;
    on_devices(check_buffers);
}

static void memory_is_accounted_for(void **state)
{
    (void)state;
    on_devices(check_accounting);
}

static void tensors_keep_their_values(void **state)
{
    (void)state;
    on_devices(check_tensors);
}

static void launches_of_any_size(void **state)
{
    (void)state;
    on_devices(check_launches);
}

static void long_launches_are_queued_in_slices(void **state)
{
    (void)state;
    on_devices(check_slices);
}

static void what_is_queued_is_started(void **state)
{
    (void)state;
    on_devices(check_starts);
}

static void rehearsals_only_build(void **state)
{
    (void)state;
    on_devices(check_rehearsals);
}

static void failures_say_what_is_wrong(void **state)
{
    (void)state;
    on_devices(check_failures);
}

static void profiles_by_label(void **state)
{
    (void)state;
    on_devices(check_profile);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(devices_describe_themselves),
        cmocka_unit_test(devices_are_chosen_by_kind_and_name),
        cmocka_unit_test(devices_open_by_name),
        cmocka_unit_test(buffers),
        cmocka_unit_test(memory_is_accounted_for),
        cmocka_unit_test(tensors_keep_their_values),
        cmocka_unit_test(launches_of_any_size),
        cmocka_unit_test(long_launches_are_queued_in_slices),
        cmocka_unit_test(what_is_queued_is_started),
        cmocka_unit_test(rehearsals_only_build),
        cmocka_unit_test(failures_say_what_is_wrong),
        cmocka_unit_test(profiles_by_label),
    };
    return cmocka_run_group_tests(tests, write_kernels, remove_kernels);
}
