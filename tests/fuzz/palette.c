/* Palette files. */
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "model/internal.h"

/* What was read can be kept in a model. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct rt_model_info info = {.network = "unet:16", .channels = 3, .patch = 256}, again;
    char *text;
    if (rt_palette_read(&info.palette, fuzz_file("classes.json", data, size)) != RT_OK)
        return 0;
    fuzz_refuse(rt_model_info_write(&info, &text) != RT_OK, "a palette that cannot be written");
    fuzz_refuse(rt_model_info_read(&again, text) != RT_OK, "a palette that cannot be read");
    fuzz_refuse(memcmp(&again.palette, &info.palette, sizeof again.palette) != 0,
                "another palette");
    free(text);
    return 0;
}
