/* What is counted of predictions, on the device, in integers. */
#ifndef RT_OPS_METRICS_H
#define RT_OPS_METRICS_H

#include "device/tensor.h"
#include "retort/data.h"

#define RT_HISTOGRAM_BINS 256

/* matrix[truth * classes + prediction] += 1 for every pixel with a class; classes^2 uint32 from
 * the start of the buffer. The prediction is the class of the largest logit, the first of equals.
 */
rt_status rt_confusion_add(struct rt_device *device, const struct rt_tensor *logits,
                           struct rt_buffer *labels, struct rt_buffer *matrix);

/* histogram[(c * 2 + (label == c)) * RT_HISTOGRAM_BINS + bin] += 1 for every class c and pixel with
 * a class, bin = min(floor(p_c * bins), bins - 1), p the softmax of the logits. */
rt_status rt_histogram_add(struct rt_device *device, const struct rt_tensor *logits,
                           struct rt_buffer *labels, struct rt_buffer *histogram);

/* probabilities[n, c, h, w] = the softmax of the logits over c; may be the same tensor. */
rt_status rt_softmax(struct rt_device *device, const struct rt_tensor *logits,
                     const struct rt_tensor *probabilities);

/* classes[n*h*w bytes] = the class of the largest logit, the first of equals. */
rt_status rt_arg_max(struct rt_device *device, const struct rt_tensor *logits,
                     struct rt_buffer *classes);

#endif
