/* Weights: safetensors, and in their metadata the model's description. */
#include "fuzz.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "exchange/tensors.h"
#include "model/internal.h"
#include "model/safetensors.h"

/* What was read as a description can be written, and is then read as the same. */
static void check_info(const struct rt_model_info *info)
{
    static struct rt_model_info again;
    char *text;
    struct rt_unet unet;
    fuzz_refuse(rt_model_info_write(info, &text) != RT_OK, "a description that cannot be written");
    fuzz_refuse(rt_model_info_read(&again, text) != RT_OK, "a description that cannot be read");
    fuzz_refuse(memcmp(&again.palette, &info->palette, sizeof again.palette) != 0,
                "another palette");
    free(text);
    if (rt_unet_parse(&unet, info->network) == RT_OK)
        rt_unet_format(&unet, again.network, sizeof again.network);
}

/* Every float of a tensor is there to be read. */
static void check_entry(const struct rt_safetensors *file, const struct rt_safetensors_entry *entry)
{
    size_t floats = 1, finite = 0;
    for (int k = 0; k < entry->dimensions; k++)
        floats *= entry->shape[k];
    for (size_t k = 0; k < floats; k++)
        finite += isfinite(entry->data[k]) != 0;
    fuzz_refuse(finite > floats, "more floats than there are");
    fuzz_refuse(rt_safetensors_find(file, entry->name) != entry, "a name for two tensors");
}

/* As weights of PyTorch, with whatever shapes and names. */
static void check_import(const struct rt_safetensors *file)
{
    struct rt_import_tensors tensors = {0};
    struct rt_unet unet;
    for (size_t i = 0; i < file->count; i++)
        fuzz_refuse(rt_import_add(&tensors, file->entries[i].name, file->entries[i].name,
                                  &file->entries[i], NULL) != RT_OK,
                    "no memory");
    rt_import_recognise(&tensors, &unet);
    fuzz_refuse(rt_import_fold_biases(&tensors) != RT_OK, "no memory");
    fuzz_refuse(rt_import_skip_last(&tensors, RT_ALL_LEVELS) != RT_OK, "no memory");
    rt_import_tensors_finish(&tensors);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct rt_model_info info;
    struct rt_safetensors file;
    if (rt_safetensors_read(&file, fuzz_file("weights", data, size)) != RT_OK)
        return 0;
    for (size_t i = 0; i < file.count; i++)
        check_entry(&file, &file.entries[i]);
    const char *text = rt_safetensors_text(&file, "retort");
    if (text && rt_model_info_read(&info, text) == RT_OK)
        check_info(&info);
    check_import(&file);
    rt_safetensors_finish(&file);
    return 0;
}
