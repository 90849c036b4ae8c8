#include "ops/metrics.h"

#include <stdio.h>

#include "ops/chunks.h"

/* Vectors that a CPU's work-item takes at least: what it counts in must be cleared and added up. */
#define MAP_LEAST 64
#define COUNT_LEAST 512

#define HISTOGRAM_SLICE 8 /* SLICE in metrics.cl */

#define OPTIONS_BYTES 32
static const char *options(char text[OPTIONS_BYTES], int classes)
{
    snprintf(text, OPTIONS_BYTES, "-DCLASSES=%d", classes);
    return text;
}

static uint32_t pixels(struct rt_shape shape)
{
    return (uint32_t)shape.h * (uint32_t)shape.w;
}

rt_status rt_confusion_add(struct rt_device *device, const struct rt_tensor *logits,
                           struct rt_buffer *labels, struct rt_buffer *matrix)
{
    char text[OPTIONS_BYTES];
    const struct rt_chunks chunks = rt_pixel_chunks(device, logits->shape, COUNT_LEAST);
    return RT_LAUNCH(device, "metrics.cl", "confusion_add", options(text, logits->shape.c),
                     (chunks.items, 1, 1), RT_TENSOR(*logits), rt_buffer_argument(labels),
                     rt_buffer_argument(matrix), rt_uint(pixels(logits->shape)), RT_CHUNKS(chunks));
}

rt_status rt_histogram_add(struct rt_device *device, const struct rt_tensor *logits,
                           struct rt_buffer *labels, struct rt_buffer *histogram)
{
    char text[OPTIONS_BYTES];
    const struct rt_chunks chunks = rt_pixel_chunks(device, logits->shape, COUNT_LEAST);
    rt_status status = RT_OK;
    for (int first = 0; first < logits->shape.c && status == RT_OK; first += HISTOGRAM_SLICE)
        status = RT_LAUNCH(device, "metrics.cl", "histogram_add", options(text, logits->shape.c),
                           (chunks.items, 1, 1), RT_TENSOR(*logits), rt_buffer_argument(labels),
                           rt_buffer_argument(histogram), rt_uint(pixels(logits->shape)),
                           RT_CHUNKS(chunks), rt_int(first));
    return status;
}

rt_status rt_softmax(struct rt_device *device, const struct rt_tensor *logits,
                     const struct rt_tensor *probabilities)
{
    char text[OPTIONS_BYTES];
    const struct rt_chunks chunks = rt_pixel_chunks(device, logits->shape, MAP_LEAST);
    return RT_LAUNCH(device, "metrics.cl", "softmax_forward", options(text, logits->shape.c),
                     (chunks.items, 1, 1), RT_TENSOR(*logits), RT_TENSOR(*probabilities),
                     rt_uint(pixels(logits->shape)), RT_CHUNKS(chunks));
}

rt_status rt_arg_max(struct rt_device *device, const struct rt_tensor *logits,
                     struct rt_buffer *classes)
{
    char text[OPTIONS_BYTES];
    const struct rt_chunks chunks = rt_pixel_chunks(device, logits->shape, MAP_LEAST);
    return RT_LAUNCH(device, "metrics.cl", "arg_max", options(text, logits->shape.c),
                     (chunks.items, 1, 1), RT_TENSOR(*logits), rt_buffer_argument(classes),
                     rt_uint(pixels(logits->shape)), RT_CHUNKS(chunks));
}
