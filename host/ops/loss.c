#include "ops/loss.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "ops/chunks.h"

#define FOLD 128 /* partial sums that one work-item adds up; FOLD * FOLD >= RT_CHUNKS_MAX */
#define VALUE_ROWS 2
#define ROWS_MAX (3 * RT_CLASSES_MAX + 1)
#define LEAST 64 /* vectors that a CPU's work-item takes at least */

struct rt_loss_state {
    struct rt_device *device;
    struct rt_loss loss;
    int classes;
    char options[64];
    struct rt_buffer *weights;
    struct rt_buffer *partial; /* [rows][items], what work-items left */
    struct rt_buffer *folded;  /* [rows][items / FOLD] */
    struct rt_buffer *sums;    /* [rows] of loss_count, then the sums of the hard and soft values */
    uint32_t rows;             /* loss_count's; see loss.cl */
};

/* What each of the buffers holds, in bytes. */
struct sizes {
    size_t weights, partial, folded, sums;
};

static bool has_dice(const struct rt_loss *loss)
{
    return loss->hard == RT_HARD_DICE || loss->hard == RT_HARD_DICE_FOCAL;
}

static size_t count_rows(const struct rt_loss *loss, int classes)
{
    return (size_t)(has_dice(loss) ? 3 * classes + 1 : classes + 1);
}

static struct sizes sizes_of(const struct rt_loss *loss, int classes)
{
    const size_t rows = count_rows(loss, classes);
    return (struct sizes){sizeof loss->weights, rows * RT_CHUNKS_MAX * sizeof(float),
                          rows * FOLD * sizeof(float), (rows + VALUE_ROWS) * sizeof(float)};
}

size_t rt_loss_bytes(const struct rt_loss *loss, int classes)
{
    const struct sizes sizes = sizes_of(loss, classes);
    return sizes.weights + sizes.partial + sizes.folded + sizes.sums;
}

static float hard_share(const struct rt_loss *loss)
{
    return loss->soft == RT_SOFT_NONE ? 1 : loss->alpha;
}

static rt_status check(const struct rt_loss *loss, int classes)
{
    if (classes < 1 || classes > RT_CLASSES_MAX)
        return rt_fail(RT_ERROR_ARGUMENT, "a loss of %d classes: 1 to %d are possible", classes,
                       RT_CLASSES_MAX);
    if (loss->soft != RT_SOFT_NONE && !(loss->alpha >= 0 && loss->alpha <= 1))
        return rt_fail(RT_ERROR_ARGUMENT, "the hard loss's share (alpha) is %g, not 0 to 1",
                       (double)loss->alpha);
    if (loss->soft == RT_SOFT_KL && !(loss->temperature > 0))
        return rt_fail(RT_ERROR_ARGUMENT, "the temperature is %g, not above 0",
                       (double)loss->temperature);
    return RT_OK;
}

rt_status rt_loss_create(struct rt_loss_state **state, struct rt_device *device,
                         const struct rt_loss *loss, int classes)
{
    static const char *const hard[] = {[RT_HARD_CE] = "-DCE=1",
                                       [RT_HARD_DICE] = "-DCE=0 -DDICE=1",
                                       [RT_HARD_FOCAL] = "-DCE=0 -DFOCAL=1",
                                       [RT_HARD_DICE_FOCAL] = "-DCE=0 -DDICE=1 -DFOCAL=1"};
    static const char *const soft[] = {
        [RT_SOFT_NONE] = "", [RT_SOFT_KL] = "-DKL=1", [RT_SOFT_LOGITS] = "-DLOGITS=1"};
    struct rt_loss_state *made = NULL;
    rt_status status = RT_OK;
    *state = NULL;
    RT_TRY(check(loss, classes));
    RT_TRY(rt_alloc(&made, 1, sizeof *made));
    made->device = device;
    made->loss = *loss;
    made->classes = classes;
    made->rows = (uint32_t)count_rows(loss, classes);
    snprintf(made->options, sizeof made->options, "-DCLASSES=%d %s %s", classes, hard[loss->hard],
             soft[loss->soft]);
    const struct sizes sizes = sizes_of(loss, classes);
    RT_TRY(rt_buffer_create(&made->weights, device, sizes.weights));
    RT_TRY(rt_buffer_write(made->weights, 0, sizes.weights, loss->weights));
    RT_TRY(rt_buffer_create(&made->partial, device, sizes.partial));
    RT_TRY(rt_buffer_create(&made->folded, device, sizes.folded));
    RT_TRY(rt_buffer_create(&made->sums, device, sizes.sums));
    *state = made;
    made = NULL;
end:
    rt_loss_destroy(made);
    return status;
}

void rt_loss_destroy(struct rt_loss_state *state)
{
    if (!state)
        return;
    rt_buffer_destroy(state->weights);
    rt_buffer_destroy(state->partial);
    rt_buffer_destroy(state->folded);
    rt_buffer_destroy(state->sums);
    free(state);
}

/* Adds up rows of partial sums into sums[to_row...], or to what stands there, in two steps of at
 * most FOLD summands each. */
static rt_status reduce(struct rt_loss_state *state, uint32_t items, uint32_t rows, uint32_t to_row,
                        bool add)
{
    const uint32_t folded = (items + FOLD - 1) / FOLD;
    rt_status status = RT_OK;
    RT_TRY(RT_LAUNCH(state->device, "loss.cl", "loss_reduce", state->options, (folded, rows, 1),
                     rt_buffer_argument(state->partial), rt_uint(items),
                     rt_buffer_argument(state->folded), rt_uint(0), rt_uint(folded), rt_uint(rows),
                     rt_int(false)));
    status = RT_LAUNCH(state->device, "loss.cl", "loss_reduce", state->options, (1, rows, 1),
                       rt_buffer_argument(state->folded), rt_uint(folded),
                       rt_buffer_argument(state->sums), rt_uint(to_row), rt_uint(1), rt_uint(rows),
                       rt_int(add));
end:
    return status;
}

static rt_status check_run(const struct rt_loss_state *state, const struct rt_tensor *logits,
                           const struct rt_tensor *teachers, int count)
{
    const bool soft = state->loss.soft != RT_SOFT_NONE;
    if (count < (soft ? 1 : 0) || count > (soft ? RT_TEACHERS_MAX : 0))
        return rt_fail(RT_ERROR_ARGUMENT, "a loss %s a soft term takes %s teachers, not %d",
                       soft ? "with" : "without", soft ? "1 to 4" : "no", count);
    if (logits->shape.c != state->classes)
        return rt_fail(RT_ERROR_ARGUMENT, "logits of %d classes for a loss of %d", logits->shape.c,
                       state->classes);
    for (int i = 0; i < count; i++)
        if (memcmp(&teachers[i].shape, &logits->shape, sizeof logits->shape) != 0)
            return rt_fail(RT_ERROR_ARGUMENT,
                           "teacher %d's logits are %d x %d x %d x %d, the student's "
                           "%d x %d x %d x %d: they must be alike",
                           i + 1, teachers[i].shape.n, teachers[i].shape.c, teachers[i].shape.h,
                           teachers[i].shape.w, logits->shape.n, logits->shape.c, logits->shape.h,
                           logits->shape.w);
    return RT_OK;
}

/* Sums what must be known of the whole batch before any gradient; the values start at 0. */
static rt_status count(struct rt_loss_state *state, const struct rt_tensor *logits,
                       struct rt_buffer *labels)
{
    const struct rt_chunks chunks = rt_pixel_chunks(state->device, logits->shape, LEAST);
    const uint32_t pixels = (uint32_t)logits->shape.h * (uint32_t)logits->shape.w;
    rt_status status = RT_OK;
    RT_TRY(RT_LAUNCH(state->device, "loss.cl", "loss_count", state->options, (chunks.items, 1, 1),
                     RT_TENSOR(*logits), rt_buffer_argument(labels), rt_uint(pixels),
                     RT_CHUNKS(chunks), rt_buffer_argument(state->partial)));
    RT_TRY(reduce(state, chunks.items, state->rows, 0, false));
    status =
        rt_buffer_fill(state->sums, state->rows * sizeof(float), VALUE_ROWS * sizeof(float), 0);
end:
    return status;
}

rt_status rt_loss_count(struct rt_loss_state *state, struct rt_shape whole,
                        struct rt_buffer *labels)
{
    if (has_dice(&state->loss))
        return rt_fail(RT_ERROR_ARGUMENT, "the dice loss of a batch cannot be added up from parts");
    return count(state, &(struct rt_tensor){.shape = whole}, labels);
}

rt_status rt_loss_add(struct rt_loss_state *state, const struct rt_tensor *logits,
                      struct rt_buffer *labels, int first, const struct rt_tensor *teacher_logits,
                      int teachers, const struct rt_tensor *dlogits, struct rt_buffer *confusion)
{
    const struct rt_chunks chunks = rt_pixel_chunks(state->device, logits->shape, LEAST);
    const uint32_t pixels = (uint32_t)logits->shape.h * (uint32_t)logits->shape.w;
    struct rt_tensor t[RT_TEACHERS_MAX] = {RT_TENSOR_NONE};
    rt_status status = RT_OK;
    RT_TRY(check_run(state, logits, teacher_logits, teachers));
    for (int i = 0; i < teachers; i++)
        t[i] = teacher_logits[i];
    RT_TRY(RT_LAUNCH(state->device, "loss.cl", "loss_gradient", state->options,
                     (chunks.items, 1, 1), RT_TENSOR(*logits), rt_buffer_argument(labels),
                     rt_uint((uint32_t)first), rt_uint(pixels), RT_CHUNKS(chunks),
                     rt_buffer_argument(state->partial), RT_TENSOR(t[0]), RT_TENSOR(t[1]),
                     RT_TENSOR(t[2]), RT_TENSOR(t[3]), rt_int(teachers), RT_TENSOR(*dlogits),
                     rt_buffer_argument(state->weights), rt_buffer_argument(state->sums),
                     rt_float(hard_share(&state->loss)), rt_float(1 - hard_share(&state->loss)),
                     rt_float(state->loss.temperature), rt_buffer_argument(confusion)));
    status = reduce(state, chunks.items, VALUE_ROWS, state->rows, true);
end:
    return status;
}

rt_status rt_loss_run(struct rt_loss_state *state, const struct rt_tensor *logits,
                      struct rt_buffer *labels, const struct rt_tensor *teacher_logits,
                      int teachers, const struct rt_tensor *dlogits, struct rt_buffer *confusion)
{
    rt_status status = RT_OK;
    RT_TRY(check_run(state, logits, teacher_logits, teachers));
    RT_TRY(count(state, logits, labels));
    status = rt_loss_add(state, logits, labels, 0, teacher_logits, teachers, dlogits, confusion);
end:
    return status;
}

/* sum / weight; where no pixel counts, the sum itself, which is 0 or a NaN that must show. */
static double mean(double sum, double weight)
{
    return weight > 0 ? sum / weight : sum;
}

/* From the rows of loss_count: [c] pixels of class c, [classes] of none,
 * then the sums of p[c] over the pixels of class c, then over all that have a class. */
static double dice(const float *sums, int classes)
{
    const float *both = sums + classes + 1, *predicted = both + classes;
    double total = 0;
    for (int c = 0; c < classes; c++)
        total += (2 * (double)both[c] + 1) / ((double)predicted[c] + (double)sums[c] + 1);
    return 1 - total / classes;
}

rt_status rt_loss_read(struct rt_loss_state *state, struct rt_loss_values *values)
{
    float sums[ROWS_MAX + VALUE_ROWS];
    rt_status status = RT_OK;
    RT_TRY(rt_buffer_read(state->sums, 0, rt_buffer_bytes(state->sums), sums));
    const double share = (double)hard_share(&state->loss);
    double weight = 0, taught = (double)sums[state->classes];
    for (int c = 0; c < state->classes; c++) {
        weight += (double)state->loss.weights[c] * (double)sums[c];
        taught += (double)sums[c];
    }
    values->hard = mean((double)sums[state->rows], weight);
    if (has_dice(&state->loss))
        values->hard += dice(sums, state->classes);
    values->soft = mean((double)sums[state->rows + 1], taught);
    values->total = share * values->hard + (1 - share) * values->soft;
end:
    return status;
}
