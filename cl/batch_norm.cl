/* Batch normalisation (Ioffe, Szegedy, arXiv 1502.03167). With mean and variance of a channel over
 * n, h and w, y = activation(gamma * (x - mean) / sqrt(variance + epsilon) + beta).
 *
 * A plane of `size` elements is cut into chunks. batch_norm_sums leaves four sums a chunk, one
 * float4: the mean of x and the sum of (x - that mean)^2, then the sums of dz and of
 * dz * (x - that mean), where dz is the gradient before the activation. Those of channel c, image
 * n, chunk k stand at (c * images + n) * chunks + k.
 * `statistics` holds the channels' means, then their 1 / sqrt(variance + epsilon). */

#ifndef GROUP
#define GROUP 1 /* work-items that share a chunk */
#endif
#ifndef GRADIENT
#define GRADIENT 0 /* 1: batch_norm_sums takes the two sums with dz as well */
#endif
#define CHUNK 4096 /* as in host/ops/batch_norm.c */

static inline int chunks_of(int size)
{
    return (size + CHUNK - 1) / CHUNK;
}

#include "lanes.cl"

enum term { X, SQUARE, DZ, DZ_X };

/* The sum of x, (x - mean)^2, dz or dz * (x - mean) over `count` elements. */
static float sum_chunk(enum term term, __global const float *x, __global const float *dz, int count,
                       float mean, __local float *lanes)
{
    vec sums[VECTORS];
    for (int k = 0; k < VECTORS; k++)
        sums[k] = 0;
    for (int from = 0; from < count; from += 256)
#pragma unroll
        for (int k = 0; k < VECTORS; k++) {
            const int i = from + (k * GROUP + (int)get_local_id(0)) * VEC;
            if (i >= count)
                continue;
            const vec a = term == DZ ? LOAD(dz + i) : LOAD(x + i) - mean;
            const vec b = term == SQUARE ? a : term == DZ_X ? LOAD(dz + i) : (vec)(1);
            sums[k] = i + LANES < count ? fma(a, b, sums[k]) : sums[k];
        }
    return sum_lanes(sums, lanes);
}

__kernel void batch_norm_sums(TENSOR(x), TENSOR(dz), __global float *partial, ulong partial_offset,
                              int images, int size, __local float *lanes)
{
    const int chunks = chunks_of(size);
    const int c = get_global_id(1) / chunks, k = get_global_id(1) % chunks;
    const size_t n = get_global_id(2);
    const int count = min(CHUNK, size - k * CHUNK);
    x += x_offset + n * x_stride + c * (size_t)x_plane + k * CHUNK;
    float4 sums = 0;
    sums.s0 = DIVIDE1(sum_chunk(X, x, 0, count, 0, lanes), (float)count);
    sums.s1 = sum_chunk(SQUARE, x, 0, count, sums.s0, lanes);
#if GRADIENT
    dz += dz_offset + n * dz_stride + c * (size_t)dz_plane + k * CHUNK;
    sums.s2 = sum_chunk(DZ, x, dz, count, 0, lanes);
    sums.s3 = sum_chunk(DZ_X, x, dz, count, sums.s0, lanes);
#endif
    if (get_local_id(0) == 0)
        vstore4(sums, ((size_t)c * images + n) * chunks + k, partial + partial_offset);
}

/* A channel's mean and sum of (x - mean)^2, its chunks added one by one: Chan, Golub, LeVeque,
 * Algorithms for computing the sample variance, 1983. */
static float2 combine(__global const float *partial, int images, int size)
{
    const int chunks = chunks_of(size);
    float total = 0, mean = 0, squares = 0;
    for (int i = 0; i < images * chunks; i++) {
        const float4 sums = vload4(i, partial);
        const float count = min(CHUNK, size - i % chunks * CHUNK);
        const float before = total, delta = sums.s0 - mean;
        total += count;
        mean = fma(delta, DIVIDE1(count, total), mean);
        squares += fma(delta * delta, DIVIDE1(before * count, total), sums.s1);
    }
    return (float2)(mean, squares);
}

/* A convolution's filters, `filter` floats each, and its biases (or none), so that it normalises
 * with the running statistics as well. */
__kernel void batch_norm_fold(__global const float *weights, ulong weights_offset,
                              __global const float *bias, ulong bias_offset,
                              __global const float *gamma, ulong gamma_offset,
                              __global const float *beta, ulong beta_offset,
                              __global const float *mean, ulong mean_offset,
                              __global const float *variance, ulong variance_offset,
                              __global float *folded_weights, ulong folded_weights_offset,
                              __global float *folded_bias, ulong folded_bias_offset, int filters,
                              int filter, float epsilon)
{
    const int c = get_global_id(0);
    if (c >= filters)
        return;
    const float scale =
        DIVIDE1(gamma[gamma_offset + c], SQRT1(variance[variance_offset + c] + epsilon));
    const float before = bias ? bias[bias_offset + c] : 0;
    folded_bias[folded_bias_offset + c] =
        fma(before - mean[mean_offset + c], scale, beta[beta_offset + c]);
    weights += weights_offset + c * (size_t)filter;
    folded_weights += folded_weights_offset + c * (size_t)filter;
    for (int i = 0; i < filter; i += VEC)
        store_row(folded_weights + i, LOAD(weights + i) * scale, i, filter);
}

/* The statistics of the batch, which move the running ones; or those, where there are no sums. */
__kernel void batch_norm_statistics(__global const float *partial, ulong partial_offset,
                                    __global float *statistics, ulong statistics_offset,
                                    __global float *running_mean, ulong running_mean_offset,
                                    __global float *running_variance, ulong running_variance_offset,
                                    int channels, int images, int size, float momentum,
                                    float epsilon)
{
    const int c = get_global_id(0);
    if (c >= channels)
        return;
    running_mean += running_mean_offset + c;
    running_variance += running_variance_offset + c;
    statistics += statistics_offset + c;
    float mean = *running_mean, variance = *running_variance;
    if (partial) {
        const float elements = (float)images * size;
        const float2 batch = combine(
            partial + partial_offset + (size_t)c * images * chunks_of(size) * 4, images, size);
        mean = batch.s0;
        variance = DIVIDE1(batch.s1, elements);
        *running_mean = fma(momentum, mean - *running_mean, *running_mean);
        *running_variance =
            fma(momentum, DIVIDE1(batch.s1, fmax(elements - 1, 1.0f)) - *running_variance,
                *running_variance);
    }
    statistics[0] = mean;
    statistics[channels] = DIVIDE1(1.0f, SQRT1(variance + epsilon));
}

/* One work-item takes `rows` rows of four channels, which share their random words, and `columns`
 * elements of each. */
__kernel void batch_norm_forward(TENSOR(x), TENSOR(y), __global const float *statistics,
                                 ulong statistics_offset, __global const float *gamma,
                                 ulong gamma_offset, __global const float *beta, ulong beta_offset,
                                 int channels, int h, int w, int relu, uint threshold,
                                 float keep_scale, ulong key, uint step, uint image, int columns,
                                 int rows)
{
    const dropout d = {threshold, keep_scale, key, step, image};
    const int left = (int)get_global_id(0) * columns, right = min(left + columns, w);
    const int top = (int)get_global_id(1) * rows, bottom = min(top + rows, (channels + 3) / 4 * h);
    const size_t n = get_global_id(2);
    statistics += statistics_offset;
    gamma += gamma_offset;
    beta += beta_offset;
    for (int row = top; row < bottom; row++) {
        const int first = row / h * 4, i = row % h;
        __global const float *from = x + x_offset + n * x_stride + i * w;
        __global float *to = y + y_offset + n * y_stride + i * w;
        for (int j = left; j < right; j += VEC) {
            uvec words[4];
            if (threshold)
                dropout_words(words, d, n, first, i, j, w);
#pragma unroll
            for (int k = 0; k < 4; k++) {
                const int c = first + k;
                if (c >= channels)
                    continue;
                const vec centred = LOAD(from + c * (size_t)x_plane + j) - statistics[c];
                vec z = fma(centred, (vec)(statistics[channels + c] * gamma[c]), (vec)(beta[c]));
                if (relu)
                    z = RELU(z);
                if (threshold)
                    z = drop(z, words[k], d, i);
                store_row(to + c * (size_t)y_plane + j, z, j, right);
            }
        }
    }
}

/* dbeta = sum of dz, dgamma = sum of dz * (x - mean) / sqrt(variance + epsilon); and the
 * statistics again. */
__kernel void batch_norm_backward_parameters(__global const float *partial, ulong partial_offset,
                                             __global float *statistics, ulong statistics_offset,
                                             __global float *dgamma, ulong dgamma_offset,
                                             __global float *dbeta, ulong dbeta_offset,
                                             int channels, int images, int size, float epsilon)
{
    const int c = get_global_id(0);
    if (c >= channels)
        return;
    const int parts = images * chunks_of(size);
    partial += partial_offset + (size_t)c * parts * 4;
    const float2 batch = combine(partial, images, size);
    const float inverse = DIVIDE1(1.0f, SQRT1(DIVIDE1(batch.s1, (float)images * size) + epsilon));
    float dz = 0, dz_x = 0;
    for (int i = 0; i < parts; i++) {
        const float4 sums = vload4(i, partial);
        dz += sums.s2;
        dz_x += fma(sums.s0 - batch.s0, sums.s2, sums.s3);
    }
    dgamma[dgamma_offset + c] = dz_x * inverse;
    dbeta[dbeta_offset + c] = dz;
    statistics += statistics_offset + c;
    statistics[0] = batch.s0;
    statistics[channels] = inverse;
}

/* With X = (x - mean) / sqrt(variance + epsilon) and m = n * h * w elements,
 * dx = gamma / sqrt(variance + epsilon) * (dz - (dbeta + X * dgamma) / m). */
__kernel void batch_norm_backward_data(TENSOR(x), TENSOR(dz), TENSOR(dx),
                                       __global const float *statistics, ulong statistics_offset,
                                       __global const float *gamma, ulong gamma_offset,
                                       __global const float *dgamma, ulong dgamma_offset,
                                       __global const float *dbeta, ulong dbeta_offset,
                                       int channels, int images, int size, int add, int columns,
                                       int rows)
{
    const int left = (int)get_global_id(0) * columns, right = min(left + columns, size);
    const int top = (int)get_global_id(1) * rows, bottom = min(top + rows, channels);
    const size_t n = get_global_id(2);
    const float share = DIVIDE1(1.0f, (float)images * size);
    statistics += statistics_offset;
    for (int c = top; c < bottom; c++) {
        const float mean = statistics[c], inverse = statistics[channels + c];
        const vec scale = gamma[gamma_offset + c] * inverse;
        const vec slope = -inverse * dgamma[dgamma_offset + c] * share;
        const float shift = dbeta[dbeta_offset + c] * share;
        __global const float *a = x + x_offset + n * x_stride + c * (size_t)x_plane;
        __global const float *b = dz + dz_offset + n * dz_stride + c * (size_t)dz_plane;
        __global float *to = dx + dx_offset + n * dx_stride + c * (size_t)dx_plane;
        for (int i = left; i < right; i += VEC) {
            const vec g = scale * fma(LOAD(a + i) - mean, slope, LOAD(b + i) - shift);
            update_row(to + i, g, i, right, add);
        }
    }
}
