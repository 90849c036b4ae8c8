/* Models on disk: safetensors whose names and shapes are those of the same network in PyTorch. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "model/internal.h"
#include "model/safetensors.h"

/* Filters have four dimensions, everything else (biases, scales, statistics) has one. */
static void describe(const struct rt_graph_parameter *parameter, struct rt_safetensors_entry *entry)
{
    struct rt_shape shape = parameter->parameter.shape;
    size_t four[] = {(size_t)shape.n, (size_t)shape.c, (size_t)shape.h, (size_t)shape.w};
    entry->name = parameter->name;
    entry->dimensions = parameter->parameter.fan_in > 0 ? 4 : 1;
    if (entry->dimensions == 1)
        entry->shape[0] = rt_shape_size(shape);
    else
        memcpy(entry->shape, four, sizeof four);
}

rt_status rt_model_tensors_read(const struct rt_model *model, struct rt_model_tensors *tensors)
{
    rt_status status = RT_OK;
    *tensors = (struct rt_model_tensors){0};
    const struct rt_graph_parameter *parameters =
        rt_graph_parameters(model->graph, &tensors->count);
    RT_TRY(rt_alloc(&tensors->entries, tensors->count, sizeof *tensors->entries));
    RT_TRY(rt_alloc(&tensors->values, model->total, sizeof *tensors->values));
    RT_TRY(
        rt_buffer_read(model->values, 0, model->total * sizeof *tensors->values, tensors->values));
    for (size_t i = 0; i < tensors->count; i++) {
        describe(&parameters[i], &tensors->entries[i]);
        tensors->entries[i].data = tensors->values + parameters[i].offset;
    }
end:
    if (status < 0)
        rt_model_tensors_finish(tensors);
    return status;
}

rt_status rt_model_tensors_list(struct rt_device *device, const struct rt_model_info *info,
                                struct rt_model_tensors *tensors)
{
    rt_status status = RT_OK;
    *tensors = (struct rt_model_tensors){0};
    RT_TRY(rt_model_build(&tensors->described, device, info));
    const struct rt_graph_parameter *parameters =
        rt_graph_parameters(tensors->described->graph, &tensors->count);
    RT_TRY(rt_alloc(&tensors->entries, tensors->count, sizeof *tensors->entries));
    for (size_t i = 0; i < tensors->count; i++)
        describe(&parameters[i], &tensors->entries[i]);
end:
    if (status < 0)
        rt_model_tensors_finish(tensors);
    return status;
}

void rt_model_tensors_finish(struct rt_model_tensors *tensors)
{
    rt_model_destroy(tensors->described);
    free(tensors->entries);
    free(tensors->values);
    *tensors = (struct rt_model_tensors){0};
}

rt_status rt_model_save(const struct rt_model *model, const char *path)
{
    rt_status status = RT_OK;
    struct rt_model_tensors tensors = {0};
    char *info = NULL;
    RT_TRY(rt_model_info_write(&model->info, &info));
    RT_TRY(rt_model_tensors_read(model, &tensors));
    struct rt_safetensors_text text = {RT_MODEL_INFO_KEY, info};
    status = rt_safetensors_write(path, tensors.entries, tensors.count, &text, 1);
end:
    rt_model_tensors_finish(&tensors);
    free(info);
    return status;
}

/* "16x3x3x3", in *text. */
static void shape_text(const struct rt_safetensors_entry *entry, char *text, size_t size)
{
    text[0] = 0;
    for (int i = 0; i < entry->dimensions; i++) {
        size_t used = strlen(text);
        snprintf(text + used, size - used, "%s%zu", i ? "x" : "", entry->shape[i]);
    }
}

static rt_status check_entry(const struct rt_model *model, const char *path,
                             const struct rt_safetensors_entry *wanted,
                             const struct rt_safetensors_entry *got)
{
    char want_text[192], got_text[192];
    size_t size = 1;
    if (!got)
        return rt_fail(RT_ERROR_FORMAT, "%s lacks the tensor %s, which %s has", path, wanted->name,
                       model->info.network);
    shape_text(wanted, want_text, sizeof want_text);
    shape_text(got, got_text, sizeof got_text);
    if (strcmp(want_text, got_text) != 0)
        return rt_fail(RT_ERROR_FORMAT, "the tensor %s in %s is %s, but %s with %d classes has %s",
                       wanted->name, path, got_text, model->info.network, model->info.palette.count,
                       want_text);
    for (int i = 0; i < wanted->dimensions; i++)
        size *= wanted->shape[i];
    for (size_t i = 0; i < size; i++)
        if (!isfinite(got->data[i]))
            return rt_fail(RT_ERROR_FORMAT,
                           "the tensor %s in %s holds a number that is not finite: the training "
                           "that wrote it failed",
                           wanted->name, path);
    return RT_OK;
}

/* The tensors whose values a model is made of. */
struct source {
    const char *path;
    const struct rt_safetensors_entry *entries;
    size_t count;
};

static const struct rt_safetensors_entry *find(const struct source *source, const char *name)
{
    for (size_t i = 0; i < source->count; i++)
        if (strcmp(source->entries[i].name, name) == 0)
            return &source->entries[i];
    return NULL;
}

/* The tensors must be exactly the network's. */
static rt_status check_tensors(const struct rt_model *model, const struct source *source)
{
    rt_status status = RT_OK;
    size_t count;
    const struct rt_graph_parameter *parameters = rt_graph_parameters(model->graph, &count);
    for (size_t i = 0; i < count; i++) {
        struct rt_safetensors_entry wanted;
        describe(&parameters[i], &wanted);
        RT_TRY(check_entry(model, source->path, &wanted, find(source, wanted.name)));
    }
    for (size_t i = 0; i < source->count; i++) {
        size_t j = 0;
        while (j < count && strcmp(parameters[j].name, source->entries[i].name) != 0)
            j++;
        if (j == count)
            return rt_fail(RT_ERROR_FORMAT, "%s holds the tensor %s, which %s does not have",
                           source->path, source->entries[i].name, model->info.network);
    }
end:
    return status;
}

/* Copies the tensors to their places in the slab. */
static void copy_tensors(const struct rt_model *model, const struct source *source, float *values)
{
    size_t count;
    const struct rt_graph_parameter *parameters = rt_graph_parameters(model->graph, &count);
    for (size_t i = 0; i < count; i++)
        memcpy(values + parameters[i].offset, find(source, parameters[i].name)->data,
               rt_shape_size(parameters[i].parameter.shape) * sizeof *values);
}

static rt_status fill(struct rt_model *model, const struct source *source)
{
    rt_status status = RT_OK;
    float *values = NULL;
    RT_TRY(check_tensors(model, source)); /* before any memory is taken for them */
    RT_TRY(rt_alloc(&values, model->total, sizeof *values));
    copy_tensors(model, source, values);
    status = rt_model_fill(model, values);
end:
    free(values);
    return status;
}

rt_status rt_model_assemble(struct rt_model **model, struct rt_device *device,
                            const struct rt_model_info *info, const char *path,
                            const struct rt_safetensors_entry *entries, size_t count)
{
    struct source source = {path, entries, count};
    rt_status status = rt_model_build(model, device, info);
    if (status < 0)
        return status;
    status = fill(*model, &source);
    if (status < 0) {
        rt_model_destroy(*model);
        *model = NULL;
    }
    return status;
}

static rt_status read_info(struct rt_model_info *info, const struct rt_safetensors *file,
                           const char *path)
{
    const char *text = rt_safetensors_text(file, RT_MODEL_INFO_KEY);
    if (!text)
        return rt_fail(RT_ERROR_FORMAT,
                       "%s was not written by retort: its metadata do not describe a model", path);
    rt_status status = rt_model_info_read(info, text);
    return status < 0 ? rt_fail_context(status, "cannot use %s: ", path) : status;
}

rt_status rt_model_load(struct rt_model **model, struct rt_device *device, const char *path)
{
    rt_status status = RT_OK;
    struct rt_safetensors file;
    struct rt_model_info info;
    *model = NULL;
    if (rt_path_is_folder(path))
        return rt_fail(RT_ERROR_IO,
                       "cannot read the model %s: it is a folder; the weights of a run are "
                       "RUN/best.safetensors",
                       path);
    RT_TRY(rt_safetensors_read(&file, path));
    RT_TRY(read_info(&info, &file, path));
    struct source source = {path, file.entries, file.count};
    status = rt_model_build(model, device, &info);
    if (status == RT_ERROR_ARGUMENT)
        status = rt_fail_context(RT_ERROR_FORMAT, "cannot use %s: ", path);
    RT_TRY(status);
    status = fill(*model, &source);
end:
    rt_safetensors_finish(&file);
    if (status < 0) {
        rt_model_destroy(*model);
        *model = NULL;
    }
    return status;
}
