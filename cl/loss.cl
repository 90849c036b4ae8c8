/* The losses of logits [n, CLASSES, h, w], and their gradient, over `pixels` = h * w pixels an
 * image. Three kernels: loss_count sums what must be known of the whole batch before any gradient,
 * loss_gradient computes values and gradients, and loss_reduce adds up what the chunks of either
 * left in partial[row * items + item]. */

#ifndef CE
#define CE 1 /* one of CE and FOCAL, DICE, or DICE and FOCAL */
#endif
#ifndef FOCAL
#define FOCAL 0
#endif
#ifndef DICE
#define DICE 0
#endif
#ifndef KL
#define KL 0 /* KL, LOGITS or neither */
#endif
#ifndef LOGITS
#define LOGITS 0
#endif

#include "confusion.cl"

#define FOCAL_ALPHA 0.25f /* and gamma = 2: arXiv 1708.02002 */

/* The rows that loss_count leaves; host/ops/loss.c reads them too. */
#define COUNT(c) (c)                         /* pixels labelled c */
#define COUNT_UNKNOWN CLASSES                /* pixels without a label that a teacher can teach */
#define BOTH(c) (CLASSES + 1 + (c))          /* the sum of p[c] over pixels labelled c */
#define PREDICTED(c) (2 * CLASSES + 1 + (c)) /* the sum of p[c] over labelled pixels */

/* 1 where the condition holds, else 0. A pixel that does not count is multiplied by 0 rather than
 * passed over, so that a NaN in it shows in the loss. */
#define ONE_WHERE(condition) select((vec)0, (vec)1, condition)

/* A logit that is not finite makes all logits of its pixel NaN: a probability that is merely 0
 * would hide a -INFINITY. */
static void show_infinite(vec *x)
{
    vec nothing = 0;
    for (int c = 0; c < CLASSES; c++)
        nothing += 0 * x[c];
    for (int c = 0; c < CLASSES; c++)
        x[c] += nothing;
}

static void load_finite(vec *x, __global const float *from, uint plane, struct span at)
{
    load_logits(x, from, plane, at);
    show_infinite(x);
}

__kernel void loss_count(__global const float *x, ulong x_offset, ulong x_stride, uint x_plane,
                         __global const uchar *labels, uint pixels, CHUNKS, __global float *partial)
{
    const uint item = get_global_id(0);
    vec count[CLASSES], both[CLASSES], predicted[CLASSES], unknown = 0;
    if (item >= items)
        return;
    for (int c = 0; c < CLASSES; c++)
        count[c] = both[c] = predicted[c] = 0;
    FOR_CHUNK(v, item)
    {
        const struct span at = span_of(v, pixels);
        const ivec label = load_labels(labels, at, pixels);
        for (int c = 0; c < CLASSES; c++)
            count[c] += ONE_WHERE(label == c);
        unknown += ONE_WHERE(label == UNKNOWN);
#if DICE
        vec p[CLASSES];
        load_finite(p, x + x_offset + at.image * x_stride, x_plane, at);
        centre_logits(p);
        softmax(p, 1, p);
        for (int c = 0; c < CLASSES; c++) {
            both[c] += ONE_WHERE(label == c) * p[c];
            predicted[c] += ONE_WHERE(label < CLASSES) * p[c];
        }
#endif
    }
    partial += item;
    partial[COUNT_UNKNOWN * items] = SUM(unknown);
    for (int c = 0; c < CLASSES; c++) {
        partial[COUNT(c) * items] = SUM(count[c]);
#if DICE
        partial[BOTH(c) * items] = SUM(both[c]);
        partial[PREDICTED(c) * items] = SUM(predicted[c]);
#endif
    }
}

/* to[to_row + row][i] = the sum of from[row][i], from[row][i + to_items], ..., added to what stands
 * there if `add` */
__kernel void loss_reduce(__global const float *from, uint from_items, __global float *to,
                          uint to_row, uint to_items, uint rows, int add)
{
    const uint i = get_global_id(0), row = get_global_id(1);
    float sum = 0;
    if (i >= to_items || row >= rows)
        return;
    for (uint k = i; k < from_items; k += to_items)
        sum += from[row * from_items + k];
    to += (to_row + row) * to_items + i;
    *to = add ? *to + sum : sum;
}

/* What the gradient needs of the batch's sums. */
struct scales {
    float hard, soft; /* what a pixel's terms are multiplied by: its share of the total */
#if DICE
    float own[CLASSES],
        all[CLASSES]; /* d total / d p[c] of a pixel = own[c] [label == c] + all[c] */
#endif
};

static void load_scales(struct scales *scales, __global const float *sums,
                        __global const float *weights, float hard, float soft)
{
    float weight = 0, taught = sums[COUNT_UNKNOWN];
    for (int c = 0; c < CLASSES; c++) {
        weight += weights[c] * sums[COUNT(c)];
        taught += sums[COUNT(c)];
#if DICE
        /* dice = 1 - mean of (2 I + 1) / S, S = P + G + 1; dI/dp = [label == c], dP/dp = 1 */
        const float size = sums[PREDICTED(c)] + sums[COUNT(c)] + 1;
        scales->own[c] = -hard * 2 / (CLASSES * size);
        scales->all[c] = hard * (2 * sums[BOTH(c)] + 1) / (CLASSES * size * size);
#endif
    }
    scales->hard = weight > 0 ? hard / weight : 0;
    scales->soft = taught > 0 ? soft / taught : 0;
}

/* Adds a teacher's share to the target: of its softened probabilities, or of its logits. */
static void add_teacher(vec *target, __global const float *from, uint plane, struct span at,
                        float sharpness, float share)
{
    vec t[CLASSES];
    load_finite(t, from, plane, at);
#if KL
    centre_logits(t);
    softmax(t, sharpness, t);
#endif
    for (int c = 0; c < CLASSES; c++)
        target[c] += share * t[c];
}

/* The soft term of centred logits (KL) or plain ones; adds its gradient, times scale, to dx.
 * KL: value T^2 sum q_t (log q_t - log q_s), gradient T (q_s - q_t). */
static vec soft_term(const vec *x, const vec *target, float temperature, vec scale, vec *dx)
{
    vec value = 0;
#if KL
    vec q[CLASSES];
    const vec log_z = softmax(x, 1 / temperature, q);
    for (int c = 0; c < CLASSES; c++) {
        /* q log q is 0 where q is; FLT_MIN keeps it from being 0 * infinity. */
        value += target[c] * (log(fmax(target[c], FLT_MIN)) - (x[c] / temperature - log_z));
        dx[c] += scale * temperature * (q[c] - target[c]);
    }
    value *= temperature * temperature;
#elif LOGITS
    for (int c = 0; c < CLASSES; c++) {
        const vec difference = x[c] - target[c];
        value += difference * difference;
        dx[c] += scale * 2 * difference;
    }
#endif
    return value;
}

/* The hard term of centred logits, without dice's value, which is no sum over pixels; adds the
 * gradient to dx. With q = p[label], both kinds have d value / d x[c] = slope (p[c] - [label ==
 * c]): CE: value = -w log q, slope = w; focal: value = -w a (1 - q)^2 log q, slope = w a (1 - q) (1
 * - q - 2 q log q). */
static vec hard_term(const vec *x, ivec label, const struct scales *scales,
                     __global const float *weights, vec *dx)
{
    vec p[CLASSES];
    vec value = 0, slope = 0;
    const vec log_z = softmax(x, 1, p);
#if CE || FOCAL
    vec weight = 0, q = 0, log_q = 0;
    for (int c = 0; c < CLASSES; c++) {
        const vec own = ONE_WHERE(label == c);
        weight += own * weights[c];
        q += own * p[c];
        log_q += own * (x[c] - log_z);
    }
#if FOCAL
    weight *= FOCAL_ALPHA * (1 - q);
    value = -weight * (1 - q) * log_q;
    slope = weight * (1 - q - 2 * q * log_q);
#else
    value = -weight * log_q;
    slope = weight;
#endif
    slope *= scales->hard;
    for (int c = 0; c < CLASSES; c++)
        dx[c] += slope * (p[c] - ONE_WHERE(label == c));
#endif
#if DICE
    /* d/dx[c] = p[c] (dp[c] - sum over j of p[j] dp[j]) */
    vec mean = 0;
    for (int c = 0; c < CLASSES; c++)
        mean += p[c] * (scales->own[c] * ONE_WHERE(label == c) + scales->all[c]);
    for (int c = 0; c < CLASSES; c++)
        dx[c] += ONE_WHERE(label < CLASSES) * p[c] *
                 (scales->own[c] * ONE_WHERE(label == c) + scales->all[c] - mean);
#endif
    return value;
}

/* The logits are those of the batch's images from `first` on; the labels and sums are the whole
 * batch's. Teachers are averaged: teachers of t0 to t3. hard and soft are the two terms' shares of
 * the total. dx may be null; so may confusion, to which pixels are added by [truth * CLASSES +
 * prediction]. */
__kernel void loss_gradient(__global const float *x, ulong x_offset, ulong x_stride, uint x_plane,
                            __global const uchar *labels, uint first, uint pixels, CHUNKS,
                            __global float *partial, __global const float *t0, ulong t0_offset,
                            ulong t0_stride, uint t0_plane, __global const float *t1,
                            ulong t1_offset, ulong t1_stride, uint t1_plane,
                            __global const float *t2, ulong t2_offset, ulong t2_stride,
                            uint t2_plane, __global const float *t3, ulong t3_offset,
                            ulong t3_stride, uint t3_plane, int teachers, __global float *dx,
                            ulong dx_offset, ulong dx_stride, uint dx_plane,
                            __global const float *weights, __global const float *sums, float hard,
                            float soft, float temperature, __global uint *confusion)
{
    __local uint counts[CLASSES * CLASSES];
    const uint item = get_global_id(0);
    struct scales scales;
    vec hard_sum = 0, soft_sum = 0;
    clear_counts(counts, CLASSES * CLASSES);
    load_scales(&scales, sums, weights, hard, soft);
    labels += (size_t)first * pixels;
    FOR_CHUNK(v, item)
    {
        const struct span at = span_of(v, pixels);
        const ivec label = load_labels(labels, at, pixels);
        vec logits[CLASSES], gradient[CLASSES];
        load_logits(logits, x + x_offset + at.image * x_stride, x_plane, at);
        if (confusion)
            count_classes(counts, logits, label);
        show_infinite(logits);
        for (int c = 0; c < CLASSES; c++)
            gradient[c] = 0;
#if KL
        centre_logits(logits);
#endif
#if KL || LOGITS
        const vec taught = ONE_WHERE((label < CLASSES) | (label == UNKNOWN));
        vec target[CLASSES];
        for (int c = 0; c < CLASSES; c++)
            target[c] = 0;
#define TEACHER(k)                                                                                 \
    if (teachers > k)                                                                              \
    add_teacher(target, t##k + t##k##_offset + at.image * t##k##_stride, t##k##_plane, at,         \
                1 / temperature, 1.0f / teachers)
        TEACHER(0);
        TEACHER(1);
        TEACHER(2);
        TEACHER(3);
        soft_sum += taught * soft_term(logits, target, temperature, taught * scales.soft, gradient);
#endif
#if !KL
        centre_logits(logits);
#endif
        hard_sum += hard_term(logits, label, &scales, weights, gradient);
        for (int c = 0; dx && c < CLASSES; c++)
            store_row(dx + dx_offset + at.image * dx_stride + c * (size_t)dx_plane + at.first,
                      gradient[c], 0, at.count);
    }
    if (item < items) {
        partial[item] = SUM(hard_sum);
        partial[items + item] = SUM(soft_sum);
    }
    add_counts(confusion, counts, CLASSES * CLASSES); /* none where confusion is null */
}
