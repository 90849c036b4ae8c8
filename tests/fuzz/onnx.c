/* ONNX files: protocol buffers, graphs, constants, and what metadata tell. */
#include "fuzz.h"

#include <math.h>
#include <stdlib.h>

#include "base/memory.h"
#include "exchange/onnx_read.h"

/* Every parameter of the graph has its numbers. */
static void check_parameters(const struct rt_onnx_reading *r)
{
    size_t count, finite = 0, all = 0;
    const struct rt_graph_parameter *parameters = rt_graph_parameters(r->graph, &count);
    fuzz_refuse(count != r->source_count, "a parameter without numbers");
    for (size_t i = 0; i < count; i++) {
        float *floats;
        const size_t size = rt_shape_size(parameters[i].parameter.shape);
        if (rt_alloc(&floats, size, sizeof *floats) < 0)
            return;
        rt_onnx_parameter_floats(r, i, size, floats);
        for (size_t k = 0; k < size; k++)
            finite += isfinite(floats[k]) != 0;
        all += size;
        free(floats);
    }
    fuzz_refuse(finite > all, "more numbers than there are");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct rt_model_info info;
    static const struct rt_scaling unit = {.deviation = {255, 255, 255}};
    const struct rt_import_options options = {.scaling = &unit};
    struct rt_onnx_reading r = {.path = "a file"};
    struct rt_onnx_unet unet = {.found = false};
    Onnx__ModelProto *proto;
    if (rt_onnx_file_parse(&proto, "a file", data, size) < 0)
        return 0;
    if (rt_onnx_reading_init(&r, NULL, "a file", proto) == RT_OK &&
        rt_onnx_read(&r, &unet, &info, proto, &options) == RT_OK)
        check_parameters(&r);
    rt_onnx_unet_finish(&unet);
    rt_onnx_reading_finish(&r);
    onnx__model_proto__free_unpacked(proto, NULL);
    return 0;
}
