/* Keras HDF5: weights or whole models of a U-Net, in; weights, out. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "exchange/keras_export.h"
#include "exchange/keras_unet.h"
#include "model/model.h"

static bool recognise(const char *path)
{
    return rt_file_begins(path, "\x89HDF\r\n\x1a\n", 8);
}

#ifdef RT_HDF5
/* The scaling before the network's own layer Rescaling, and that layer, in one. */
static struct rt_scaling rescale(const struct rt_keras_unet *k, const struct rt_scaling *before)
{
    struct rt_scaling scaling = {.mode = RT_SCALING_DATA, .deviation = {1, 1, 1}};
    if (before)
        scaling = *before;
    for (int i = 0; i < 3; i++) {
        const double mean = (double)scaling.mean[i], deviation = (double)scaling.deviation[i];
        scaling.mean[i] = (float)(mean - k->offset[i] * deviation / k->scale[i]);
        scaling.deviation[i] = (float)(deviation / k->scale[i]);
    }
    return scaling;
}

static rt_status find_parts(struct rt_keras_unet *k, const struct rt_keras_file *file,
                            const char *path, json_t **root, struct rt_problems *problems)
{
    rt_status status = RT_OK;
    if (!file->config)
        return rt_keras_guess(k, file, path);
    status = rt_keras_walk(k, file->config, root, problems);
    if (status < 0)
        return rt_fail_context(status, "cannot import %s: ", path);
    return rt_problems_fail(problems, path, "");
}

/* The network's specification, of what was found, or as the caller says. */
static rt_status specify(const struct rt_keras_unet *k, const struct rt_import_tensors *tensors,
                         const char *path, const char *wanted, char *network, size_t size)
{
    struct rt_unet unet = k->unet;
    const struct rt_import_tensor *first = rt_import_find(tensors, "down.0.0.weight");
    if (wanted) {
        rt_status status = rt_unet_parse(&unet, wanted);
        if (status == RT_OK)
            rt_unet_format(&unet, network, size);
        return status;
    }
    if (!first || first->shape[0] < 1 || first->shape[0] > 1024)
        return rt_fail(RT_ERROR_UNSUPPORTED,
                       "cannot import %s: its first convolution has not 1 to 1024 channels", path);
    unet.width = (int)first->shape[0];
    rt_unet_format(&unet, network, size);
    if (!k->up_is_told)
        return rt_fail(RT_ERROR_ARGUMENT,
                       "the network in %s upsamples by convolutions, and weights alone do not "
                       "tell how it enlarges before them: say --network %s, or up=bilinear",
                       path, network);
    return RT_OK;
}

/* What the attribute `retort` tells, and the layers. */
static rt_status describe(struct rt_model_info *info, const struct rt_keras_unet *k,
                          const struct rt_keras_file *file, const char *path,
                          const struct rt_import_tensors *tensors,
                          const struct rt_import_options *options)
{
    rt_status status = RT_OK;
    struct rt_model_info told;
    struct rt_scaling scaling;
    char network[sizeof info->network];
    struct rt_import_options chosen = *options;
    if (file->info) {
        status = rt_model_info_read(&told, file->info);
        if (status < 0)
            return rt_fail_context(status, "cannot import %s: ", path);
    }
    RT_TRY(specify(k, tensors, path,
                   options->network || !file->info ? options->network : told.network, network,
                   sizeof network));
    const struct rt_import_tensor *head = rt_import_find(tensors, "head.weight");
    const size_t classes = head && head->dimensions == 4 ? head->shape[0] : 0;
    if (classes < 1 || classes > RT_CLASSES_MAX)
        return rt_fail(RT_ERROR_UNSUPPORTED,
                       "cannot import %s: its last convolution has %zu classes, not 1 to %d", path,
                       classes, RT_CLASSES_MAX);
    struct rt_import_found found = {.network = network, .classes = (int)classes, .patch = k->patch};
    if (file->info) {
        found.patch = told.patch;
        found.scaling = &told.scaling;
        found.palette = told.palette.count == found.classes ? &told.palette : NULL;
    }
    if (k->rescaled) {
        const struct rt_scaling *before = options->scaling;
        if (before && before->mode == RT_SCALING_PATCH)
            return rt_fail(RT_ERROR_UNSUPPORTED,
                           "cannot import %s: its layer Rescaling after a scaling by patch cannot "
                           "be expressed",
                           path);
        scaling = rescale(k, before);
        found.scaling = &scaling;
        chosen.scaling = NULL;
    }
    status = rt_import_describe(info, path, &found, &chosen);
end:
    return status;
}

static rt_status import(struct rt_model **model, struct rt_device *device, const char *path,
                        const struct rt_import_options *options)
{
    rt_status status = RT_OK;
    struct rt_keras_file file;
    struct rt_keras_unet k;
    struct rt_import_tensors tensors = {0};
    struct rt_problems problems = {0};
    struct rt_model_info info;
    json_t *root = NULL;
    if (options->map)
        return rt_fail(RT_ERROR_ARGUMENT,
                       "a map is for weights of PyTorch: the layers of %s are known by their "
                       "description or their order",
                       path);
    RT_TRY(rt_keras_read(&file, path));
    RT_TRY(find_parts(&k, &file, path, &root, &problems));
    RT_TRY(rt_keras_convert(&k, &file, &tensors, &problems));
    RT_TRY(rt_problems_fail(&problems, path, ""));
    RT_TRY(describe(&info, &k, &file, path, &tensors, options));
    if (k.unet.norm == RT_UNET_BATCH_NORM)
        RT_TRY(rt_import_fold_biases(&tensors));
    if (options->concat == RT_CONCAT_SKIP_FIRST)
        k.skip_first = RT_ALL_LEVELS;
    else if (options->concat == RT_CONCAT_UP_FIRST)
        k.skip_first = 0;
    RT_TRY(rt_import_skip_last(&tensors, k.skip_first));
    status = rt_import_finish(model, device, path, &info, options->order, &tensors, &problems);
end:
    rt_import_tensors_finish(&tensors);
    json_decref(root);
    rt_keras_finish(&file);
    return status;
}
#endif

const struct rt_format rt_format_keras = {
    .name = "keras",
    .title = "Keras HDF5",
    .recognise = recognise,
#ifdef RT_HDF5
    .import = import,
    .export = rt_keras_export,
#else
    .missing = "libhdf5",
#endif
};
