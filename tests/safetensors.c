#include "test.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "model/safetensors.h"

static char path[] = "/tmp/retort-safetensors-XXXXXX";

static int create_file(void **state)
{
    (void)state;
    int file = mkstemp(path);
    return file < 0 ? -1 : close(file);
}

static int remove_file(void **state)
{
    (void)state;
    return unlink(path);
}

static const float data[] = {1, -2.5f, 3e-40f, 0x1.fffffep127f, -0.0f, 7};
static const struct rt_safetensors_entry entries[] = {
    {.name = "up.0.weight", .dimensions = 2, .shape = {2, 2}, .data = data},
    {.name = "step", .dimensions = 0, .data = data + 5},
    {.name = "bias", .dimensions = 1, .shape = {1}, .data = data + 4},
    {.name = "nothing", .dimensions = 2, .shape = {3, 0}, .data = data},
};
static const struct rt_safetensors_text texts[] = {{"retort", "{\"quotes\": \"\\\"\"}"},
                                                   {"place", "Zürich"}};

static void what_was_written_is_read(void **state)
{
    (void)state;
    struct rt_safetensors file;
    assert_ok(rt_safetensors_write(path, entries, 4, texts, 2));
    assert_ok(rt_safetensors_read(&file, path));
    assert_int_equal(file.count, 4);
    assert_string_equal(rt_safetensors_text(&file, "retort"), texts[0].value);
    assert_string_equal(rt_safetensors_text(&file, "place"), texts[1].value);
    assert_null(rt_safetensors_text(&file, "another"));
    assert_null(rt_safetensors_find(&file, "another"));
    for (int i = 0; i < 4; i++) {
        const struct rt_safetensors_entry *entry = rt_safetensors_find(&file, entries[i].name);
        size_t size = 1;
        assert_non_null(entry);
        assert_int_equal(entry->dimensions, entries[i].dimensions);
        for (int k = 0; k < entry->dimensions; k++) {
            assert_int_equal(entry->shape[k], entries[i].shape[k]);
            size *= entry->shape[k];
        }
        if (size > 0)
            assert_memory_equal(entry->data, entries[i].data, size * sizeof(float));
    }
    rt_safetensors_finish(&file);
}

static void data_is_aligned_in_the_file(void **state)
{
    (void)state;
    char *bytes;
    size_t size;
    assert_ok(rt_safetensors_write(path, entries, 4, texts, 2));
    assert_ok(rt_file_read(path, 1 << 20, &bytes, &size));
    assert_int_equal((size - sizeof data) % 8, 0);
    assert_memory_equal(bytes + size - 4, &data[4], 4); /* little-endian machines alone */
    free(bytes);
}

/* Not rt_file_write, whose fsync would take most of the tests' time. */
static void write_bytes(const void *bytes, size_t size)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    fclose(file);
}

/* A file with this header and so many bytes of data. */
static void write_raw(const char *header, size_t data_bytes)
{
    char bytes[512] = {0};
    size_t length = strlen(header);
    assert_true(8 + length + data_bytes <= sizeof bytes);
    bytes[0] = (char)length;
    bytes[1] = (char)(length >> 8);
    memcpy(bytes + 8, header, length);
    write_bytes(bytes, 8 + length + data_bytes);
}

#define ENTRY(shape, offsets) "{\"dtype\":\"F32\",\"shape\":" shape ",\"data_offsets\":" offsets "}"

static void broken_headers_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *header;
        size_t data_bytes;
        const char *message;
    } cases[] = {
        {"", 0, "not JSON"},
        {"{\"a\":" ENTRY("[1]", "[0,4]"), 4, "not JSON"},
        {"[1]", 0, "not an object"},
        {"{\"__metadata__\":3}", 0, "metadata is not an object"},
        {"{\"__metadata__\":{\"a\":3}}", 0, "not a text"},
        {"{\"a\":3}", 0, "tensor a lacks"},
        {"{\"a\":{\"dtype\":\"I16\",\"shape\":[2],\"data_offsets\":[0,4]}}", 4, "not of type F32"},
        {"{\"a\":" ENTRY("[1]", "[0]") "}", 4, "lacks"},
        {"{\"a\":" ENTRY("[1]", "[4,0]") "}", 4, "not in order"},
        {"{\"a\":" ENTRY("[1]", "[-4,0]") "}", 4, "not in order"},
        {"{\"a\":" ENTRY("[-1]", "[0,4]") "}", 4, "not made of sizes"},
        {"{\"a\":" ENTRY("[1.0]", "[0,4]") "}", 4, "not made of sizes"},
        {"{\"a\":" ENTRY("[2]", "[0,4]") "}", 4, "do not fit its shape"},
        {"{\"a\":" ENTRY("[1]", "[0,3]") "}", 3, "do not fit its shape"},
        {"{\"a\":" ENTRY("[4611686018427387905]", "[0,4]") "}", 4, "do not fit its shape"},
        {"{\"a\":" ENTRY("[4294967296,4294967296,4]", "[0,0]") "}", 0, "do not fit its shape"},
        {"{\"a\":" ENTRY("[1,1,1,1,1,1,1,1,1]", "[0,4]") "}", 4, "too many dimensions"},
        {"{\"a\":" ENTRY("[2]", "[0,8]") "}", 4, "truncated"},
        {"{\"a\":" ENTRY("[1]", "[0,4]") "}", 5, "after its tensors"},
        {"{\"a\":" ENTRY("[1]", "[4,8]") "}", 8, "follows a gap"},
        {"{\"a\":" ENTRY("[2]", "[0,8]") ",\"b\":" ENTRY("[1]", "[4,8]") "}", 8, "overlaps"},
        {"{\"a\":" ENTRY("[1]", "[0,4]") ",\"a\":" ENTRY("[1]", "[4,8]") "}", 8, "duplicate"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct rt_safetensors file;
        write_raw(cases[i].header, cases[i].data_bytes);
        assert_fails(rt_safetensors_read(&file, path), RT_ERROR_FORMAT, cases[i].message);
        assert_non_null(strstr(rt_error_message(), path));
    }
    struct rt_safetensors file;
    write_bytes("\xff\xff\xff\xff\xff\xff\xff\xff{}", 10);
    assert_fails(rt_safetensors_read(&file, path), RT_ERROR_FORMAT, "first 8 bytes");
}

/* The numbers that others' files may hold, as floats. */
static void types_become_floats(void **state)
{
    (void)state;
    static const struct {
        const char *type;
        int bytes;
        uint64_t word;
        float value;
    } cases[] = {
        {"F16", 2, 0x3c00, 1},
        {"F16", 2, 0xc100, -2.5f},
        {"F16", 2, 0x7bff, 65504},
        {"F16", 2, 0x8001, -0x1p-24f},
        {"F16", 2, 0x03ff, 1023 * 0x1p-24f},
        {"F16", 2, 0xfc00, -INFINITY},
        {"BF16", 2, 0x3f80, 1},
        {"BF16", 2, 0xc2f7, -123.5f},
        {"F64", 8, 0x3fb999999999999a, 0.1f},
        {"I64", 8, 42, 42},
        {"I64", 8, 0xffffffffffffffff, -1},
        {"F32", 4, 0x3dcccccd, 0.1f},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct rt_safetensors file;
        char bytes[256] = {0};
        int length = snprintf(bytes + 8, sizeof bytes - 8,
                              "{\"a\":{\"dtype\":\"%s\",\"shape\":[1],\"data_offsets\":[0,%d]}}",
                              cases[i].type, cases[i].bytes);
        bytes[0] = (char)length;
        for (int k = 0; k < cases[i].bytes; k++)
            bytes[8 + length + k] = (char)(cases[i].word >> 8 * k);
        write_bytes(bytes, (size_t)(8 + length + cases[i].bytes));
        assert_ok(rt_safetensors_read(&file, path));
        assert_true(file.entries[0].data[0] == cases[i].value);
        rt_safetensors_finish(&file);
    }
}

static void damaged_files_are_refused_or_read(void **state)
{
    (void)state;
    char *bytes;
    size_t size;
    struct rt_safetensors file;
    assert_ok(rt_safetensors_write(path, entries, 4, texts, 2));
    assert_ok(rt_file_read(path, 1 << 20, &bytes, &size));
    for (size_t length = 0; length < size; length++) {
        write_bytes(bytes, length);
        assert_int_equal(rt_safetensors_read(&file, path), RT_ERROR_FORMAT);
    }
    for (size_t i = 0; i < size - sizeof data; i++)
        for (int bit = 0; bit < 8; bit++) {
            bytes[i] = (char)(bytes[i] ^ 1 << bit);
            write_bytes(bytes, size);
            if (rt_safetensors_read(&file, path) == RT_OK)
                rt_safetensors_finish(&file);
            bytes[i] = (char)(bytes[i] ^ 1 << bit);
        }
    free(bytes);
}

static void texts_must_be_utf8(void **state)
{
    (void)state;
    struct rt_safetensors_text bad = {"retort", "\xff"};
    assert_fails(rt_safetensors_write(path, entries, 1, &bad, 1), RT_ERROR_ARGUMENT, "UTF-8");
    struct rt_safetensors_entry entry = {.name = "\xff", .data = data};
    assert_fails(rt_safetensors_write(path, &entry, 1, texts, 1), RT_ERROR_ARGUMENT, "UTF-8");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_written_is_read),
        cmocka_unit_test(types_become_floats),
        cmocka_unit_test(data_is_aligned_in_the_file),
        cmocka_unit_test(broken_headers_are_refused),
        cmocka_unit_test(damaged_files_are_refused_or_read),
        cmocka_unit_test(texts_must_be_utf8),
    };
    return cmocka_run_group_tests(tests, create_file, remove_file);
}
