/* Graphs of simple operations, and a device with parameters to run them. */
#ifndef RT_TESTS_GRAPH_SETUP_H
#define RT_TESTS_GRAPH_SETUP_H

#include "test.h"

#include "graph/internal.h"
#include "graph_ops.h"

struct setup {
    struct rt_device *device;
    struct rt_graph *graph;
    struct rt_buffer *values, *gradients;
    size_t trained, total;
    float *weights; /* the value slab */
};

int add(struct rt_graph *graph, const struct rt_op *op, int channels, int a, int b);
void build_unet(struct rt_graph *graph);
void build_knot(struct rt_graph *graph);
void build_turning(struct rt_graph *graph);
void setup_start(struct setup *s, void (*build)(struct rt_graph *));
void setup_end(struct setup *s);
void write_input(const struct setup *s, int n);
void poison(const struct setup *s);
float *forward(const struct setup *s, int n, bool training);
float loss_weight(size_t i);
double loss(const struct setup *s, int n);
float *backward(const struct setup *s, int n);

#endif
