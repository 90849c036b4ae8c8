/* Placing blocks of memory whose lives are known: the largest first, each at the lowest place
 * where nothing lies that lives at the same time. (Pisarchyk and Lee, "Efficient memory management
 * for deep neural net inference", arXiv 2001.03288, "greedy by size".) Then once more with what
 * came to lie highest before all others, and so on: the best of these rounds counts. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "graph/internal.h"

#define ROUNDS 20

static int larger_first(const void *a, const void *b)
{
    const struct rt_block *p = *(struct rt_block *const *)a, *q = *(struct rt_block *const *)b;
    if (p->floats != q->floats)
        return p->floats < q->floats ? 1 : -1;
    return (p > q) - (p < q);
}

static bool collide(const struct rt_block *a, const struct rt_block *b)
{
    return a->slab == b->slab && a->first <= b->last && b->first <= a->last &&
           a->offset < b->offset + b->floats && b->offset < a->offset + a->floats;
}

/* Moves the block up in its slab until it collides with none of the placed ones. */
static void lift(struct rt_block *block, struct rt_block *const *placed, size_t count)
{
    block->offset = RT_TENSOR_GUARD;
    for (size_t i = 0; i < count; i++) {
        if (collide(block, placed[i])) {
            block->offset = rt_aligned(placed[i]->offset + placed[i]->floats);
            i = (size_t)-1; /* from the start: it may meet one that it had passed below */
        }
    }
}

static size_t end_of(const struct rt_block *block)
{
    return block->offset + block->floats + RT_TENSOR_GUARD;
}

/* Places the blocks one by one; slabs has room for as many lengths, and their sum is returned. */
static size_t place(struct rt_block *const *blocks, size_t count, size_t limit, size_t *slabs,
                    size_t *slab_count)
{
    size_t sum = 0;
    *slab_count = 0;
    for (size_t i = 0; i < count; i++) {
        struct rt_block *block = blocks[i];
        for (block->slab = 0;; block->slab++) {
            lift(block, blocks, i);
            if (end_of(block) <= limit)
                break;
        }
        if (block->slab == *slab_count)
            slabs[(*slab_count)++] = 0;
        if (slabs[block->slab] < end_of(block))
            slabs[block->slab] = end_of(block);
    }
    for (size_t i = 0; i < *slab_count; i++)
        sum += slabs[i];
    return sum;
}

/* Moves the block that ends the last slab to the front. */
static void raise_highest(struct rt_block **blocks, size_t count, size_t last_slab)
{
    size_t highest = 0;
    for (size_t i = 0; i < count; i++) {
        const struct rt_block *block = blocks[i], *best = blocks[highest];
        if (block->slab == last_slab && (best->slab != last_slab || end_of(block) > end_of(best)))
            highest = i;
    }
    struct rt_block *first = blocks[highest];
    memmove(blocks + 1, blocks, highest * sizeof *blocks);
    blocks[0] = first;
}

static rt_status check(const struct rt_block *block, size_t limit)
{
    if (block->floats + 2 * RT_TENSOR_GUARD <= limit)
        return RT_OK;
    return rt_fail(RT_ERROR_DEVICE,
                   "one tensor takes %zu bytes, and the device's largest buffer is %zu; "
                   "use a smaller batch or patch",
                   block->floats * sizeof(float), limit * sizeof(float));
}

rt_status rt_blocks_place(struct rt_block *blocks, size_t count, size_t limit, size_t **slabs,
                          size_t *slab_count)
{
    rt_status status = RT_OK;
    struct rt_block **order = NULL, **best = NULL;
    size_t used = 0, least = SIZE_MAX;
    *slabs = NULL;
    *slab_count = 0;
    RT_TRY(rt_alloc(&order, count, sizeof *order));
    RT_TRY(rt_alloc(&best, count, sizeof *best));
    RT_TRY(rt_alloc(slabs, count, sizeof **slabs));
    for (size_t i = 0; i < count; i++) {
        RT_TRY(check(&blocks[i], limit));
        if (blocks[i].floats > 0)
            order[used++] = &blocks[i];
    }
    qsort(order, used, sizeof *order, larger_first);
    for (int round = 0; used > 0 && round < ROUNDS; round++) {
        size_t sum = place(order, used, limit, *slabs, slab_count);
        if (sum < least)
            memcpy(best, order, used * sizeof *best);
        least = sum < least ? sum : least;
        raise_highest(order, used, *slab_count - 1);
    }
    place(best, used, limit, *slabs, slab_count);
end:
    free(order);
    free(best);
    if (status < 0) {
        free(*slabs);
        *slabs = NULL;
    }
    return status;
}
