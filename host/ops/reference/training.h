/* What the kernels of training and judging that are no operation of a graph are judged by: losses,
 * optimisers, classes; in double, on the host. */
#ifndef RT_OPS_REFERENCE_TRAINING_H
#define RT_OPS_REFERENCE_TRAINING_H

#include "ops/loss.h"

struct rt_loss_reference {
    struct rt_loss loss;
    struct rt_shape shape; /* of the logits */
    int teachers;
    const double *x, *t[RT_TEACHERS_MAX]; /* the own logits and the teachers', contiguous */
    const uint8_t *labels;                /* [n, h, w] */
};

/* The definitions of retort/loss.h, term by term. */
struct rt_loss_values rt_reference_loss(const struct rt_loss_reference *problem);

/* One parameter's step t (from 1) with gradient g and moments m and v. */
void rt_reference_optimizer(const struct rt_optimizer *optimizer, double rate, int t, double g,
                            double *w, double *m, double *v);

/* The class of the largest logit of pixel i of the batch, the first of equals. */
int rt_reference_class(const double *logits, struct rt_shape shape, size_t i);

/* The softmax over classes at pixel i of the batch, of class c. */
double rt_reference_probability(const double *logits, struct rt_shape shape, size_t i, int c);

#endif
