#include "model/safetensors.h"

#include <jansson.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/half.h"
#include "base/json.h"
#include "base/memory.h"

#define HEADER_BYTES_MAX 100000000
#define FILE_BYTES_MAX ((size_t)1 << 34)
#define METADATA "__metadata__"
#define CHUNK 4096 /* floats converted at a time */

/* The product of the shape; SIZE_MAX where it overflows. */
static size_t entry_size(const struct rt_safetensors_entry *entry)
{
    size_t size = 1;
    for (int i = 0; i < entry->dimensions; i++) {
        if (entry->shape[i] != 0 && size > SIZE_MAX / entry->shape[i])
            return SIZE_MAX;
        size *= entry->shape[i];
    }
    return size;
}

/* --- writing -------------------------------------------------------------------------------- */

static rt_status fail_json(const char *what)
{
    return rt_fail(RT_ERROR_ARGUMENT,
                   "cannot write '%s' as JSON: it is no UTF-8 text, or memory is short", what);
}

static rt_status add_entry(json_t *header, const struct rt_safetensors_entry *entry, size_t *offset)
{
    size_t end = *offset + entry_size(entry) * sizeof(float);
    json_t *shape = json_array();
    for (int i = 0; i < entry->dimensions; i++)
        rt_json_append(&shape, json_integer((json_int_t)entry->shape[i]));
    json_t *value = json_pack("{s:s, s:o, s:[I, I]}", "dtype", "F32", "shape", shape,
                              "data_offsets", (json_int_t)*offset, (json_int_t)end);
    *offset = end;
    return json_object_set_new(header, entry->name, value) == 0 ? RT_OK : fail_json(entry->name);
}

/* The header as text, with spaces at the end so that the data begins at a multiple of 8 bytes. */
static rt_status make_header(const struct rt_safetensors_entry *entries, size_t count,
                             const struct rt_safetensors_text *texts, size_t text_count,
                             char **text)
{
    rt_status status = RT_OK;
    json_t *header = json_object(), *metadata = json_object();
    char *compact = NULL;
    size_t offset = 0;
    if (json_object_set(header, METADATA, metadata) != 0)
        RT_TRY(rt_fail(RT_ERROR_MEMORY, "cannot write a header of %zu tensors", count));
    for (size_t i = 0; i < text_count; i++)
        if (json_object_set_new(metadata, texts[i].key, json_string(texts[i].value)) != 0) {
            status = fail_json(texts[i].value);
            goto end;
        }
    for (size_t i = 0; i < count; i++)
        RT_TRY(add_entry(header, &entries[i], &offset));
    RT_TRY(rt_json_text(&compact, header, JSON_COMPACT));
    status = rt_format(text, "%s%*s", compact, (int)((8 - strlen(compact) % 8) % 8), "");
end:
    free(compact);
    json_decref(metadata);
    json_decref(header);
    return status;
}

static void write_floats(FILE *stream, const float *data, size_t count)
{
    unsigned char bytes[CHUNK * 4];
    for (size_t i = 0; i < count;) {
        size_t filled = 0;
        for (; i < count && filled < CHUNK; i++, filled++) {
            uint32_t word;
            memcpy(&word, &data[i], sizeof word);
            for (int k = 0; k < 4; k++)
                bytes[filled * 4 + (size_t)k] = (unsigned char)(word >> 8 * k);
        }
        fwrite(bytes, 4, filled, stream);
    }
}

rt_status rt_safetensors_write(const char *path, const struct rt_safetensors_entry *entries,
                               size_t count, const struct rt_safetensors_text *texts,
                               size_t text_count)
{
    rt_status status = RT_OK;
    char *header = NULL;
    struct rt_file_writer writer = {0};
    RT_TRY(make_header(entries, count, texts, text_count, &header));
    RT_TRY(rt_file_begin(&writer, path));
    uint64_t length = strlen(header);
    for (int k = 0; k < 8; k++)
        putc((int)(length >> 8 * k & 0xff), writer.stream);
    fputs(header, writer.stream);
    for (size_t i = 0; i < count; i++)
        write_floats(writer.stream, entries[i].data, entry_size(&entries[i]));
    status = rt_file_commit(&writer);
end:
    free(header);
    return status;
}

/* --- reading -------------------------------------------------------------------------------- */

struct reader {
    const char *path;
    const unsigned char *bytes, *data;
    size_t size, data_size;
};

static rt_status fail_format(const struct reader *r, const char *what)
{
    return rt_fail(RT_ERROR_FORMAT, "cannot read %s as safetensors: %s", r->path, what);
}

static rt_status read_header(struct reader *r, json_t **header)
{
    uint64_t length = 0;
    if (r->size < 8)
        return fail_format(r, "it is too short to hold anything");
    for (int k = 0; k < 8; k++)
        length |= (uint64_t)r->bytes[k] << 8 * k;
    if (length > HEADER_BYTES_MAX)
        return fail_format(r, "its first 8 bytes are not the length of a header");
    if (length > r->size - 8)
        return fail_format(r, "it is truncated within its header");
    json_error_t error;
    *header =
        json_loadb((const char *)r->bytes + 8, (size_t)length, JSON_REJECT_DUPLICATES, &error);
    if (!*header)
        return rt_fail(RT_ERROR_FORMAT,
                       "cannot read %s as safetensors: its header is not JSON: %s (byte %d)",
                       r->path, error.text, error.position);
    if (!json_is_object(*header))
        return fail_format(r, "its header is not an object");
    const char *key;
    json_t *value;
    json_t *metadata = json_object_get(*header, METADATA);
    if (metadata && !json_is_object(metadata))
        return fail_format(r, "its metadata is not an object");
    json_object_foreach(metadata, key, value) if (!json_is_string(value)) return fail_format(
        r, "its metadata holds something that is not a text");
    r->data = r->bytes + 8 + length;
    r->data_size = r->size - 8 - (size_t)length;
    return RT_OK;
}

static rt_status fail_entry(const struct reader *r, const char *name, const char *what)
{
    return rt_fail(RT_ERROR_FORMAT, "cannot read %s as safetensors: tensor %s %s", r->path, name,
                   what);
}

/* A JSON number that is a size; -1 for anything else. */
static json_int_t size_in(const json_t *value)
{
    return json_is_integer(value) && json_integer_value(value) >= 0 ? json_integer_value(value)
                                                                    : -1;
}

/* --- types ---------------------------------------------------------------------------------- */

static uint64_t word_of(const unsigned char *bytes, int size)
{
    uint64_t word = 0;
    for (int k = 0; k < size; k++)
        word |= (uint64_t)bytes[k] << 8 * k;
    return word;
}

static float float_of(uint32_t word)
{
    float value;
    memcpy(&value, &word, sizeof value);
    return value;
}

static float decode_f32(const unsigned char *bytes)
{
    return float_of((uint32_t)word_of(bytes, 4));
}

static float decode_f64(const unsigned char *bytes)
{
    double value;
    uint64_t word = word_of(bytes, 8);
    memcpy(&value, &word, sizeof value);
    return (float)value;
}

static float decode_f16(const unsigned char *bytes)
{
    return rt_half_value((uint16_t)word_of(bytes, 2));
}

static float decode_bf16(const unsigned char *bytes)
{
    return float_of((uint32_t)word_of(bytes, 2) << 16);
}

static float decode_i64(const unsigned char *bytes)
{
    return (float)(int64_t)word_of(bytes, 8);
}

struct type {
    const char *name;
    size_t bytes;
    float (*decode)(const unsigned char *bytes);
};

static const struct type types[] = {
    {"F32", 4, decode_f32},   {"F64", 8, decode_f64}, {"F16", 2, decode_f16},
    {"BF16", 2, decode_bf16}, {"I64", 8, decode_i64}, /* PyTorch counts batches with it */
};

static const struct type *find_type(const char *name)
{
    for (size_t i = 0; i < RT_COUNT(types); i++)
        if (strcmp(types[i].name, name) == 0)
            return &types[i];
    return NULL;
}

/* --- entries -------------------------------------------------------------------------------- */

/* An entry before its data is decoded. */
struct found {
    struct rt_safetensors_entry entry;
    const struct type *type;
    size_t from; /* where its bytes begin */
};

static rt_status read_entry(const struct reader *r, const char *name, const json_t *value,
                            struct found *found)
{
    struct rt_safetensors_entry *entry = &found->entry;
    const char *type = json_string_value(json_object_get(value, "dtype"));
    const json_t *shape = json_object_get(value, "shape");
    const json_t *offsets = json_object_get(value, "data_offsets");
    if (!type || !json_is_array(shape) || !json_is_array(offsets) || json_array_size(offsets) != 2)
        return fail_entry(r, name, "lacks its dtype, its shape or its data_offsets");
    found->type = find_type(type);
    if (!found->type)
        return fail_entry(r, name, "is not of type F32, F64, F16, BF16 or I64");
    if (json_array_size(shape) > RT_SAFETENSORS_DIMENSIONS)
        return fail_entry(r, name, "has too many dimensions");
    entry->name = name;
    entry->dimensions = (int)json_array_size(shape);
    for (int i = 0; i < entry->dimensions; i++) {
        json_int_t size = size_in(json_array_get(shape, (size_t)i));
        if (size < 0)
            return fail_entry(r, name, "has a shape that is not made of sizes");
        entry->shape[i] = (size_t)size;
    }
    json_int_t first = size_in(json_array_get(offsets, 0));
    json_int_t last = size_in(json_array_get(offsets, 1));
    if (first < 0 || last < first)
        return fail_entry(r, name, "has data_offsets that are not in order");
    if ((uint64_t)last > r->data_size)
        return fail_entry(r, name, "lies beyond the end of the file, which is truncated");
    size_t size = entry_size(entry);
    if (size > r->data_size / found->type->bytes ||
        size * found->type->bytes != (uint64_t)(last - first))
        return fail_entry(r, name, "has data_offsets that do not fit its shape");
    found->from = (size_t)first;
    return RT_OK;
}

static int by_place(const void *a, const void *b)
{
    const struct found *p = a, *q = b;
    if (p->from != q->from)
        return p->from > q->from ? 1 : -1;
    size_t p_size = entry_size(&p->entry), q_size = entry_size(&q->entry);
    return (p_size > q_size) - (p_size < q_size);
}

/* The entries in the order of their data, which they must cover without gaps or overlaps. */
static rt_status read_entries(const struct reader *r, const json_t *header, struct found *found,
                              size_t *count)
{
    rt_status status = RT_OK;
    const char *name;
    json_t *value;
    *count = 0;
    json_object_foreach((json_t *)header, name, value)
    {
        if (strcmp(name, METADATA) == 0)
            continue;
        RT_TRY(read_entry(r, name, value, &found[*count]));
        (*count)++;
    }
    qsort(found, *count, sizeof *found, by_place);
    size_t end = 0;
    for (size_t i = 0; i < *count; i++) {
        if (found[i].from != end)
            return fail_entry(r, found[i].entry.name,
                              found[i].from < end ? "overlaps another" : "follows a gap");
        end += entry_size(&found[i].entry) * found[i].type->bytes;
    }
    if (end != r->data_size)
        return fail_format(r, "there are bytes after its tensors");
end:
    return status;
}

/* All entries' floats, one after the other. */
static rt_status decode(struct rt_safetensors *file, const struct reader *r,
                        const struct found *found)
{
    rt_status status = RT_OK;
    size_t floats = 0;
    for (size_t i = 0; i < file->count; i++)
        floats += entry_size(&found[i].entry);
    RT_TRY(rt_alloc(&file->entries, file->count, sizeof *file->entries));
    RT_TRY(rt_alloc(&file->data, floats, sizeof *file->data));
    float *to = file->data;
    for (size_t i = 0; i < file->count; i++) {
        const struct type *type = found[i].type;
        const unsigned char *from = r->data + found[i].from;
        const size_t size = entry_size(&found[i].entry);
        file->entries[i] = found[i].entry;
        file->entries[i].data = to;
        for (size_t k = 0; k < size; k++)
            *to++ = type->decode(from + k * type->bytes);
    }
end:
    return status;
}

rt_status rt_safetensors_read(struct rt_safetensors *file, const char *path)
{
    rt_status status = RT_OK;
    struct reader r = {.path = path};
    struct found *found = NULL;
    char *bytes = NULL;
    *file = (struct rt_safetensors){0};
    RT_TRY(rt_file_read(path, FILE_BYTES_MAX, &bytes, &r.size));
    r.bytes = (const unsigned char *)bytes;
    RT_TRY(read_header(&r, &file->header));
    RT_TRY(rt_alloc(&found, json_object_size(file->header), sizeof *found));
    RT_TRY(read_entries(&r, file->header, found, &file->count));
    status = decode(file, &r, found);
end:
    free(found);
    free(bytes);
    if (status < 0)
        rt_safetensors_finish(file);
    return status;
}

void rt_safetensors_finish(struct rt_safetensors *file)
{
    free(file->entries);
    free(file->data);
    json_decref(file->header);
    *file = (struct rt_safetensors){0};
}

const struct rt_safetensors_entry *rt_safetensors_find(const struct rt_safetensors *file,
                                                       const char *name)
{
    for (size_t i = 0; i < file->count; i++)
        if (strcmp(file->entries[i].name, name) == 0)
            return &file->entries[i];
    return NULL;
}

const char *rt_safetensors_text(const struct rt_safetensors *file, const char *key)
{
    return json_string_value(json_object_get(json_object_get(file->header, METADATA), key));
}
