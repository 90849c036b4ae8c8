#include "ops/reference/training.h"

#include <math.h>

/* --- losses --------------------------------------------------------------------------------- */

static size_t pixels(struct rt_shape s)
{
    return (size_t)s.n * (size_t)s.h * (size_t)s.w;
}

/* Float number of class c of pixel i of the batch. */
static size_t place(struct rt_shape s, size_t i, int c)
{
    const size_t plane = (size_t)s.h * (size_t)s.w;
    return (i / plane * (size_t)s.c + (size_t)c) * plane + i % plane;
}

/* probabilities[c] and their logarithms of pixel i at temperature T. */
static void soften(const struct rt_loss_reference *p, const double *logits, size_t i,
                   double temperature, double *probability, double *logarithm)
{
    double largest = -INFINITY, z = 0;
    for (int c = 0; c < p->shape.c; c++)
        largest = fmax(largest, logits[place(p->shape, i, c)] / temperature);
    for (int c = 0; c < p->shape.c; c++)
        z += exp(logits[place(p->shape, i, c)] / temperature - largest);
    for (int c = 0; c < p->shape.c; c++) {
        logarithm[c] = logits[place(p->shape, i, c)] / temperature - largest - log(z);
        probability[c] = exp(logarithm[c]);
    }
}

static bool has_class(const struct rt_loss_reference *p, size_t i)
{
    return p->labels[i] < p->shape.c;
}

/* Cross-entropy, or the focal loss. */
static double reference_weighted(const struct rt_loss_reference *p, bool focal)
{
    double probability[RT_CLASSES_MAX], logarithm[RT_CLASSES_MAX], sum = 0, weights = 0;
    for (size_t i = 0; i < pixels(p->shape); i++) {
        if (!has_class(p, i))
            continue;
        const double weight = (double)p->loss.weights[p->labels[i]];
        soften(p, p->x, i, 1, probability, logarithm);
        weights += weight;
        sum -= weight * logarithm[p->labels[i]] *
               (focal ? 0.25 * pow(1 - probability[p->labels[i]], 2) : 1);
    }
    return weights > 0 ? sum / weights : 0;
}

static double reference_dice(const struct rt_loss_reference *p)
{
    double probability[RT_CLASSES_MAX], logarithm[RT_CLASSES_MAX], mean = 0;
    double both[RT_CLASSES_MAX] = {0}, predicted[RT_CLASSES_MAX] = {0}, truth[RT_CLASSES_MAX] = {0};
    for (size_t i = 0; i < pixels(p->shape); i++) {
        if (!has_class(p, i))
            continue;
        soften(p, p->x, i, 1, probability, logarithm);
        both[p->labels[i]] += probability[p->labels[i]];
        truth[p->labels[i]] += 1;
        for (int c = 0; c < p->shape.c; c++)
            predicted[c] += probability[c];
    }
    for (int c = 0; c < p->shape.c; c++)
        mean += (2 * both[c] + 1) / (predicted[c] + truth[c] + 1) / p->shape.c;
    return 1 - mean;
}

static double reference_soft_pixel(const struct rt_loss_reference *p, size_t i)
{
    const double temperature = (double)p->loss.temperature;
    double own[RT_CLASSES_MAX], own_log[RT_CLASSES_MAX], sum = 0;
    double taught[RT_CLASSES_MAX], taught_log[RT_CLASSES_MAX], target[RT_CLASSES_MAX] = {0};
    if (p->loss.soft == RT_SOFT_LOGITS) {
        for (int c = 0; c < p->shape.c; c++) {
            double difference = p->x[place(p->shape, i, c)];
            for (int k = 0; k < p->teachers; k++)
                difference -= p->t[k][place(p->shape, i, c)] / p->teachers;
            sum += difference * difference;
        }
        return sum;
    }
    soften(p, p->x, i, temperature, own, own_log);
    for (int k = 0; k < p->teachers; k++) {
        soften(p, p->t[k], i, temperature, taught, taught_log);
        for (int c = 0; c < p->shape.c; c++)
            target[c] += taught[c] / p->teachers;
    }
    for (int c = 0; c < p->shape.c; c++)
        if (target[c] > 0)
            sum += target[c] * (log(target[c]) - own_log[c]);
    return temperature * temperature * sum;
}

struct rt_loss_values rt_reference_loss(const struct rt_loss_reference *p)
{
    struct rt_loss_values v = {0};
    const enum rt_hard_loss hard = p->loss.hard;
    size_t count = 0;
    if (hard == RT_HARD_CE)
        v.hard += reference_weighted(p, false);
    if (hard == RT_HARD_FOCAL || hard == RT_HARD_DICE_FOCAL)
        v.hard += reference_weighted(p, true);
    if (hard == RT_HARD_DICE || hard == RT_HARD_DICE_FOCAL)
        v.hard += reference_dice(p);
    v.total = v.hard;
    if (p->loss.soft == RT_SOFT_NONE)
        return v;
    for (size_t i = 0; i < pixels(p->shape); i++) {
        if (has_class(p, i) || p->labels[i] == RT_LABEL_UNKNOWN) {
            v.soft += reference_soft_pixel(p, i);
            count++;
        }
    }
    v.soft = count > 0 ? v.soft / (double)count : 0;
    const double alpha = (double)p->loss.alpha;
    v.total = alpha * v.hard + (1 - alpha) * v.soft;
    return v;
}

/* --- optimisers ----------------------------------------------------------------------------- */

/* The published formulae. */
void rt_reference_optimizer(const struct rt_optimizer *o, double rate, int t, double g, double *w,
                            double *m, double *v)
{
    const double decay = (double)o->decay;
    const double beta1 = (double)o->beta1, beta2 = (double)o->beta2;
    if (o->kind == RT_SGD) {
        *m = (double)o->momentum * *m + g + decay * *w;
        *w -= rate * *m;
        return;
    }
    if (o->kind == RT_ADAMW)
        *w -= rate * decay * *w;
    else
        g += decay * *w;
    *m = beta1 * *m + (1 - beta1) * g;
    *v = beta2 * *v + (1 - beta2) * g * g;
    const double mean = *m / (1 - pow(beta1, t)), square = *v / (1 - pow(beta2, t));
    *w -= rate * mean / (sqrt(square) + (double)o->epsilon);
}

/* --- classes -------------------------------------------------------------------------------- */

int rt_reference_class(const double *logits, struct rt_shape shape, size_t i)
{
    int class = 0;
    double largest = -INFINITY;
    for (int c = 0; c < shape.c; c++) {
        if (logits[place(shape, i, c)] > largest) {
            largest = logits[place(shape, i, c)];
            class = c;
        }
    }
    return class;
}

double rt_reference_probability(const double *logits, struct rt_shape shape, size_t i, int c)
{
    double z = 0;
    for (int j = 0; j < shape.c; j++)
        z += exp(logits[place(shape, i, j)] - logits[place(shape, i, c)]);
    return 1 / z;
}
