/* A model whose backward pass computes activations again: the same bits in less memory. */
#include "test.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "model/internal.h"
#include "ops/check.h"

/* What two training passes leave, the second over one image less. */
struct trained {
    float *gradients, *values; /* the slabs; the values with their states */
    size_t trained, total, bytes;
    double again; /* the share that is recomputed */
};

static float *read_slab(struct rt_buffer *slab, size_t floats)
{
    float *values = calloc(floats, sizeof *values);
    assert_ok(rt_buffer_read(slab, 0, floats * sizeof *values, values));
    return values;
}

static void fill(struct rt_tensor tensor, int n, double frequency)
{
    tensor.shape.n = n;
    size_t size = rt_shape_size(tensor.shape);
    float *values = calloc(size, sizeof *values);
    for (size_t i = 0; i < size; i++)
        values[i] = (float)cos(frequency * (double)i);
    assert_ok(rt_tensor_write(&tensor, values));
    free(values);
}

static struct trained train(struct rt_device *device, const char *network, struct rt_shape x,
                            enum rt_plan kind)
{
    struct rt_model_info info = {.channels = 3, .palette = {.count = 6}, .patch = 32};
    struct rt_model *model;
    struct rt_tensor logits, dlogits;
    snprintf(info.network, sizeof info.network, "%s", network);
    assert_ok(rt_model_create(&model, device, &info, 3));
    assert_ok(rt_model_plan(model, x.n, x.h, x.w, kind));
    for (int n = x.n; n >= x.n - 1; n--) {
        fill(*rt_model_input(model), n, 0.7);
        assert_ok(rt_model_forward(model, n, true, 5, (uint32_t)n, &logits));
        assert_ok(rt_model_gradient(model, &dlogits));
        fill(dlogits, n, 1.3);
        assert_ok(rt_model_backward(model));
    }
    struct trained result = {.trained = model->trained,
                             .total = model->total,
                             .bytes = rt_graph_planned_bytes(model->graph),
                             .again = rt_model_recomputed_share(model)};
    result.gradients = read_slab(model->gradients, model->trained);
    result.values = read_slab(model->values, model->total);
    rt_model_destroy(model);
    return result;
}

/* A plan that recomputes takes at most this share of the other's memory; less than it on other
 * devices than CPUs, whose scratch memory outweighs the tensors of such small networks. */
static void check(struct rt_device *device, const char *network, struct rt_shape x, double share)
{
    struct trained kept = train(device, network, x, RT_PLAN_TRAINING);
    struct trained again = train(device, network, x, RT_PLAN_RECOMPUTING);
    double square = 0;
    for (size_t i = 0; i < kept.trained; i++)
        square += (double)kept.gradients[i] * (double)kept.gradients[i];
    assert_true(square > 0);
    assert_memory_equal(again.gradients, kept.gradients, kept.trained * sizeof(float));
    assert_memory_equal(again.values, kept.values, kept.total * sizeof(float));
    assert_float_equal(kept.again, 0, 0);
    assert_true(again.again > 0.1 && again.again < 0.3);
    if (!rt_device_is_cpu(device))
        share = 0.99;
    if (!((double)again.bytes <= share * (double)kept.bytes))
        fail_msg("%s: %zu bytes instead of %zu", network, again.bytes, kept.bytes);
    free(kept.gradients);
    free(kept.values);
    free(again.gradients);
    free(again.values);
}

static void recomputing_changes_no_bit(void **state)
{
    (void)state;
    check_any_device();
    struct rt_device *device = check_device(0);
    check(device, "unet:4", (struct rt_shape){3, 3, 96, 64}, 0.75);
    check(device, "unet:5,depth=2,dropout=0.4", (struct rt_shape){2, 3, 28, 20}, 0.8);
    check(device, "unet:4,norm=batch", (struct rt_shape){3, 3, 96, 64}, 0.6);
    check(device, "unet:3,depth=3,norm=batch,up=bilinear", (struct rt_shape){3, 3, 40, 24}, 0.65);
    check(device, "unet:6,depth=1,norm=batch,up=nearest", (struct rt_shape){2, 3, 2, 34}, 0.85);
    rt_device_close(device);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(recomputing_changes_no_bit)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
