#include "data/cache.h"

#include <stdlib.h>

#include "base/memory.h"

rt_status rt_cache_init(struct rt_cache *cache, const struct rt_dataset *dataset, size_t limit)
{
    *cache = (struct rt_cache){.dataset = dataset, .limit = limit};
    return rt_alloc(&cache->entries, rt_dataset_count(dataset), sizeof *cache->entries);
}

static size_t bytes_of(const struct rt_dataset_item *item)
{
    return (size_t)item->width * (size_t)item->height * (3 + 1);
}

static void drop(struct rt_cache *cache, size_t index)
{
    struct rt_cache_entry *entry = &cache->entries[index];
    if (entry->last_use == 0)
        return;
    rt_image_finish(&entry->image);
    rt_image_finish(&entry->labels);
    entry->last_use = 0;
    cache->bytes -= bytes_of(rt_dataset_item(cache->dataset, index));
}

void rt_cache_finish(struct rt_cache *cache)
{
    for (size_t i = 0; cache->entries && i < rt_dataset_count(cache->dataset); i++)
        drop(cache, i);
    free(cache->entries);
    *cache = (struct rt_cache){0};
}

static void drop_oldest(struct rt_cache *cache)
{
    size_t oldest = 0;
    uint64_t last_use = UINT64_MAX;
    for (size_t i = 0; i < rt_dataset_count(cache->dataset); i++)
        if (cache->entries[i].last_use > 0 && cache->entries[i].last_use < last_use) {
            oldest = i;
            last_use = cache->entries[i].last_use;
        }
    drop(cache, oldest);
}

rt_status rt_cache_get(struct rt_cache *cache, size_t index, const struct rt_cache_entry **entry)
{
    struct rt_cache_entry *found = &cache->entries[index];
    if (found->last_use == 0) {
        size_t bytes = bytes_of(rt_dataset_item(cache->dataset, index));
        while (cache->bytes > 0 && cache->bytes + bytes > cache->limit)
            drop_oldest(cache);
        rt_status status = rt_dataset_load(cache->dataset, index, &found->image, &found->labels);
        if (status < 0)
            return status;
        cache->bytes += bytes;
    }
    found->last_use = ++cache->uses;
    *entry = found;
    return RT_OK;
}
