#include "graph_setup.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/random.h"
#include "ops/check.h"

/* Concatenations of parts of their own segment and of others. */
static void build_cut_knot(struct rt_graph *graph)
{
    build_knot(graph);
    for (size_t i = 1; i < graph->count; i++)
        graph->nodes[i].segment = (i > 2) + (i > 5) + (i > 9);
}

/* When the nodes run in a training step; worked out here once more, as all below. */
static void find_times(const struct rt_graph *graph, int times[][RT_PHASES])
{
    const struct rt_node *nodes = graph->nodes;
    int now = (int)graph->count;
    for (size_t i = graph->count; i-- > 0;) {
        bool ends = i + 1 == graph->count || nodes[i].segment != nodes[i + 1].segment;
        for (size_t j = 0; ends && j <= i; j++)
            if (nodes[j].segment == nodes[i].segment && nodes[j].recomputed)
                times[j][RT_PHASE_AGAIN] = ++now;
        times[i][RT_PHASE_FORWARD] = (int)i;
        times[i][RT_PHASE_BACKWARD] = ++now;
    }
}

/* The tensors of a plan, with lives that follow from the operations. */
struct living {
    struct rt_tensor tensor;
    size_t node;
    bool gradient;
    int first, last;
};

static void extend(struct living *life, int step)
{
    life->first = step < life->first ? step : life->first;
    life->last = step > life->last ? step : life->last;
}

/* The lives of a node's output, of what it is computed again into, and of its gradient. */
static void find_lives(const struct rt_graph *graph, int times[][RT_PHASES], bool training,
                       size_t i, struct living lives[3])
{
    const struct rt_node *nodes = graph->nodes;
    const int forward = times[i][RT_PHASE_FORWARD], backward = times[i][RT_PHASE_BACKWARD];
    struct living *y = &lives[0], *again = nodes[i].recomputed ? &lives[1] : y, *dy = &lives[2];
    lives[0] = (struct living){nodes[i].y, i, false, forward, forward};
    lives[1] = (struct living){nodes[i].again, i, false, times[i][RT_PHASE_AGAIN],
                               times[i][RT_PHASE_AGAIN]};
    lives[2] = (struct living){nodes[i].dy, i, true, backward, backward};
    for (size_t r = i + 1; r < graph->count; r++)
        for (int j = 0; j < nodes[r].op->inputs; j++) {
            if (nodes[r].inputs[j] != (int)i)
                continue;
            extend(y, times[r][RT_PHASE_FORWARD]);
            extend(dy, times[r][RT_PHASE_BACKWARD]);
            if (nodes[r].recomputed)
                extend(again, times[r][RT_PHASE_AGAIN]);
            if (training && nodes[r].op->backward_reads_x)
                extend(again, times[r][RT_PHASE_BACKWARD]);
        }
    if (training && i > 0 && nodes[i].op->backward_reads_y)
        extend(again, backward);
    if (i == 0)
        extend(y, backward);
    for (int k = 0; k < 3 && i + 1 == graph->count; k += 2) /* the loss */
        extend(&lives[k], (int)graph->count);
}

static size_t list_living(const struct rt_graph *graph, bool training, struct living *list)
{
    int times[30][RT_PHASES];
    size_t count = 0;
    assert_true(graph->count <= RT_COUNT(times));
    find_times(graph, times);
    for (size_t i = 0; i < graph->count; i++) {
        const struct rt_node *node = &graph->nodes[i];
        struct living lives[3];
        find_lives(graph, times, training, i, lives);
        list[count++] = lives[0];
        if (node->recomputed)
            list[count++] = lives[1];
        if (training && i > 0)
            list[count++] = lives[2];
        for (int phase = 0; i > 0 && node->op->scratch && phase < RT_PHASES; phase++) {
            const int step = times[i][phase];
            const bool runs[] = {true, node->recomputed, training};
            if (!runs[phase])
                continue;
            list[count] = (struct living){node->scratch[phase], i, false, step, step};
            size_t floats = (size_t)graph->nodes[node->inputs[0]].y.shape.c; /* as mix_scratch */
            list[count++].tensor.plane =
                floats * (phase == RT_PHASE_BACKWARD ? 3 : MIX_SCRATCH_OF_ONE);
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

static void check_lives(void (*build)(struct rt_graph *), struct rt_shape input, enum rt_plan kind)
{
    struct setup s;
    struct living list[150];
    size_t peak = 0, *slabs[8];
    setup_start(&s, build);
    assert_ok(rt_graph_plan(s.graph, input, kind, s.values, s.gradients));
    size_t bytes;
    assert_ok(rt_graph_plan_bytes(s.graph, input, kind, &bytes));
    assert_int_equal(bytes, rt_graph_planned_bytes(s.graph));
    size_t count = list_living(s.graph, kind != RT_PLAN_FORWARD, list);
    assert_true(s.graph->slab_count <= RT_COUNT(slabs));
    for (int step = 0; step <= 3 * (int)s.graph->count; step++) {
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
    for (int kind = RT_PLAN_FORWARD; kind <= RT_PLAN_RECOMPUTING; kind++) {
        check_lives(build_unet, (struct rt_shape){2, 3, 16, 16}, (enum rt_plan)kind);
        check_lives(build_knot, (struct rt_shape){3, 2, 7, 5}, (enum rt_plan)kind);
    }
    check_lives(build_cut_knot, (struct rt_shape){3, 2, 7, 5}, RT_PLAN_RECOMPUTING);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(living_tensors_do_not_share_memory),
        cmocka_unit_test(blocks_find_places),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
