#include <stdlib.h>

#include "base/error.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/random.h"
#include "retort/data.h"

/* The random numbers of the split and of the labels; other uses of the same seed have other
 * streams. */
#define SPLIT_STREAM ((uint64_t)'S' << 56)
#define LABELS_STREAM ((uint64_t)'L' << 56)

/* The patches of every image, side by side, and those of them that are chosen. */
struct deal {
    size_t count;
    struct rt_patch *all; /* [count] */
    bool *chosen;         /* [count] */
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

static rt_status deal_init(struct deal *deal, const struct rt_dataset *dataset, int size)
{
    rt_status status = RT_OK;
    size_t images = rt_dataset_count(dataset), place = 0;
    *deal = (struct deal){0};
    for (size_t i = 0; i < images; i++)
        deal->count += patches_of(dataset, i, size);
    RT_TRY(rt_alloc(&deal->all, deal->count, sizeof *deal->all));
    RT_TRY(rt_alloc(&deal->chosen, deal->count, sizeof *deal->chosen));
    for (size_t i = 0; i < images; i++) {
        int columns = rt_dataset_item(dataset, i)->width / size;
        int patches = (int)patches_of(dataset, i, size);
        for (int p = 0; p < patches; p++)
            deal->all[place++] = (struct rt_patch){
                .image = (uint32_t)i, .x = p % columns * size, .y = p / columns * size};
    }
end:
    return status;
}

static void deal_finish(struct deal *deal)
{
    free(deal->all);
    free(deal->chosen);
}

/* Where the parts that are dealt as one begin: every patch by itself, or the patches of an image.
 * firsts[*parts] is the number of patches. Released by free(). */
static rt_status find_parts(const struct rt_patch *patches, size_t count, enum rt_split split,
                            size_t **firsts, size_t *parts)
{
    rt_status status = rt_alloc(firsts, count + 1, sizeof **firsts);
    *parts = 0;
    for (size_t p = 0; p < count && status == RT_OK; p++)
        if (split == RT_SPLIT_PATCH || p == 0 || patches[p].image != patches[p - 1].image)
            (*firsts)[(*parts)++] = p;
    if (status == RT_OK)
        (*firsts)[*parts] = count;
    return status;
}

/* Chooses parts in a random order as long as this brings the number of patches nearer to the
 * target, and one in any case unless the target is 0. */
static rt_status choose(const struct rt_patch *patches, size_t count, enum rt_split split,
                        size_t target, struct rt_random random, bool *chosen)
{
    rt_status status = RT_OK;
    size_t *firsts = NULL, *order = NULL, parts, taken = 0;
    RT_TRY(find_parts(patches, count, split, &firsts, &parts));
    RT_TRY(rt_alloc(&order, parts, sizeof *order));
    for (size_t i = 0; i < parts; i++)
        order[i] = i;
    rt_random_shuffle(&random, order, parts, sizeof *order);
    for (size_t i = 0; i < parts && taken < target; i++) {
        size_t first = firsts[order[i]], end = firsts[order[i] + 1];
        if (taken > 0 && taken + (end - first) / 2 > target)
            break;
        taken += end - first;
        for (size_t p = first; p < end; p++)
            chosen[p] = true;
    }
end:
    free(firsts);
    free(order);
    return status;
}

static rt_status collect(const struct deal *deal, bool chosen, struct rt_patch_list *list)
{
    rt_status status = rt_alloc(&list->patches, deal->count, sizeof *list->patches);
    list->count = 0;
    for (size_t p = 0; p < deal->count && status == RT_OK; p++)
        if (deal->chosen[p] == chosen)
            list->patches[list->count++] = deal->all[p];
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
    RT_TRY(deal_init(&deal, dataset, size));
    warn_of_small(dataset, size);
    RT_TRY(choose(deal.all, deal.count, split, (size_t)(share * (double)deal.count + 0.5),
                  rt_random_start(seed, SPLIT_STREAM), deal.chosen));
    RT_TRY(collect(&deal, false, train));
    RT_TRY(collect(&deal, true, held_out));
    if (train->count == 0 || (share > 0 && held_out->count == 0))
        status = rt_fail(RT_ERROR_ARGUMENT,
                         "cannot hold out a share of %g of %zu patches of %d x %d pixels from %zu "
                         "images: %zu would be left to train on, %zu held out; more images, "
                         "smaller patches or a split by patch would do",
                         share, deal.count, size, size, rt_dataset_count(dataset), train->count,
                         held_out->count);
end:
    deal_finish(&deal);
    if (status < 0) {
        free(train->patches);
        free(held_out->patches);
        *train = *held_out = (struct rt_patch_list){0};
    }
    return status;
}

rt_status rt_patches_limit_labels(struct rt_patch_list *list, enum rt_split split, double share,
                                  uint64_t seed)
{
    if (!(share > 0 && share <= 1))
        return rt_fail(RT_ERROR_ARGUMENT,
                       "cannot leave a share of %g of the patches labelled: expected more than 0, "
                       "and at most 1",
                       share);
    size_t target = (size_t)(share * (double)list->count + 0.5);
    bool *labelled;
    rt_status status = rt_alloc(&labelled, list->count, sizeof *labelled);
    if (status < 0)
        return status;
    status = choose(list->patches, list->count, split, target > 0 ? target : 1,
                    rt_random_start(seed, LABELS_STREAM), labelled);
    for (size_t p = 0; p < list->count && status == RT_OK; p++)
        list->patches[p].unlabelled = !labelled[p];
    free(labelled);
    return status;
}
