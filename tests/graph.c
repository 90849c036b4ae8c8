#include "test.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/random.h"
#include "graph/internal.h"
#include "graph_ops.h"
#include "ops/check.h"

/* --- graphs ---------------------------------------------------------------------------------- */

static int add(struct rt_graph *graph, const struct rt_op *op, int channels, int a, int b)
{
    int node;
    char name[16];
    snprintf(name, sizeof name, "node%zu", graph->count);
    assert_ok(rt_graph_add(graph, op, &(struct mix){channels}, (int[]){a, b}, name, &node));
    return node;
}

/* A U-Net of two levels: skip connections that pools read, too. */
static void build_unet(struct rt_graph *graph)
{
    int x, skip[2];
    assert_ok(rt_graph_input(graph, 3, &x));
    for (int level = 0; level < 2; level++) {
        x = add(graph, &mix, 4 << level, x, 0);
        x = skip[level] = add(graph, &bend, 0, x, 0);
        x = add(graph, &half, 0, x, 0);
    }
    x = add(graph, &mix, 16, x, 0);
    for (int level = 1; level >= 0; level--) {
        x = add(graph, &mix, 4 << level, add(graph, &twice, 0, x, 0), 0);
        x = add(graph, &join, 0, x, skip[level]);
        x = add(graph, &mix, 4 << level, x, 0);
        x = add(graph, &bend, 0, x, 0);
    }
    add(graph, &mix, 3, x, 0);
}

/* Every hard case of a concatenation: of the input, of one tensor twice, of tensors that are read
 * again later, of concatenations. */
static void build_knot(struct rt_graph *graph)
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

struct setup {
    struct rt_device *device;
    struct rt_graph *graph;
    struct rt_buffer *values, *gradients;
    size_t trained, total;
    float *weights; /* the value slab */
};

static void setup_start(struct setup *s, void (*build)(struct rt_graph *))
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

static void setup_end(struct setup *s)
{
    free(s->weights);
    rt_graph_destroy(s->graph);
    rt_buffer_destroy(s->values);
    rt_buffer_destroy(s->gradients);
    rt_device_close(s->device);
}

/* The same image for the same n. */
static void write_input(const struct setup *s, int n)
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
static void poison(const struct setup *s)
{
    for (size_t i = 0; i < s->graph->slab_count; i++)
        assert_ok(
            rt_buffer_fill(s->graph->slabs[i], 0, rt_buffer_bytes(s->graph->slabs[i]), 0x7fc0dead));
}

static float *forward(const struct setup *s, int n, bool training)
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

static float loss_weight(size_t i)
{
    return (float)cos(1.7 * (double)i);
}

static double loss(const struct setup *s, int n)
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

static float *backward(const struct setup *s, int n)
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

/* --- tests ----------------------------------------------------------------------------------- */

static void check_gradients(void (*build)(struct rt_graph *), struct rt_shape input, int n)
{
    struct setup s;
    setup_start(&s, build);
    assert_ok(rt_graph_plan(s.graph, input, s.values, s.gradients));
    float *gradient = backward(&s, n);
    size_t count;
    const struct rt_graph_parameter *parameters = rt_graph_parameters(s.graph, &count);
    for (size_t i = 0; i < count; i++) {
        size_t size = rt_shape_size(parameters[i].parameter.shape);
        for (size_t j = 0; j < size && parameters[i].parameter.trained; j += 3) {
            float *weight = &s.weights[parameters[i].offset + j], old = *weight;
            const float h = 2e-3f;
            *weight = old + h;
            double above = loss(&s, n);
            *weight = old - h;
            double want = (above - loss(&s, n)) / (2 * (double)h);
            *weight = old;
            double got = (double)gradient[parameters[i].offset + j];
            if (!(fabs(got - want) <= 5e-3 * fmax(1, fabs(want))))
                fail_msg("%s[%zu]: gradient %g, by differences %g", parameters[i].name, j, got,
                         want);
        }
    }
    free(gradient);
    setup_end(&s);
}

static void gradients_of_a_unet(void **state)
{
    (void)state;
    check_gradients(build_unet, (struct rt_shape){2, 3, 8, 4}, 2);
    check_gradients(build_unet, (struct rt_shape){3, 3, 4, 4}, 1);
}

static void gradients_of_knotted_concatenations(void **state)
{
    (void)state;
    check_gradients(build_knot, (struct rt_shape){2, 2, 3, 5}, 2);
}

static void concatenations_of_a_unet_copy_nothing(void **state)
{
    (void)state;
    struct setup s;
    setup_start(&s, build_unet);
    assert_ok(rt_graph_plan(s.graph, (struct rt_shape){2, 3, 8, 8}, s.values, NULL));
    join_copies = 0;
    free(forward(&s, 2, false));
    assert_int_equal(join_copies, 0);
    setup_end(&s);

    setup_start(&s, build_knot);
    assert_ok(rt_graph_plan(s.graph, (struct rt_shape){2, 2, 4, 4}, s.values, NULL));
    free(forward(&s, 2, false));
    assert_int_equal(join_copies, 5); /* those that the comments in build_knot name */
    setup_end(&s);
}

static void plans_and_batches_give_the_same_bits(void **state)
{
    (void)state;
    struct setup s;
    setup_start(&s, build_unet);
    struct rt_shape input = {4, 3, 16, 8};
    size_t bytes = (size_t)(3 * 16 * 8) * 4 * sizeof(float);
    assert_ok(rt_graph_plan(s.graph, input, s.values, s.gradients));
    size_t training_bytes = rt_graph_planned_bytes(s.graph);
    float *training = forward(&s, 4, false);
    assert_ok(rt_graph_plan(s.graph, input, s.values, NULL));
    assert_true(rt_graph_planned_bytes(s.graph) < training_bytes / 2);
    float *inference = forward(&s, 4, false), *few = forward(&s, 3, false);
    assert_memory_equal(training, inference, bytes);
    assert_memory_equal(few, inference, bytes / 4 * 3);
    free(training);
    free(inference);
    free(few);
    setup_end(&s);
}

/* The tensors of a plan, with lives that are worked out here once more, from the operations. */
struct living {
    struct rt_tensor tensor;
    size_t node;
    bool gradient;
    int first, last;
};

static size_t list_living(const struct rt_graph *graph, bool training, struct living *list)
{
    int nodes = (int)graph->count, end = 2 * nodes;
    size_t count = 0;
    for (int i = 0; i < nodes; i++) {
        const struct rt_node *node = &graph->nodes[i];
        struct living y = {node->y, (size_t)i, false, i, i};
        struct living dy = {node->dy, (size_t)i, true, end - i, end - i};
        for (int r = i + 1; r < nodes; r++)
            for (int j = 0; j < graph->nodes[r].op->inputs; j++) {
                if (graph->nodes[r].inputs[j] != i)
                    continue;
                bool kept = training && graph->nodes[r].op->backward_reads_x;
                y.last = kept ? (end - r > y.last ? end - r : y.last) : (r > y.last ? r : y.last);
                dy.first = end - r < dy.first ? end - r : dy.first;
            }
        if (training && i > 0 && node->op->backward_reads_y)
            y.last = end - i;
        if (i == 0)
            y.last = end;
        if (i == nodes - 1)
            y.last = dy.first = nodes;
        list[count++] = y;
        if (training && i > 0)
            list[count++] = dy;
        for (int d = 0; i > 0 && node->op->scratch && d <= training; d++) {
            int step = d == RT_FORWARD ? i : end - i;
            list[count] = (struct living){node->scratch[d], (size_t)i, false, step, step};
            size_t floats = (size_t)graph->nodes[node->inputs[0]].y.shape.c; /* as mix_scratch */
            list[count++].tensor.plane = floats * (d == RT_FORWARD ? MIX_SCRATCH_OF_ONE : 3);
        }
    }
    return count;
}

static bool is_part(const struct rt_graph *graph, const struct living *a, const struct living *b)
{
    const struct rt_node *whole = &graph->nodes[b->node];
    if (a->gradient != b->gradient || b->node == 0 || !whole->op->identity)
        return false;
    for (int j = 0; j < whole->op->inputs; j++) {
        struct living inner = *b;
        inner.node = (size_t)whole->inputs[j];
        if (inner.node == a->node || is_part(graph, a, &inner))
            return true;
    }
    return false;
}

/* Writes the number of every living tensor into each of its floats; returns how many are taken. */
static size_t mark(const struct rt_graph *graph, const struct living *list, size_t count, int step,
                   size_t **slabs)
{
    size_t taken = 0;
    for (size_t i = 0; i < count; i++) {
        const struct rt_tensor *t = &list[i].tensor;
        if (list[i].first > step || list[i].last < step)
            continue;
        assert_non_null(t->buffer);
        assert_true(t->offset >= RT_TENSOR_GUARD);
        size_t slab = 0;
        while (graph->slabs[slab] != t->buffer)
            slab++;
        size_t image = (size_t)t->shape.c * t->plane;
        for (size_t k = 0; k < (size_t)t->shape.n * image; k++) {
            size_t place = t->offset + k / image * t->stride + k % image;
            assert_true((place + RT_TENSOR_GUARD) * sizeof(float) < rt_buffer_bytes(t->buffer));
            size_t *owner = &slabs[slab][place];
            const struct living *other = &list[*owner - 1];
            if (*owner && !is_part(graph, &list[i], other) && !is_part(graph, other, &list[i]))
                fail_msg("step %d: nodes %zu and %zu share memory", step, list[i].node,
                         other->node);
            taken += *owner == 0;
            *owner = i + 1;
        }
    }
    return taken;
}

static void check_lives(void (*build)(struct rt_graph *), struct rt_shape input, bool training)
{
    struct setup s;
    struct living list[100];
    size_t peak = 0, *slabs[8];
    setup_start(&s, build);
    assert_ok(rt_graph_plan(s.graph, input, s.values, training ? s.gradients : NULL));
    size_t bytes;
    assert_ok(rt_graph_plan_bytes(s.graph, input, training, &bytes));
    assert_int_equal(bytes, rt_graph_planned_bytes(s.graph));
    size_t count = list_living(s.graph, training, list);
    assert_true(s.graph->slab_count <= RT_COUNT(slabs));
    for (int step = 0; step <= 2 * (int)s.graph->count; step++) {
        for (size_t i = 0; i < s.graph->slab_count; i++)
            slabs[i] = calloc(rt_buffer_bytes(s.graph->slabs[i]), sizeof **slabs);
        size_t taken = mark(s.graph, list, count, step, slabs);
        peak = taken > peak ? taken : peak;
        for (size_t i = 0; i < s.graph->slab_count; i++)
            free(slabs[i]);
    }
    size_t planned = rt_graph_planned_bytes(s.graph) / sizeof(float);
    assert_true((double)planned <= 1.25 * (double)peak + 200);
    setup_end(&s);
}

static void living_tensors_do_not_share_memory(void **state)
{
    (void)state;
    for (int training = 0; training < 2; training++) {
        check_lives(build_unet, (struct rt_shape){2, 3, 16, 16}, training);
        check_lives(build_knot, (struct rt_shape){3, 2, 7, 5}, training);
    }
}

/* --- normalisations that convolutions do ------------------------------------------------------ */

static struct rt_op apart; /* rt_op_batch_norm, never folded */

static int normalise(struct rt_graph *graph, const struct rt_op *norm, int x, int channels,
                     bool bias)
{
    const struct rt_conv2d conv = {.channels = channels, .kernel = 3, .stride = 1, .bias = bias};
    const struct rt_batch_norm batch_norm = {0.1f, 1e-3f, {.relu = true}};
    char name[2][16];
    snprintf(name[0], sizeof name[0], "conv%d", x);
    snprintf(name[1], sizeof name[1], "norm%d", x);
    assert_ok(rt_graph_add(graph, &rt_op_conv2d, &conv, &x, name[0], &x));
    assert_ok(rt_graph_add(graph, norm, &batch_norm, &x, name[1], &x));
    return x;
}

/* Three convolutions that could normalise; the output of the last is a part of a concatenation. */
static void build_normalised(struct rt_graph *graph, const struct rt_op *norm)
{
    int x, a, b;
    assert_ok(rt_graph_input(graph, 3, &x));
    a = normalise(graph, norm, x, 6, false);
    b = normalise(graph, norm, a, 5, true);
    b = normalise(graph, norm, b, 6, false);
    x = add(graph, &join, 0, a, b);
    const struct rt_conv2d head = {.channels = 2, .kernel = 1, .stride = 1};
    assert_ok(rt_graph_add(graph, &rt_op_conv2d, &head, &x, "head", &x));
}

static void build_folded(struct rt_graph *graph)
{
    build_normalised(graph, &rt_op_batch_norm);
}

static void build_apart(struct rt_graph *graph)
{
    apart = rt_op_batch_norm;
    apart.fold = NULL;
    build_normalised(graph, &apart);
}

/* The output as the values stand, which tests of what follows a pass do not write again. */
static float *forward_again(const struct setup *s, int n)
{
    struct rt_tensor y = *rt_graph_output_tensor(s->graph);
    y.shape.n = n;
    write_input(s, n);
    assert_ok(rt_graph_forward(s->graph, &(struct rt_graph_pass){.n = n}));
    return get(&y);
}

/* Compares both graphs' outputs and releases them. */
static void check_same(const struct setup *s, float *folded, float *unfolded, int n)
{
    struct rt_shape shape = rt_graph_output_tensor(s->graph)->shape;
    double largest = 1;
    shape.n = n;
    for (size_t i = 0; i < rt_shape_size(shape); i++)
        largest = fmax(largest, fabs((double)unfolded[i]));
    for (size_t i = 0; i < rt_shape_size(shape); i++)
        if (!(fabs((double)folded[i] - (double)unfolded[i]) <= 2e-5 * largest))
            fail_msg("output %zu is %g folded and %g unfolded", i, (double)folded[i],
                     (double)unfolded[i]);
    free(folded);
    free(unfolded);
}

static void check_folding(bool training)
{
    const struct rt_shape input = {3, 3, 12, 20};
    struct setup s[2];
    setup_start(&s[0], build_folded);
    setup_start(&s[1], build_apart);
    for (int i = 0; i < 2; i++) {
        for (size_t j = s[i].trained; j < s[i].total; j++) /* variances are among the states */
            s[i].weights[j] = fabsf(s[i].weights[j]) + 0.1f;
        assert_ok(rt_graph_plan(s[i].graph, input, s[i].values, training ? s[i].gradients : NULL));
    }
    assert_int_equal(s[0].graph->nodes[1].y.buffer != NULL, training);
    check_same(&s[0], forward(&s[0], 3, false), forward(&s[1], 3, false), 3);
    check_same(&s[0], forward_again(&s[0], 2), forward_again(&s[1], 2), 2);
    if (training) { /* whose gradients may lie where they like, and which moves the statistics */
        free(backward(&s[0], 3));
        free(backward(&s[1], 3));
        check_same(&s[0], forward_again(&s[0], 3), forward_again(&s[1], 3), 3);
        for (int i = 0; i < 2; i++)
            assert_ok(
                rt_graph_forward(s[i].graph, &(struct rt_graph_pass){.n = 3, .training = true}));
        check_same(&s[0], forward_again(&s[0], 3), forward_again(&s[1], 3), 3);
    }
    for (size_t i = 0; i < s[0].total; i++)
        s[0].weights[i] = s[1].weights[i] = 1.5f * s[1].weights[i];
    check_same(&s[0], forward(&s[0], 3, false), forward(&s[1], 3, false), 3);
    setup_end(&s[0]);
    setup_end(&s[1]);
}

static void convolutions_normalise_outside_training(void **state)
{
    (void)state;
    check_folding(false);
    check_folding(true);
}

/* What a rehearsal did not make is made by the pass that follows. */
static void rehearsals_fold_nothing(void **state)
{
    (void)state;
    struct setup s;
    setup_start(&s, build_folded);
    assert_ok(rt_graph_plan(s.graph, (struct rt_shape){1, 3, 4, 4}, s.values, NULL));
    assert_ok(rt_buffer_write(s.values, 0, s.total * sizeof(float), s.weights));
    rt_device_rehearse(s.device, true);
    assert_ok(rt_graph_fold(s.graph));
    rt_device_rehearse(s.device, false);
    assert_false(s.graph->folded);
    assert_ok(rt_graph_fold(s.graph));
    assert_true(s.graph->folded);
    setup_end(&s);
}

static void what_others_read_is_not_folded(void **state)
{
    (void)state;
    struct setup s;
    setup_start(&s, build_folded);
    assert_int_equal(s.graph->nodes[1].folds, 2);
    assert_int_equal(s.graph->nodes[5].folds, 6);
    int x = normalise(s.graph, &rt_op_batch_norm, 8, 4, false);
    assert_int_equal(s.graph->nodes[x - 1].folds, x);
    add(s.graph, &join, 0, x, x - 1);
    assert_int_equal(s.graph->nodes[x - 1].folds, 0);
    setup_end(&s);
}

static void blocks_find_places(void **state)
{
    (void)state;
    struct rt_random random = rt_random_start(5, 6);
    for (int round = 0; round < 50; round++) {
        struct rt_block blocks[60];
        size_t count = RT_COUNT(blocks), *slabs, slab_count, limit = 3000;
        for (size_t i = 0; i < count; i++) {
            int first = (int)rt_random_below(&random, 40);
            blocks[i] = (struct rt_block){.floats = rt_random_below(&random, 1000),
                                          .first = first,
                                          .last = first + (int)rt_random_below(&random, 20)};
        }
        assert_ok(rt_blocks_place(blocks, count, limit, &slabs, &slab_count));
        for (size_t i = 0; i < count; i++) {
            const struct rt_block *a = &blocks[i];
            if (a->floats == 0)
                continue;
            assert_true(a->slab < slab_count && slabs[a->slab] <= limit);
            assert_true(a->offset >= RT_TENSOR_GUARD && a->offset % 16 == 0);
            assert_true(a->offset + a->floats + RT_TENSOR_GUARD <= slabs[a->slab]);
            for (size_t j = 0; j < i; j++) {
                const struct rt_block *b = &blocks[j];
                bool apart = a->slab != b->slab || a->last < b->first || b->last < a->first ||
                             a->offset + a->floats <= b->offset ||
                             b->offset + b->floats <= a->offset;
                assert_true(apart || b->floats == 0);
            }
        }
        free(slabs);
    }
    struct rt_block large = {.floats = 1000};
    size_t *slabs, slab_count;
    assert_fails(rt_blocks_place(&large, 1, 1000, &slabs, &slab_count), RT_ERROR_DEVICE,
                 "one tensor takes 4000 bytes");
}

static void parameters_have_places(void **state)
{
    (void)state;
    struct setup s;
    setup_start(&s, build_knot);
    size_t count;
    const struct rt_graph_parameter *p = rt_graph_parameters(s.graph, &count);
    assert_int_equal(count, 10);
    assert_string_equal(p[0].name, "node1.weight");
    assert_string_equal(p[1].name, "node1.calls");
    assert_string_equal(p[2].name, "node6.weight");
    for (size_t i = 0; i < count; i++) {
        size_t end = p[i].offset + rt_shape_size(p[i].parameter.shape);
        assert_true(p[i].offset % 16 == 0);
        assert_true(p[i].offset >= (p[i].parameter.trained ? RT_TENSOR_GUARD : s.trained));
        assert_true(end + RT_TENSOR_GUARD <= (p[i].parameter.trained ? s.trained : s.total));
        for (size_t j = 0; j < i; j++)
            assert_true(end <= p[j].offset ||
                        p[j].offset + rt_shape_size(p[j].parameter.shape) <= p[i].offset);
    }
    setup_end(&s);
}

static void work_is_counted_and_labelled(void **state)
{
    (void)state;
    struct setup s;
    const struct rt_profile_entry *entries;
    size_t count;
    setup_start(&s, build_unet);
    struct rt_shape input = {2, 3, 8, 8};
    assert_ok(rt_graph_plan(s.graph, input, s.values, s.gradients));
    assert_ok(rt_profile_start(s.device));
    free(backward(&s, 2));
    assert_ok(rt_profile_stop(s.device, &entries, &count));
    double flops = 0;
    bool seen[2] = {false, false};
    for (size_t i = 0; i < count; i++) {
        flops += entries[i].flops;
        seen[0] |= strcmp(entries[i].label, "mix forward 4x8x8") == 0;
        seen[1] |= strcmp(entries[i].label, "mix backward 4x8x8") == 0;
    }
    assert_true(seen[0] && seen[1]);
    double want = rt_graph_cost(s.graph, input, RT_FORWARD).flops +
                  rt_graph_cost(s.graph, input, RT_BACKWARD).flops;
    double joined = 3 * (2 * 8 * 4 * 4 + 2 * 4 * 8 * 8); /* never runs */
    assert_float_equal(flops, want - joined, 0.1);
    setup_end(&s);
}

static void what_does_not_fit_is_refused(void **state)
{
    (void)state;
    check_any_device();
    struct rt_device *device = check_device(0);
    struct rt_graph *graph;
    int x, y;
    assert_ok(rt_graph_create(&graph, device));
    assert_ok(rt_graph_input(graph, 3, &x));
    assert_fails(rt_graph_input(graph, 3, &y), RT_ERROR_ARGUMENT, "one input");
    assert_fails(rt_graph_add(graph, &bend, NULL, (int[]){1}, "late", &y), RT_ERROR_ARGUMENT,
                 "late: input 0 is node 1");
    y = add(graph, &half, 0, x, 0);
    assert_fails(rt_graph_add(graph, &join, NULL, (int[]){x, y}, "cat", &y), RT_ERROR_ARGUMENT,
                 "cat: the inputs do not fit");
    struct rt_buffer *values;
    assert_ok(rt_buffer_create(&values, device, 4));
    struct rt_graph_pass pass = {.n = 1};
    assert_fails(rt_graph_forward(graph, &pass), RT_ERROR_ARGUMENT, "must be planned");
    assert_fails(rt_graph_plan(graph, (struct rt_shape){1, 4, 8, 8}, values, NULL),
                 RT_ERROR_ARGUMENT, "takes 3 channels");
    assert_fails(rt_graph_plan(graph, (struct rt_shape){1, 3, 1, 8}, values, NULL),
                 RT_ERROR_ARGUMENT, "nothing is left");
    assert_fails(rt_graph_plan(graph, (struct rt_shape){1 << 30, 3, 1 << 30, 8}, values, NULL),
                 RT_ERROR_ARGUMENT, "more than any device");
    assert_fails(rt_graph_plan(graph, (struct rt_shape){1000, 3, 20000, 18000}, values, NULL),
                 RT_ERROR_DEVICE, "use a smaller batch or patch");
    assert_ok(rt_graph_plan(graph, (struct rt_shape){2, 3, 8, 8}, values, NULL));
    pass.n = 3;
    assert_fails(rt_graph_forward(graph, &pass), RT_ERROR_ARGUMENT, "up to 2");
    pass = (struct rt_graph_pass){.n = 1, .training = true};
    assert_fails(rt_graph_forward(graph, &pass), RT_ERROR_ARGUMENT, "no gradients");
    add(graph, &bend, 0, x, 0); /* leaves y unread */
    assert_fails(rt_graph_plan(graph, (struct rt_shape){1, 3, 8, 8}, values, NULL),
                 RT_ERROR_ARGUMENT, "nothing reads");
    rt_graph_destroy(graph);
    rt_buffer_destroy(values);
    rt_device_close(device);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(convolutions_normalise_outside_training),
        cmocka_unit_test(rehearsals_fold_nothing),
        cmocka_unit_test(what_others_read_is_not_folded),
        cmocka_unit_test(blocks_find_places),
        cmocka_unit_test(parameters_have_places),
        cmocka_unit_test(living_tensors_do_not_share_memory),
        cmocka_unit_test(concatenations_of_a_unet_copy_nothing),
        cmocka_unit_test(plans_and_batches_give_the_same_bits),
        cmocka_unit_test(gradients_of_a_unet),
        cmocka_unit_test(gradients_of_knotted_concatenations),
        cmocka_unit_test(work_is_counted_and_labelled),
        cmocka_unit_test(what_does_not_fit_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
