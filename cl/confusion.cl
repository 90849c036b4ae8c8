/* What is counted of predictions, in whole numbers, so that the order of work does not matter; for
 * metrics.cl and for loss.cl, which counts in its own pass over the logits. */

/* The class of the largest logit, the first of equals. A NaN is never larger. */
static ivec largest_class(const vec *x)
{
    vec largest = -INFINITY;
    ivec class = 0;
    for (int c = 0; c < CLASSES; c++) {
        class = select(class, (ivec)c, x[c] > largest);
        largest = fmax(largest, x[c]);
    }
    return class;
}

/* A work-group counts in local memory, because most pixels fall into few counters. All its items go
 * round the loops equally often: PoCL 3.1 fails on some kernels whose loops beside a barrier differ
 * from item to item. */
static void clear_counts(__local uint *counts, uint size)
{
    for (uint first = 0; first < size; first += get_local_size(0))
        if (first + get_local_id(0) < size)
            counts[first + get_local_id(0)] = 0;
    barrier(CLK_LOCAL_MEM_FENCE);
}

static void add_counts(__global uint *total, __local uint *counts, uint size)
{
    barrier(CLK_LOCAL_MEM_FENCE);
    for (uint first = 0; first < size; first += get_local_size(0)) {
        const uint i = first + get_local_id(0);
        if (i < size && counts[i] > 0)
            atomic_add(&total[i], counts[i]);
    }
}

/* Counts one vector of pixels in counts[truth * CLASSES + prediction]. */
static void count_classes(__local uint *counts, const vec *logits, ivec label)
{
    int truth[VEC], prediction[VEC];
    STORE(label, truth);
    STORE(largest_class(logits), prediction);
    for (int i = 0; i < VEC; i++)
        if (truth[i] < CLASSES)
            atomic_inc(&counts[truth[i] * CLASSES + prediction[i]]);
}
