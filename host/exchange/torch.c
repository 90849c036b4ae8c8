/* PyTorch weights as safetensors: a state_dict of the reference U-Net, or of another with a map of
 * names. retort's own files are such, and tell what else there is to know. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/memory.h"
#include "exchange/map.h"
#include "exchange/tensors.h"
#include "model/model.h"
#include "model/unet.h"

#define METADATA_KEY "retort"
#define FIRST ".down.0.0.weight"

/* After the 8 bytes of its length, which is below 4 GiB, the header is a JSON object. */
static bool recognise(const char *path)
{
    char head[9];
    FILE *file = fopen(path, "rb");
    size_t size = file ? fread(head, 1, sizeof head, file) : 0;
    if (file)
        fclose(file);
    return size == sizeof head && memcmp(head + 4, "\0\0\0", 4) == 0 && head[8] == '{';
}

static bool ends_with(const char *text, const char *end)
{
    size_t length = strlen(text), end_length = strlen(end);
    return length >= end_length && strcmp(text + length - end_length, end) == 0;
}

/* The length of what stands before all names: "model." of "model.down.0.0.weight". */
static size_t prefix_length(const struct rt_safetensors *file)
{
    for (size_t i = 0; i < file->count; i++)
        if (ends_with(file->entries[i].name, FIRST))
            return strlen(file->entries[i].name) - strlen(FIRST) + 1;
    return 0;
}

/* The tensors with retort's names. A BatchNorm2d also counts its batches, for nothing here. */
static rt_status name_tensors(struct rt_import_tensors *tensors, const struct rt_safetensors *file,
                              struct rt_map *map)
{
    rt_status status = RT_OK;
    size_t prefix = prefix_length(file);
    char *mapped = NULL;
    for (size_t i = 0; i < file->count; i++) {
        const struct rt_safetensors_entry *entry = &file->entries[i];
        const char *name = strlen(entry->name) > prefix ? entry->name + prefix : entry->name;
        free(mapped);
        mapped = NULL;
        if (ends_with(entry->name, ".num_batches_tracked"))
            continue;
        if (map) {
            RT_TRY(rt_map_name(map, entry->name, &mapped));
            name = mapped;
        }
        if (!name || strcmp(name, RT_MAP_LEFT_OUT) != 0)
            RT_TRY(rt_import_add(tensors, entry->name, name, entry, NULL));
    }
end:
    free(mapped);
    return status;
}

static void list_names(const struct rt_import_tensors *tensors, struct rt_problems *problems)
{
    char shape[RT_SHAPE_TEXT];
    for (size_t i = 0; i < tensors->count; i++) {
        const struct rt_import_tensor *t = &tensors->items[i];
        const bool renamed = t->name && strcmp(t->name, t->origin) != 0;
        rt_problem(problems, "%s (%s)%s%s", t->origin,
                   rt_import_shape(shape, t->shape, t->dimensions), renamed ? " as " : "",
                   renamed ? t->name : "");
    }
    if (tensors->count == 0)
        rt_problem(problems, "nothing");
}

/* The specification of the network that has these tensors, in full form. */
static rt_status find_network(const struct rt_import_tensors *tensors, const char *path,
                              const char *wanted, char *network, size_t size)
{
    struct rt_unet unet;
    struct rt_problems problems = {0};
    if (wanted) {
        rt_status status = rt_unet_parse(&unet, wanted);
        if (status == RT_OK)
            rt_unet_format(&unet, network, size);
        return status;
    }
    if (!rt_import_recognise(tensors, &unet)) {
        list_names(tensors, &problems);
        return rt_problems_fail(&problems, path,
                                ": it holds no down.0.0.weight and up.0.weight, as the reference "
                                "U-Net does, and needs a --map of its names to those (see retort "
                                "import --help). It holds");
    }
    if (unet.up != RT_UNET_TRANSPOSE)
        return rt_fail(RT_ERROR_ARGUMENT,
                       "the network in %s upsamples by convolutions (up.0.weight), and nothing "
                       "tells how it enlarges before them: say --network "
                       "unet:%d,depth=%d%s,up=bilinear or up=nearest",
                       path, unet.width, unet.depth,
                       unet.norm == RT_UNET_BATCH_NORM ? ",norm=batch" : "");
    rt_unet_format(&unet, network, size);
    return RT_OK;
}

static int count_classes(const struct rt_import_tensors *tensors)
{
    const struct rt_import_tensor *head = rt_import_find(tensors, "head.weight");
    size_t classes = head && head->dimensions == 4 ? head->shape[0] : 0;
    return classes <= RT_CLASSES_MAX ? (int)classes : 0;
}

/* What became of the map's lines. */
static void check_map(const struct rt_map *map, const char *path, struct rt_problems *problems)
{
    for (size_t i = 0; i < map->count; i++) {
        const struct rt_map_line *line = &map->lines[i];
        if (line->used == 0)
            rt_problem(problems, "no tensor is called like line %d of the map, %s", line->number,
                       line->theirs);
        else if (strcmp(line->ours, RT_MAP_LEFT_OUT) == 0)
            rt_info("%s: %s is left out, as line %d of the map says: %zu tensor%s", path,
                    line->theirs, line->number, line->used, line->used > 1 ? "s" : "");
    }
}

/* What the metadata tell, where retort wrote the file; *told is set then. */
static rt_status read_info(struct rt_model_info *info, const struct rt_safetensors *file,
                           const char *path, bool *told)
{
    const char *text = rt_safetensors_text(file, METADATA_KEY);
    *told = text != NULL;
    rt_status status = text ? rt_model_info_read(info, text) : RT_OK;
    return status < 0 ? rt_fail_context(status, "cannot import %s: ", path) : status;
}

static rt_status build(struct rt_model **model, struct rt_device *device, const char *path,
                       const struct rt_import_options *options, const struct rt_safetensors *file,
                       struct rt_import_tensors *tensors, struct rt_problems *problems)
{
    rt_status status = RT_OK;
    struct rt_model_info info, told;
    char network[sizeof info.network];
    bool is_told;
    RT_TRY(read_info(&told, file, path, &is_told));
    RT_TRY(find_network(tensors, path,
                        options->network || !is_told ? options->network : told.network, network,
                        sizeof network));
    int classes = count_classes(tensors);
    if (classes == 0)
        return rt_fail(RT_ERROR_UNSUPPORTED,
                       "cannot import %s: its head.weight is missing or no 1x1 convolution to 1 to "
                       "%d classes",
                       path, RT_CLASSES_MAX);
    struct rt_import_found found = {.network = network, .classes = classes};
    if (is_told) {
        found.patch = told.patch;
        found.scaling = &told.scaling;
        found.palette = told.palette.count == classes ? &told.palette : NULL;
    }
    RT_TRY(rt_import_describe(&info, path, &found, options));
    RT_TRY(rt_import_fold_biases(tensors));
    if (options->concat == RT_CONCAT_SKIP_FIRST)
        RT_TRY(rt_import_skip_last(tensors, RT_ALL_LEVELS));
    status = rt_import_finish(model, device, path, &info, options->order, tensors, problems);
end:
    return status;
}

static rt_status import(struct rt_model **model, struct rt_device *device, const char *path,
                        const struct rt_import_options *options)
{
    rt_status status = RT_OK;
    struct rt_safetensors file = {0};
    struct rt_map map = {0};
    struct rt_import_tensors tensors = {0};
    struct rt_problems problems = {0};
    RT_TRY(rt_safetensors_read(&file, path));
    if (options->map)
        RT_TRY(rt_map_read(&map, options->map));
    RT_TRY(name_tensors(&tensors, &file, options->map ? &map : NULL));
    check_map(&map, path, &problems);
    status = build(model, device, path, options, &file, &tensors, &problems);
end:
    rt_import_tensors_finish(&tensors);
    rt_map_finish(&map);
    rt_safetensors_finish(&file);
    return status;
}

/* retort's own files have PyTorch's names and shapes. */
static rt_status export(const struct rt_model *model, const char *path,
                        const struct rt_export_options *options)
{
    (void)options;
    return rt_model_save(model, path);
}

const struct rt_format rt_format_torch = {
    .name = "torch",
    .title = "PyTorch safetensors",
    .recognise = recognise,
    .import = import,
    .export = export,
};
