#include "test.h"

#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/duration.h"
#include "base/file.h"
#include "base/half.h"
#include "base/hash.h"
#include "base/lock.h"
#include "base/memory.h"
#include "base/parallel.h"
#include "base/random.h"
#include "base/real.h"
#include "base/size.h"
#include "base/word.h"
#include "data_files.h"

static void errors_carry_a_sentence(void **state)
{
    (void)state;
    assert_fails(rt_fail(RT_ERROR_IO, "cannot read %s", "x"), RT_ERROR_IO, "cannot read x");
    assert_fails(rt_fail_context(RT_ERROR_IO, "in %s: ", "y"), RT_ERROR_IO, "in y: cannot read x");
    assert_string_equal(rt_status_name(RT_ERROR_INTERRUPTED), "interrupted");
    assert_string_equal(rt_status_name((rt_status)7), "unknown");
}

static void expect_close(double got, double want)
{
    if (!(fabs(got - want) <= 1e-15 * fmax(fabs(want), 1)))
        fail_msg("%.17g, expected %.17g", got, want);
}

/* Close to libm's, and the same bits on every machine. */
static void functions_of_real_numbers(void **state)
{
    (void)state;
    enum { COUNT = 30000 };
    static double values[COUNT];
    struct rt_random random = rt_random_start(1, 2);
    for (int i = 0; i < COUNT; i += 3) {
        const double unit = (double)rt_random_unit(&random);
        values[i] = rt_cosine(8 * unit - 4);
        values[i + 1] = rt_logarithm(ldexp(1 - unit, i % 61 - 30));
        values[i + 2] = rt_power(1 - unit / 64, (uint64_t)(i % 300));
        expect_close(values[i], cos(6.283185307179586 * (8 * unit - 4 - floor(8 * unit - 4))));
        expect_close(values[i + 1], log(ldexp(1 - unit, i % 61 - 30)));
        assert_true(fabs(values[i + 2] / pow(1 - unit / 64, i % 300) - 1) < 1e-13);
    }
    assert_true(rt_cosine(0) == 1 && rt_cosine(0.25) == 0 && rt_cosine(-1.5) == -1);
    assert_true(rt_logarithm(1) == 0 && rt_power(0.5, 0) == 1 && rt_power(0.5, 3) == 0.125);
    assert_int_equal(rt_hash(values, sizeof values), 0xc7d4ec9eda8b215e);
    float normal[1000];
    for (int i = 0; i < 1000; i++)
        normal[i] = rt_random_normal(&random);
    assert_int_equal(rt_hash(normal, sizeof normal), 0x859c45e4b05424a8);
}

static void allocation_sizes_are_checked(void **state)
{
    (void)state;
    void *memory = NULL;
    assert_fails(rt_alloc(&memory, SIZE_MAX / 2, 3), RT_ERROR_MEMORY, "cannot allocate");
    assert_null(memory);
    int *items = NULL;
    size_t capacity = 0;
    assert_ok(rt_grow(&items, &capacity, 100, sizeof *items));
    assert_true(capacity >= 100);
    assert_int_equal(items[99], 0);
    free(items);
}

static void sizes_are_read_and_told(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t bytes;
        const char *told;
    } sizes[] = {
        {"1", 1, "1 bytes"},
        {"1023", 1023, "1023 bytes"},
        {"1K", 1024, "1 KiB"},
        {"1.5K", 1536, "1.5 KiB"},
        {"800M", 838860800, "800 MiB"},
        {"1023M", 1072693248, "0.999 GiB"},
        {"2G", (size_t)2 << 30, "2 GiB"},
        {"2000G", (size_t)2000 << 30, "1.95 TiB"},
    };
    static const char *const wrong[] = {"",    "0",   "0.5",  "-1",  "M",   "1m",
                                        "1MB", "1 M", "1e30", "nan", "inf", "0x10000000000000000",
                                        "lots"};
    for (size_t i = 0; i < RT_COUNT(sizes); i++) {
        size_t bytes;
        char told[RT_SIZE_TEXT];
        assert_ok(rt_size_parse("--x", sizes[i].text, &bytes));
        assert_int_equal(bytes, sizes[i].bytes);
        assert_string_equal(rt_size_text(told, bytes), sizes[i].told);
    }
    for (size_t i = 0; i < RT_COUNT(wrong); i++) {
        size_t bytes = 7;
        assert_fails(rt_size_parse("--x", wrong[i], &bytes), RT_ERROR_ARGUMENT, "--x takes a size");
        assert_int_equal(bytes, 7);
    }
}

static void times_are_told(void **state)
{
    (void)state;
    static const struct {
        double seconds;
        const char *told;
    } times[] = {
        {0, "0 s"},          {0.352, "0.35 s"},   {3.21, "3.2 s"},     {9.96, "10 s"},
        {59.4, "59 s"},      {59.6, "1 min 0 s"}, {200, "3 min 20 s"}, {3599, "59 min 59 s"},
        {3600, "1 h 0 min"}, {3719, "1 h 2 min"}, {86399, "1 d 0 h"},  {100000, "1 d 3 h"},
        {-1, "?"},           {NAN, "?"},          {INFINITY, "?"},
    };
    for (size_t i = 0; i < RT_COUNT(times); i++) {
        char told[RT_DURATION_TEXT];
        assert_string_equal(rt_duration_text(told, times[i].seconds), times[i].told);
    }
}

static void misspelt_words_are_guessed(void **state)
{
    (void)state;
    static const char *const words[] = {"train", "tune", "temperature", "batch",
                                        "ce",    "dice", NULL};
    static const struct {
        const char *text, *meant; /* NULL: none comes near */
    } cases[] = {
        {"trian", "train"},
        {"TRAIN", "train"},
        {"temp", "temperature"},
        {"batch-size", "batch"},
        {"tun", "tune"},
        {"temprature", "temperature"},
        {"dcie", "dice"},
        {"mse", NULL},
        {"x", NULL},
        {"", NULL},
        {"quite-another", NULL},
        {"rtain", "train"},
    };
    for (size_t i = 0; i < RT_COUNT(cases); i++) {
        const char *meant = rt_word_closest_of(cases[i].text, words);
        if (cases[i].meant)
            assert_string_equal(meant ? meant : "nothing", cases[i].meant);
        else
            assert_null(meant);
    }
    char text[RT_WORD_MEANT], longest[200] = "";
    memset(longest, 'a', sizeof longest - 1);
    const char *const huge[] = {longest, NULL};
    assert_string_equal(rt_word_meant(text, "--", "json"), "; did you mean --json?");
    assert_string_equal(rt_word_meant(text, "--", NULL), "");
    assert_string_equal(rt_word_closest_of(longest, words) ? "some" : "none", "none");
    assert_null(rt_word_closest_of("x", huge));
}

/* Known answers of the paper's reference implementation for philox4x32-10. */
static void philox_known_answers(void **state)
{
    (void)state;
    uint32_t words[4];
    rt_philox(0, (uint32_t[4]){0, 0, 0, 0}, words);
    assert_int_equal(words[0], 0x6627e8d5);
    assert_int_equal(words[1], 0xe169c58d);
    assert_int_equal(words[2], 0xbc57ac4c);
    assert_int_equal(words[3], 0x9b00dbd8);
    rt_philox(0xffffffffffffffff, (uint32_t[4]){~0u, ~0u, ~0u, ~0u}, words);
    assert_int_equal(words[0], 0x408f276d);
    assert_int_equal(words[1], 0x41c83b0e);
    assert_int_equal(words[2], 0xa20bc7c6);
    assert_int_equal(words[3], 0x6d5451fd);
}

static void hash_known_answers(void **state)
{
    (void)state;
    /* From the test vectors of the hash's authors. */
    assert_true(rt_hash("", 0) == 0xcbf29ce484222325u);
    assert_true(rt_hash("a", 1) == 0xaf63dc4c8601ec8cu);
    assert_true(rt_hash("foobar", 6) == 0x85944171f73967e8u);
}

static void random_sequences(void **state)
{
    (void)state;
    struct rt_random a = rt_random_start(7, 1), b = rt_random_start(7, 2);
    int differ = 0, seen[5] = {0};
    double sum = 0, squares = 0;
    for (int i = 0; i < 20000; i++) {
        seen[rt_random_below(&a, 5)]++;
        differ += rt_random_word(&a) != rt_random_word(&b);
        double value = (double)rt_random_normal(&a);
        sum += value;
        squares += value * value;
    }
    assert_true(differ > 19990);
    for (int i = 0; i < 5; i++)
        assert_in_range(seen[i], 3700, 4300);
    assert_true(sum / 20000 < 0.04 && sum / 20000 > -0.04);
    assert_true(squares / 20000 < 1.05 && squares / 20000 > 0.95);
    int items[50], present[50] = {0};
    for (int i = 0; i < 50; i++)
        items[i] = i;
    rt_random_shuffle(&a, items, 50, sizeof *items);
    for (int i = 0; i < 50; i++)
        present[items[i]]++;
    for (int i = 0; i < 50; i++)
        assert_int_equal(present[i], 1);
}

static void files_appear_whole_or_not_at_all(void **state)
{
    (void)state;
    char folder[] = "/tmp/retort-test-XXXXXX";
    assert_non_null(mkdtemp(folder));
    char *deep = NULL, *path = NULL, *bytes = NULL;
    size_t size;
    assert_ok(rt_path_join(&deep, folder, "a/b c"));
    assert_ok(rt_folder_create(deep));
    assert_ok(rt_folder_create(deep));
    assert_ok(rt_path_join(&path, deep, "file.txt"));
    assert_ok(rt_file_write(path, "hello", 5));
    struct rt_file_writer writer;
    assert_ok(rt_file_begin(&writer, path));
    fputs("half", writer.stream);
    rt_file_abandon(&writer);
    assert_ok(rt_file_read(path, 100, &bytes, &size));
    assert_int_equal(size, 5);
    assert_string_equal(bytes, "hello");
    free(bytes);
    assert_fails(rt_file_read(path, 4, &bytes, &size), RT_ERROR_FORMAT, "larger than 4 bytes");
    assert_fails(rt_file_read("/nowhere/x", 4, &bytes, &size), RT_ERROR_IO, "/nowhere/x");
    if (rt_path_exists("/dev/full"))
        assert_fails(rt_file_begin(&writer, "/dev/full/x"), RT_ERROR_IO, "/dev/full/x");
    assert_fails(rt_file_begin(&writer, "/dev/null"), RT_ERROR_IO, "not a regular file");
    assert_fails(rt_file_begin(&writer, deep), RT_ERROR_IO, "not a regular file");
    unlink(path);
    rmdir(deep);
    free(deep);
    free(path);
}

/* Pieces of work: each leaves its mark, and some fail. */
struct pieces {
    int marks[100];
    size_t fails; /* this piece and the next fail; 100: none */
    size_t slow;
};

static rt_status mark(void *work, size_t index)
{
    struct pieces *pieces = work;
    pieces->marks[index]++;
    if (index == pieces->slow)
        usleep(1000);
    if (index == pieces->fails || index == pieces->fails + 1)
        return rt_fail(RT_ERROR_IO, "piece %zu failed", index);
    return RT_OK;
}

static void work_is_shared_out(void **state)
{
    (void)state;
    for (size_t count = 0; count <= 100; count += count < 3 ? 1 : 97) {
        struct pieces pieces = {.fails = 100, .slow = 100};
        assert_ok(rt_parallel(count, mark, &pieces));
        for (size_t i = 0; i < 100; i++)
            assert_int_equal(pieces.marks[i], i < count);
    }
    for (size_t turn = 0; turn < 50; turn++) { /* either of the two comes late */
        struct pieces pieces = {.fails = 40, .slow = 40 + turn % 2};
        assert_fails(rt_parallel(100, mark, &pieces), RT_ERROR_IO, "piece 40 failed");
        for (size_t i = 0; i <= 40; i++)
            assert_int_equal(pieces.marks[i], 1);
    }
}

static void what_a_killed_writer_left_is_swept_away(void **state)
{
    (void)state;
    static const char *const names[] = {"a.csv.17.tmp", "a.csv.tmp", "a.csv.x.tmp", "b.csv.17.tmp",
                                        "a.csv.17.tmp~"};
    char folder[64];
    make_test_folder(folder);
    char *path = test_path(folder, "a.csv");
    for (size_t i = 0; i < RT_COUNT(names); i++) {
        char *other = test_path(folder, names[i]);
        write_text(other, "half");
        free(other);
    }
    assert_ok(rt_file_sweep(path));
    for (size_t i = 0; i < RT_COUNT(names); i++) {
        char *other = test_path(folder, names[i]);
        assert_int_equal(rt_path_exists(other), i > 0);
        free(other);
    }
    free(path);
    remove_test_folder(folder);
    assert_fails(rt_file_sweep("/nowhere/a.csv"), RT_ERROR_IO, "/nowhere");
}

/* A child that locks the folder, and then waits to be killed. */
static pid_t start_holder(const char *folder)
{
    int ends[2];
    char ready;
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        struct rt_lock lock = {0};
        if (rt_lock_folder(&lock, folder) == RT_OK && write(ends[1], "r", 1) == 1)
            pause();
        _exit(1);
    }
    close(ends[1]);
    assert_int_equal(read(ends[0], &ready, 1), 1);
    close(ends[0]);
    return child;
}

static void a_folder_is_locked_until_its_writer_ends(void **state)
{
    (void)state;
    char folder[64];
    struct rt_lock lock = {0}, second = {0};
    make_test_folder(folder);
    char *path = test_path(folder, ".lock");
    pid_t child = start_holder(folder);
    assert_fails(rt_lock_folder(&lock, folder), RT_ERROR_IO, "another process writes to it");
    assert_fails(rt_lock_folder(&lock, folder), RT_ERROR_IO, folder);
    kill(child, SIGKILL);
    assert_int_equal(waitpid(child, NULL, 0), child);
    assert_true(rt_path_exists(path));
    assert_ok(rt_lock_folder(&lock, folder));
    assert_ok(rt_lock_folder(&lock, folder));
    assert_fails(rt_lock_folder(&second, folder), RT_ERROR_IO, "another process");
    rt_lock_finish(&lock);
    assert_false(rt_path_exists(path));

    /* whose folder was removed under way has no say over the one that is there now */
    assert_ok(rt_lock_folder(&lock, folder));
    assert_int_equal(unlink(path), 0);
    assert_ok(rt_lock_folder(&second, folder));
    rt_lock_finish(&lock);
    assert_fails(rt_lock_folder(&lock, folder), RT_ERROR_IO, "another process");
    rt_lock_finish(&second);
    remove_test_folder(folder);
    assert_fails(rt_lock_folder(&lock, folder), RT_ERROR_IO, "No such file");
    free(path);
}

static void halves(void **state)
{
    (void)state;
    static const struct {
        uint16_t bits;
        float value;
    } cases[] = {{0x3c00, 1},
                 {0xc000, -2},
                 {0x3555, 0x1.554p-2f},
                 {0x0001, 0x1p-24f},
                 {0x83ff, -0x1.ff8p-15f},
                 {0x0400, 0x1p-14f},
                 {0x7bff, 65504},
                 {0x7c00, INFINITY},
                 {0xfc00, -INFINITY}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_true(rt_half_value(cases[i].bits) == cases[i].value);
    assert_true(signbit(rt_half_value(0x8000)) && rt_half_value(0x8000) == 0);
    assert_true(isnan(rt_half_value(0x7e00)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(halves),
        cmocka_unit_test(errors_carry_a_sentence),
        cmocka_unit_test(functions_of_real_numbers),
        cmocka_unit_test(allocation_sizes_are_checked),
        cmocka_unit_test(sizes_are_read_and_told),
        cmocka_unit_test(times_are_told),
        cmocka_unit_test(misspelt_words_are_guessed),
        cmocka_unit_test(philox_known_answers),
        cmocka_unit_test(hash_known_answers),
        cmocka_unit_test(random_sequences),
        cmocka_unit_test(files_appear_whole_or_not_at_all),
        cmocka_unit_test(work_is_shared_out),
        cmocka_unit_test(what_a_killed_writer_left_is_swept_away),
        cmocka_unit_test(a_folder_is_locked_until_its_writer_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
