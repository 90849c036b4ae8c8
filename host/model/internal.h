/* Shared by the files of this folder alone: what a model holds. */
#ifndef RT_MODEL_INTERNAL_H
#define RT_MODEL_INTERNAL_H

#include "graph/graph.h"
#include "model/model.h"
#include "model/unet.h"

struct rt_model {
    struct rt_device *device;
    struct rt_model_info info;
    struct rt_unet unet;
    struct rt_graph *graph;
    size_t trained, total; /* lengths of the slabs in floats */
    struct rt_buffer *values, *gradients;
    struct rt_shape planned; /* n is 0 before a plan */
    enum rt_plan planned_kind;
    struct rt_graph_pass pass; /* of the last forward */
};

/* A model whose parameters have no place yet: it takes the memory of its description alone. */
rt_status rt_model_build(struct rt_model **model, struct rt_device *device,
                         const struct rt_model_info *info);

/* Makes the value slab, with these `total` floats. Errors: DEVICE, MEMORY. */
rt_status rt_model_fill(struct rt_model *model, const float *values);

/* Fills the value slab on the host: weights He-normal from the seed, the rest constant. */
void rt_model_initialise(const struct rt_graph *graph, uint64_t seed, float *values);

#endif
