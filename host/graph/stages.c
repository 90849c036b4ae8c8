/* Stages: a CPU runs neighbouring nodes of one resolution for a few images at a time, as many as
 * its cache holds, before it turns to the next images; the tensors between those nodes then never
 * travel to memory and back. */
#include <stdlib.h>

#include "base/memory.h"
#include "graph/internal.h"

/* The pixels of a node's largest tensor: pooling belongs to the resolution that it reads, a
 * transposed convolution to the one that it writes. */
static size_t resolution(const struct rt_graph *graph, const struct rt_shape *shapes, size_t node)
{
    size_t most = rt_shape_plane(shapes[node]);
    for (int j = 0; j < graph->nodes[node].op->inputs; j++) {
        size_t input = rt_shape_plane(shapes[graph->nodes[node].inputs[j]]);
        most = input > most ? input : most;
    }
    return most;
}

/* Bytes that the nodes of a stage read or write of one image. */
static size_t image_bytes(const struct rt_graph *graph, const struct rt_shape *shapes,
                          const struct rt_stage *stage)
{
    size_t floats = 0;
    for (size_t i = stage->first; i < stage->end; i++) {
        floats += graph->nodes[i].op->identity ? 0 : rt_image_stride(shapes[i]);
        for (int j = 0; j < graph->nodes[i].op->inputs; j++) {
            const size_t input = (size_t)graph->nodes[i].inputs[j];
            if (input < stage->first)
                floats += rt_image_stride(shapes[input]);
        }
    }
    return floats * sizeof(float);
}

static bool couples_images(const struct rt_graph *graph, const struct rt_stage *stage)
{
    for (size_t i = stage->first; i < stage->end; i++)
        if (graph->nodes[i].op->couples_images)
            return true;
    return false;
}

/* Turns of about the same length that fit half the cache: the other half is for the parameters and
 * for whoever else computes. */
static int images_together(const struct rt_graph *graph, const struct rt_shape *shapes,
                           const struct rt_stage *stage, bool training)
{
    const size_t images = (size_t)shapes[0].n, bytes = image_bytes(graph, shapes, stage);
    const size_t cache = rt_device_describe(graph->device)->cache_bytes;
    size_t fitting = cache / 2 / bytes;
    if (!rt_device_is_cpu(graph->device) || cache == 0 || fitting >= images ||
        (training && couples_images(graph, stage)))
        return (int)images;
    fitting = fitting > 0 ? fitting : 1;
    const size_t turns = (images + fitting - 1) / fitting;
    return (int)((images + turns - 1) / turns);
}

rt_status rt_stages_find(const struct rt_graph *graph, const struct rt_shape *shapes, bool training,
                         struct rt_stage **stages, size_t *count)
{
    *count = 0;
    rt_status status = rt_alloc(stages, graph->count, sizeof **stages);
    for (size_t i = 1; status == RT_OK && i < graph->count; i++) {
        struct rt_stage *last = *count > 0 ? &(*stages)[*count - 1] : NULL;
        if (last && resolution(graph, shapes, last->first) == resolution(graph, shapes, i))
            last->end = i + 1;
        else
            (*stages)[(*count)++] = (struct rt_stage){.first = i, .end = i + 1};
    }
    for (size_t s = 0; s < *count; s++)
        (*stages)[s].together = images_together(graph, shapes, &(*stages)[s], training);
    return status;
}
