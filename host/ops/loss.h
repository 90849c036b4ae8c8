/* The losses, hard (against labels), soft (against a teacher) and both: value and gradient by the
 * logits in one pass over them. */
#ifndef RT_OPS_LOSS_H
#define RT_OPS_LOSS_H

#include "device/tensor.h"
#include "retort/data.h"

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

struct rt_loss_values {
    double total, hard, soft;
};

struct rt_loss_state; /* the small buffers that a loss needs */
rt_status rt_loss_create(struct rt_loss_state **state, struct rt_device *device,
                         const struct rt_loss *loss, int classes);
void rt_loss_destroy(struct rt_loss_state *state);

/* Queues the loss of logits [n, classes, h, w] against labels, n*h*w bytes from the start of
 * their buffer, and the teachers' logits (teachers of them, 0 without a soft loss; several are
 * averaged as the paper says: the mean of their softened probabilities for RT_SOFT_KL, of their
 * logits for RT_SOFT_LOGITS). dlogits, where its buffer is not NULL, is overwritten with the
 * gradient of the total. Errors: those of rt_device_launch. */
rt_status rt_loss_run(struct rt_loss_state *state, const struct rt_tensor *logits,
                      struct rt_buffer *labels, const struct rt_tensor *teacher_logits,
                      int teachers, const struct rt_tensor *dlogits);

/* Waits for the last rt_loss_run and reads its values. */
rt_status rt_loss_read(struct rt_loss_state *state, struct rt_loss_values *values);

#endif
