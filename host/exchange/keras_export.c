/* Keras HDF5 out. NAME.h5 is a whole model, which load_model and load_weights of Keras 2 and 3
 * read; NAME.weights.h5 has the layout of Keras 3's weights. */
#include "exchange/keras_export.h"

#include <hdf5.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "exchange/exchange.h"
#include "model/model.h"

/* The version whose layout is written; without it Keras expects that of version 1. */
#define KERAS_VERSION "2.4.0"
#define LAYERS_MAX 256
#define NAME_BYTES 48

struct writing {
    hid_t file, plain; /* the file; properties of data sets that carry no time */
    bool numbered;     /* layers/NAME/vars/N, not NAME/NAME/WORD */
    bool failed;       /* some call was: the file is dropped */
    char names[LAYERS_MAX][NAME_BYTES];
    size_t count;
    int convs, transposes, norms;
};

/* The handle, where it is one. */
static hid_t checked(struct writing *w, hid_t handle)
{
    w->failed = w->failed || handle < 0;
    return handle;
}

static void done(struct writing *w, herr_t result)
{
    w->failed = w->failed || result < 0;
}

/* --- attributes ----------------------------------------------------------------------------- */

static void write_attribute(struct writing *w, hid_t object, const char *name, hid_t type,
                            hid_t space, const void *value)
{
    hid_t attribute = checked(w, H5Acreate2(object, name, type, space, H5P_DEFAULT, H5P_DEFAULT));
    if (attribute < 0)
        return;
    done(w, H5Awrite(attribute, type, value));
    done(w, H5Aclose(attribute));
}

/* A text of any length, as h5py writes it. */
static void write_text(struct writing *w, hid_t object, const char *name, const char *text)
{
    hid_t type = checked(w, H5Tcopy(H5T_C_S1)), space = checked(w, H5Screate(H5S_SCALAR));
    done(w, H5Tset_size(type, H5T_VARIABLE));
    done(w, H5Tset_cset(type, H5T_CSET_UTF8));
    write_attribute(w, object, name, type, space, &text);
    done(w, H5Sclose(space));
    done(w, H5Tclose(type));
}

/* A list of texts of NAME_BYTES each. */
static void write_names(struct writing *w, hid_t object, const char *name,
                        const char (*names)[NAME_BYTES], size_t count)
{
    const hsize_t size = count;
    hid_t type = checked(w, H5Tcopy(H5T_C_S1)),
          space = checked(w, H5Screate_simple(1, &size, NULL));
    done(w, H5Tset_size(type, NAME_BYTES));
    write_attribute(w, object, name, type, space, names);
    done(w, H5Sclose(space));
    done(w, H5Tclose(type));
}

/* --- weights -------------------------------------------------------------------------------- */

static void write_floats(struct writing *w, hid_t group, const char *name, int dimensions,
                         const size_t *shape, const float *data)
{
    hsize_t sizes[4];
    for (int i = 0; i < dimensions; i++)
        sizes[i] = shape[i];
    hid_t space = checked(w, H5Screate_simple(dimensions, sizes, NULL));
    hid_t set = checked(
        w, H5Dcreate2(group, name, H5T_IEEE_F32LE, space, H5P_DEFAULT, w->plain, H5P_DEFAULT));
    if (set >= 0) {
        done(w, H5Dwrite(set, H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL, H5P_DEFAULT, data));
        done(w, H5Dclose(set));
    }
    done(w, H5Sclose(space));
}

/* PyTorch's [b, a, height, width] as Keras' [height, width, a, b]. */
static rt_status write_kernel(struct writing *w, hid_t group, const char *name,
                              const struct rt_safetensors_entry *entry)
{
    const size_t *s = entry->shape, window = s[2] * s[3];
    const size_t shape[] = {s[2], s[3], s[1], s[0]};
    float *turned;
    rt_status status = rt_alloc(&turned, window * s[0] * s[1], sizeof *turned);
    if (status < 0)
        return status;
    for (size_t k = 0; k < window; k++)
        for (size_t a = 0; a < s[1]; a++)
            for (size_t b = 0; b < s[0]; b++)
                turned[(k * s[1] + a) * s[0] + b] = entry->data[(b * s[1] + a) * window + k];
    write_floats(w, group, name, 4, shape, turned);
    free(turned);
    return RT_OK;
}

/* --- layers --------------------------------------------------------------------------------- */

/* What the weights of a layer are called, in their order in retort and in Keras. */
static const char *const conv_words[] = {"kernel", "bias"};
static const char *const norm_words[] = {"gamma", "beta", "moving_mean", "moving_variance"};

static void name_layer(struct writing *w, const struct rt_safetensors_entry *first)
{
    const bool norm = first->dimensions == 1, transpose = !norm && first->shape[2] == 2;
    const char *base = norm ? "batch_normalization" : transpose ? "conv2d_transpose" : "conv2d";
    int *count = norm ? &w->norms : transpose ? &w->transposes : &w->convs;
    snprintf(w->names[w->count], NAME_BYTES, *count ? "%s_%d" : "%s", base, *count);
    (*count)++;
}

/* A layer of `count` tensors into the group of that name. */
static rt_status write_layer(struct writing *w, hid_t root,
                             const struct rt_safetensors_entry *entries, size_t count)
{
    rt_status status = RT_OK;
    char names[RT_COUNT(norm_words)][NAME_BYTES] = {0}, inner[NAME_BYTES];
    name_layer(w, entries);
    const char *layer = w->names[w->count++];
    snprintf(inner, sizeof inner, "%s", w->numbered ? "vars" : layer);
    hid_t group = checked(w, H5Gcreate2(root, layer, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT));
    hid_t weights = checked(w, H5Gcreate2(group, inner, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT));
    for (size_t i = 0; i < count && status == RT_OK; i++) {
        const char *word = (entries[0].dimensions == 1 ? norm_words : conv_words)[i];
        char name[NAME_BYTES];
        snprintf(name, sizeof name, w->numbered ? "%.0s%zu" : "%s:0", word, i);
        snprintf(names[i], NAME_BYTES, "%.25s/%.20s", layer, name);
        if (entries[i].dimensions == 4)
            status = write_kernel(w, weights, name, &entries[i]);
        else
            write_floats(w, weights, name, 1, entries[i].shape, entries[i].data);
    }
    if (!w->numbered)
        write_names(w, group, "weight_names", (const char(*)[NAME_BYTES])names, count);
    done(w, H5Gclose(weights));
    done(w, H5Gclose(group));
    return status;
}

/* The tensors of a layer follow one another, and their names differ in the last word alone. */
static size_t count_tensors(const struct rt_model_tensors *tensors, size_t first)
{
    size_t next = first, length = (size_t)(strrchr(tensors->entries[first].name, '.') -
                                           tensors->entries[first].name);
    while (next < tensors->count &&
           strncmp(tensors->entries[next].name, tensors->entries[first].name, length + 1) == 0)
        next++;
    return next - first;
}

static rt_status write_layers(struct writing *w, const struct rt_model_tensors *tensors)
{
    rt_status status = RT_OK;
    hid_t root = checked(w, H5Gcreate2(w->file, w->numbered ? "layers" : "model_weights",
                                       H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT));
    for (size_t i = 0; i < tensors->count && w->count < LAYERS_MAX && status == RT_OK;) {
        size_t count = count_tensors(tensors, i);
        status = write_layer(w, root, tensors->entries + i, count);
        i += count;
    }
    if (!w->numbered) {
        write_names(w, root, "layer_names", (const char(*)[NAME_BYTES])w->names, w->count);
        write_text(w, root, "backend", "tensorflow");
        write_text(w, root, "keras_version", KERAS_VERSION);
    }
    done(w, H5Gclose(root));
    return status;
}

/* --- files ---------------------------------------------------------------------------------- */

static rt_status write_model(struct writing *w, const struct rt_model *model)
{
    rt_status status = RT_OK;
    const struct rt_model_info *info = rt_model_describe(model);
    struct rt_model_tensors tensors = {0};
    struct rt_unet unet;
    char *config = NULL, *text = NULL;
    RT_TRY(rt_unet_parse(&unet, info->network));
    RT_TRY(rt_keras_describe(&unet, info->palette.count, &config));
    RT_TRY(rt_model_info_write(info, &text));
    RT_TRY(rt_model_tensors_read(model, &tensors));
    RT_TRY(write_layers(w, &tensors));
    write_text(w, w->file, "retort", text);
    if (!w->numbered) {
        write_text(w, w->file, "model_config", config);
        write_text(w, w->file, "backend", "tensorflow");
        write_text(w, w->file, "keras_version", KERAS_VERSION);
    }
end:
    rt_model_tensors_finish(&tensors);
    free(config);
    free(text);
    return status;
}

static rt_status write_file(const char *temporary, const char *path, const struct rt_model *model)
{
    static const char numbered[] = ".weights.h5";
    rt_status status = RT_OK;
    struct writing *w = NULL;
    const size_t length = strlen(path);
    RT_TRY(rt_alloc(&w, 1, sizeof *w));
    w->numbered =
        length >= sizeof numbered - 1 && strcmp(path + length - sizeof numbered + 1, numbered) == 0;
    w->plain = checked(w, H5Pcreate(H5P_DATASET_CREATE));
    done(w, H5Pset_obj_track_times(w->plain, false));
    w->file = checked(w, H5Fcreate(temporary, H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT));
    if (w->file >= 0) {
        status = write_model(w, model);
        done(w, H5Fclose(w->file));
    }
    done(w, H5Pclose(w->plain));
    if (status == RT_OK && w->failed)
        status = rt_fail(RT_ERROR_IO, "cannot write %s as HDF5: is the disk full?", path);
end:
    free(w);
    return status;
}

rt_status rt_keras_export(const struct rt_model *model, const char *path,
                          const struct rt_export_options *options)
{
    (void)options;
    rt_status status = RT_OK;
    struct rt_file_writer writer = {0};
    H5E_auto2_t report = NULL;
    void *report_data = NULL;
    H5Eget_auto2(H5E_DEFAULT, &report, &report_data);
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
    RT_TRY(rt_file_begin(&writer, path));
    RT_TRY(write_file(writer.temporary, path, model));
    status = rt_file_commit(&writer);
end:
    rt_file_abandon(&writer);
    H5Eset_auto2(H5E_DEFAULT, report, report_data);
    return status;
}
