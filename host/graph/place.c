/* Placing blocks of memory whose lives are known: the largest first, each at the lowest place
 * where nothing lies that lives at the same time. (Pisarchyk and Lee, "Efficient memory management
 * for deep neural net inference", arXiv 2001.03288, "greedy by size".) Or those first whose size
 * times life is largest, where that takes less. */
#include <stdlib.h>

#include "base/memory.h"
#include "graph/internal.h"

static int life(const struct rt_block *block)
{
    return block->last - block->first;
}

static int larger_first(const void *a, const void *b)
{
    const struct rt_block *p = *(struct rt_block *const *)a, *q = *(struct rt_block *const *)b;
    if (p->floats != q->floats)
        return p->floats < q->floats ? 1 : -1;
    if (life(p) != life(q))
        return life(p) < life(q) ? 1 : -1;
    return (p > q) - (p < q);
}

static int larger_and_longer_first(const void *a, const void *b)
{
    const struct rt_block *p = *(struct rt_block *const *)a, *q = *(struct rt_block *const *)b;
    const double of_p = (double)p->floats * life(p), of_q = (double)q->floats * life(q);
    return of_p != of_q ? (of_p < of_q ? 1 : -1) : larger_first(a, b);
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

/* Places them one by one in this order; slabs has room for as many lengths, and their sum is
 * returned. */
static size_t place(struct rt_block **blocks, size_t count,
                    int (*order)(const void *, const void *), size_t limit, size_t *slabs,
                    size_t *slab_count)
{
    size_t sum = 0;
    *slab_count = 0;
    qsort(blocks, count, sizeof *blocks, order);
    for (size_t i = 0; i < count; i++) {
        struct rt_block *block = blocks[i];
        for (block->slab = 0;; block->slab++) {
            lift(block, blocks, i);
            if (block->offset + block->floats + RT_TENSOR_GUARD <= limit)
                break;
        }
        size_t end = block->offset + block->floats + RT_TENSOR_GUARD;
        if (block->slab == *slab_count)
            slabs[(*slab_count)++] = 0;
        if (slabs[block->slab] < end)
            slabs[block->slab] = end;
    }
    for (size_t i = 0; i < *slab_count; i++)
        sum += slabs[i];
    return sum;
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
    struct rt_block **list = NULL;
    size_t used = 0;
    *slabs = NULL;
    *slab_count = 0;
    RT_TRY(rt_alloc(&list, count, sizeof *list));
    RT_TRY(rt_alloc(slabs, count, sizeof **slabs));
    for (size_t i = 0; i < count; i++) {
        RT_TRY(check(&blocks[i], limit));
        if (blocks[i].floats > 0)
            list[used++] = &blocks[i];
    }
    size_t longer = place(list, used, larger_and_longer_first, limit, *slabs, slab_count);
    if (place(list, used, larger_first, limit, *slabs, slab_count) > longer)
        place(list, used, larger_and_longer_first, limit, *slabs, slab_count);
end:
    free(list);
    if (status < 0) {
        free(*slabs);
        *slabs = NULL;
    }
    return status;
}
