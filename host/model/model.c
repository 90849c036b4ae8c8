/* Models: building, planning, running. */
#include "model/model.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/memory.h"
#include "model/internal.h"

static rt_status check_info(const struct rt_model_info *info, const struct rt_unet *unet)
{
    int step = 1 << unet->depth;
    if (info->channels != 3)
        return rt_fail(RT_ERROR_ARGUMENT, "a network takes images of 3 channels, not %d",
                       info->channels);
    if (info->palette.count < 1 || info->palette.count > RT_CLASSES_MAX)
        return rt_fail(RT_ERROR_ARGUMENT, "a network has 1 to %d classes, not %d", RT_CLASSES_MAX,
                       info->palette.count);
    if (info->patch < 1 || info->patch > 1 << 14 || info->patch % step != 0)
        return rt_fail(RT_ERROR_ARGUMENT,
                       "%s halves its images %d times, so patches need a side that is a multiple "
                       "of %d (at most %d), not %d",
                       info->network, unet->depth, step, 1 << 14, info->patch);
    return RT_OK;
}

rt_status rt_model_build(struct rt_model **model, struct rt_device *device,
                         const struct rt_model_info *info)
{
    rt_status status = RT_OK;
    RT_TRY(rt_alloc(model, 1, sizeof **model));
    struct rt_model *m = *model;
    m->device = device;
    m->info = *info;
    RT_TRY(rt_unet_parse(&m->unet, info->network));
    rt_unet_format(&m->unet, m->info.network, sizeof m->info.network);
    RT_TRY(check_info(&m->info, &m->unet));
    RT_TRY(rt_graph_create(&m->graph, device));
    RT_TRY(rt_unet_build(&m->unet, m->graph, info->channels, info->palette.count));
    rt_graph_slab_sizes(m->graph, &m->trained, &m->total);
end:
    if (status < 0) {
        rt_model_destroy(*model);
        *model = NULL;
    }
    return status;
}

rt_status rt_model_fill(struct rt_model *model, const float *values)
{
    const size_t bytes = model->total * sizeof *values;
    rt_status status = rt_buffer_create(&model->values, model->device, bytes);
    return status < 0 ? status : rt_buffer_write(model->values, 0, bytes, values);
}

rt_status rt_model_create(struct rt_model **model, struct rt_device *device,
                          const struct rt_model_info *info, uint64_t seed)
{
    rt_status status = RT_OK;
    float *values = NULL;
    RT_TRY(rt_model_build(model, device, info));
    status = rt_alloc(&values, (*model)->total, sizeof *values);
    if (status == RT_OK) {
        rt_model_initialise((*model)->graph, seed, values);
        status = rt_model_fill(*model, values);
    }
    if (status < 0) {
        rt_model_destroy(*model);
        *model = NULL;
    }
end:
    free(values);
    return status;
}

void rt_model_destroy(struct rt_model *model)
{
    if (!model)
        return;
    rt_graph_destroy(model->graph);
    rt_buffer_destroy(model->values);
    rt_buffer_destroy(model->gradients);
    free(model);
}

const struct rt_model_info *rt_model_describe(const struct rt_model *model)
{
    return &model->info;
}

size_t rt_model_parameters(const struct rt_model *model)
{
    size_t count, sum = 0;
    const struct rt_graph_parameter *parameters = rt_graph_parameters(model->graph, &count);
    for (size_t i = 0; i < count; i++)
        if (parameters[i].parameter.trained)
            sum += rt_shape_size(parameters[i].parameter.shape);
    return sum;
}

double rt_model_flops(const struct rt_model *model, int height, int width)
{
    struct rt_shape input = {1, model->info.channels, height, width};
    return rt_graph_cost(model->graph, input, RT_FORWARD).flops;
}

rt_status rt_model_calls(const struct rt_model *model, int batch, int height, int width,
                         struct rt_graph_call **calls, size_t *count)
{
    const struct rt_shape input = {batch, model->info.channels, height, width};
    return rt_graph_calls(model->graph, input, calls, count);
}

static rt_status create_gradients(struct rt_model *model)
{
    rt_status status = RT_OK;
    size_t bytes = model->trained * sizeof(float);
    if (model->gradients)
        return RT_OK;
    RT_TRY(rt_buffer_create(&model->gradients, model->device, bytes));
    RT_TRY(rt_buffer_fill(model->gradients, 0, bytes, 0));
end:
    return status;
}

int rt_model_step(const struct rt_model *model)
{
    return 1 << model->unet.depth;
}

rt_status rt_model_check_sides(const struct rt_model *model, int height, int width)
{
    int step = rt_model_step(model);
    if (height % step == 0 && width % step == 0)
        return RT_OK;
    return rt_fail(RT_ERROR_ARGUMENT,
                   "%s halves its images %d times, so their sides must be multiples of %d, "
                   "not %d x %d",
                   model->info.network, model->unet.depth, step, width, height);
}

rt_status rt_model_reserve(const struct rt_model *model, int height, int width, bool training)
{
    struct rt_shape input = {1, model->info.channels, height, width};
    rt_status status = rt_model_check_sides(model, height, width);
    return status == RT_OK ? rt_graph_reserve(model->graph, input, training) : status;
}

rt_status rt_model_plan_bytes(const struct rt_model *model, int batch, int height, int width,
                              enum rt_plan kind, size_t *bytes)
{
    struct rt_shape input = {batch, model->info.channels, height, width};
    rt_status status = rt_model_check_sides(model, height, width);
    if (status == RT_OK)
        status = rt_graph_plan_bytes(model->graph, input, kind, bytes);
    if (status == RT_OK && kind != RT_PLAN_FORWARD)
        *bytes += model->trained * sizeof(float); /* the gradients */
    return status;
}

rt_status rt_model_plan(struct rt_model *model, int batch, int height, int width, enum rt_plan kind)
{
    rt_status status = RT_OK;
    RT_TRY(rt_model_check_sides(model, height, width));
    if (model->planned.n >= batch && model->planned.h == height && model->planned.w == width &&
        model->planned_kind >= kind)
        return RT_OK;
    struct rt_shape input = {batch, model->info.channels, height, width};
    model->planned = (struct rt_shape){0};
    if (kind != RT_PLAN_FORWARD)
        RT_TRY(create_gradients(model));
    RT_TRY(rt_graph_plan(model->graph, input, kind, model->values, model->gradients));
    model->planned = input;
    model->planned_kind = kind;
end:
    return status;
}

double rt_model_recomputed_share(const struct rt_model *model)
{
    return rt_graph_recomputed_share(model->graph);
}

const struct rt_tensor *rt_model_input(const struct rt_model *model)
{
    return rt_graph_input_tensor(model->graph);
}

static rt_status run_forward(struct rt_model *model, struct rt_graph_pass pass,
                             struct rt_tensor *logits)
{
    model->pass = pass;
    *logits = *rt_graph_output_tensor(model->graph);
    logits->shape.n = pass.n;
    return rt_graph_forward(model->graph, &model->pass);
}

rt_status rt_model_forward(struct rt_model *model, int n, bool training, uint64_t seed,
                           uint32_t step, struct rt_tensor *logits)
{
    const struct rt_graph_pass pass = {.n = n, .training = training, .seed = seed, .step = step};
    return run_forward(model, pass, logits);
}

rt_status rt_model_forward_part(struct rt_model *model, int n, int first, uint64_t seed,
                                uint32_t step, struct rt_tensor *logits)
{
    const struct rt_graph_pass pass = {
        .n = n,
        .training = true,
        .seed = seed,
        .step = step,
        .image = (uint32_t)first,
        .add = first > 0 && rt_device_is_exact(model->device),
    };
    return run_forward(model, pass, logits);
}

void rt_model_self_check(struct rt_model *model, struct rt_random random)
{
    rt_graph_self_check(model->graph, random);
}

rt_status rt_model_gradient(const struct rt_model *model, struct rt_tensor *dlogits)
{
    if (!model->pass.training)
        return rt_fail(RT_ERROR_ARGUMENT, "a gradient follows a forward pass with training");
    *dlogits = *rt_graph_output_gradient(model->graph);
    dlogits->shape.n = model->pass.n;
    return RT_OK;
}

rt_status rt_model_backward(struct rt_model *model)
{
    if (!model->pass.training)
        return rt_fail(RT_ERROR_ARGUMENT, "a backward pass follows a forward pass with training");
    return rt_graph_backward(model->graph, &model->pass);
}

struct rt_model_slabs rt_model_slabs(const struct rt_model *model)
{
    rt_graph_values_changed(model->graph); /* for all that is known here */
    return (struct rt_model_slabs){model->values, model->gradients, model->trained, model->total};
}

const struct rt_graph *rt_model_graph(const struct rt_model *model)
{
    return model->graph;
}

struct rt_device *rt_model_device(const struct rt_model *model)
{
    return model->device;
}

size_t rt_model_planned_bytes(const struct rt_model *model)
{
    size_t bytes = rt_graph_planned_bytes(model->graph) + rt_buffer_bytes(model->values);
    return bytes + (model->gradients ? rt_buffer_bytes(model->gradients) : 0);
}
