/* What training minimises, and how: losses and optimisers. */
#ifndef RETORT_LOSS_H
#define RETORT_LOSS_H

#include "retort/data.h"

#ifdef __cplusplus
extern "C" {
#endif

enum rt_hard_loss {
    RT_HARD_CE,         /* -w[l] log p[l], summed, divided by the sum of w[l] */
    RT_HARD_DICE,       /* 1 - mean over classes of (2 I + 1) / (P + G + 1), sums over the batch */
    RT_HARD_FOCAL,      /* -w[l] 0.25 (1 - p[l])^2 log p[l], mean as RT_HARD_CE; arXiv 1708.02002 */
    RT_HARD_DICE_FOCAL, /* the sum of the two */
};

enum rt_soft_loss {
    RT_SOFT_NONE,
    RT_SOFT_KL,     /* T^2 KL(softmax(t / T) || softmax(s / T)), arXiv 1503.02531 */
    RT_SOFT_LOGITS, /* squared difference of the logits, summed over classes */
};

/* alpha * hard + (1 - alpha) * soft; hard alone with RT_SOFT_NONE. Hard terms count pixels whose
 * label is a class; soft terms count these and RT_LABEL_UNKNOWN. Sums over classes are averaged
 * over the pixels that count; a term that no pixel counts for is 0, and so is its gradient. */
struct rt_loss {
    enum rt_hard_loss hard;
    enum rt_soft_loss soft;
    float alpha, temperature;
    float weights[RT_CLASSES_MAX]; /* of the classes in CE and focal */
};

enum rt_optimizer_kind {
    RT_SGD,   /* v = momentum v + (g + decay w); w -= lr v */
    RT_ADAM,  /* arXiv 1412.6980; decay is added to the gradient, as PyTorch does */
    RT_ADAMW, /* arXiv 1711.05101; w -= lr decay w before the step */
};

struct rt_optimizer {
    enum rt_optimizer_kind kind;
    float momentum;              /* SGD */
    float beta1, beta2, epsilon; /* Adam, AdamW; epsilon outside the root's bias correction as in
                                    PyTorch: w -= lr/(1-b1^t) m / (sqrt(v/(1-b2^t)) + epsilon) */
    float decay;
};

#ifdef __cplusplus
}
#endif
#endif
