/* Checks of the kernels that are no operation of a graph. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/random.h"
#include "ops/certify.h"
#include "ops/guarded.h"
#include "ops/metrics.h"
#include "ops/optimizer.h"
#include "ops/reference/training.h"

/* Compares one figure. */
static rt_status judge(struct rt_verified *verified, const char *what, double got, double want,
                       double bound)
{
    const double largest = fmax(1, fabs(want));
    if (rt_verified_add(verified, fabs(got - want) / largest, bound))
        return RT_OK;
    return rt_fail(RT_ERROR_DEVICE, "%s: %.9g, expected %.9g (tolerance %.2g)", what, got, want,
                   bound * largest);
}

/* Compares what is counted, or is a class. */
static rt_status expect_count(const char *what, uint64_t got, uint64_t want)
{
    if (got == want)
        return RT_OK;
    return rt_fail(RT_ERROR_DEVICE, "%s: %llu, expected %llu", what, (unsigned long long)got,
                   (unsigned long long)want);
}

/* Contiguous random values of so large a deviation. */
static rt_status random_values(double **values, size_t count, uint64_t stream, double scale)
{
    struct rt_random random = rt_random_start(7, stream);
    rt_status status = rt_alloc(values, count + 1, sizeof **values);
    for (size_t i = 0; status == RT_OK && i < count; i++)
        (*values)[i] = (double)(float)(scale * (double)rt_random_normal(&random));
    return status;
}

/* Compares a whole tensor, whose guards must stand. */
static rt_status judge_tensor(struct rt_verified *verified, const struct rt_guarded *tensor,
                              const double *want, const char *what, double bound)
{
    float *got = NULL;
    rt_status status = rt_guarded_read(tensor, &got);
    if (status < 0)
        return rt_fail_context(status, "%s: ", what);
    for (size_t i = 0; i < rt_shape_size(tensor->tensor.shape) && status == RT_OK; i++)
        status = judge(verified, what, (double)got[i], want[i], bound);
    free(got);
    return status;
}

/* --- optimisers ----------------------------------------------------------------------------- */

#define STEPS 4
#define RATE 0.05f
#define OPTIMIZER_BOUND 2e-6

enum { WEIGHTS, GRADIENTS, MEANS, SQUARES, SLABS };

struct slabs {
    size_t count;
    struct rt_guarded on_device[SLABS];
    double *values[SLABS];
};

/* Slabs begin where their buffers do. */
static rt_status slabs_create(struct slabs *slabs, struct rt_device *device)
{
    rt_status status = RT_OK;
    for (int i = 0; i < SLABS; i++) {
        RT_TRY(rt_guarded_create(&slabs->on_device[i], device,
                                 (struct rt_shape){1, 1, 1, (int)slabs->count}, 0));
        slabs->on_device[i].tensor.offset = 0;
        RT_TRY(random_values(&slabs->values[i], slabs->count, (uint64_t)i, i < MEANS ? 1 : 0));
        RT_TRY(rt_guarded_write(&slabs->on_device[i], slabs->values[i]));
    }
end:
    return status;
}

static void slabs_finish(struct slabs *slabs)
{
    for (int i = 0; i < SLABS; i++) {
        rt_guarded_destroy(&slabs->on_device[i]);
        free(slabs->values[i]);
    }
}

static rt_status take_steps(struct rt_device *device, const struct rt_optimizer *optimizer,
                            size_t count, struct rt_verified *verified)
{
    rt_status status = RT_OK;
    struct slabs s = {.count = count};
    RT_TRY(slabs_create(&s, device));
    struct rt_buffer *const values = s.on_device[WEIGHTS].tensor.buffer, *const gradients =
                                                                             s.on_device[GRADIENTS]
                                                                                 .tensor.buffer;
    const bool two = rt_optimizer_moments(optimizer) == 2;
    struct rt_buffer *const moments[2] = {s.on_device[MEANS].tensor.buffer,
                                          two ? s.on_device[SQUARES].tensor.buffer : NULL};
    for (int t = 1; t <= STEPS; t++) {
        RT_TRY(rt_optimizer_step(device, optimizer, values, gradients, moments, count, RATE,
                                 (uint64_t)t));
        for (size_t i = 0; i < count; i++)
            rt_reference_optimizer(optimizer, (double)RATE, t, s.values[GRADIENTS][i],
                                   &s.values[WEIGHTS][i], &s.values[MEANS][i],
                                   &s.values[SQUARES][i]);
    }
    RT_TRY(rt_gradients_add(device, gradients, values, count));
    for (size_t i = 0; i < count; i++)
        s.values[GRADIENTS][i] += s.values[WEIGHTS][i];
    for (int i = 0; i < (two ? SLABS : SQUARES); i++)
        RT_TRY(judge_tensor(verified, &s.on_device[i], s.values[i], "slab", OPTIMIZER_BOUND));
end:
    slabs_finish(&s);
    return status;
}

rt_status rt_certify_optimizer(struct rt_device *device, const struct rt_check *check,
                               struct rt_verified *verified)
{
    static const struct rt_optimizer optimizers[] = {
        {.kind = RT_SGD, .momentum = 0.9f, .decay = 0.1f},
        {.kind = RT_ADAM, .beta1 = 0.9f, .beta2 = 0.999f, .epsilon = 1e-8f, .decay = 0.1f},
        {.kind = RT_ADAMW, .beta1 = 0.9f, .beta2 = 0.999f, .epsilon = 1e-8f, .decay = 0.1f},
    };
    static const size_t counts[] = {1, 1003, 70001};
    rt_status status = RT_OK;
    (void)check;
    for (size_t i = 0; i < RT_COUNT(optimizers); i++)
        for (size_t j = 0; j < RT_COUNT(counts); j++)
            RT_TRY(take_steps(device, &optimizers[i], counts[j], verified));
end:
    return status;
}

/* --- normalisation folded into a convolution ------------------------------------------------- */

enum { FILTERS, BIAS, GAMMA, BETA, MEAN, VARIANCE, FOLDED_FILTERS, FOLDED_BIAS, FOLD_TENSORS };

static rt_status judge_fold(struct rt_verified *verified, const struct rt_guarded *t,
                            double *const *values, double epsilon)
{
    const struct rt_shape filters = t[FILTERS].tensor.shape;
    const size_t filter = rt_shape_size(filters) / (size_t)filters.n;
    rt_status status = RT_OK;
    for (int c = 0; c < filters.n; c++) {
        const double scale = values[GAMMA][c] / sqrt(values[VARIANCE][c] + epsilon);
        values[FOLDED_BIAS][c] = (values[BIAS][c] - values[MEAN][c]) * scale + values[BETA][c];
        for (size_t i = 0; i < filter; i++)
            values[FOLDED_FILTERS][(size_t)c * filter + i] =
                values[FILTERS][(size_t)c * filter + i] * scale;
    }
    for (int i = FOLDED_FILTERS; i <= FOLDED_BIAS; i++)
        RT_TRY(judge_tensor(verified, &t[i], values[i], i == FOLDED_BIAS ? "bias" : "filters",
                            RT_VERIFY_TOLERANCE));
end:
    return status;
}

rt_status rt_certify_fold(struct rt_device *device, const struct rt_check *check,
                          struct rt_verified *verified)
{
    const struct rt_shape filters = {17, 3, 3, 3}, channels = {1, 17, 1, 1};
    const struct rt_batch_norm a = {0.1f, 1e-3f, {0}};
    rt_status status = RT_OK;
    struct rt_guarded t[FOLD_TENSORS] = {0};
    double *values[FOLD_TENSORS] = {NULL};
    (void)check;
    for (int i = 0; i < FOLD_TENSORS; i++) {
        const struct rt_shape shape = i == FILTERS || i == FOLDED_FILTERS ? filters : channels;
        RT_TRY(rt_guarded_create(&t[i], device, shape, 0));
        RT_TRY(random_values(&values[i], rt_shape_size(shape), (uint64_t)i, 1));
        for (size_t j = 0; i == VARIANCE && j < rt_shape_size(shape); j++)
            values[i][j] = fabs(values[i][j]) + 0.1;
        if (i < FOLDED_FILTERS)
            RT_TRY(rt_guarded_write(&t[i], values[i]));
    }
    const struct rt_tensor p[] = {t[GAMMA].tensor, t[BETA].tensor, t[MEAN].tensor,
                                  t[VARIANCE].tensor},
                           before[] = {t[FILTERS].tensor, t[BIAS].tensor},
                           folded[] = {t[FOLDED_FILTERS].tensor, t[FOLDED_BIAS].tensor};
    RT_TRY(rt_op_batch_norm.fold_parameters(device, &a, p, before, folded));
    status = judge_fold(verified, t, values, (double)a.epsilon);
end:
    for (int i = 0; i < FOLD_TENSORS; i++) {
        rt_guarded_destroy(&t[i]);
        free(values[i]);
    }
    return status;
}

/* --- logits, with labels ----------------------------------------------------------------------
 */

#define LOSS_BOUND 2e-5
#define GRADIENT_BOUND 1e-4 /* of the largest */
#define GRADIENTS_COMPARED 25

struct problem {
    struct rt_shape shape;
    double *x, *t;
    uint8_t *labels;
    struct rt_guarded logits, taught, gradient;
    struct rt_buffer *label_buffer;
};

static size_t pixels_of(const struct problem *p)
{
    return (size_t)p->shape.n * (size_t)p->shape.h * (size_t)p->shape.w;
}

static rt_status problem_create(struct problem *p, struct rt_device *device, struct rt_shape shape)
{
    rt_status status = RT_OK;
    struct rt_random random = rt_random_start(11, 100);
    *p = (struct problem){.shape = shape};
    const size_t size = rt_shape_size(shape), pixels = pixels_of(p);
    RT_TRY(random_values(&p->x, size, 0, 2));
    RT_TRY(random_values(&p->t, size, 1, 2));
    RT_TRY(rt_alloc(&p->labels, pixels, 1));
    for (size_t i = 0; i < pixels; i++) {
        const uint32_t label = rt_random_below(&random, (uint32_t)shape.c + 2);
        p->labels[i] = label < (uint32_t)shape.c    ? (uint8_t)label
                       : label == (uint32_t)shape.c ? RT_LABEL_UNKNOWN
                                                    : RT_LABEL_IGNORE;
    }
    RT_TRY(rt_guarded_create(&p->logits, device, shape, RT_GAP));
    RT_TRY(rt_guarded_create(&p->taught, device, shape, RT_GAP));
    RT_TRY(rt_guarded_create(&p->gradient, device, shape, RT_GAP));
    RT_TRY(rt_guarded_write(&p->logits, p->x));
    RT_TRY(rt_guarded_write(&p->taught, p->t));
    RT_TRY(rt_buffer_create(&p->label_buffer, device, pixels));
    status = rt_buffer_write(p->label_buffer, 0, pixels, p->labels);
end:
    return status;
}

static void problem_finish(struct problem *p)
{
    free(p->x);
    free(p->t);
    free(p->labels);
    rt_guarded_destroy(&p->logits);
    rt_guarded_destroy(&p->taught);
    rt_guarded_destroy(&p->gradient);
    rt_buffer_destroy(p->label_buffer);
}

/* Some elements of the gradient, by central differences. */
static rt_status judge_gradient(struct rt_verified *verified, const struct problem *p,
                                const struct rt_loss_reference *reference)
{
    const size_t size = rt_shape_size(p->shape), step = size / GRADIENTS_COMPARED + 1;
    double want[GRADIENTS_COMPARED + 1], largest = 1e-3 / (double)pixels_of(p);
    float *got = NULL;
    rt_status status = rt_guarded_read(&p->gradient, &got);
    if (status < 0)
        return rt_fail_context(status, "gradient: ");
    for (size_t i = 0; i < size; i += step) {
        const double value = p->x[i], h = 1e-5;
        p->x[i] = value + h;
        const double above = rt_reference_loss(reference).total;
        p->x[i] = value - h;
        want[i / step] = (above - rt_reference_loss(reference).total) / (2 * h);
        p->x[i] = value;
        largest = fmax(largest, fabs(want[i / step]));
    }
    for (size_t i = 0; i < size && status == RT_OK; i += step)
        status = judge(verified, "gradient", (double)got[i] / largest, want[i / step] / largest,
                       GRADIENT_BOUND);
    free(got);
    return status;
}

static rt_status expect_confusion(const struct problem *p, const uint32_t *got)
{
    const size_t classes = (size_t)p->shape.c;
    uint32_t want[RT_CLASSES_MAX * RT_CLASSES_MAX] = {0};
    rt_status status = RT_OK;
    for (size_t i = 0; i < pixels_of(p); i++)
        if (p->labels[i] < classes)
            want[p->labels[i] * classes + (size_t)rt_reference_class(p->x, p->shape, i)]++;
    for (size_t i = 0; i < classes * classes && status == RT_OK; i++)
        status = expect_count("count", got[i], want[i]);
    return status;
}

static rt_status solve(struct rt_device *device, const struct rt_loss *loss, struct rt_shape shape,
                       struct rt_verified *verified)
{
    rt_status status = RT_OK;
    const int teachers = loss->soft == RT_SOFT_NONE ? 0 : 1;
    struct problem p = {0};
    struct rt_loss_state *state = NULL;
    struct rt_loss_values got;
    uint32_t counts[RT_CLASSES_MAX * RT_CLASSES_MAX] = {0};
    const size_t bytes = (size_t)shape.c * (size_t)shape.c * sizeof *counts;
    struct rt_buffer *confusion = NULL;
    RT_TRY(problem_create(&p, device, shape));
    RT_TRY(rt_buffer_create(&confusion, device, bytes));
    RT_TRY(rt_buffer_fill(confusion, 0, bytes, 0));
    RT_TRY(rt_loss_create(&state, device, loss, shape.c));
    RT_TRY(rt_loss_run(state, &p.logits.tensor, p.label_buffer, &p.taught.tensor, teachers,
                       &p.gradient.tensor, confusion));
    RT_TRY(rt_loss_read(state, &got));
    RT_TRY(rt_buffer_read(confusion, 0, bytes, counts));
    RT_TRY(expect_confusion(&p, counts));
    const struct rt_loss_reference reference = {*loss, shape, teachers, p.x, {p.t}, p.labels};
    const struct rt_loss_values want = rt_reference_loss(&reference);
    RT_TRY(judge(verified, "hard loss", got.hard, want.hard, LOSS_BOUND));
    RT_TRY(judge(verified, "soft loss", got.soft, want.soft, LOSS_BOUND));
    RT_TRY(judge(verified, "loss", got.total, want.total, LOSS_BOUND));
    status = judge_gradient(verified, &p, &reference);
end:
    rt_loss_destroy(state);
    rt_buffer_destroy(confusion);
    problem_finish(&p);
    return status;
}

rt_status rt_certify_loss(struct rt_device *device, const struct rt_check *check,
                          struct rt_verified *verified)
{
    static const struct rt_shape shapes[] = {{1, 6, 1, 1}, {2, 6, 37, 53}};
    rt_status status = RT_OK;
    (void)check;
    for (int hard = RT_HARD_CE; hard <= RT_HARD_DICE_FOCAL; hard++)
        for (int soft = RT_SOFT_NONE; soft <= RT_SOFT_LOGITS; soft++)
            for (size_t i = 0; i < RT_COUNT(shapes); i++) {
                struct rt_loss loss = {.hard = (enum rt_hard_loss)hard,
                                       .soft = (enum rt_soft_loss)soft,
                                       .alpha = 0.1f,
                                       .temperature = 4};
                for (int c = 0; c < RT_CLASSES_MAX; c++)
                    loss.weights[c] = 0.5f + (float)c * 0.25f;
                RT_TRY(solve(device, &loss, shapes[i], verified));
            }
end:
    return status;
}

/* --- what is counted of predictions ----------------------------------------------------------- */

static rt_status judge_classes(struct rt_device *device, const struct problem *p)
{
    rt_status status = RT_OK;
    const size_t pixels = pixels_of(p);
    struct rt_buffer *classes = NULL;
    uint8_t *got = NULL;
    RT_TRY(rt_alloc(&got, pixels, 1));
    RT_TRY(rt_buffer_create(&classes, device, pixels));
    RT_TRY(rt_arg_max(device, &p->logits.tensor, classes));
    RT_TRY(rt_buffer_read(classes, 0, pixels, got));
    for (size_t i = 0; i < pixels; i++)
        RT_TRY(expect_count("class", got[i], (uint64_t)rt_reference_class(p->x, p->shape, i)));
end:
    rt_buffer_destroy(classes);
    free(got);
    return status;
}

static rt_status judge_softmax(struct rt_device *device, const struct problem *p,
                               struct rt_verified *verified)
{
    const size_t plane = (size_t)p->shape.h * (size_t)p->shape.w;
    rt_status status = RT_OK;
    double *want = NULL;
    RT_TRY(rt_alloc(&want, rt_shape_size(p->shape), sizeof *want));
    for (size_t i = 0; i < pixels_of(p); i++)
        for (int c = 0; c < p->shape.c; c++)
            want[(i / plane * (size_t)p->shape.c + (size_t)c) * plane + i % plane] =
                rt_reference_probability(p->x, p->shape, i, c);
    RT_TRY(rt_softmax(device, &p->logits.tensor, &p->gradient.tensor));
    status = judge_tensor(verified, &p->gradient, want, "probability", 1e-6);
end:
    free(want);
    return status;
}

/* Both count into integers that begin at 0. */
static rt_status count(struct rt_device *device, const struct problem *p, bool histogram,
                       size_t counters, uint32_t **got)
{
    rt_status status = RT_OK;
    struct rt_buffer *buffer = NULL;
    RT_TRY(rt_alloc(got, counters, sizeof **got));
    RT_TRY(rt_buffer_create(&buffer, device, counters * sizeof **got));
    RT_TRY(rt_buffer_fill(buffer, 0, counters * sizeof **got, 0));
    RT_TRY((histogram ? rt_histogram_add : rt_confusion_add)(device, &p->logits.tensor,
                                                             p->label_buffer, buffer));
    status = rt_buffer_read(buffer, 0, counters * sizeof **got, *got);
end:
    rt_buffer_destroy(buffer);
    return status;
}

static rt_status judge_confusion(struct rt_device *device, const struct problem *p)
{
    const size_t classes = (size_t)p->shape.c;
    uint32_t *got = NULL;
    rt_status status = count(device, p, false, classes * classes, &got);
    if (status == RT_OK)
        status = expect_confusion(p, got);
    free(got);
    return status;
}

/* A probability near the border of two bins may fall into either: sums up to each border are
 * compared, and may differ by as many as lie there. */
static rt_status judge_histogram(struct rt_device *device, const struct problem *p)
{
    const size_t bins = RT_HISTOGRAM_BINS, counters = (size_t)p->shape.c * 2 * bins;
    uint32_t *got = NULL;
    int64_t *least = NULL, *most = NULL;
    rt_status status = RT_OK;
    RT_TRY(count(device, p, true, counters, &got));
    RT_TRY(rt_alloc(&least, counters, sizeof *least));
    RT_TRY(rt_alloc(&most, counters, sizeof *most));
    for (size_t i = 0; i < pixels_of(p); i++)
        for (int c = 0; c < p->shape.c && p->labels[i] < p->shape.c; c++) {
            const double place = rt_reference_probability(p->x, p->shape, i, c) * RT_HISTOGRAM_BINS;
            const size_t row = ((size_t)c * 2 + (p->labels[i] == c)) * bins,
                         low = (size_t)fmax(place - 1e-3, 0),
                         high = (size_t)fmin(place + 1e-3, (double)bins - 1);
            least[row + high]++;
            most[row + low]++;
        }
    for (size_t i = 0, sum = 0, low = 0, high = 0; i < counters; i++) {
        sum = (i % bins ? sum : 0) + got[i];
        low = (i % bins ? low : 0) + (size_t)least[i];
        high = (i % bins ? high : 0) + (size_t)most[i];
        if (sum < low || sum > high)
            RT_TRY(expect_count("sum of counts", sum, low));
    }
end:
    free(got);
    free(least);
    free(most);
    return status;
}

rt_status rt_certify_metrics(struct rt_device *device, const struct rt_check *check,
                             struct rt_verified *verified)
{
    static const struct rt_shape shapes[] = {{1, 2, 1, 1}, {3, 6, 5, 13}, {2, 19, 61, 67}};
    rt_status status = RT_OK;
    (void)check;
    for (size_t i = 0; i < RT_COUNT(shapes) && status == RT_OK; i++) {
        struct problem p = {0};
        status = problem_create(&p, device, shapes[i]);
        if (status == RT_OK)
            status = judge_classes(device, &p);
        if (status == RT_OK)
            status = judge_softmax(device, &p, verified);
        if (status == RT_OK)
            status = judge_confusion(device, &p);
        if (status == RT_OK)
            status = judge_histogram(device, &p);
        problem_finish(&p);
    }
    return status;
}
