#include "graph_setup.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "ops/check.h"

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
        assert_ok(rt_graph_plan(s[i].graph, input, training ? RT_PLAN_TRAINING : RT_PLAN_FORWARD,
                                s[i].values, s[i].gradients));
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
    assert_ok(
        rt_graph_plan(s.graph, (struct rt_shape){1, 3, 4, 4}, RT_PLAN_FORWARD, s.values, NULL));
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(convolutions_normalise_outside_training),
        cmocka_unit_test(rehearsals_fold_nothing),
        cmocka_unit_test(what_others_read_is_not_folded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
