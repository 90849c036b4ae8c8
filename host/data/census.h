/* How often each colour occurs in masks. */
#ifndef RT_DATA_CENSUS_H
#define RT_DATA_CENSUS_H

#include <stdbool.h>

#include "data/image.h"

struct rt_census; /* exact for all 2^24 colours, in memory for those that occur */

struct rt_census_entry {
    uint32_t rgb; /* 0xRRGGBB */
    uint64_t pixels;
    uint32_t masks;
};

rt_status rt_census_create(struct rt_census **census);
void rt_census_destroy(struct rt_census *census);

/* What is counted from here on is of another mask. */
void rt_census_begin(struct rt_census *census);

/* Counts the pixels of a mask, or a part of one, of rt_mask_read; a grey value v counts as the
 * colour v, v, v. With labels, only those whose label is RT_LABEL_IGNORE. Errors: MEMORY. */
rt_status rt_census_add(struct rt_census *census, const struct rt_image *mask,
                        const uint8_t *labels);

/* Finds the first colour from `from` on that occurs; false if there is none. */
bool rt_census_find(const struct rt_census *census, uint32_t from, struct rt_census_entry *entry);

/* The share of the counted pixels that have one of the palette's colours; 0 with none counted. */
double rt_census_cover(const struct rt_census *census, const struct rt_palette *palette);

#endif
