#include "data/augment.h"

#include <string.h>

#include "base/random.h"

/* The random numbers of augmentation; other uses of the same seed have other streams. */
#define AUGMENT_STREAM ((uint64_t)'A' << 56)

struct rt_augmentation rt_augmentation_none(void)
{
    return (struct rt_augmentation){.gain = RT_GAIN_ONE};
}

struct rt_augmentation rt_augmentation_draw(uint64_t seed, uint64_t epoch, size_t place)
{
    struct rt_random random = rt_random_start(seed, AUGMENT_STREAM | epoch);
    random.position = 4 * (uint64_t)place; /* a block of four words for each patch */
    uint32_t bits = rt_random_word(&random);
    unsigned tenth = RT_GAIN_ONE / 10;
    return (struct rt_augmentation){
        .mirror_x = bits & 1,
        .mirror_y = bits >> 1 & 1,
        .transpose = bits >> 2 & 1,
        .gain = RT_GAIN_ONE - tenth + rt_random_word(&random) % (2 * tenth + 1),
    };
}

void rt_augment_cut(const struct rt_image *image, int x, int y, int size,
                    const struct rt_augmentation *augmentation, uint8_t *patch)
{
    size_t channels = (size_t)image->channels;
    ptrdiff_t right = image->channels, down = (ptrdiff_t)image->width * right;
    const uint8_t *corner = image->pixels + y * down + x * right;
    if (augmentation->mirror_x) {
        corner += (size - 1) * right;
        right = -right;
    }
    if (augmentation->mirror_y) {
        corner += (size - 1) * down;
        down = -down;
    }
    if (augmentation->transpose) {
        ptrdiff_t swap = right;
        right = down;
        down = swap;
    }
    for (int row = 0; row < size; row++)
        for (int column = 0; column < size; column++) {
            const uint8_t *pixel = corner + row * down + column * right;
            for (size_t c = 0; c < channels; c++)
                *patch++ = pixel[c];
        }
}

void rt_augment_brighten(unsigned gain, uint8_t *samples, size_t count)
{
    if (gain == RT_GAIN_ONE)
        return;
    uint8_t bright[256];
    for (unsigned v = 0; v < 256; v++) {
        unsigned value = (v * gain + RT_GAIN_ONE / 2) / RT_GAIN_ONE;
        bright[v] = (uint8_t)(value < 255 ? value : 255);
    }
    for (size_t i = 0; i < count; i++)
        samples[i] = bright[samples[i]];
}
