/* Palettes: finding the one that masks are drawn with. */
#ifndef RT_DATA_PALETTE_H
#define RT_DATA_PALETTE_H

#include "data/scan.h"
#include "retort/data.h"

/* The built-in palettes in the order of preference; NULL after the last. */
const struct rt_palette *rt_palette_builtin_at(size_t index);

/* The palette of this file or, where there is no such file, the built-in one of this name. Errors:
 * those of rt_palette_read. */
rt_status rt_palette_choose(struct rt_palette *palette, const char *name);

/* The class's name that is spelt most like this one; NULL where none comes near. */
const char *rt_palette_closest(const struct rt_palette *palette, const char *name);

/* The palette of a data set with these `count` masks: the chosen one, else the first built-in
 * one that covers the colours of a sample of the masks, else one made of all that the masks hold.
 * Palettes that miss the masks' colours, the file's or one of a classes.json, are added to
 * problems. Masks that cannot be decoded are passed over. Errors: those of rt_palette_read, FORMAT
 * (one class, more than RT_CLASSES_MAX, no mask that can be decoded), MEMORY. */
rt_status rt_palette_find(struct rt_palette *palette, const char *file,
                          const char *const *mask_paths, size_t count,
                          const struct rt_texts *classes, struct rt_texts *problems);

#endif
