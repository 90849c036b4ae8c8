/* A network with its parameters, as training uses it. */
#ifndef RT_MODEL_MODEL_H
#define RT_MODEL_MODEL_H

#include "device/tensor.h"
#include "graph/graph.h"
#include "model/safetensors.h"
#include "retort/model.h"

/* Plans memory for batches of up to `batch` height x width images. Planning again for the same
 * or less does nothing, for what a plan of a later kind (graph/graph.h) does as well; else plans
 * anew. Height and width must be multiples of 2^depth. Errors: ARGUMENT, DEVICE, MEMORY. */
rt_status rt_model_plan(struct rt_model *model, int batch, int height, int width,
                        enum rt_plan kind);

/* Takes the device's memory for products of matrices that such a plan needs, whatever the batch,
 * and that all models share; rt_model_plan does so, too. Errors: ARGUMENT, DEVICE, MEMORY. */
rt_status rt_model_reserve(const struct rt_model *model, int height, int width, bool training);

/* The device memory that rt_model_plan would take for a model without a plan, beside what
 * rt_model_reserve takes; allocates nothing.
 * Errors: ARGUMENT, DEVICE (a tensor above the device's largest buffer), MEMORY. */
rt_status rt_model_plan_bytes(const struct rt_model *model, int batch, int height, int width,
                              enum rt_plan kind, size_t *bytes);

/* What the plan computes again, as a share of a step's FLOPs; 0 for the other kinds of plans. */
double rt_model_recomputed_share(const struct rt_model *model);

/* After planning: where a batch's images go, [batch, channels, h, w]; only the first n count. */
const struct rt_tensor *rt_model_input(const struct rt_model *model);

/* Queues a forward pass over the first n images of the input; *logits is [n, classes, h, w] and
 * stands until the next pass. With `training`, dropout draws from (seed, step) and batch
 * statistics are used and updated. */
rt_status rt_model_forward(struct rt_model *model, int n, bool training, uint64_t seed,
                           uint32_t step, struct rt_tensor *logits);

/* The same with `training` for images `first` to first + n - 1 of a step whose images come in
 * parts: their dropout is what one pass over all of them draws. */
rt_status rt_model_forward_part(struct rt_model *model, int n, int first, uint64_t seed,
                                uint32_t step, struct rt_tensor *logits);

/* The next pass with training looks at one operation; see rt_graph_self_check. */
void rt_model_self_check(struct rt_model *model, struct rt_random random);

/* After planning for training: where the loss writes its gradient, [n, classes, h, w], for the
 * last forward pass with `training`; and the backward pass, which overwrites all gradients. In
 * exact math those of a step's later parts are added, image after image, so that parts have the
 * bits of the whole. */
rt_status rt_model_gradient(const struct rt_model *model, struct rt_tensor *dlogits);
rt_status rt_model_backward(struct rt_model *model);

/* Flat slabs of all trained parameters, then (in values alone) the states. `trained` floats are
 * trained; `total` is the length of the values. Between tensors may lie unused floats, which stay
 * zero. To write values after a pass without training, take the slabs anew: a model may keep what
 * it makes of its values from one such pass to the next. */
struct rt_model_slabs {
    struct rt_buffer *values, *gradients; /* gradients: NULL until planned for training */
    size_t trained, total;
};
struct rt_model_slabs rt_model_slabs(const struct rt_model *model);

/* The operations of its passes over `batch` height x width images (graph/graph.h); *calls (released
 * by free(), its attributes owned by the model) holds *count. Errors: ARGUMENT, MEMORY. */
rt_status rt_model_calls(const struct rt_model *model, int batch, int height, int width,
                         struct rt_graph_call **calls, size_t *count);

/* The device that the model was created on. */
struct rt_device *rt_model_device(const struct rt_model *model);

/* All tensors of a model, in host memory: retort's names and PyTorch's shapes, as in a file of
 * rt_model_save. Names are owned by the model. */
struct rt_model_tensors {
    struct rt_safetensors_entry *entries;
    size_t count;
    float *values;
    struct rt_model *described; /* owns the names where no caller's model does */
};

/* Release with rt_model_tensors_finish. Errors: DEVICE, MEMORY. */
rt_status rt_model_tensors_read(const struct rt_model *model, struct rt_model_tensors *tensors);
void rt_model_tensors_finish(struct rt_model_tensors *tensors);

/* The tensors that a model of this description has, without their data. Errors: ARGUMENT (the
 * info), MEMORY. */
rt_status rt_model_tensors_list(struct rt_device *device, const struct rt_model_info *info,
                                struct rt_model_tensors *tensors);

/* A model of such tensors, in any order, which must be exactly the network's; `path` is the file
 * that messages name. Errors: ARGUMENT (the info), FORMAT (naming the first tensor that is missing,
 * too much, of another shape or not finite), DEVICE, MEMORY. */
rt_status rt_model_assemble(struct rt_model **model, struct rt_device *device,
                            const struct rt_model_info *info, const char *path,
                            const struct rt_safetensors_entry *entries, size_t count);

/* A model of another program's network: a graph for this device whose input has 3 channels and
 * whose output has as many as the info's palette and the images' size, which it halves `halvings`
 * times on the way; `values` are its slab's. The model owns the graph on success. It can be run as
 * any other, but not saved. Errors: ARGUMENT (the info), DEVICE, MEMORY. */
rt_status rt_model_adopt(struct rt_model **model, struct rt_device *device,
                         const struct rt_model_info *info, struct rt_graph *graph, int halvings,
                         const float *values);
bool rt_model_is_foreign(const struct rt_model *model);

/* The name of a palette that stands for one that a file did not tell. */
#define RT_PALETTE_UNTOLD "imported"

/* Gives a model other names and colours of its classes, of which there are as many. */
void rt_model_name_classes(struct rt_model *model, const struct rt_palette *palette);

/* What files call the info among their metadata. */
#define RT_MODEL_INFO_KEY "retort"

/* The info as JSON, *text released by free(), and back. Errors: ARGUMENT (a text that is no UTF-8,
 * a number that is not finite), FORMAT, MEMORY. */
rt_status rt_model_info_write(const struct rt_model_info *info, char **text);
rt_status rt_model_info_read(struct rt_model_info *info, const char *text);

/* Height and width of its images must be multiples of this. */
int rt_model_step(const struct rt_model *model);
/* Errors: ARGUMENT, unless they are. */
rt_status rt_model_check_sides(const struct rt_model *model, int height, int width);

/* Its operations; owned by the model. */
const struct rt_graph *rt_model_graph(const struct rt_model *model);

/* The bytes of device memory that the plan and the slabs take. */
size_t rt_model_planned_bytes(const struct rt_model *model);

#endif
