/* PyTorch weights as safetensors. */
#include <stdio.h>

#include "exchange/exchange.h"
#include "model/model.h"

/* After the 8 bytes of its length, the header is a JSON object. */
static bool recognise(const char *path)
{
    char head[9];
    FILE *file = fopen(path, "rb");
    size_t size = file ? fread(head, 1, sizeof head, file) : 0;
    if (file)
        fclose(file);
    return size == sizeof head && head[8] == '{';
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
    .export = export,
};
