/* Placing blocks of memory whose lives are known: the largest first, each at the lowest place
 * where nothing lies that lives at the same time. (Pisarchyk and Lee, "Efficient memory management
 * for deep neural net inference", arXiv 2001.03288, "greedy by size".) */
#include <stdlib.h>

#include "base/memory.h"
#include "graph/internal.h"

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

rt_status rt_blocks_place(struct rt_block *blocks, size_t count, size_t limit, size_t **slabs,
                          size_t *slab_count)
{
    rt_status status = RT_OK;
    struct rt_block **order = NULL;
    size_t used = 0;
    *slabs = NULL;
    *slab_count = 0;
    RT_TRY(rt_alloc(&order, count, sizeof *order));
    RT_TRY(rt_alloc(slabs, count, sizeof **slabs));
    for (size_t i = 0; i < count; i++)
        if (blocks[i].floats > 0)
            order[used++] = &blocks[i];
    qsort(order, used, sizeof *order, larger_first);
    for (size_t i = 0; i < used; i++) {
        struct rt_block *block = order[i];
        if (block->floats + 2 * RT_TENSOR_GUARD > limit) {
            status = rt_fail(RT_ERROR_DEVICE,
                             "one tensor takes %zu bytes, and the device's largest buffer is %zu; "
                             "use a smaller batch or patch",
                             block->floats * sizeof(float), limit * sizeof(float));
            goto end;
        }
        for (block->slab = 0;; block->slab++) {
            lift(block, order, i);
            if (block->offset + block->floats + RT_TENSOR_GUARD <= limit)
                break;
        }
        size_t end = block->offset + block->floats + RT_TENSOR_GUARD;
        if (block->slab == *slab_count)
            (*slab_count)++;
        if ((*slabs)[block->slab] < end)
            (*slabs)[block->slab] = end;
    }
end:
    free(order);
    if (status < 0) {
        free(*slabs);
        *slabs = NULL;
    }
    return status;
}
