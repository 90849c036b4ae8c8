#include "ops/guarded.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "base/memory.h"

rt_status rt_words_fill(struct rt_buffer *buffer, uint32_t word)
{
    const size_t bytes = rt_buffer_bytes(buffer);
    uint32_t *words;
    rt_status status = rt_alloc(&words, bytes, 1);
    if (status < 0)
        return status;
    for (size_t i = 0; i < bytes / sizeof *words; i++)
        words[i] = word;
    status = rt_buffer_write(buffer, 0, bytes, words);
    free(words);
    return status;
}

rt_status rt_guarded_create(struct rt_guarded *g, struct rt_device *device, struct rt_shape shape,
                            size_t gap)
{
    static _Atomic uint32_t poison = RT_POISON;
    rt_status status = RT_OK;
    *g = (struct rt_guarded){0};
    g->poison = atomic_fetch_add(&poison, 1);
    g->tensor.shape = shape;
    g->tensor.offset = RT_TENSOR_GUARD;
    g->tensor.plane = (size_t)shape.h * (size_t)shape.w + gap;
    g->tensor.stride = (size_t)shape.c * g->tensor.plane + gap;
    g->floats = (size_t)shape.n * g->tensor.stride + 2 * (size_t)RT_TENSOR_GUARD;
    RT_TRY(rt_buffer_create(&g->tensor.buffer, device, g->floats * sizeof(float)));
    status = rt_words_fill(g->tensor.buffer, g->poison);
end:
    return status;
}

void rt_guarded_destroy(struct rt_guarded *g)
{
    rt_buffer_destroy(g->tensor.buffer);
    g->tensor.buffer = NULL;
}

/* Whether word i of the buffer belongs to the tensor. */
static bool is_inside(const struct rt_tensor *t, size_t i)
{
    const size_t place = i - t->offset; /* wraps before the tensor */
    return i >= t->offset && place < (size_t)t->shape.n * t->stride &&
           place % t->stride < (size_t)t->shape.c * t->plane &&
           place % t->stride % t->plane < (size_t)t->shape.h * (size_t)t->shape.w;
}

rt_status rt_guarded_write(const struct rt_guarded *g, const double *from)
{
    const size_t bytes = g->floats * sizeof(float);
    float *floats = NULL;
    rt_status status = RT_OK;
    RT_TRY(rt_alloc(&floats, g->floats, sizeof *floats));
    RT_TRY(rt_buffer_read(g->tensor.buffer, 0, bytes, floats));
    for (size_t i = 0; i < g->floats; i++)
        if (is_inside(&g->tensor, i))
            floats[i] = (float)*from++;
    status = rt_buffer_write(g->tensor.buffer, 0, bytes, floats);
end:
    free(floats);
    return status;
}

static rt_status check_guards(const struct rt_guarded *g)
{
    uint32_t *words;
    rt_status status = RT_OK;
    RT_TRY(rt_alloc(&words, g->floats, sizeof *words));
    RT_TRY(rt_buffer_read(g->tensor.buffer, 0, g->floats * sizeof *words, words));
    for (size_t i = 0; i < g->floats; i++)
        if (words[i] != g->poison && !is_inside(&g->tensor, i)) {
            status = rt_fail(RT_ERROR_DEVICE, "word %zu outside the tensor was overwritten", i);
            break;
        }
end:
    free(words);
    return status;
}

rt_status rt_guarded_read(const struct rt_guarded *g, float **values)
{
    rt_status status = RT_OK;
    *values = NULL;
    RT_TRY(check_guards(g));
    RT_TRY(rt_alloc(values, rt_shape_size(g->tensor.shape) + 1, sizeof **values));
    status = rt_tensor_read(&g->tensor, *values);
end:
    if (status < 0) {
        free(*values);
        *values = NULL;
    }
    return status;
}
