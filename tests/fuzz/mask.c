/* PNG files as masks, turned into labels. */
#include "fuzz.h"

#include "data/image.h"
#include "png_mutator.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct rt_palette *palette = rt_palette_builtin("dubai");
    struct rt_image mask, labels;
    if (rt_mask_read(&mask, fuzz_file("mask.png", data, size)) != RT_OK)
        return 0;
    if (rt_mask_label(&mask, palette, &labels) == RT_OK) {
        for (int i = 0; i < labels.width * labels.height; i++)
            fuzz_refuse(labels.pixels[i] >= palette->count && labels.pixels[i] != RT_LABEL_IGNORE,
                        "a label outside the palette");
        rt_image_finish(&labels);
    }
    rt_image_finish(&mask);
    return 0;
}
