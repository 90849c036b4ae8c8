/* What a model answers, for tests that compare it with another program.
 *
 * usage: probabilities MODEL WIDTH HEIGHT IMAGE OUT
 * IMAGE holds WIDTH x HEIGHT RGB bytes; OUT gets [classes][height][width] floats. */
#include <stdio.h>
#include <stdlib.h>

#include "base/file.h"
#include "base/memory.h"
#include "retort/retort.h"

static rt_status answer(char **argv)
{
    rt_status status = RT_OK;
    struct rt_device *device = NULL;
    struct rt_model *model = NULL;
    struct rt_image image = {.width = atoi(argv[2]), .height = atoi(argv[3]), .channels = 3};
    char *bytes = NULL;
    float *probabilities = NULL;
    size_t size, pixels = (size_t)image.width * (size_t)image.height;
    RT_TRY(rt_file_read(argv[4], 1 << 28, &bytes, &size));
    if (size != 3 * pixels)
        RT_TRY(rt_fail(RT_ERROR_FORMAT, "%s holds %zu bytes", argv[4], size));
    image.pixels = (uint8_t *)bytes;
    RT_TRY(rt_device_open(&device, NULL));
    RT_TRY(rt_model_load(&model, device, argv[1]));
    size_t floats = pixels * (size_t)rt_model_describe(model)->palette.count;
    RT_TRY(rt_alloc(&probabilities, floats, sizeof *probabilities));
    RT_TRY(rt_model_predict(model, &image, 0, probabilities));
    status = rt_file_write(argv[5], probabilities, floats * sizeof *probabilities);
end:
    rt_model_destroy(model);
    rt_device_close(device);
    free(probabilities);
    free(bytes);
    return status;
}

int main(int argc, char **argv)
{
    if (argc != 6) {
        fprintf(stderr, "usage: probabilities MODEL WIDTH HEIGHT IMAGE OUT\n");
        return 2;
    }
    if (answer(argv) != RT_OK) {
        fprintf(stderr, "probabilities: %s\n", rt_error_message());
        return 1;
    }
    return 0;
}
