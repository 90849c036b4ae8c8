/* One step of an optimiser over a flat slab of `count` parameters w with gradients g. What depends
 * on the step's number alone comes from the host, which computes it in double. */

/* sums += g */
__kernel void gradients_add(__global float *sums, __global const float *g, ulong count, CHUNKS)
{
    FOR_CHUNK(i, get_global_id(0))
    {
        const size_t at = (size_t)i * VEC;
        const int part = (int)min(count - at, (ulong)VEC);
        store_row(sums + at, load_part(sums + at, part) + load_part(g + at, part), 0, part);
    }
}

/* v = momentum v + (g + decay w); w -= rate v */
__kernel void optimizer_sgd(__global float *w, __global const float *g, __global float *v,
                            ulong count, CHUNKS, float rate, float momentum, float decay)
{
    FOR_CHUNK(i, get_global_id(0))
    {
        const size_t at = (size_t)i * VEC;
        const int part = (int)min(count - at, (ulong)VEC);
        const vec old = load_part(w + at, part);
        const vec speed =
            momentum * load_part(v + at, part) + load_part(g + at, part) + decay * old;
        store_row(v + at, speed, 0, part);
        store_row(w + at, old - rate * speed, 0, part);
    }
}

/* m = beta1 m + (1 - beta1) (g + decay w)
 * v = beta2 v + (1 - beta2) (g + decay w)^2
 * w = shrink w - rate m / (sqrt(v) root + epsilon)
 * where the host folded 1 / (1 - beta1^t) into rate, and root = 1 / sqrt(1 - beta2^t). Adam has
 * shrink = 1, AdamW decay = 0. */
__kernel void optimizer_adam(__global float *w, __global const float *g, __global float *m,
                             __global float *v, ulong count, CHUNKS, float rate, float root,
                             float beta1, float rest1, float beta2, float rest2, float epsilon,
                             float decay, float shrink)
{
    FOR_CHUNK(i, get_global_id(0))
    {
        const size_t at = (size_t)i * VEC;
        const int part = (int)min(count - at, (ulong)VEC);
        const vec old = load_part(w + at, part);
        const vec gradient = load_part(g + at, part) + decay * old;
        const vec mean = beta1 * load_part(m + at, part) + rest1 * gradient;
        const vec square = beta2 * load_part(v + at, part) + rest2 * gradient * gradient;
        store_row(m + at, mean, 0, part);
        store_row(v + at, square, 0, part);
        store_row(w + at, shrink * old - DIVIDE(rate * mean, SQRT(square) * root + epsilon), 0,
                  part);
    }
}
