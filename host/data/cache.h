/* Decoded images kept in memory, the least recently used given up first. Of one thread. */
#ifndef RT_DATA_CACHE_H
#define RT_DATA_CACHE_H

#include "retort/data.h"

struct rt_cache_entry {
    struct rt_image image, labels; /* as rt_dataset_load gives them */
    uint64_t last_use;             /* 0: not loaded */
};

struct rt_cache {
    const struct rt_dataset *dataset;
    size_t limit, bytes;
    uint64_t uses;
    struct rt_cache_entry *entries; /* one for each image of the data set */
};

rt_status rt_cache_init(struct rt_cache *cache, const struct rt_dataset *dataset, size_t limit);
void rt_cache_finish(struct rt_cache *cache);

/* The image `index`, decoded where it is not at hand; valid until the next call. The one asked for
 * is kept even where it alone is beyond the limit. Errors: those of rt_dataset_load. */
rt_status rt_cache_get(struct rt_cache *cache, size_t index, const struct rt_cache_entry **entry);

#endif
