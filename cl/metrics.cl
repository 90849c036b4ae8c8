/* What is counted of predictions, and the predictions themselves, from logits
 * [n, CLASSES, h, w] of `pixels` = h * w pixels an image. */

#include "confusion.cl"

__kernel void arg_max(__global const float *x, ulong x_offset, ulong x_stride, uint x_plane,
                      __global uchar *classes, uint pixels, CHUNKS)
{
    FOR_CHUNK(v, get_global_id(0))
    {
        const struct span at = span_of(v, pixels);
        vec logits[CLASSES];
        int part[VEC];
        load_logits(logits, x + x_offset + at.image * x_stride, x_plane, at);
        STORE(largest_class(logits), part);
        for (int i = 0; i < at.count; i++)
            classes[at.image * pixels + at.first + i] = (uchar)part[i];
    }
}

/* p may be x: a work-item reads all logits of its pixels before it writes. */
__kernel void softmax_forward(__global const float *x, ulong x_offset, ulong x_stride, uint x_plane,
                              __global float *p, ulong p_offset, ulong p_stride, uint p_plane,
                              uint pixels, CHUNKS)
{
    FOR_CHUNK(v, get_global_id(0))
    {
        const struct span at = span_of(v, pixels);
        vec logits[CLASSES], share[CLASSES];
        load_logits(logits, x + x_offset + at.image * x_stride, x_plane, at);
        centre_logits(logits);
        softmax(logits, 1, share);
        for (int c = 0; c < CLASSES; c++)
            store_row(p + p_offset + at.image * p_stride + c * (size_t)p_plane + at.first, share[c],
                      0, at.count);
    }
}

__kernel void confusion_add(__global const float *x, ulong x_offset, ulong x_stride, uint x_plane,
                            __global const uchar *labels, __global uint *matrix, uint pixels,
                            CHUNKS)
{
    __local uint counts[CLASSES * CLASSES];
    clear_counts(counts, CLASSES * CLASSES);
    FOR_CHUNK(v, get_global_id(0))
    {
        const struct span at = span_of(v, pixels);
        vec logits[CLASSES];
        load_logits(logits, x + x_offset + at.image * x_stride, x_plane, at);
        count_classes(counts, logits, load_labels(labels, at, pixels));
    }
    add_counts(matrix, counts, CLASSES * CLASSES);
}

#define BINS 256 /* RT_HISTOGRAM_BINS */
#define SLICE 8  /* classes that fit into local memory at once: 16 KiB */

/* histogram[(c * 2 + (label == c)) * BINS + bin] of SLICE classes from `first` on. A NaN falls into
 * bin 0. */
__kernel void histogram_add(__global const float *x, ulong x_offset, ulong x_stride, uint x_plane,
                            __global const uchar *labels, __global uint *histogram, uint pixels,
                            CHUNKS, int first)
{
    __local uint counts[SLICE * 2 * BINS];
    const int end = min(first + SLICE, CLASSES);
    clear_counts(counts, SLICE * 2 * BINS);
    FOR_CHUNK(v, get_global_id(0))
    {
        const struct span at = span_of(v, pixels);
        vec p[CLASSES];
        int truth[VEC], bin[VEC];
        load_logits(p, x + x_offset + at.image * x_stride, x_plane, at);
        centre_logits(p);
        softmax(p, 1, p);
        STORE(load_labels(labels, at, pixels), truth);
        for (int c = first; c < end; c++) {
            STORE(TO_INT(fmin(fmax(p[c] * BINS, 0.0f), BINS - 1.0f)), bin);
            for (int i = 0; i < VEC; i++)
                if (truth[i] < CLASSES)
                    atomic_inc(&counts[((c - first) * 2 + (truth[i] == c)) * BINS + bin[i]]);
        }
    }
    add_counts(histogram + first * 2 * BINS, counts, (end - first) * 2 * BINS);
}
