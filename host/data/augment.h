/* Patches cut out of images, turned, mirrored and brightened. */
#ifndef RT_DATA_AUGMENT_H
#define RT_DATA_AUGMENT_H

#include "retort/data.h"

struct rt_augmentation {
    bool mirror_x, mirror_y, transpose; /* together the eight symmetries of a square */
    unsigned gain;                      /* brightness, RT_GAIN_ONE leaves it */
};

#define RT_GAIN_ONE 65536u

/* What leaves a patch as it is. */
struct rt_augmentation rt_augmentation_none(void);

/* What belongs to the patch at a place in the order of an epoch: drawn from the three alone. */
struct rt_augmentation rt_augmentation_draw(uint64_t seed, uint64_t epoch, size_t place);

/* Cuts the patch of size x size pixels at x, y; patch holds size * size * image->channels bytes.
 * The brightness is left as it is. */
void rt_augment_cut(const struct rt_image *image, int x, int y, int size,
                    const struct rt_augmentation *augmentation, uint8_t *patch);

/* Multiplies count samples by the gain, rounded, at most 255. */
void rt_augment_brighten(unsigned gain, uint8_t *samples, size_t count);

#endif
