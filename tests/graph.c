#include "graph_setup.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/random.h"
#include "device/internal.h"
#include "ops/check.h"

static void check_gradients(void (*build)(struct rt_graph *), struct rt_shape input, int n)
{
    struct setup s;
    setup_start(&s, build);
    assert_ok(rt_graph_plan(s.graph, input, RT_PLAN_TRAINING, s.values, s.gradients));
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
    assert_ok(
        rt_graph_plan(s.graph, (struct rt_shape){2, 3, 8, 8}, RT_PLAN_FORWARD, s.values, NULL));
    join_copies = 0;
    free(forward(&s, 2, false));
    assert_int_equal(join_copies, 0);
    setup_end(&s);

    setup_start(&s, build_knot);
    assert_ok(
        rt_graph_plan(s.graph, (struct rt_shape){2, 2, 4, 4}, RT_PLAN_FORWARD, s.values, NULL));
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
    assert_ok(rt_graph_plan(s.graph, input, RT_PLAN_TRAINING, s.values, s.gradients));
    size_t training_bytes = rt_graph_planned_bytes(s.graph);
    float *training = forward(&s, 4, false);
    assert_ok(rt_graph_plan(s.graph, input, RT_PLAN_FORWARD, s.values, NULL));
    assert_true(rt_graph_planned_bytes(s.graph) < training_bytes / 2);
    float *inference = forward(&s, 4, false), *few = forward(&s, 3, false);
    assert_memory_equal(training, inference, bytes);
    assert_memory_equal(few, inference, bytes / 4 * 3);
    free(training);
    free(inference);
    free(few);
    setup_end(&s);
}

/* With a cache of so many bytes: logits of inference, then logits and gradients of
 * training, with nothing recomputed and with much. */
static void run_with_cache(struct setup *s, size_t cache, float *results[5])
{
    const struct rt_shape input = {5, 3, 16, 8};
    s->device->info.cache_bytes = cache;
    assert_ok(rt_graph_plan(s->graph, input, RT_PLAN_FORWARD, s->values, NULL));
    results[0] = forward(s, 5, false);
    int turns = 0, passing = 0;
    for (size_t i = 0; i < s->graph->stage_count; i++)
        turns += s->graph->stages[i].together < 5;
    for (size_t i = 0; i < s->graph->count; i++)
        passing += s->graph->nodes[i].passing && s->graph->stages[0].together < 5;
    assert_true(cache && rt_device_is_cpu(s->device) ? turns > 0 && passing > 0 : turns == 0);
    for (int i = 1; i < 3; i++) {
        const enum rt_plan kind = i == 1 ? RT_PLAN_TRAINING : RT_PLAN_RECOMPUTING;
        assert_ok(rt_graph_plan(s->graph, input, kind, s->values, s->gradients));
        results[2 * i - 1] = forward(s, 5, true);
        results[2 * i] = backward(s, 5);
    }
}

static void turns_give_the_same_bits(void **state)
{
    (void)state;
    void (*const builds[])(struct rt_graph *) = {build_unet, build_turning};
    for (size_t b = 0; b < RT_COUNT(builds); b++) {
        struct setup s;
        setup_start(&s, builds[b]);
        float *whole[5], *parts[5];
        const size_t logits = (size_t)5 * 3 * 16 * 8,
                     sizes[5] = {logits, logits, s.trained, logits, s.trained};
        run_with_cache(&s, 0, whole);
        for (size_t cache = 1; cache < 40000; cache = 3 * cache + 5000) {
            run_with_cache(&s, cache, parts);
            for (int i = 0; i < 5; i++) {
                assert_memory_equal(parts[i], whole[i], sizes[i] * sizeof(float));
                free(parts[i]);
            }
        }
        for (int i = 0; i < 5; i++)
            free(whole[i]);
        setup_end(&s);
    }
}

/* The gradients of a plan, and its bytes. */
static float *gradients_of(struct setup *s, struct rt_shape input, enum rt_plan kind, size_t *bytes)
{
    assert_ok(rt_graph_plan(s->graph, input, kind, s->values, s->gradients));
    *bytes = rt_graph_planned_bytes(s->graph);
    return backward(s, input.n);
}

/* Returns the bytes of the plan that recomputes, as a share of the other's. */
static double check_recomputing(void (*build)(struct rt_graph *), struct rt_shape input)
{
    struct setup s;
    size_t all, few, count;
    setup_start(&s, build);
    float *kept = gradients_of(&s, input, RT_PLAN_TRAINING, &all);
    float *again = gradients_of(&s, input, RT_PLAN_RECOMPUTING, &few);
    assert_memory_equal(kept, again, s.trained * sizeof *kept);
    const struct rt_graph_parameter *p = rt_graph_parameters(s.graph, &count);
    float *values = calloc(s.total, sizeof *values);
    assert_ok(rt_buffer_read(s.values, 0, s.total * sizeof *values, values));
    for (size_t i = 0; i < count; i++)
        if (!p[i].parameter.trained) /* the state: moved once */
            assert_float_equal(values[p[i].offset], s.weights[p[i].offset] + 1, 0);
    free(values);
    free(kept);
    free(again);
    setup_end(&s);
    return (double)few / (double)all;
}

static void recomputing_gives_the_same_gradients(void **state)
{
    (void)state;
    assert_true(check_recomputing(build_unet, (struct rt_shape){2, 3, 32, 64}) < 0.96);
    assert_float_equal(check_recomputing(build_knot, (struct rt_shape){2, 2, 3, 5}), 1, 0);
}

/* Any way to cut. */
static void cuts_do_not_change_the_gradients(void **state)
{
    (void)state;
    const struct rt_shape input = {2, 2, 3, 5};
    struct setup s;
    size_t bytes, recomputed = 0;
    setup_start(&s, build_knot);
    float *want = gradients_of(&s, input, RT_PLAN_TRAINING, &bytes);
    struct rt_random random = rt_random_start(7, 8);
    for (int round = 0; round < 50; round++) {
        for (size_t i = 1; i < s.graph->count; i++)
            s.graph->nodes[i].segment =
                s.graph->nodes[i - 1].segment + (rt_random_below(&random, 3) == 0);
        float *got = gradients_of(&s, input, RT_PLAN_RECOMPUTING, &bytes);
        assert_memory_equal(got, want, s.trained * sizeof *got);
        recomputed += rt_graph_recomputed_share(s.graph) > 0;
        free(got);
    }
    assert_true(recomputed > 25);
    free(want);
    setup_end(&s);
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
    assert_ok(rt_graph_plan(s.graph, input, RT_PLAN_TRAINING, s.values, s.gradients));
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
    assert_fails(rt_graph_plan(graph, (struct rt_shape){1, 4, 8, 8}, RT_PLAN_FORWARD, values, NULL),
                 RT_ERROR_ARGUMENT, "takes 3 channels");
    assert_fails(rt_graph_plan(graph, (struct rt_shape){1, 3, 1, 8}, RT_PLAN_FORWARD, values, NULL),
                 RT_ERROR_ARGUMENT, "nothing is left");
    assert_fails(rt_graph_plan(graph, (struct rt_shape){1 << 30, 3, 1 << 30, 8}, RT_PLAN_FORWARD,
                               values, NULL),
                 RT_ERROR_ARGUMENT, "more than any device");
    assert_fails(rt_graph_plan(graph, (struct rt_shape){1000, 3, 20000, 18000}, RT_PLAN_FORWARD,
                               values, NULL),
                 RT_ERROR_DEVICE, "use a smaller batch or patch");
    assert_ok(rt_graph_plan(graph, (struct rt_shape){2, 3, 8, 8}, RT_PLAN_FORWARD, values, NULL));
    pass.n = 3;
    assert_fails(rt_graph_forward(graph, &pass), RT_ERROR_ARGUMENT, "up to 2");
    pass = (struct rt_graph_pass){.n = 1, .training = true};
    assert_fails(rt_graph_forward(graph, &pass), RT_ERROR_ARGUMENT, "no gradients");
    add(graph, &bend, 0, x, 0); /* leaves y unread */
    assert_fails(rt_graph_plan(graph, (struct rt_shape){1, 3, 8, 8}, RT_PLAN_FORWARD, values, NULL),
                 RT_ERROR_ARGUMENT, "nothing reads");
    rt_graph_destroy(graph);
    rt_buffer_destroy(values);
    rt_device_close(device);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gradients_of_a_unet),
        cmocka_unit_test(gradients_of_knotted_concatenations),
        cmocka_unit_test(concatenations_of_a_unet_copy_nothing),
        cmocka_unit_test(plans_and_batches_give_the_same_bits),
        cmocka_unit_test(turns_give_the_same_bits),
        cmocka_unit_test(recomputing_gives_the_same_gradients),
        cmocka_unit_test(cuts_do_not_change_the_gradients),
        cmocka_unit_test(parameters_have_places),
        cmocka_unit_test(work_is_counted_and_labelled),
        cmocka_unit_test(what_does_not_fit_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
