#include <string.h>

#include "data/image.h"

static uint8_t label_of(const struct rt_palette *palette, const uint8_t *rgb)
{
    for (int i = 0; i < palette->count; i++)
        if (memcmp(palette->classes[i].rgb, rgb, 3) == 0)
            return (uint8_t)i;
    return RT_LABEL_IGNORE;
}

/* Masks are large areas of one colour, so the palette is only searched where the colour changes. */
static void label_colours(const uint8_t *rgb, size_t count, const struct rt_palette *palette,
                          uint8_t *labels)
{
    for (size_t i = 0; i < count; i++, rgb += 3)
        labels[i] = i > 0 && memcmp(rgb, rgb - 3, 3) == 0 ? labels[i - 1] : label_of(palette, rgb);
}

rt_status rt_mask_label(const struct rt_image *mask, const struct rt_palette *palette,
                        struct rt_image *labels)
{
    rt_status status = rt_image_init(labels, mask->width, mask->height, 1);
    if (status < 0)
        return status;
    size_t count = (size_t)mask->width * (size_t)mask->height;
    if (mask->channels == 3)
        label_colours(mask->pixels, count, palette, labels->pixels);
    else
        for (size_t i = 0; i < count; i++)
            labels->pixels[i] =
                mask->pixels[i] < palette->count ? mask->pixels[i] : RT_LABEL_IGNORE;
    return RT_OK;
}
