/* The losses, hard (against labels), soft (against a teacher) and both: value and gradient by the
 * logits in one pass over them. */
#ifndef RT_OPS_LOSS_H
#define RT_OPS_LOSS_H

#include "device/tensor.h"
#include "retort/loss.h"

#define RT_TEACHERS_MAX 4 /* that one student may have */

struct rt_loss_values {
    double total, hard, soft;
};

struct rt_loss_state; /* the small buffers that a loss needs */

/* Errors: ARGUMENT (classes outside 1 to RT_CLASSES_MAX, alpha outside 0 to 1, a temperature that
 * is not above 0), DEVICE, MEMORY. */
rt_status rt_loss_create(struct rt_loss_state **state, struct rt_device *device,
                         const struct rt_loss *loss, int classes);
void rt_loss_destroy(struct rt_loss_state *state);

/* The device memory that rt_loss_create takes. */
size_t rt_loss_bytes(const struct rt_loss *loss, int classes);

/* Queues the loss of logits [n, classes, h, w] against labels, n*h*w bytes from the start of
 * their buffer, and the teachers' logits (teachers of them, 0 without a soft loss; several are
 * averaged as the paper says: the mean of their softened probabilities for RT_SOFT_KL, of their
 * logits for RT_SOFT_LOGITS). dlogits, where its buffer is not NULL, is overwritten with the
 * gradient of the total. confusion, which may be NULL, has the counts of rt_confusion_add added to
 * it. A logit that is not finite, even of a pixel that does not count, makes
 * the total NaN. Errors: ARGUMENT (other classes, shapes or numbers of teachers), those of
 * rt_device_launch. */
rt_status rt_loss_run(struct rt_loss_state *state, const struct rt_tensor *logits,
                      struct rt_buffer *labels, const struct rt_tensor *teacher_logits,
                      int teachers, const struct rt_tensor *dlogits, struct rt_buffer *confusion);

/* rt_loss_run in parts, whose values and gradients add up to those of the whole batch:
 * rt_loss_count queues the count of the labels of a batch whose logits have the shape `whole`; then
 * rt_loss_add adds the logits [n, classes, h, w] of its images first to first + n - 1. Errors:
 * those of rt_loss_run; ARGUMENT with a dice loss, which is no sum over images. */
rt_status rt_loss_count(struct rt_loss_state *state, struct rt_shape whole,
                        struct rt_buffer *labels);
rt_status rt_loss_add(struct rt_loss_state *state, const struct rt_tensor *logits,
                      struct rt_buffer *labels, int first, const struct rt_tensor *teacher_logits,
                      int teachers, const struct rt_tensor *dlogits, struct rt_buffer *confusion);

/* Waits for the last rt_loss_run or rt_loss_add and reads the values, of all parts so far. */
rt_status rt_loss_read(struct rt_loss_state *state, struct rt_loss_values *values);

#endif
