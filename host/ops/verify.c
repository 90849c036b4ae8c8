#include "ops/verify.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/memory.h"
#include "base/random.h"
#include "ops/guarded.h"

#define DIFFERENCES 60 /* elements of a tensor that are checked by differences */

/* --- what the reference says ---------------------------------------------------------------- */

struct rt_expected {
    const struct rt_verify_case *test;
    struct rt_reference reference; /* its inputs, and y */
    int parameters;
    double *weights; /* the loss is the sum of weights * y */
    double *p[RT_OP_PARAMETERS];
    double *dx[RT_OP_INPUTS], *dp[RT_OP_PARAMETERS]; /* NAN where it was not computed */
};

static rt_status random_array(double **values, struct rt_shape shape, uint64_t stream, double scale)
{
    struct rt_random random = rt_random_start(42, stream);
    const size_t size = rt_shape_size(shape);
    rt_status status = rt_alloc(values, size + 1, sizeof **values);
    for (size_t i = 0; status == RT_OK && i < size; i++)
        (*values)[i] = (double)(float)(scale * (double)rt_random_normal(&random));
    return status;
}

static rt_status copy_array(double **copy, const double *values, struct rt_shape shape)
{
    rt_status status = rt_alloc(copy, rt_shape_size(shape) + 1, sizeof **copy);
    if (status == RT_OK)
        memcpy(*copy, values, rt_shape_size(shape) * sizeof **copy);
    return status;
}

static void run_reference(struct rt_expected *e)
{
    const struct rt_tile whole = rt_tile_whole(e->reference.y_shape);
    e->test->op->reference(&e->reference, &whole);
}

static rt_status prepare_reference(struct rt_expected *e)
{
    const struct rt_verify_case *test = e->test;
    struct rt_reference *r = &e->reference;
    rt_status status = RT_OK;
    *r = (struct rt_reference){.attributes = test->attributes,
                               .training = test->training,
                               .seed = 0x123456789abcdef,
                               .node = 3,
                               .step = 17,
                               .image = 5};
    memcpy(r->x_shape, test->x, sizeof r->x_shape);
    RT_TRY(test->op->infer(test->attributes, test->x, &r->y_shape));
    if (test->op->parameters)
        e->parameters = test->op->parameters(test->attributes, test->x, r->parameters);
    for (int i = 0; i < test->op->inputs; i++)
        RT_TRY(random_array(&r->x[i], test->x[i], 10 + (uint64_t)i, 1));
    for (int i = 0; i < e->parameters; i++) {
        const struct rt_parameter *p = &r->parameters[i];
        RT_TRY(random_array(&r->p[i], p->shape, 20 + (uint64_t)i,
                            p->fan_in ? 1 / sqrt(p->fan_in) : 0.5));
        for (size_t j = 0; j < rt_shape_size(p->shape); j++)
            r->p[i][j] = p->trained ? r->p[i][j] : fabs(r->p[i][j]) + 0.5;
    }
    RT_TRY(random_array(&r->y, r->y_shape, 30, 0));
    RT_TRY(random_array(&e->weights, r->y_shape, 31, 1));
    if (test->prepare)
        test->prepare(r);
end:
    return status;
}

static double loss(struct rt_expected *e)
{
    double sum = 0;
    run_reference(e);
    for (size_t i = 0; i < rt_shape_size(e->reference.y_shape); i++)
        sum += e->weights[i] * e->reference.y[i];
    return sum;
}

/* The gradient of the loss by `values`, by central differences; NAN where it was not computed. */
static rt_status differences(struct rt_expected *e, double *values, struct rt_shape shape,
                             double **gradient)
{
    const size_t size = rt_shape_size(shape), step = size / DIFFERENCES + 1;
    rt_status status = rt_alloc(gradient, size + 1, sizeof **gradient);
    for (size_t i = 0; status == RT_OK && i < size; i++) {
        (*gradient)[i] = NAN;
        if (i % step != 0 && i != size - 1)
            continue;
        const double value = values[i], h = 1e-6;
        values[i] = value + h;
        const double above = loss(e);
        values[i] = value - h;
        const double below = loss(e);
        values[i] = value;
        (*gradient)[i] = (above - below) / (2 * h);
    }
    return status;
}

static bool has_backward(const struct rt_verify_case *test)
{
    return test->op->backward && test->training;
}

static rt_status find_gradients(struct rt_expected *e)
{
    struct rt_reference *r = &e->reference;
    rt_status status = RT_OK;
    for (int i = 0; i < e->test->op->inputs; i++)
        RT_TRY(differences(e, r->x[i], r->x_shape[i], &e->dx[i]));
    for (int i = 0; i < e->parameters; i++)
        if (r->parameters[i].trained)
            RT_TRY(differences(e, r->p[i], r->parameters[i].shape, &e->dp[i]));
end:
    return status;
}

rt_status rt_expected_create(struct rt_expected **expected, const struct rt_verify_case *test)
{
    rt_status status = RT_OK;
    struct rt_expected *e = NULL;
    double *before[RT_OP_PARAMETERS] = {0};
    RT_TRY(rt_alloc(&e, 1, sizeof *e));
    e->test = test;
    RT_TRY(prepare_reference(e));
    struct rt_reference *r = &e->reference;
    for (int i = 0; i < e->parameters; i++)
        RT_TRY(copy_array(&before[i], r->p[i], r->parameters[i].shape));
    if (has_backward(test))
        RT_TRY(find_gradients(e));
    /* The parameters as they were: the reference updates the running statistics. */
    for (int i = 0; i < e->parameters && before[i]; i++)
        memcpy(r->p[i], before[i], rt_shape_size(r->parameters[i].shape) * sizeof(double));
    run_reference(e);
    for (int i = 0; i < e->parameters; i++) {
        e->p[i] = r->p[i];
        r->p[i] = before[i];
        before[i] = NULL;
    }
end:
    for (int i = 0; i < RT_OP_PARAMETERS; i++)
        free(before[i]);
    if (status < 0) {
        rt_expected_destroy(e);
        e = NULL;
    }
    *expected = e;
    return status;
}

void rt_expected_destroy(struct rt_expected *e)
{
    if (!e)
        return;
    for (int i = 0; i < RT_OP_INPUTS; i++) {
        free(e->reference.x[i]);
        free(e->dx[i]);
    }
    for (int i = 0; i < RT_OP_PARAMETERS; i++) {
        free(e->reference.p[i]);
        free(e->p[i]);
        free(e->dp[i]);
    }
    free(e->reference.y);
    free(e->weights);
    free(e);
}

bool rt_verified_add(struct rt_verified *verified, double error, double bound)
{
    if (verified->bound <= 0 || !(error / bound <= verified->error / verified->bound)) {
        verified->error = error;
        verified->bound = bound;
    }
    return error <= bound;
}

/* --- what the device says ------------------------------------------------------------------- */

/* One device's turn. */
struct turn {
    const struct rt_expected *expected;
    const struct rt_verify_case *test;
    unsigned parts;
    struct rt_op_call call;
    struct rt_guarded x[RT_OP_INPUTS], y, pooled, p[RT_OP_PARAMETERS];
    struct rt_guarded dy, dx[RT_OP_INPUTS], dp[RT_OP_PARAMETERS], scratch;
    struct rt_verified *verified;
    struct rt_bits *bits;
    size_t hashed; /* tensors compared with them so far */
};

static rt_status create_scratch(struct turn *turn, enum rt_direction direction)
{
    const struct rt_op *op = turn->test->op;
    const size_t floats = op->scratch ? op->scratch(turn->call.device, turn->test->attributes,
                                                    turn->test->x, direction)
                                      : 0;
    rt_guarded_destroy(&turn->scratch);
    rt_status status = rt_guarded_create(&turn->scratch, turn->call.device,
                                         (struct rt_shape){1, 1, 1, (int)floats}, 0);
    turn->call.scratch = turn->scratch.tensor;
    return status;
}

static rt_status prepare(struct turn *turn)
{
    const struct rt_reference *r = &turn->expected->reference;
    struct rt_op_call *call = &turn->call;
    rt_status status = RT_OK;
    call->attributes = turn->test->attributes;
    call->training = turn->test->training;
    call->seed = r->seed;
    call->node = r->node;
    call->step = r->step;
    call->image = r->image;
    for (int i = 0; i < turn->test->op->inputs; i++) {
        RT_TRY(rt_guarded_create(&turn->x[i], call->device, r->x_shape[i], RT_GAP));
        RT_TRY(rt_guarded_write(&turn->x[i], r->x[i]));
        call->x[i] = turn->x[i].tensor;
    }
    for (int i = 0; i < turn->expected->parameters; i++) {
        RT_TRY(rt_guarded_create(&turn->p[i], call->device, r->parameters[i].shape, 0));
        RT_TRY(rt_guarded_write(&turn->p[i], r->p[i]));
        call->p[i] = turn->p[i].tensor;
    }
    RT_TRY(rt_guarded_create(&turn->y, call->device, r->y_shape, RT_GAP));
    call->y = turn->y.tensor;
    status = create_scratch(turn, RT_FORWARD);
end:
    return status;
}

static void finish(struct turn *turn)
{
    for (int i = 0; i < RT_OP_INPUTS; i++) {
        rt_guarded_destroy(&turn->x[i]);
        rt_guarded_destroy(&turn->dx[i]);
    }
    for (int i = 0; i < RT_OP_PARAMETERS; i++) {
        rt_guarded_destroy(&turn->p[i]);
        rt_guarded_destroy(&turn->dp[i]);
    }
    rt_guarded_destroy(&turn->y);
    rt_guarded_destroy(&turn->pooled);
    rt_guarded_destroy(&turn->dy);
    rt_guarded_destroy(&turn->scratch);
}

static rt_status compare_bits(struct turn *turn, const float *values, size_t size,
                              const char *tensor)
{
    struct rt_bits *bits = turn->bits;
    const uint64_t hash = rt_hash(values, size * sizeof *values);
    const size_t place = turn->hashed++;
    if (place >= RT_COUNT(bits->hashes))
        return rt_fail(RT_ERROR_ARGUMENT, "an operation has too many tensors to compare");
    if (place == bits->count)
        bits->hashes[bits->count++] = hash;
    return hash == bits->hashes[place]
               ? RT_OK
               : rt_fail(RT_ERROR_DEVICE, "%s: exact math has other bits here than elsewhere",
                         tensor);
}

/* `want` may be NULL: then only the guards are looked at; and of dy, which the activation's
 * gradient replaces, the bits. */
static rt_status compare(struct turn *turn, const struct rt_guarded *got, const double *want,
                         const char *tensor)
{
    rt_status status = RT_OK;
    float *values = NULL;
    const size_t size = want ? rt_shape_size(got->tensor.shape) : 0;
    const double tolerance =
        turn->test->tolerance > 0 ? turn->test->tolerance : RT_VERIFY_TOLERANCE;
    double largest = 1;
    status = rt_guarded_read(got, &values);
    if (status < 0)
        return rt_fail_context(status, "%s: ", tensor);
    for (size_t i = 0; i < size; i++)
        largest = isnan(want[i]) ? largest : fmax(largest, fabs(want[i]));
    for (size_t i = 0; i < size && status == RT_OK; i++) {
        const double error = fabs((double)values[i] - want[i]) / largest;
        if (isnan(want[i]))
            continue;
        if (!rt_verified_add(turn->verified, error, tolerance))
            status =
                rt_fail(RT_ERROR_DEVICE, "%s: element %zu is %.9g, expected %.9g (tolerance %.2g)",
                        tensor, i, (double)values[i], want[i], tolerance * largest);
    }
    if (status == RT_OK && turn->bits && (want || got == &turn->dy))
        status = compare_bits(turn, values, rt_shape_size(got->tensor.shape), tensor);
    free(values);
    return status;
}

/* Whether the maxima are those of 2x2 elements of y, to the last bit. */
static rt_status compare_maxima(const struct turn *turn)
{
    const size_t width = (size_t)turn->y.tensor.shape.w;
    float *y = NULL, *maxima = NULL;
    rt_status status = RT_OK;
    RT_TRY(rt_guarded_read(&turn->y, &y));
    RT_TRY(rt_guarded_read(&turn->pooled, &maxima));
    for (size_t i = 0; i < rt_shape_size(turn->pooled.tensor.shape); i++) {
        const float *upper = y + i / (width / 2) * 2 * width + i % (width / 2) * 2;
        const float *lower = upper + width;
        const float want = fmaxf(fmaxf(upper[0], upper[1]), fmaxf(lower[0], lower[1]));
        if (maxima[i] != want || !signbit(maxima[i]) != !signbit(want))
            RT_TRY(rt_fail(RT_ERROR_DEVICE, "maxima: element %zu is %a, expected %a", i,
                           (double)maxima[i], (double)want));
    }
end:
    free(y);
    free(maxima);
    return status;
}

/* Forward with the maxima, where the operation writes them for this case; not every variant does,
 * so there is nothing to compare their bits with. */
static rt_status check_maxima(struct turn *turn)
{
    const struct rt_reference *r = &turn->expected->reference;
    const struct rt_op *op = turn->test->op;
    struct rt_bits *bits = turn->bits;
    rt_status status = RT_OK;
    if (!op->pools || !op->pools(turn->call.device, turn->test->attributes, r->x_shape))
        return RT_OK;
    struct rt_shape shape = r->y_shape;
    shape.h /= 2;
    shape.w /= 2;
    turn->bits = NULL;
    RT_TRY(rt_guarded_create(&turn->pooled, turn->call.device, shape, RT_GAP));
    turn->call.pooled = turn->pooled.tensor;
    RT_TRY(op->forward(&turn->call));
    RT_TRY(compare(turn, &turn->y, r->y, "y beside the maxima"));
    status = compare_maxima(turn);
    turn->call.pooled = RT_TENSOR_NONE;
end:
    turn->bits = bits;
    return status;
}

static rt_status check_forward(struct turn *turn)
{
    const struct rt_expected *e = turn->expected;
    const struct rt_reference *r = &e->reference;
    rt_status status = RT_OK;
    RT_TRY(turn->test->op->forward(&turn->call));
    RT_TRY(compare(turn, &turn->y, r->y, "y"));
    RT_TRY(check_maxima(turn));
    for (int i = 0; i < e->parameters; i++) {
        RT_TRY(compare(turn, &turn->p[i], e->p[i], r->parameters[i].name));
        RT_TRY(rt_guarded_write(&turn->p[i], r->p[i]));
    }
    for (int i = 0; i < turn->test->op->inputs; i++)
        RT_TRY(compare(turn, &turn->x[i], r->x[i], "x (unchanged)"));
    status = compare(turn, &turn->scratch, NULL, "scratch");
end:
    return status;
}

/* Everything that backward writes, poisoned; with `add`, dx holds x. */
static rt_status prepare_backward(struct turn *turn, bool add)
{
    const struct rt_reference *r = &turn->expected->reference;
    const struct rt_op *op = turn->test->op;
    struct rt_op_call *call = &turn->call;
    rt_status status = RT_OK;
    RT_TRY(rt_guarded_create(&turn->dy, call->device, r->y_shape, RT_GAP));
    RT_TRY(rt_guarded_write(&turn->dy, turn->expected->weights));
    call->dy = turn->dy.tensor;
    call->y.buffer = op->backward_reads_y ? turn->y.tensor.buffer : NULL;
    for (int i = 0; i < op->inputs; i++) {
        RT_TRY(rt_guarded_create(&turn->dx[i], call->device, r->x_shape[i], RT_GAP));
        if (add)
            RT_TRY(rt_guarded_write(&turn->dx[i], r->x[i]));
        call->dx[i] = turn->dx[i].tensor;
        call->dx_add[i] = add;
        call->x[i].buffer = op->backward_reads_x ? turn->x[i].tensor.buffer : NULL;
    }
    for (int i = 0; i < turn->expected->parameters; i++) {
        RT_TRY(rt_guarded_create(&turn->dp[i], call->device, r->parameters[i].shape, 0));
        call->dp[i] = r->parameters[i].trained ? turn->dp[i].tensor : RT_TENSOR_NONE;
    }
    status = create_scratch(turn, RT_BACKWARD);
end:
    return status;
}

static rt_status compare_data(struct turn *turn, int i, bool add)
{
    const struct rt_reference *r = &turn->expected->reference;
    double *want = NULL;
    rt_status status = copy_array(&want, turn->expected->dx[i], r->x_shape[i]);
    for (size_t j = 0; status == RT_OK && add && j < rt_shape_size(r->x_shape[i]); j++)
        want[j] += r->x[i][j];
    if (status == RT_OK)
        status = compare(turn, &turn->dx[i], want, i ? "dx[1]" : "dx[0]");
    free(want);
    return status;
}

/* With `add`, the gradient must be added to what stands in dx. */
static rt_status check_backward(struct turn *turn, bool add)
{
    const struct rt_expected *e = turn->expected;
    rt_status status = RT_OK;
    RT_TRY(prepare_backward(turn, add));
    RT_TRY(turn->test->op->backward(&turn->call));
    for (int i = 0; i < turn->test->op->inputs && turn->parts & RT_VERIFY_DATA; i++)
        RT_TRY(compare_data(turn, i, add));
    for (int i = 0; i < e->parameters && turn->parts & RT_VERIFY_PARAMETERS; i++)
        RT_TRY(compare(turn, &turn->dp[i], e->dp[i], e->reference.parameters[i].name));
    RT_TRY(compare(turn, &turn->dy, NULL, "dy"));
    status = compare(turn, &turn->scratch, NULL, "scratch");
end:
    rt_guarded_destroy(&turn->dy);
    for (int i = 0; i < RT_OP_INPUTS; i++)
        rt_guarded_destroy(&turn->dx[i]);
    for (int i = 0; i < RT_OP_PARAMETERS; i++)
        rt_guarded_destroy(&turn->dp[i]);
    return status;
}

rt_status rt_verify(struct rt_device *device, const struct rt_expected *expected, unsigned parts,
                    struct rt_verified *verified, struct rt_bits *bits)
{
    rt_status status = RT_OK;
    struct turn turn = {.expected = expected,
                        .test = expected->test,
                        .parts = parts,
                        .verified = verified,
                        .bits = bits,
                        .call = {.device = device}};
    RT_TRY(prepare(&turn));
    if (parts & RT_VERIFY_FORWARD)
        RT_TRY(check_forward(&turn));
    else /* a wrong forward pass is not held against the backward pass */
        RT_TRY(rt_guarded_write(&turn.y, expected->reference.y));
    for (int add = 0; add < 2 && has_backward(turn.test) && parts != RT_VERIFY_FORWARD; add++)
        RT_TRY(check_backward(&turn, add));
end:
    finish(&turn);
    return status;
}
