#include "exchange/hdf5.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/memory.h"
#include "exchange/exchange.h"

#define TEXTS_MAX 65536
#define MEMBERS_MAX 65536
#define NAME_MAX_BYTES 1024
#define PACKED_MOST 1100 /* numbers that a byte of a deflated file may stand for */

/* --- files ---------------------------------------------------------------------------------- */

static rt_status fail_hdf5(const struct rt_hdf5 *h, const char *what, const char *name)
{
    return rt_fail(RT_ERROR_FORMAT, "cannot read %s as HDF5: %s %s", h->path, name, what);
}

/* Links out of the file are not followed: they might lead to any file of the user's. */
static herr_t refuse_external(const char *parent_file, const char *parent_group, const char *file,
                              const char *object, unsigned *flags, hid_t access, void *data)
{
    (void)parent_file;
    (void)parent_group;
    (void)file;
    (void)object;
    (void)flags;
    (void)access;
    (void)data;
    return -1;
}

rt_status rt_hdf5_open(struct rt_hdf5 *h, const char *path)
{
    struct stat info;
    *h = (struct rt_hdf5){.path = path, .file = -1, .access = -1};
    H5Eget_auto2(H5E_DEFAULT, &h->report, &h->report_data);
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
    if (stat(path, &info) != 0)
        return rt_fail(RT_ERROR_IO, "cannot read %s", path);
    h->bytes = (size_t)info.st_size;
    h->file = H5Fopen(path, H5F_ACC_RDONLY, H5P_DEFAULT);
    if (h->file < 0)
        return rt_fail(RT_ERROR_FORMAT,
                       "cannot read %s as HDF5: it is damaged, truncated, or still written to",
                       path);
    h->access = H5Pcreate(H5P_LINK_ACCESS);
    if (h->access < 0 || H5Pset_elink_cb(h->access, refuse_external, NULL) < 0)
        return rt_fail(RT_ERROR_MEMORY, "cannot prepare to read %s", path);
    return RT_OK;
}

void rt_hdf5_close(struct rt_hdf5 *h)
{
    if (h->access >= 0)
        H5Pclose(h->access);
    if (h->file >= 0)
        H5Fclose(h->file);
    H5Eset_auto2(H5E_DEFAULT, h->report, h->report_data);
}

/* An object of this kind; negative where there is none. */
static hid_t open_object(const struct rt_hdf5 *h, hid_t in, const char *name, H5I_type_t kind)
{
    hid_t object = H5Oopen(in, name, h->access);
    if (object >= 0 && H5Iget_type(object) != kind) {
        H5Oclose(object);
        return -1;
    }
    return object;
}

hid_t rt_hdf5_group(const struct rt_hdf5 *h, hid_t in, const char *name)
{
    return open_object(h, in, name, H5I_GROUP);
}

/* --- texts ---------------------------------------------------------------------------------- */

/* Adds `count` texts, of `size` bytes each, or pointers to them where `size` is 0. */
static rt_status add_texts(struct rt_texts *texts, const void *from, size_t count, size_t size)
{
    rt_status status = RT_OK;
    for (size_t i = 0; i < count && status == RT_OK; i++) {
        const char *text = size ? (const char *)from + i * size : ((char *const *)from)[i];
        int length = size ? (int)strnlen(text, size) : text ? (int)strlen(text) : 0;
        status = rt_texts_add(texts, "%.*s", length, text ? text : "");
    }
    return status;
}

/* The texts of an open attribute. */
static rt_status read_texts(const struct rt_hdf5 *h, hid_t attribute, hid_t type, hid_t space,
                            const char *name, struct rt_texts *texts)
{
    rt_status status = RT_OK;
    char *bytes = NULL;
    const hssize_t points = H5Sget_simple_extent_npoints(space);
    const bool variable = H5Tis_variable_str(type) > 0;
    const size_t size = H5Tget_size(type), count = points > 0 ? (size_t)points : 0;
    if (count == 0) /* an empty list, which h5py stores as one of numbers */
        return RT_OK;
    if (H5Tget_class(type) != H5T_STRING)
        return fail_hdf5(h, "is an attribute that holds no text", name);
    if (count > TEXTS_MAX || size == 0 || size > h->bytes || (size_t)count > h->bytes / size)
        return fail_hdf5(h, "is an attribute larger than the file", name);
    RT_TRY(rt_alloc(&bytes, count, size));
    if (H5Aread(attribute, type, bytes) < 0)
        RT_TRY(fail_hdf5(h, "is an attribute that cannot be read", name));
    status = add_texts(texts, bytes, count, variable ? 0 : size);
    if (variable)
        H5Dvlen_reclaim(type, space, H5P_DEFAULT, bytes);
end:
    free(bytes);
    return status;
}

/* *found: whether there is such an attribute. */
static rt_status read_attribute(const struct rt_hdf5 *h, hid_t object, const char *name,
                                struct rt_texts *texts, bool *found)
{
    rt_status status;
    *found = H5Aexists(object, name) > 0;
    if (!*found)
        return RT_OK;
    hid_t attribute = H5Aopen(object, name, H5P_DEFAULT);
    hid_t type = attribute < 0 ? -1 : H5Aget_type(attribute);
    hid_t space = attribute < 0 ? -1 : H5Aget_space(attribute);
    if (type < 0 || space < 0)
        status = fail_hdf5(h, "is an attribute that cannot be read", name);
    else
        status = read_texts(h, attribute, type, space, name, texts);
    if (space >= 0)
        H5Sclose(space);
    if (type >= 0)
        H5Tclose(type);
    if (attribute >= 0)
        H5Aclose(attribute);
    return status;
}

rt_status rt_hdf5_texts(const struct rt_hdf5 *h, hid_t object, const char *name,
                        struct rt_texts *texts)
{
    rt_status status = RT_OK;
    char *part = NULL;
    bool found;
    *texts = (struct rt_texts){0};
    RT_TRY(read_attribute(h, object, name, texts, &found));
    for (int i = 0; !found; i++) {
        bool more;
        free(part);
        RT_TRY(rt_format(&part, "%s%d", name, i));
        RT_TRY(read_attribute(h, object, part, texts, &more));
        if (!more)
            break;
    }
end:
    free(part);
    if (status < 0)
        rt_texts_finish(texts);
    return status;
}

rt_status rt_hdf5_members(const struct rt_hdf5 *h, hid_t group, struct rt_texts *names)
{
    rt_status status = RT_OK;
    H5G_info_t info;
    *names = (struct rt_texts){0};
    if (H5Gget_info(group, &info) < 0 || info.nlinks > MEMBERS_MAX || info.nlinks > h->bytes)
        return fail_hdf5(h, "cannot be listed", "a group");
    for (hsize_t i = 0; i < info.nlinks; i++) {
        char name[NAME_MAX_BYTES];
        ssize_t length = H5Lget_name_by_idx(group, ".", H5_INDEX_NAME, H5_ITER_INC, i, name,
                                            sizeof name, h->access);
        if (length <= 0 || length >= (ssize_t)sizeof name)
            RT_TRY(fail_hdf5(h, "has a member whose name cannot be read", "a group"));
        RT_TRY(rt_texts_add(names, "%s", name));
    }
end:
    if (status < 0)
        rt_texts_finish(names);
    return status;
}

/* --- numbers -------------------------------------------------------------------------------- */

/* Whether the data lie in the file itself, as much of it as there is said to be. */
static bool is_stored(const struct rt_hdf5 *h, hid_t set, size_t count)
{
    bool stored = false;
    hid_t properties = H5Dget_create_plist(set);
    if (properties >= 0) {
        H5D_layout_t layout = H5Pget_layout(properties);
        stored = (layout == H5D_COMPACT || layout == H5D_CONTIGUOUS || layout == H5D_CHUNKED) &&
                 H5Pget_external_count(properties) == 0;
        H5Pclose(properties);
    }
    const size_t bytes = (size_t)H5Dget_storage_size(set);
    return stored && count / PACKED_MOST <= bytes && count / PACKED_MOST <= h->bytes && bytes > 0;
}

static rt_status read_shape(const struct rt_hdf5 *h, hid_t set, const char *name,
                            struct rt_keras_weight *weight, size_t *count)
{
    hsize_t shape[RT_KERAS_DIMENSIONS];
    hid_t space = H5Dget_space(set);
    int dimensions = space < 0 ? -1 : H5Sget_simple_extent_ndims(space);
    if (dimensions > RT_KERAS_DIMENSIONS)
        dimensions = -1;
    if (dimensions > 0 && H5Sget_simple_extent_dims(space, shape, NULL) < 0)
        dimensions = -1;
    bool simple = space >= 0 && H5Sget_simple_extent_type(space) != H5S_NULL;
    if (space >= 0)
        H5Sclose(space);
    if (dimensions < 0 || !simple)
        return fail_hdf5(h, "has no shape that can be read, or too many dimensions", name);
    weight->dimensions = dimensions;
    *count = 1;
    for (int i = 0; i < dimensions; i++) {
        weight->shape[i] = (size_t)shape[i];
        if (shape[i] != 0 && *count > (SIZE_MAX >> 8) / shape[i])
            return fail_hdf5(h, "has an impossible shape", name);
        *count *= weight->shape[i];
    }
    return RT_OK;
}

static rt_status read_floats(const struct rt_hdf5 *h, hid_t set, const char *name,
                             struct rt_keras_weight *weight)
{
    rt_status status = RT_OK;
    size_t count = 0;
    hid_t type = H5Dget_type(set);
    H5T_class_t class = type < 0 ? H5T_NO_CLASS : H5Tget_class(type);
    if (type >= 0)
        H5Tclose(type);
    if (class != H5T_FLOAT && class != H5T_INTEGER)
        return fail_hdf5(h, "does not hold numbers", name);
    RT_TRY(read_shape(h, set, name, weight, &count));
    if (count > 0 && !is_stored(h, set, count))
        RT_TRY(fail_hdf5(h, "is larger than the file, or its numbers lie elsewhere", name));
    RT_TRY(rt_alloc(&weight->data, count, sizeof *weight->data));
    if (H5Dread(set, H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL, H5P_DEFAULT, weight->data) < 0)
        RT_TRY(fail_hdf5(h, "cannot be read: it is damaged, or packed in an unknown way", name));
    status = rt_copy_text(&weight->name, name);
end:
    if (status < 0) {
        free(weight->data);
        *weight = (struct rt_keras_weight){0};
    }
    return status;
}

rt_status rt_hdf5_floats(const struct rt_hdf5 *h, hid_t group, const char *name,
                         struct rt_keras_weight *weight)
{
    *weight = (struct rt_keras_weight){0};
    hid_t set = open_object(h, group, name, H5I_DATASET);
    if (set < 0)
        return fail_hdf5(h, "is listed as a weight, but is none of its data sets", name);
    rt_status status = read_floats(h, set, name, weight);
    H5Oclose(set);
    return status;
}
