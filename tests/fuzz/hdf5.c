/* Keras HDF5: what libhdf5 reads of a file is given, what such a file holds is not. The input is a
 * program that builds one: each byte an object in the group that stands, of a name that Keras uses.
 */
#include "fuzz.h"

#include <hdf5.h>
#include <stdlib.h>
#include <string.h>

#include "exchange/keras_unet.h"

static const char *const names[] = {
    "layers", "model_weights", "conv2d", "conv2d_1",     "conv2d_transpose", "vars",         "0",
    "1",      "kernel:0",      "bias:0", "layer_names",  "layer_names0",     "weight_names", "",
    "retort", "model_config",  "dense",  "layer_names1", "conv2d/kernel:0",  "conv2d_10"};
#define NAMES (sizeof names / sizeof *names)
#define DEPTH 4

struct program {
    const uint8_t *data;
    size_t size;
    hid_t groups[DEPTH];
    int depth;
};

static unsigned take(struct program *p)
{
    if (p->size == 0)
        return 0;
    p->size--;
    return *p->data++;
}

static const char *name(struct program *p)
{
    return names[take(p) % NAMES];
}

static void add_attribute(hid_t object, const char *called, hid_t type, hid_t space,
                          const void *value)
{
    hid_t attribute = H5Acreate2(object, called, type, space, H5P_DEFAULT, H5P_DEFAULT);
    if (attribute >= 0) {
        H5Awrite(attribute, type, value);
        H5Aclose(attribute);
    }
}

/* Up to 7 texts, of 0 (variable) to 31 bytes, with or without a zero at the end. */
static void add_texts(struct program *p)
{
    char fixed[8 * 32] = {0};
    const char *texts[8], *called = name(p);
    unsigned bytes = take(p) % 32, padding = take(p);
    hsize_t count = take(p) % 8;
    for (hsize_t i = 0; i < count; i++) {
        texts[i] = name(p);
        strncpy(fixed + i * bytes, texts[i], bytes);
    }
    hid_t type = H5Tcopy(H5T_C_S1);
    hid_t space = count == 7 ? H5Screate(H5S_NULL) : H5Screate_simple(1, &count, NULL);
    H5Tset_size(type, bytes ? bytes : H5T_VARIABLE);
    H5Tset_strpad(type, padding % 3 == 0   ? H5T_STR_NULLTERM
                        : padding % 3 == 1 ? H5T_STR_NULLPAD
                                           : H5T_STR_SPACEPAD);
    H5Tset_cset(type, padding & 4 ? H5T_CSET_UTF8 : H5T_CSET_ASCII);
    if (count < 7)
        add_attribute(p->groups[p->depth], called, type, space,
                      bytes ? (const void *)fixed : (const void *)texts);
    H5Sclose(space);
    H5Tclose(type);
}

static void add_numbers(struct program *p)
{
    const double numbers[4] = {1, 2, 3, 4};
    hsize_t count = 1 + take(p) % 4;
    hid_t space = H5Screate_simple(1, &count, NULL);
    add_attribute(p->groups[p->depth], name(p), H5T_NATIVE_DOUBLE, space, numbers);
    H5Sclose(space);
}

/* Up to 7 dimensions; the data written, or never. */
static void add_set(struct program *p)
{
    static const float zeros[65536];
    hsize_t shape[7], total = 1;
    const char *called = name(p);
    unsigned rank = take(p) % 8, kind = take(p);
    for (unsigned i = 0; i < rank; i++) {
        shape[i] = take(p) % 8;
        if (kind & 8)
            shape[i] <<= shape[i] * 5;
        total = shape[i] && total > 65536 ? total : total * shape[i];
    }
    hid_t type = kind % 4 == 0   ? H5T_NATIVE_FLOAT
                 : kind % 4 == 1 ? H5T_STD_I16BE
                 : kind % 4 == 2 ? H5T_IEEE_F64BE
                                 : H5T_C_S1;
    hid_t space = rank ? H5Screate_simple((int)rank, shape, NULL) : H5Screate(H5S_SCALAR);
    hid_t set = space < 0 ? -1
                          : H5Dcreate2(p->groups[p->depth], called, type, space, H5P_DEFAULT,
                                       H5P_DEFAULT, H5P_DEFAULT);
    if (set >= 0 && !(kind & 8) && total <= 65536 && kind % 4 < 3)
        H5Dwrite(set, H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL, H5P_DEFAULT, zeros);
    if (set >= 0)
        H5Dclose(set);
    if (space >= 0)
        H5Sclose(space);
}

static void add_link(struct program *p)
{
    const char *to = name(p), *called = name(p);
    if (take(p) & 1)
        H5Lcreate_external("/etc/passwd", to, p->groups[p->depth], called, H5P_DEFAULT,
                           H5P_DEFAULT);
    else
        H5Lcreate_soft(to, p->groups[p->depth], called, H5P_DEFAULT, H5P_DEFAULT);
}

static void enter(struct program *p)
{
    if (p->depth + 1 == DEPTH)
        return;
    const char *called = name(p);
    hid_t group = H5Gcreate2(p->groups[p->depth], called, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    if (group < 0)
        group = H5Gopen2(p->groups[p->depth], called, H5P_DEFAULT);
    if (group >= 0)
        p->groups[++p->depth] = group;
}

static void leave(struct program *p)
{
    if (p->depth > 0)
        H5Gclose(p->groups[p->depth--]);
}

static void build(const char *path, const uint8_t *data, size_t size)
{
    static void (*const steps[])(struct program *) = {enter,   leave,     add_texts, add_set,
                                                      add_set, add_texts, add_link,  add_numbers};
    struct program p = {.data = data, .size = size < 2048 ? size : 2048};
    hid_t file = H5Fcreate(path, H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
    fuzz_refuse(file < 0, "no file");
    p.groups[0] = file;
    while (p.size > 0)
        steps[take(&p) % 8](&p);
    while (p.depth > 0)
        leave(&p);
    H5Fclose(file);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct rt_keras_unet k;
    static struct rt_problems problems;
    struct rt_keras_file file;
    struct rt_import_tensors tensors = {0};
    const char *path = fuzz_file("model.h5", data, 0);
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
    build(path, data, size);
    if (rt_keras_read(&file, path) != RT_OK)
        return 0;
    for (size_t i = 0; i < file.count; i++)
        fuzz_refuse(file.layers[i].count == 0, "a layer without weights");
    problems = (struct rt_problems){0};
    if (rt_keras_guess(&k, &file, path) == RT_OK)
        fuzz_refuse(rt_keras_convert(&k, &file, &tensors, &problems) != RT_OK, "no memory");
    rt_import_tensors_finish(&tensors);
    rt_keras_finish(&file);
    return 0;
}
