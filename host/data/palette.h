/* Palettes: what the public header does not need. */
#ifndef RT_DATA_PALETTE_H
#define RT_DATA_PALETTE_H

#include "retort/data.h"

/* The built-in palettes in the order of preference; NULL after the last. */
const struct rt_palette *rt_palette_builtin_at(size_t index);

#endif
