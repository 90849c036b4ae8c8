#include "exchange/exchange.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "model/model.h"

#define DEFAULT_PATCH 256
#define FIRST_CONVOLUTION "down.0.0.weight"

const struct rt_format *const rt_formats[] = {
    &rt_format_keras,
    &rt_format_torch,
    &rt_format_onnx, /* last: its files have no first bytes of their own */
    NULL,
};

bool rt_file_begins(const char *path, const void *bytes, size_t size)
{
    char head[64];
    FILE *file = fopen(path, "rb");
    if (!file || size > sizeof head) {
        if (file)
            fclose(file);
        return false;
    }
    bool begins = fread(head, 1, size, file) == size && memcmp(head, bytes, size) == 0;
    fclose(file);
    return begins;
}

const struct rt_format *rt_format_of(const char *path)
{
    int i = 0;
    while (rt_formats[i] && !rt_formats[i]->recognise(path))
        i++;
    return rt_formats[i];
}

/* --- import --------------------------------------------------------------------------------- */

/* Colours far apart: hues by the golden angle, in three steps of brightness. */
static void choose_colour(int index, uint8_t rgb[3])
{
    const int hue = index * 222 % 360, value = 255 - index % 3 * 60;
    const int sector = hue / 60, ramp = value * (hue % 60) / 60;
    const int v = value, up = ramp, down = value - ramp;
    const int colours[6][3] = {{v, up, 0},   {down, v, 0}, {0, v, up},
                               {0, down, v}, {up, 0, v},   {v, 0, down}};
    for (int i = 0; i < 3; i++)
        rgb[i] = (uint8_t)colours[sector][i];
}

static void name_classes(struct rt_palette *palette, int classes)
{
    *palette = (struct rt_palette){.name = RT_PALETTE_UNTOLD, .count = classes, .unlabeled = -1};
    for (int i = 0; i < classes; i++) {
        snprintf(palette->classes[i].name, sizeof palette->classes[i].name, "class %d", i);
        choose_colour(i, palette->classes[i].rgb);
    }
}

static rt_status describe_classes(struct rt_palette *palette, const char *path, int classes,
                                  const struct rt_palette *wanted)
{
    if (!wanted)
        name_classes(palette, classes);
    else if (wanted->count == classes)
        *palette = *wanted;
    else
        return rt_fail(RT_ERROR_ARGUMENT,
                       "the network in %s has %d classes, but the palette %s has %d", path, classes,
                       wanted->name, wanted->count);
    return RT_OK;
}

static rt_status describe_scaling(struct rt_scaling *scaling, const char *path,
                                  const struct rt_scaling *told,
                                  const struct rt_import_options *options)
{
    const struct rt_scaling *chosen = options->scaling ? options->scaling : told;
    if (!chosen)
        return rt_fail(RT_ERROR_ARGUMENT,
                       "%s does not tell how its images were scaled, without which a network sees "
                       "nothing: say --scaling patch (each channel of each patch from 0 to 1, as "
                       "the reference recipe), unit (v / 255), symmetric, imagenet, none or "
                       "M,M,M/D,D,D",
                       path);
    *scaling = *chosen;
    for (int i = 0; options->order == RT_CHANNELS_BGR && i < 3; i++) {
        scaling->mean[i] = chosen->mean[2 - i];
        scaling->deviation[i] = chosen->deviation[2 - i];
    }
    return RT_OK;
}

rt_status rt_import_describe(struct rt_model_info *info, const char *path,
                             const struct rt_import_found *found,
                             const struct rt_import_options *options)
{
    rt_status status = RT_OK;
    *info = (struct rt_model_info){.channels = 3};
    if (strlen(found->network) >= sizeof info->network)
        return rt_fail(RT_ERROR_ARGUMENT, "the network's specification is too long: %s",
                       found->network);
    snprintf(info->network, sizeof info->network, "%s", found->network);
    info->patch = options->patch > 0        ? options->patch
                  : found->patch > 0        ? found->patch
                  : options->patch_else > 0 ? options->patch_else
                                            : DEFAULT_PATCH;
    RT_TRY(describe_classes(&info->palette, path, found->classes,
                            options->palette ? options->palette : found->palette));
    status = describe_scaling(&info->scaling, path, found->scaling, options);
end:
    return status;
}

/* A convolution's filters [out, 3, h, w] for images whose channels come the other way round. */
static rt_status turn_channels(float **turned, const struct rt_safetensors_entry *entry)
{
    size_t out = entry->shape[0], plane = entry->shape[2] * entry->shape[3];
    rt_status status = rt_alloc(turned, out * 3 * plane, sizeof **turned);
    for (size_t i = 0; status == RT_OK && i < out * 3; i++)
        memcpy(*turned + i * plane, entry->data + (i / 3 * 3 + 2 - i % 3) * plane,
               plane * sizeof **turned);
    return status;
}

rt_status rt_import_build(struct rt_model **model, struct rt_device *device, const char *path,
                          const struct rt_model_info *info, enum rt_channel_order order,
                          const struct rt_safetensors_entry *entries, size_t count)
{
    rt_status status = RT_OK;
    struct rt_safetensors_entry *turned = NULL;
    float *filters = NULL;
    *model = NULL;
    RT_TRY(rt_alloc(&turned, count, sizeof *turned));
    memcpy(turned, entries, count * sizeof *turned);
    for (size_t i = 0; order == RT_CHANNELS_BGR && i < count; i++) {
        if (strcmp(turned[i].name, FIRST_CONVOLUTION) != 0 || turned[i].dimensions != 4 ||
            turned[i].shape[1] != 3)
            continue;
        free(filters); /* of a tensor that is there twice, which is refused below */
        RT_TRY(turn_channels(&filters, &turned[i]));
        turned[i].data = filters;
    }
    status = rt_model_assemble(model, device, info, path, turned, count);
end:
    free(filters);
    free(turned);
    return status;
}

/* "Keras HDF5, PyTorch safetensors (this build lacks libx), ONNX". */
static void list_formats(char *text, size_t size)
{
    size_t length = 0;
    text[0] = 0;
    for (int i = 0; rt_formats[i] && length < size; i++) {
        const struct rt_format *format = rt_formats[i];
        bool lacks = !format->import && format->missing;
        length += (size_t)snprintf(text + length, size - length, "%s%s%s%s%s", i ? ", " : "",
                                   format->title, lacks ? " (this build lacks " : "",
                                   lacks ? format->missing : "", lacks ? ")" : "");
    }
}

/* Python's pickles, in a zip or bare, as torch.save writes them. */
static bool is_pickled(const char *path)
{
    return rt_file_begins(path, "PK\3\4", 4) || rt_file_begins(path, "\x80\2", 2) ||
           rt_file_begins(path, "\x80\4", 2);
}

static rt_status fail_unrecognised(const char *path)
{
    char list[256];
    if (rt_path_is_folder(path))
        return rt_fail(RT_ERROR_FORMAT,
                       "cannot import %s: it is a folder; in Keras, save the model as one file: "
                       "model.save(\"model.h5\")",
                       path);
    FILE *file = fopen(path, "rb");
    if (!file)
        return rt_fail(RT_ERROR_IO, "cannot read %s: %s", path, strerror(errno));
    fclose(file);
    if (is_pickled(path))
        return rt_fail(RT_ERROR_UNSUPPORTED,
                       "%s is an archive or a pickle, which may run any code and is not read: in "
                       "PyTorch, write the weights with safetensors.torch.save_file("
                       "model.state_dict(), \"weights.safetensors\"); of a .keras archive of "
                       "Keras, unzip model.weights.h5, or save the model as .h5",
                       path);
    list_formats(list, sizeof list);
    return rt_fail(RT_ERROR_FORMAT, "%s is no model of a kind that can be imported: %s", path,
                   list);
}

static rt_status fail_missing(const struct rt_format *format, const char *what, const char *path)
{
    if (format->missing)
        return rt_fail(RT_ERROR_UNSUPPORTED,
                       "cannot %s %s: this build of retort lacks %s, which %s needs", what, path,
                       format->missing, format->title);
    return rt_fail(RT_ERROR_UNSUPPORTED, "cannot %s %s: retort cannot do that with %s", what, path,
                   format->title);
}

rt_status rt_model_import(struct rt_model **model, struct rt_device *device, const char *path,
                          const struct rt_import_options *options)
{
    const struct rt_format *format = rt_format_of(path);
    *model = NULL;
    if (!format)
        return fail_unrecognised(path);
    return format->import ? format->import(model, device, path, options)
                          : fail_missing(format, "import", path);
}

rt_status rt_model_open(struct rt_model **model, struct rt_device *device, const char *path,
                        const struct rt_import_options *options)
{
    const struct rt_format *format = rt_format_of(path);
    return format && format != &rt_format_torch ? rt_model_import(model, device, path, options)
                                                : rt_model_load(model, device, path);
}

/* --- export --------------------------------------------------------------------------------- */

rt_status rt_model_export(const struct rt_model *model, const char *path,
                          const struct rt_export_options *options)
{
    for (int i = 0; rt_formats[i]; i++)
        if (strcmp(rt_formats[i]->name, options->format) == 0)
            return rt_formats[i]->export && !rt_model_is_foreign(model)
                       ? rt_formats[i]->export(model, path, options)
                       : fail_missing(rt_formats[i], "write", path);
    return rt_fail(RT_ERROR_ARGUMENT, "there is no format '%s' to export to: onnx, torch or keras",
                   options->format);
}
