/* One thread fills a ring of three batches: one that the caller holds and two that are ready. The
 * thread alone writes to batches, and only to those that the counters give it; the caller reads
 * those that the counters give out. rt_loader_start raises the generation, which makes the thread
 * drop what it is at and begin anew. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/random.h"
#include "data/augment.h"
#include "data/cache.h"

#define SLOTS 3
#define CACHE_BYTES ((size_t)1 << 30)

/* The random numbers of the order; other uses of the same seed have other streams. */
#define ORDER_STREAM ((uint64_t)'O' << 56)

struct slot {
    int count; /* 0: the epoch is over */
    float *images;
    uint8_t *labels;
    struct rt_patch *patches;
    rt_status status; /* not RT_OK: the thread failed, and message says why */
    char *message;
};

struct rt_loader {
    struct rt_loader_options options;
    struct slot slots[SLOTS];

    /* of the thread alone */
    struct rt_cache cache;
    uint32_t *order; /* [patches->count] indices of patches */
    uint8_t *rgb;    /* [size, size, 3] the patch at work */

    pthread_t thread;
    bool thread_runs;
    pthread_mutex_t mutex; /* guards what follows */
    pthread_cond_t changed;
    bool stop;
    uint64_t generation; /* calls of rt_loader_start so far: 0 before the first */
    uint64_t epoch;
    uint64_t filled, taken; /* slots since the start; taken ones are the thread's again */
    bool lent;              /* the caller holds slot taken % SLOTS */
};

/* --- the thread --------------------------------------------------------------------------- */

static bool is_current(struct rt_loader *loader, uint64_t generation)
{
    pthread_mutex_lock(&loader->mutex);
    bool current = !loader->stop && loader->generation == generation;
    pthread_mutex_unlock(&loader->mutex);
    return current;
}

static void make_order(struct rt_loader *loader, uint64_t epoch)
{
    size_t count = loader->options.patches->count;
    for (size_t i = 0; i < count; i++)
        loader->order[i] = (uint32_t)i;
    struct rt_random random = rt_random_start(loader->options.seed, ORDER_STREAM | epoch);
    if (loader->options.shuffle)
        rt_random_shuffle(&random, loader->order, count, sizeof *loader->order);
}

/* Puts the patch at a place of the epoch's order into the slot. */
static rt_status fill_patch(struct rt_loader *loader, uint64_t epoch, size_t place,
                            struct slot *slot)
{
    const struct rt_loader_options *options = &loader->options;
    const struct rt_patch *patch = &options->patches->patches[loader->order[place]];
    size_t pixels = (size_t)options->size * (size_t)options->size;
    float *images = slot->images + 3 * pixels * (size_t)slot->count;
    uint8_t *labels = slot->labels + pixels * (size_t)slot->count;
    const struct rt_cache_entry *entry;
    struct rt_cache_entry part = {0};
    int x = patch->x, y = patch->y;
    rt_status status;
    if (rt_dataset_item(options->dataset, patch->image)->windowed) {
        status = rt_dataset_load_part(options->dataset, patch->image, x, y, options->size,
                                      options->size, &part.image, &part.labels);
        entry = &part;
        x = y = 0;
    } else {
        status = rt_cache_get(&loader->cache, patch->image, &entry);
    }
    if (status < 0)
        return status;
    struct rt_augmentation augmentation = options->augment
                                              ? rt_augmentation_draw(options->seed, epoch, place)
                                              : rt_augmentation_none();
    rt_augment_cut(&entry->image, x, y, options->size, &augmentation, loader->rgb);
    rt_augment_brighten(augmentation.gain, loader->rgb, 3 * pixels);
    rt_scaling_apply(&options->scaling, loader->rgb, pixels, images);
    if (entry->labels.pixels && !patch->unlabelled)
        rt_augment_cut(&entry->labels, x, y, options->size, &augmentation, labels);
    else
        memset(labels, RT_LABEL_UNKNOWN, pixels);
    rt_image_finish(&part.image);
    rt_image_finish(&part.labels);
    slot->patches[slot->count++] = *patch;
    return RT_OK;
}

/* Fills the slot with the patches from `place` on. A failure is left in it, for the caller. */
static void fill_slot(struct rt_loader *loader, uint64_t generation, uint64_t epoch, size_t place,
                      struct slot *slot)
{
    free(slot->message);
    slot->message = NULL;
    slot->status = RT_OK;
    slot->count = 0;
    size_t left = loader->options.patches->count - place;
    int count = left < (size_t)loader->options.batch ? (int)left : loader->options.batch;
    for (int i = 0; i < count && slot->status == RT_OK && is_current(loader, generation); i++)
        slot->status = fill_patch(loader, epoch, place + (size_t)i, slot);
    if (slot->status < 0) /* messages are a thread's own: this one goes over in the slot */
        slot->message = strdup(rt_error_message());
}

/* Fills slots until the epoch is over, has failed or is current no more. */
static void run_epoch(struct rt_loader *loader, uint64_t generation, uint64_t epoch)
{
    make_order(loader, epoch);
    size_t place = 0;
    bool last = false;
    for (uint64_t n = 0; !last; n++) {
        pthread_mutex_lock(&loader->mutex);
        while (!loader->stop && loader->generation == generation && n >= loader->taken + SLOTS)
            pthread_cond_wait(&loader->changed, &loader->mutex);
        pthread_mutex_unlock(&loader->mutex);
        struct slot *slot = &loader->slots[n % SLOTS];
        fill_slot(loader, generation, epoch, place, slot);
        place += (size_t)slot->count;
        last = slot->count == 0 || slot->status < 0;
        pthread_mutex_lock(&loader->mutex);
        if (loader->generation == generation)
            loader->filled = n + 1;
        last = last || loader->stop || loader->generation != generation;
        pthread_cond_broadcast(&loader->changed);
        pthread_mutex_unlock(&loader->mutex);
    }
}

static void *run(void *argument)
{
    struct rt_loader *loader = argument;
    uint64_t done = 0;
    for (;;) {
        pthread_mutex_lock(&loader->mutex);
        while (!loader->stop && loader->generation == done)
            pthread_cond_wait(&loader->changed, &loader->mutex);
        bool stop = loader->stop;
        uint64_t epoch = loader->epoch;
        done = loader->generation;
        pthread_mutex_unlock(&loader->mutex);
        if (stop)
            return NULL;
        run_epoch(loader, done, epoch);
    }
}

/* --- the caller --------------------------------------------------------------------------- */

static rt_status check_options(const struct rt_loader_options *options)
{
    if (options->size < 1 || options->batch < 1 || options->patches->count == 0)
        return rt_fail(RT_ERROR_ARGUMENT,
                       "cannot load batches of %d out of %zu patches of size %d: expected at least "
                       "one of each",
                       options->batch, options->patches->count, options->size);
    for (size_t i = 0; i < options->patches->count; i++) {
        const struct rt_patch *patch = &options->patches->patches[i];
        const struct rt_dataset_item *item = patch->image < rt_dataset_count(options->dataset)
                                                 ? rt_dataset_item(options->dataset, patch->image)
                                                 : NULL;
        if (!item || patch->x < 0 || patch->y < 0 || patch->x > item->width - options->size ||
            patch->y > item->height - options->size)
            return rt_fail(RT_ERROR_ARGUMENT,
                           "cannot load patch %zu of size %d: it lies outside of its image", i,
                           options->size);
    }
    return RT_OK;
}

static rt_status slot_init(struct slot *slot, const struct rt_loader_options *options)
{
    rt_status status = RT_OK;
    size_t pixels = (size_t)options->size * (size_t)options->size, batch = (size_t)options->batch;
    RT_TRY(rt_alloc(&slot->images, batch * 3, pixels * sizeof *slot->images));
    RT_TRY(rt_alloc(&slot->labels, batch, pixels));
    RT_TRY(rt_alloc(&slot->patches, batch, sizeof *slot->patches));
end:
    return status;
}

rt_status rt_loader_create(struct rt_loader **created, const struct rt_loader_options *options)
{
    *created = NULL;
    struct rt_loader *loader = NULL;
    rt_status status = check_options(options);
    if (status < 0)
        return status;
    status = rt_alloc(&loader, 1, sizeof *loader);
    if (status < 0)
        return status;
    pthread_mutex_init(&loader->mutex, NULL);
    pthread_cond_init(&loader->changed, NULL);
    loader->options = *options;
    for (int i = 0; i < SLOTS; i++)
        RT_TRY(slot_init(&loader->slots[i], options));
    RT_TRY(rt_alloc(&loader->order, options->patches->count, sizeof *loader->order));
    RT_TRY(rt_alloc(&loader->rgb, (size_t)options->size * (size_t)options->size, 3));
    RT_TRY(rt_cache_init(&loader->cache, options->dataset,
                         options->cache_bytes ? options->cache_bytes : CACHE_BYTES));
    int error = pthread_create(&loader->thread, NULL, run, loader);
    loader->thread_runs = error == 0;
    if (error)
        status = rt_fail(RT_ERROR_MEMORY, "cannot start the loader's thread: %s", strerror(error));
end:
    if (status < 0)
        rt_loader_destroy(loader);
    else
        *created = loader;
    return status;
}

void rt_loader_destroy(struct rt_loader *loader)
{
    if (!loader)
        return;
    if (loader->thread_runs) {
        pthread_mutex_lock(&loader->mutex);
        loader->stop = true;
        pthread_cond_broadcast(&loader->changed);
        pthread_mutex_unlock(&loader->mutex);
        pthread_join(loader->thread, NULL);
    }
    for (int i = 0; i < SLOTS; i++) {
        free(loader->slots[i].images);
        free(loader->slots[i].labels);
        free(loader->slots[i].patches);
        free(loader->slots[i].message);
    }
    rt_cache_finish(&loader->cache);
    free(loader->order);
    free(loader->rgb);
    pthread_cond_destroy(&loader->changed);
    pthread_mutex_destroy(&loader->mutex);
    free(loader);
}

rt_status rt_loader_start(struct rt_loader *loader, uint64_t epoch)
{
    pthread_mutex_lock(&loader->mutex);
    loader->generation++;
    loader->epoch = epoch;
    loader->filled = loader->taken = 0;
    loader->lent = false;
    pthread_cond_broadcast(&loader->changed);
    pthread_mutex_unlock(&loader->mutex);
    return RT_OK;
}

/* Gives the batch of the last call back and waits for the next; NULL before the first start. */
static const struct slot *take_slot(struct rt_loader *loader)
{
    const struct slot *slot = NULL;
    pthread_mutex_lock(&loader->mutex);
    if (loader->lent) {
        loader->taken++;
        pthread_cond_broadcast(&loader->changed);
    }
    while (loader->generation > 0 && loader->filled == loader->taken)
        pthread_cond_wait(&loader->changed, &loader->mutex);
    if (loader->generation > 0)
        slot = &loader->slots[loader->taken % SLOTS];
    /* the last slot, the end or a failure, stays: whoever asks again is told again */
    loader->lent = slot && slot->status == RT_OK && slot->count > 0;
    pthread_mutex_unlock(&loader->mutex);
    return slot;
}

rt_status rt_loader_next(struct rt_loader *loader, struct rt_batch *batch)
{
    *batch = (struct rt_batch){0};
    const struct slot *slot = take_slot(loader);
    if (!slot)
        return rt_fail(RT_ERROR_ARGUMENT, "cannot give a batch before an epoch is started");
    if (slot->status < 0)
        return rt_fail(slot->status, "%s", slot->message ? slot->message : "out of memory");
    *batch = (struct rt_batch){slot->count, slot->images, slot->labels, slot->patches};
    return RT_OK;
}
