#include <stdlib.h>

#include "base/error.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/random.h"
#include "retort/data.h"

/* The random numbers of the split; other uses of the same seed have other streams. */
#define SPLIT_STREAM ((uint64_t)'S' << 56)

/* An image's patches lie side by side in the list of all. */
struct deal {
    size_t image_count;
    size_t *firsts;       /* [image_count + 1] the place of each image's first patch */
    struct rt_patch *all; /* [firsts[image_count]] */
    bool *held_out;       /* [firsts[image_count]] */
    struct rt_random random;
};

static size_t patches_of(const struct rt_dataset *dataset, size_t index, int size)
{
    const struct rt_dataset_item *item = rt_dataset_item(dataset, index);
    return (size_t)(item->width / size) * (size_t)(item->height / size);
}

static void warn_of_small(const struct rt_dataset *dataset, int size)
{
    size_t small = 0, count = rt_dataset_count(dataset);
    const struct rt_dataset_item *first = NULL;
    for (size_t i = 0; i < count; i++)
        if (patches_of(dataset, i, size) == 0 && small++ == 0)
            first = rt_dataset_item(dataset, i);
    if (first)
        rt_warn("%zu of %zu images are smaller than a patch of %d x %d pixels and are left out, "
                "the first is %s (%d x %d)",
                small, count, size, size, first->image_path, first->width, first->height);
}

static rt_status deal_init(struct deal *deal, const struct rt_dataset *dataset, int size,
                           uint64_t seed)
{
    rt_status status = RT_OK;
    size_t images = rt_dataset_count(dataset);
    *deal = (struct deal){.image_count = images, .random = rt_random_start(seed, SPLIT_STREAM)};
    RT_TRY(rt_alloc(&deal->firsts, images + 1, sizeof *deal->firsts));
    for (size_t i = 0; i < images; i++)
        deal->firsts[i + 1] = deal->firsts[i] + patches_of(dataset, i, size);
    RT_TRY(rt_alloc(&deal->all, deal->firsts[images], sizeof *deal->all));
    RT_TRY(rt_alloc(&deal->held_out, deal->firsts[images], sizeof *deal->held_out));
    for (size_t i = 0; i < images; i++) {
        int columns = rt_dataset_item(dataset, i)->width / size;
        for (size_t p = deal->firsts[i]; p < deal->firsts[i + 1]; p++) {
            int place = (int)(p - deal->firsts[i]);
            deal->all[p] =
                (struct rt_patch){(uint32_t)i, place % columns * size, place / columns * size};
        }
    }
end:
    return status;
}

static void deal_finish(struct deal *deal)
{
    free(deal->firsts);
    free(deal->all);
    free(deal->held_out);
}

/* Holds out parts of the list of all patches, part i from firsts[i] to before firsts[i + 1], in a
 * random order, as long as this brings their number nearer to the target. */
static rt_status hold_out(struct deal *deal, const size_t *firsts, size_t parts, size_t target)
{
    size_t *order;
    rt_status status = rt_alloc(&order, parts, sizeof *order);
    if (status < 0)
        return status;
    for (size_t i = 0; i < parts; i++)
        order[i] = i;
    rt_random_shuffle(&deal->random, order, parts, sizeof *order);
    size_t held = 0;
    for (size_t i = 0; i < parts && held < target; i++) {
        size_t first = firsts[order[i]], end = firsts[order[i] + 1];
        if (held > 0 && held + (end - first) / 2 > target)
            break;
        held += end - first;
        for (size_t p = first; p < end; p++)
            deal->held_out[p] = true;
    }
    free(order);
    return RT_OK;
}

static rt_status collect(const struct deal *deal, bool held_out, struct rt_patch_list *list)
{
    size_t all = deal->firsts[deal->image_count];
    rt_status status = rt_alloc(&list->patches, all, sizeof *list->patches);
    list->count = 0;
    for (size_t p = 0; p < all && status == RT_OK; p++)
        if (deal->held_out[p] == held_out)
            list->patches[list->count++] = deal->all[p];
    return status;
}

/* firsts where every patch is a part of its own: 0, 1, 2, ... */
static rt_status hold_out_patches(struct deal *deal, size_t target)
{
    size_t *firsts, all = deal->firsts[deal->image_count];
    rt_status status = rt_alloc(&firsts, all + 1, sizeof *firsts);
    if (status < 0)
        return status;
    for (size_t i = 0; i <= all; i++)
        firsts[i] = i;
    status = hold_out(deal, firsts, all, target);
    free(firsts);
    return status;
}

rt_status rt_dataset_patches(const struct rt_dataset *dataset, int size, enum rt_split split,
                             double share, uint64_t seed, struct rt_patch_list *train,
                             struct rt_patch_list *held_out)
{
    rt_status status = RT_OK;
    struct deal deal = {0};
    *train = *held_out = (struct rt_patch_list){0};
    if (size < 1 || !(share >= 0 && share <= 1))
        return rt_fail(RT_ERROR_ARGUMENT,
                       "cannot cut patches of size %d and hold out a share of %g: expected a size "
                       "of at least 1 and a share of 0 to 1",
                       size, share);
    RT_TRY(deal_init(&deal, dataset, size, seed));
    warn_of_small(dataset, size);
    size_t all = deal.firsts[deal.image_count];
    size_t target = (size_t)(share * (double)all + 0.5);
    if (split == RT_SPLIT_IMAGE)
        RT_TRY(hold_out(&deal, deal.firsts, deal.image_count, target));
    else
        RT_TRY(hold_out_patches(&deal, target));
    RT_TRY(collect(&deal, false, train));
    RT_TRY(collect(&deal, true, held_out));
    if (train->count == 0 || (share > 0 && held_out->count == 0))
        status = rt_fail(RT_ERROR_ARGUMENT,
                         "cannot hold out a share of %g of %zu patches of %d x %d pixels from %zu "
                         "images: %zu would be left to train on, %zu held out",
                         share, all, size, size, deal.image_count, train->count, held_out->count);
end:
    deal_finish(&deal);
    if (status < 0) {
        free(train->patches);
        free(held_out->patches);
        *train = *held_out = (struct rt_patch_list){0};
    }
    return status;
}
