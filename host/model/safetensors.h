/* Named arrays of floats in one file, with texts beside them: the safetensors format.
 * https://github.com/huggingface/safetensors: 8 bytes, the header's length N as a little-endian
 * number; N bytes of JSON, {"NAME": {"dtype": "F32", "shape": [...], "data_offsets": [from, to]},
 * ..., "__metadata__": {"KEY": "TEXT", ...}}; the arrays' bytes, without gaps. */
#ifndef RT_MODEL_SAFETENSORS_H
#define RT_MODEL_SAFETENSORS_H

#include <stddef.h>

#include "base/error.h"

#define RT_SAFETENSORS_DIMENSIONS 8

struct rt_safetensors_entry {
    const char *name;
    int dimensions;
    size_t shape[RT_SAFETENSORS_DIMENSIONS];
    const float *data; /* as many floats as the product of the shape, 1 without dimensions */
};

struct rt_safetensors_text {
    const char *key, *value;
};

/* The file appears under its name only when it is whole. Errors: IO, ARGUMENT (a name or a text
 * that is no UTF-8), MEMORY. */
rt_status rt_safetensors_write(const char *path, const struct rt_safetensors_entry *entries,
                               size_t count, const struct rt_safetensors_text *texts,
                               size_t text_count);

/* What a file holds; entries in the order of their data. */
struct rt_safetensors {
    struct rt_safetensors_entry *entries;
    size_t count;
    float *data;           /* of all entries */
    struct json_t *header; /* jansson's; owns names and texts */
};

/* Release with rt_safetensors_finish. Errors: IO, FORMAT (truncated, or anything that does not fit
 * the format; other types than F32, F64, F16, BF16 and I64, all of which become floats; arrays that
 * overlap or leave gaps), MEMORY. */
rt_status rt_safetensors_read(struct rt_safetensors *file, const char *path);
void rt_safetensors_finish(struct rt_safetensors *file);

/* The entry of this name, the text under this key; NULL if there is none. */
const struct rt_safetensors_entry *rt_safetensors_find(const struct rt_safetensors *file,
                                                       const char *name);
const char *rt_safetensors_text(const struct rt_safetensors *file, const char *key);

#endif
