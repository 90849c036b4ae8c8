#include "ops/optimizer.h"

#include <math.h>

#include "base/real.h"
#include "ops/chunks.h"

int rt_optimizer_moments(const struct rt_optimizer *optimizer)
{
    return optimizer->kind == RT_SGD ? 1 : 2;
}

/* The vectors of `count` floats. */
static struct rt_chunks chunks_of(const struct rt_device *device, size_t count)
{
    const size_t vector = (size_t)rt_device_vector(device);
    return rt_chunks(device, (count + vector - 1) / vector, 64);
}

static rt_status step_sgd(struct rt_device *device, const struct rt_optimizer *o,
                          struct rt_buffer *values, struct rt_buffer *gradients,
                          struct rt_buffer *const moments[2], size_t count, struct rt_chunks chunks,
                          float rate)
{
    return RT_LAUNCH(device, "optimizer.cl", "optimizer_sgd", NULL, (chunks.items, 1, 1),
                     rt_buffer_argument(values), rt_buffer_argument(gradients),
                     rt_buffer_argument(moments[0]), rt_ulong(count), RT_CHUNKS(chunks),
                     rt_float(rate), rt_float(o->momentum), rt_float(o->decay));
}

static rt_status step_adam(struct rt_device *device, const struct rt_optimizer *o,
                           struct rt_buffer *values, struct rt_buffer *gradients,
                           struct rt_buffer *const moments[2], size_t count,
                           struct rt_chunks chunks, double rate, uint64_t t)
{
    const double beta1 = (double)o->beta1, beta2 = (double)o->beta2, decay = (double)o->decay;
    const bool decoupled = o->kind == RT_ADAMW;
    return RT_LAUNCH(device, "optimizer.cl", "optimizer_adam", NULL, (chunks.items, 1, 1),
                     rt_buffer_argument(values), rt_buffer_argument(gradients),
                     rt_buffer_argument(moments[0]), rt_buffer_argument(moments[1]),
                     rt_ulong(count), RT_CHUNKS(chunks),
                     rt_float((float)(rate / (1 - rt_power(beta1, t)))),
                     rt_float((float)(1 / sqrt(1 - rt_power(beta2, t)))), rt_float(o->beta1),
                     rt_float((float)(1 - beta1)), rt_float(o->beta2), rt_float((float)(1 - beta2)),
                     rt_float(o->epsilon), rt_float(decoupled ? 0 : o->decay),
                     rt_float(decoupled ? (float)(1 - rate * decay) : 1));
}

rt_status rt_optimizer_step(struct rt_device *device, const struct rt_optimizer *optimizer,
                            struct rt_buffer *values, struct rt_buffer *gradients,
                            struct rt_buffer *const moments[2], size_t count, float rate,
                            uint64_t t)
{
    const struct rt_chunks chunks = chunks_of(device, count);
    if (optimizer->kind == RT_SGD)
        return step_sgd(device, optimizer, values, gradients, moments, count, chunks, rate);
    return step_adam(device, optimizer, values, gradients, moments, count, chunks, (double)rate, t);
}

rt_status rt_gradients_add(struct rt_device *device, struct rt_buffer *sums,
                           struct rt_buffer *gradients, size_t count)
{
    const struct rt_chunks chunks = chunks_of(device, count);
    return RT_LAUNCH(device, "optimizer.cl", "gradients_add", NULL, (chunks.items, 1, 1),
                     rt_buffer_argument(sums), rt_buffer_argument(gradients), rt_ulong(count),
                     RT_CHUNKS(chunks));
}
