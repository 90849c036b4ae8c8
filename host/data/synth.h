/* The synthetic data set: scenes that look like aerial photographs, drawn with integers alone, so
 * that every machine draws the same. */
#ifndef RT_DATA_SYNTH_H
#define RT_DATA_SYNTH_H

#include "retort/data.h"

/* Draws scene `index` of the series `seed`, RGB and labels of the palette "synth". Another size
 * shows another part of the same world, from the top left on. Errors: MEMORY. */
rt_status rt_synth_draw(uint64_t seed, uint32_t index, int width, int height,
                        struct rt_image *image, struct rt_image *labels);

#endif
