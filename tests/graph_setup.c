#include "graph_setup.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/random.h"
#include "device/internal.h"
#include "ops/check.h"

int add(struct rt_graph *graph, const struct rt_op *op, int channels, int a, int b)
{
    int node;
    char name[16];
    snprintf(name, sizeof name, "node%zu", graph->count);
    assert_ok(rt_graph_add(graph, op, &(struct mix){channels}, (int[]){a, b}, name, &node));
    return node;
}

/* A U-Net of two levels: skip connections that pools read, too; cut as rt_unet_build does. */
void build_unet(struct rt_graph *graph)
{
    int x, skip[2];
    assert_ok(rt_graph_input(graph, 3, &x));
    for (int level = 0; level < 2; level++) {
        x = add(graph, &mix, 4 << level, x, 0);
        x = skip[level] = add(graph, &bend, 0, x, 0);
        rt_graph_cut(graph);
        x = add(graph, &half, 0, x, 0);
    }
    x = add(graph, &mix, 16, x, 0);
    for (int level = 1; level >= 0; level--) {
        rt_graph_cut(graph);
        x = add(graph, &mix, 4 << level, add(graph, &twice, 0, x, 0), 0);
        x = add(graph, &join, 0, x, skip[level]);
        x = add(graph, &mix, 4 << level, x, 0);
        x = add(graph, &bend, 0, x, 0);
    }
    add(graph, &mix, 3, x, 0);
}

/* Every hard case of a concatenation: of the input, of one tensor twice, of tensors that are read
 * again later, of concatenations. */
void build_knot(struct rt_graph *graph)
{
    int x;
    assert_ok(rt_graph_input(graph, 2, &x));
    int a = add(graph, &mix, 2, x, 0);
    int with_input = add(graph, &join, 0, a, x); /* a is read again: both are copied */
    int twins = add(graph, &join, 0, a, a);      /* the first is a part, the second copied */
    int b = add(graph, &bend, 0, with_input, 0);
    int nested = add(graph, &join, 0, twins, b); /* parts of a part */
    int c = add(graph, &mix, 3, nested, 0);
    int d = add(graph, &bend, 0, c, 0);
    int early = add(graph, &join, 0, c, d); /* c and d are read later */
    int late = add(graph, &join, 0, d, c);
    int e = add(graph, &mix, 2, early, 0);
    int f = add(graph, &mix, 2, late, 0);
    add(graph, &mix, 2, add(graph, &join, 0, f, e), 0);
}

/* Convolutions with dropout, and batch normalisation, whose training needs all images at once. */
void build_turning(struct rt_graph *graph)
{
    const struct rt_conv2d conv = {.channels = 3,
                                   .kernel = 3,
                                   .stride = 1,
                                   .bias = true,
                                   .activation = {.relu = true, .dropout = 0.3f}};
    const struct rt_batch_norm norm = {.momentum = 0.1f, .epsilon = 1e-3f};
    int x, pooled;
    assert_ok(rt_graph_input(graph, 3, &x));
    assert_ok(rt_graph_add(graph, &rt_op_conv2d, &conv, &x, "a", &x));
    assert_ok(rt_graph_add(graph, &rt_op_conv2d, &conv, &x, "b", &x));
    assert_ok(
        rt_graph_add(graph, &rt_op_pool, &(struct rt_pool){.mode = RT_POOL_MAX}, &x, "p", &pooled));
    assert_ok(rt_graph_add(graph, &rt_op_conv2d, &conv, &pooled, "c", &pooled));
    assert_ok(rt_graph_add(graph, &rt_op_batch_norm, &norm, &pooled, "n", &pooled));
    assert_ok(rt_graph_add(graph, &rt_op_conv_transpose2d, &(struct rt_conv_transpose2d){3},
                           &pooled, "u", &pooled));
    assert_ok(rt_graph_add(graph, &rt_op_concat, NULL, (int[]){pooled, x}, "j", &x));
    assert_ok(rt_graph_add(graph, &rt_op_conv2d, &conv, &x, "d", &x));
}

void setup_start(struct setup *s, void (*build)(struct rt_graph *))
{
    check_any_device();
    memset(s, 0, sizeof *s);
    s->device = check_device(0);
    assert_ok(rt_graph_create(&s->graph, s->device));
    build(s->graph);
    rt_graph_slab_sizes(s->graph, &s->trained, &s->total);
    assert_ok(rt_buffer_create(&s->values, s->device, s->total * sizeof(float)));
    assert_ok(rt_buffer_create(&s->gradients, s->device, s->trained * sizeof(float)));
    s->weights = calloc(s->total, sizeof *s->weights);
    struct rt_random random = rt_random_start(1, 2);
    for (size_t i = 0; i < s->total; i++)
        s->weights[i] = rt_random_normal(&random) * 0.7f;
}

void setup_end(struct setup *s)
{
    free(s->weights);
    rt_graph_destroy(s->graph);
    rt_buffer_destroy(s->values);
    rt_buffer_destroy(s->gradients);
    rt_device_close(s->device);
}

/* The same image for the same n. */
void write_input(const struct setup *s, int n)
{
    struct rt_tensor x = *rt_graph_input_tensor(s->graph);
    struct rt_random random = rt_random_start(3, 4);
    x.shape.n = n;
    float *values = calloc(rt_shape_size(x.shape), sizeof *values);
    for (size_t i = 0; i < rt_shape_size(x.shape); i++)
        values[i] = rt_random_normal(&random);
    put(&x, values);
}

/* Everything in the slabs becomes NaN: what a step needs must have been written by a step. */
void poison(const struct setup *s)
{
    for (size_t i = 0; i < s->graph->slab_count; i++)
        assert_ok(
            rt_buffer_fill(s->graph->slabs[i], 0, rt_buffer_bytes(s->graph->slabs[i]), 0x7fc0dead));
}

float *forward(const struct setup *s, int n, bool training)
{
    poison(s);
    write_input(s, n);
    assert_ok(rt_buffer_write(s->values, 0, s->total * sizeof(float), s->weights));
    rt_graph_values_changed(s->graph);
    assert_ok(rt_graph_forward(s->graph, &(struct rt_graph_pass){.n = n, .training = training}));
    struct rt_tensor y = *rt_graph_output_tensor(s->graph);
    y.shape.n = n;
    return get(&y);
}

float loss_weight(size_t i)
{
    return (float)cos(1.7 * (double)i);
}

double loss(const struct setup *s, int n)
{
    float *y = forward(s, n, true);
    double sum = 0;
    struct rt_shape shape = rt_graph_output_tensor(s->graph)->shape;
    shape.n = n;
    size_t size = rt_shape_size(shape);
    for (size_t i = 0; i < size; i++)
        sum += (double)loss_weight(i) * (double)y[i];
    free(y);
    return sum;
}

float *backward(const struct setup *s, int n)
{
    struct rt_tensor dy = *rt_graph_output_gradient(s->graph);
    free(forward(s, n, true));
    dy.shape.n = n;
    float *values = calloc(rt_shape_size(dy.shape), sizeof *values);
    for (size_t i = 0; i < rt_shape_size(dy.shape); i++)
        values[i] = loss_weight(i);
    put(&dy, values);
    assert_ok(rt_graph_backward(s->graph, &(struct rt_graph_pass){.n = n, .training = true}));
    float *gradient = calloc(s->trained, sizeof *gradient);
    assert_ok(rt_buffer_read(s->gradients, 0, s->trained * sizeof(float), gradient));
    return gradient;
}
