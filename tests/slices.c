/* A network whose launches are queued in slices gives the bits that it gives without. */
#include "test.h"

#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "graph/internal.h"
#include "model/unet.h"
#include "ops/check.h"

#define IMAGES 3

/* What a network computes, and in how many commands. */
struct result {
    float *logits, *gradients;
    size_t size, trained; /* lengths */
    long commands;
};

static void result_finish(struct result *result)
{
    free(result->logits);
    free(result->gradients);
}

static float *random_floats(size_t count, uint64_t stream)
{
    struct rt_random random = rt_random_start(7, stream);
    float *values = calloc(count, sizeof *values);
    for (size_t i = 0; i < count; i++)
        values[i] = 0.3f * rt_random_normal(&random);
    return values;
}

/* Fills a tensor with random numbers, the same for the same stream. */
static void fill(const struct rt_tensor *tensor, uint64_t stream)
{
    float *values = random_floats(rt_shape_size(tensor->shape), stream);
    assert_ok(rt_tensor_write(tensor, values));
    free(values);
}

/* Forward and backward through a planned graph. */
static struct result run(struct rt_device *device, struct rt_graph *graph)
{
    const struct rt_graph_pass pass = {.n = IMAGES, .training = true, .seed = 5, .step = 6};
    const struct rt_profile_entry *entries;
    const struct rt_tensor *logits = rt_graph_output_tensor(graph);
    struct result result = {.size = rt_shape_size(logits->shape)};
    size_t count, total;
    rt_graph_slab_sizes(graph, &result.trained, &total);
    result.logits = calloc(result.size, sizeof *result.logits);
    result.gradients = calloc(result.trained, sizeof *result.gradients);
    fill(rt_graph_input_tensor(graph), 1);
    assert_ok(rt_profile_start(device));
    assert_ok(rt_graph_forward(graph, &pass));
    assert_ok(rt_tensor_read(logits, result.logits));
    fill(rt_graph_output_gradient(graph), 2);
    assert_ok(rt_graph_backward(graph, &pass));
    assert_ok(rt_buffer_read(graph->gradients, 0, result.trained * sizeof *result.gradients,
                             result.gradients));
    assert_ok(rt_profile_stop(device, &entries, &count));
    for (size_t i = 0; i < count; i++)
        result.commands += entries[i].launches;
    return result;
}

/* Where a command may have so many FLOPs; in vectors of 4 and groups of 8, as on a GPU. */
static struct result run_network(size_t index, const char *network, enum rt_conv conv, double slice)
{
    struct rt_device *device = check_device(index);
    struct rt_unet unet;
    struct rt_graph *graph;
    struct rt_buffer *values, *gradients;
    size_t trained, total;
    rt_device_force(device, 4, 8);
    rt_device_force_slice(device, slice);
    rt_device_set_conv(device, conv);
    assert_ok(rt_unet_parse(&unet, network));
    assert_ok(rt_graph_create(&graph, device));
    assert_ok(rt_unet_build(&unet, graph, 3, 6));
    rt_graph_slab_sizes(graph, &trained, &total);
    assert_ok(rt_buffer_create(&values, device, total * sizeof(float)));
    assert_ok(rt_buffer_create(&gradients, device, trained * sizeof(float)));
    assert_ok(rt_buffer_fill(gradients, 0, trained * sizeof(float), 0));
    float *weights = random_floats(total, 3);
    assert_ok(rt_buffer_write(values, 0, total * sizeof *weights, weights));
    free(weights);
    assert_ok(rt_graph_plan(graph, (struct rt_shape){IMAGES, 3, 32, 48}, RT_PLAN_TRAINING, values,
                            gradients));
    struct result result = run(device, graph);
    rt_graph_destroy(graph);
    rt_buffer_destroy(values);
    rt_buffer_destroy(gradients);
    rt_device_close(device);
    return result;
}

static void check_network(const char *network, enum rt_conv conv)
{
    struct rt_device *device;
    check_any_device();
    for (size_t i = 0; (device = check_device(i)); i++) {
        rt_device_close(device);
        struct result whole = run_network(i, network, conv, 1e30);
        struct result slices = run_network(i, network, conv, 1e4);
        assert_true(slices.commands > 4 * whole.commands);
        assert_memory_equal(whole.logits, slices.logits, whole.size * sizeof *whole.logits);
        assert_memory_equal(whole.gradients, slices.gradients,
                            whole.trained * sizeof *whole.gradients);
        result_finish(&whole);
        result_finish(&slices);
    }
}

static void with_transposed_convolutions(void **state)
{
    (void)state;
    check_network("unet:4,depth=2", RT_CONV_DIRECT);
}

static void with_nearest_neighbours(void **state)
{
    (void)state;
    check_network("unet:4,depth=2,up=nearest", RT_CONV_DIRECT);
}

static void with_batch_normalisation(void **state)
{
    (void)state;
    check_network("unet:4,depth=2,up=bilinear,norm=batch", RT_CONV_DIRECT);
}

static void with_matrix_products(void **state)
{
    (void)state;
    check_network("unet:4,depth=1,up=nearest", RT_CONV_GEMM);
}

static void with_shared_tiles(void **state)
{
    (void)state;
    check_network("unet:4,depth=2,dropout=0.1", RT_CONV_TILED);
}

static void with_winograd_in_steps(void **state)
{
    (void)state;
    check_network("unet:4,depth=1,dropout=0.1", RT_CONV_WINOGRAD2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(with_transposed_convolutions),
        cmocka_unit_test(with_nearest_neighbours),
        cmocka_unit_test(with_batch_normalisation),
        cmocka_unit_test(with_matrix_products),
        cmocka_unit_test(with_shared_tiles),
        cmocka_unit_test(with_winograd_in_steps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
