/* Models on disk: safetensors whose names and shapes are those of the same network in PyTorch. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "model/internal.h"
#include "model/safetensors.h"

#define METADATA_KEY "retort"

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

rt_status rt_model_save(const struct rt_model *model, const char *path)
{
    rt_status status = RT_OK;
    size_t count;
    const struct rt_graph_parameter *parameters = rt_graph_parameters(model->graph, &count);
    struct rt_safetensors_entry *entries = NULL;
    float *values = NULL;
    char *info = NULL;
    RT_TRY(rt_model_info_write(&model->info, &info));
    RT_TRY(rt_alloc(&entries, count, sizeof *entries));
    RT_TRY(rt_alloc(&values, model->total, sizeof *values));
    RT_TRY(rt_buffer_read(model->values, 0, model->total * sizeof *values, values));
    for (size_t i = 0; i < count; i++) {
        describe(&parameters[i], &entries[i]);
        entries[i].data = values + parameters[i].offset;
    }
    struct rt_safetensors_text text = {METADATA_KEY, info};
    status = rt_safetensors_write(path, entries, count, &text, 1);
end:
    free(entries);
    free(values);
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

/* The tensors must be exactly the network's. */
static rt_status check_tensors(const struct rt_model *model, const char *path,
                               const struct rt_safetensors *file)
{
    rt_status status = RT_OK;
    size_t count;
    const struct rt_graph_parameter *parameters = rt_graph_parameters(model->graph, &count);
    for (size_t i = 0; i < count; i++) {
        struct rt_safetensors_entry wanted;
        describe(&parameters[i], &wanted);
        RT_TRY(check_entry(model, path, &wanted, rt_safetensors_find(file, wanted.name)));
    }
    for (size_t i = 0; i < file->count; i++) {
        size_t j = 0;
        while (j < count && strcmp(parameters[j].name, file->entries[i].name) != 0)
            j++;
        if (j == count)
            return rt_fail(RT_ERROR_FORMAT, "%s holds the tensor %s, which %s does not have", path,
                           file->entries[i].name, model->info.network);
    }
end:
    return status;
}

/* Copies the tensors to their places in the slab. */
static void copy_tensors(const struct rt_model *model, const struct rt_safetensors *file,
                         float *values)
{
    size_t count;
    const struct rt_graph_parameter *parameters = rt_graph_parameters(model->graph, &count);
    for (size_t i = 0; i < count; i++)
        memcpy(values + parameters[i].offset, rt_safetensors_find(file, parameters[i].name)->data,
               rt_shape_size(parameters[i].parameter.shape) * sizeof *values);
}

static rt_status read_info(struct rt_model_info *info, const struct rt_safetensors *file,
                           const char *path)
{
    const char *text = rt_safetensors_text(file, METADATA_KEY);
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
    float *values = NULL;
    *model = NULL;
    if (rt_path_is_folder(path))
        return rt_fail(RT_ERROR_IO,
                       "cannot read the model %s: it is a folder; the weights of a run are "
                       "RUN/best.safetensors",
                       path);
    RT_TRY(rt_safetensors_read(&file, path));
    RT_TRY(read_info(&info, &file, path));
    status = rt_model_build(model, device, &info);
    if (status == RT_ERROR_ARGUMENT)
        status = rt_fail_context(RT_ERROR_FORMAT, "cannot use %s: ", path);
    RT_TRY(status);
    RT_TRY(check_tensors(*model, path, &file)); /* before any memory is taken for them */
    RT_TRY(rt_alloc(&values, (*model)->total, sizeof *values));
    copy_tensors(*model, &file, values);
    status = rt_model_fill(*model, values);
end:
    free(values);
    rt_safetensors_finish(&file);
    if (status < 0) {
        rt_model_destroy(*model);
        *model = NULL;
    }
    return status;
}
