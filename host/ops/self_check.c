#include "ops/self_check.h"

#include <math.h>
#include <stdlib.h>

#include "base/memory.h"

#define TILE 64
#define GRADIENTS 16     /* elements of a gradient by x */
#define MARGIN 16        /* rows of x around those that lie where the tile does */
#define COUPLED_SLACK 10 /* of a tile whose sums cancel: a normalisation's */

/* --- reading -------------------------------------------------------------------------------- */

/* Rows of planes. Arrays hold whole planes, so that a reference finds its way; what is not read of
 * them is never touched and takes no memory. */
struct rows {
    int first, count;
};

static struct rows all_rows(struct rt_shape s)
{
    return (struct rows){0, s.h};
}

/* These rows of planes c to c + count - 1 of image n. */
static rt_status read_planes(const struct rt_tensor *t, int n, int c, int count, struct rows rows,
                             double *to)
{
    const size_t width = (size_t)t->shape.w, plane = (size_t)t->shape.h * width,
                 skipped = (size_t)rows.first * width, size = (size_t)rows.count * width;
    const struct rt_rows place = {
        .offset =
            (t->offset + (size_t)n * t->stride + (size_t)c * t->plane + skipped) * sizeof(float),
        .bytes = size * sizeof(float),
        .count = (size_t)count,
        .pitch = t->plane * sizeof(float)};
    float *values;
    rt_status status = rt_alloc(&values, size * (size_t)count, sizeof *values);
    if (status < 0)
        return status;
    status = rt_buffer_read_rows(t->buffer, &place, values);
    for (size_t i = 0; status == RT_OK && i < size * (size_t)count; i++)
        to[i / size * plane + skipped + i % size] = (double)values[i];
    free(values);
    return status;
}

/* Plane c of every image, one after the other, in a new array. */
static rt_status read_channel(const struct rt_tensor *t, int c, double **values)
{
    const size_t plane = (size_t)t->shape.h * (size_t)t->shape.w;
    rt_status status = rt_alloc(values, plane * (size_t)t->shape.n, sizeof **values);
    for (int n = 0; n < t->shape.n && status == RT_OK; n++)
        status = read_planes(t, n, c, 1, all_rows(t->shape), *values + (size_t)n * plane);
    return status;
}

/* These rows of all planes of image n, in a new array. */
static rt_status read_image(const struct rt_tensor *t, int n, struct rows rows, double **values)
{
    const size_t plane = (size_t)t->shape.h * (size_t)t->shape.w;
    rt_status status = rt_alloc(values, plane * (size_t)t->shape.c, sizeof **values);
    return status == RT_OK ? read_planes(t, n, 0, t->shape.c, rows, *values) : status;
}

/* A parameter, which is contiguous: whole, or one channel's. */
static rt_status read_parameter(const struct rt_tensor *t, int channel, double **values)
{
    struct rt_tensor part = *t;
    part.shape = (struct rt_shape){1, 1, 1, (int)rt_shape_size(t->shape)};
    if (channel >= 0) {
        part.offset += (size_t)channel;
        part.shape.w = 1;
    }
    part.plane = part.stride = (size_t)part.shape.w;
    return read_image(&part, 0, all_rows(part.shape), values);
}

/* --- what is looked at ----------------------------------------------------------------------- */

/* The call as a reference sees it: of one image, or, where images are coupled, of one channel. */
struct look {
    const struct rt_op *op;
    const struct rt_op_call *call;
    bool coupled;
    int n, c; /* of the call's y */
    struct rt_reference r;
    struct rt_tile tile;
    struct rows x[RT_OP_INPUTS]; /* that were read */
    int parameters;
    double *y; /* plane (n, c) as the device has it */
};

static struct rt_shape look_shape(const struct look *look, struct rt_shape s)
{
    if (look->coupled)
        s.c = 1;
    else
        s.n = 1;
    return s;
}

/* A tile, whole where the plane is small. */
static void choose_tile(struct look *look, struct rt_random *random)
{
    const struct rt_shape s = look->r.y_shape;
    const int h = s.h < TILE ? s.h : TILE, w = s.w < TILE ? s.w : TILE;
    look->tile.first.n = look->coupled ? look->n : 0;
    look->tile.first.c = look->coupled ? 0 : look->c;
    look->tile.first.h = (int)rt_random_below(random, (uint32_t)(s.h - h + 1));
    look->tile.first.w = (int)rt_random_below(random, (uint32_t)(s.w - w + 1));
    look->tile.size = (struct rt_shape){1, 1, h, w};
}

/* The rows of an input of this shape that the tile may need. */
static struct rows needed(const struct look *look, struct rt_shape x)
{
    const struct rt_shape y = look->r.y_shape;
    const int from = look->tile.first.h * x.h / y.h - MARGIN,
              end = (look->tile.first.h + look->tile.size.h) * x.h / y.h + MARGIN;
    const int first = from > 0 ? from : 0;
    return (struct rows){first, (end < x.h ? end : x.h) - first};
}

static rt_status look_create(struct look *look, struct rt_random *random)
{
    const struct rt_op_call *call = look->call;
    struct rt_shape x[RT_OP_INPUTS] = {{0}};
    rt_status status = RT_OK;
    look->coupled = look->op->couples_images && call->training;
    look->n = (int)rt_random_below(random, (uint32_t)call->y.shape.n);
    look->c = (int)rt_random_below(random, (uint32_t)call->y.shape.c);
    look->r = (struct rt_reference){.attributes = call->attributes,
                                    .y_shape = look_shape(look, call->y.shape),
                                    .training = call->training,
                                    .seed = call->seed,
                                    .node = call->node,
                                    .step = call->step,
                                    .channel = look->coupled ? look->c : 0,
                                    .image = call->image};
    if (!look->coupled)
        look->r.image += (uint32_t)look->n;
    choose_tile(look, random);
    for (int i = 0; i < look->op->inputs; i++) {
        x[i] = call->x[i].shape;
        look->r.x_shape[i] = look_shape(look, x[i]);
        look->x[i] = needed(look, x[i]);
        RT_TRY(look->coupled ? read_channel(&call->x[i], look->c, &look->r.x[i])
                             : read_image(&call->x[i], look->n, look->x[i], &look->r.x[i]));
    }
    if (look->op->parameters)
        look->parameters = look->op->parameters(call->attributes, x, look->r.parameters);
    for (int i = 0; i < look->parameters; i++)
        RT_TRY(read_parameter(&call->p[i], look->coupled ? look->c : -1, &look->r.p[i]));
    RT_TRY(rt_alloc(&look->r.y, rt_shape_size(look->r.y_shape), sizeof(double)));
    RT_TRY(rt_alloc(&look->y, (size_t)call->y.shape.h * (size_t)call->y.shape.w, sizeof(double)));
    status = read_planes(&call->y, look->n, look->c, 1,
                         (struct rows){look->tile.first.h, look->tile.size.h}, look->y);
end:
    return status;
}

static void look_finish(struct look *look)
{
    for (int i = 0; i < RT_OP_INPUTS; i++)
        free(look->r.x[i]);
    for (int i = 0; i < RT_OP_PARAMETERS; i++)
        free(look->r.p[i]);
    free(look->r.y);
    free(look->y);
}

/* Element (i, j) of the tile's plane in the reference's y. */
static double *element(const struct look *look, int i, int j)
{
    return &look->r.y[rt_element(look->r.y_shape, look->tile.first.n, look->tile.first.c, i, j)];
}

/* --- the forward pass ------------------------------------------------------------------------- */

static double take_magnitudes(double *values, size_t size)
{
    double largest = 0;
    for (size_t i = 0; i < size; i++) {
        values[i] = fabs(values[i]);
        largest = fmax(largest, values[i]);
    }
    return largest;
}

/* Makes all of them as large as the largest. */
static void level(double *values, size_t size)
{
    const double largest = take_magnitudes(values, size);
    for (size_t i = 0; i < size; i++)
        values[i] = largest;
}

/* The largest of what the tile holds. */
static double largest_in(const struct look *look)
{
    const struct rt_shape from = look->tile.first, size = look->tile.size;
    double largest = 0;
    for (int i = from.h; i < from.h + size.h; i++)
        for (int j = from.w; j < from.w + size.w; j++)
            largest = fmax(largest, fabs(*element(look, i, j)));
    return largest;
}

/* Applies `change` to what was read of the inputs. */
static void change_inputs(struct look *look, void (*change)(double *values, size_t size))
{
    for (int i = 0; i < look->op->inputs; i++)
        for (int c = 0; c < look->r.x_shape[i].c; c++)
            change(look->r.x[i] + rt_element(look->r.x_shape[i], 0, c, look->x[i].first, 0),
                   (size_t)look->x[i].count * (size_t)look->r.x_shape[i].w);
}

static void make_positive(double *values, size_t size)
{
    take_magnitudes(values, size);
}

/* The difference that is allowed, found from the inputs, which are lost: rounding goes with the
 * sums' terms, not with the sums. */
static double allowed(struct look *look)
{
    if (look->coupled)
        return RT_SELF_CHECK_TOLERANCE * COUPLED_SLACK * fmax(1, largest_in(look));
    change_inputs(look, make_positive);
    for (int i = 0; i < look->parameters; i++)
        take_magnitudes(look->r.p[i], rt_shape_size(look->r.parameters[i].shape));
    look->op->reference(&look->r, &look->tile);
    const double bound = RT_SELF_CHECK_TOLERANCE * largest_in(look);
    change_inputs(look, level);
    look->op->reference(&look->r, &look->tile);
    return bound + RT_SELF_CHECK_SPREAD * largest_in(look);
}

/* A run that diverges has such numbers by itself, and notices. */
static bool is_ordinary(double value)
{
    return fabs(value) < 1e30;
}

static rt_status fail_difference(const char *what, struct rt_shape place, double got, double want,
                                 double bound)
{
    return rt_fail(RT_ERROR_DEVICE,
                   "%s [%d, %d, %d, %d] is %.9g and should be %.9g: the "
                   "difference is %.3g, where %.3g is allowed",
                   what, place.n, place.c, place.h, place.w, got, want, fabs(got - want), bound);
}

/* The tile's largest difference. */
static rt_status compare(struct look *look)
{
    const struct rt_shape from = look->tile.first, size = look->tile.size;
    struct rt_shape worst = {look->n, look->c, from.h, from.w};
    double difference = -1, got = 0, want = 0;
    look->op->reference(&look->r, &look->tile);
    for (int i = from.h; i < from.h + size.h; i++)
        for (int j = from.w; j < from.w + size.w; j++) {
            const double is = look->y[(size_t)i * (size_t)look->r.y_shape.w + (size_t)j],
                         should = *element(look, i, j);
            if (is_ordinary(should) && !(fabs(is - should) <= difference)) {
                difference = isnan(is) ? INFINITY : fabs(is - should);
                worst.h = i;
                worst.w = j;
                got = is;
                want = should;
            }
        }
    const double bound = allowed(look);
    return difference <= bound || !is_ordinary(bound)
               ? RT_OK
               : fail_difference("its output", worst, got, want, bound);
}

/* The maxima of 2x2 elements, which are of y as the device has it, in the tile's rows. */
static rt_status check_maxima(const struct look *look)
{
    const struct rt_tensor *pooled = &look->call->pooled;
    const struct rt_shape s = pooled->shape;
    const struct rows rows = {(look->tile.first.h + 1) / 2,
                              (look->tile.first.h + look->tile.size.h) / 2 -
                                  (look->tile.first.h + 1) / 2};
    const size_t width = (size_t)look->r.y_shape.w;
    double *got;
    rt_status status = rt_alloc(&got, (size_t)s.h * (size_t)s.w, sizeof *got);
    if (status == RT_OK)
        status = read_planes(pooled, look->n, look->c, 1, rows, got);
    for (int i = rows.first; i < rows.first + rows.count && status == RT_OK; i++)
        for (int j = 0; j < s.w && status == RT_OK; j++) {
            const double *upper = look->y + 2 * ((size_t)i * width + (size_t)j),
                         is = got[(size_t)i * (size_t)s.w + (size_t)j],
                         should =
                             fmax(fmax(upper[0], upper[1]), fmax(upper[width], upper[width + 1]));
            if (is_ordinary(should) && !(is == should))
                status = fail_difference("the largest of its 2 x 2 outputs",
                                         (struct rt_shape){look->n, look->c, i, j}, is, should, 0);
        }
    free(got);
    return status;
}

rt_status rt_self_check_forward(const struct rt_op *op, const struct rt_op_call *call,
                                struct rt_random *random)
{
    rt_status status = RT_OK;
    struct look look = {.op = op, .call = call};
    RT_TRY(look_create(&look, random));
    RT_TRY(compare(&look));
    if (call->pooled.buffer)
        status = check_maxima(&look);
end:
    look_finish(&look);
    return status;
}

/* --- the backward pass ------------------------------------------------------------------------ */

/* What both checks of gradients share: the reference's view, and dy, the gradient before the
 * activation, as the backward pass left it. */
struct gradients {
    const struct rt_op *op;
    const struct rt_op_call *call;
    struct rt_reference r;
    double *dz;
};

static void gradients_finish(struct gradients *g)
{
    free(g->r.x[0]);
    free(g->r.p[0]);
    free(g->dz);
}

/* The difference that is allowed for a sum of terms of these sums of absolute values: its own, and
 * that with all inputs as large as the largest. */
static double allowed_gradient(double magnitude, double levelled)
{
    return RT_SELF_CHECK_TOLERANCE * magnitude + RT_SELF_CHECK_SPREAD * levelled;
}

static rt_status compare_gradient(const char *what, struct rt_shape place, float got, double want,
                                  double bound)
{
    if (!is_ordinary(want) || !is_ordinary(bound) || fabs((double)got - want) <= bound)
        return RT_OK;
    return fail_difference(what, place, (double)got, want, bound);
}

static rt_status read_element(const struct rt_tensor *t, struct rt_shape place, float *value)
{
    const size_t number = t->offset + (size_t)place.n * t->stride + (size_t)place.c * t->plane +
                          (size_t)place.h * (size_t)t->shape.w + (size_t)place.w;
    return rt_buffer_read(t->buffer, number * sizeof *value, sizeof *value, value);
}

/* Some elements of the gradient by x, in one image. */
static rt_status check_data(const struct rt_op *op, const struct rt_op_call *call,
                            struct rt_random *random)
{
    rt_status status = RT_OK;
    struct gradients g = {.op = op, .call = call};
    const struct rt_shape x = call->x[0].shape, y = call->dy.shape;
    const int n = (int)rt_random_below(random, (uint32_t)x.n),
              row = (int)rt_random_below(random, (uint32_t)x.h), near = row * y.h / x.h,
              first = near > MARGIN ? near - MARGIN : 0,
              end = near + MARGIN + 1 < y.h ? near + MARGIN + 1 : y.h;
    double values[GRADIENTS], magnitude = 0, levelled = 0;
    struct rt_shape places[GRADIENTS];
    g.r.attributes = call->attributes;
    g.r.x_shape[0] = (struct rt_shape){1, x.c, x.h, x.w};
    g.r.y_shape = (struct rt_shape){1, y.c, y.h, y.w};
    op->parameters(call->attributes, &x, g.r.parameters);
    RT_TRY(read_image(&call->dy, n, (struct rows){first, end - first}, &g.dz));
    RT_TRY(read_parameter(&call->p[0], -1, &g.r.p[0]));
    for (int i = 0; i < GRADIENTS; i++) {
        places[i] = (struct rt_shape){n, (int)rt_random_below(random, (uint32_t)x.c), row,
                                      (int)rt_random_below(random, (uint32_t)x.w)};
        double size;
        values[i] = op->reference_data(&g.r, g.dz, places[i], &size);
        magnitude = fmax(magnitude, size);
    }
    for (int c = 0; c < y.c; c++)
        level(g.dz + rt_element(g.r.y_shape, 0, c, first, 0), (size_t)(end - first) * (size_t)y.w);
    for (int i = 0; i < GRADIENTS; i++) {
        double size;
        op->reference_data(&g.r, g.dz, places[i], &size);
        levelled = fmax(levelled, size);
    }
    for (int i = 0; i < GRADIENTS; i++) {
        float got;
        RT_TRY(read_element(&call->dx[0], places[i], &got));
        RT_TRY(compare_gradient("its gradient by the input", places[i], got, values[i],
                                allowed_gradient(magnitude, levelled)));
    }
end:
    gradients_finish(&g);
    return status;
}

/* One element of the gradient by the first parameter, over all images: of two channels alone. */
static rt_status check_parameter(const struct rt_op *op, const struct rt_op_call *call,
                                 struct rt_random *random)
{
    rt_status status = RT_OK;
    struct gradients g = {.op = op, .call = call};
    const struct rt_shape x = call->x[0].shape, y = call->dy.shape, w = call->dp[0].shape;
    const struct rt_shape place = {
        (int)rt_random_below(random, (uint32_t)w.n), (int)rt_random_below(random, (uint32_t)w.c),
        (int)rt_random_below(random, (uint32_t)w.h), (int)rt_random_below(random, (uint32_t)w.w)};
    const int groups = x.c / w.c; /* of channels, each of which has its own share of the filters */
    double magnitude;
    float got;
    g.r.attributes = call->attributes;
    g.r.x_shape[0] = (struct rt_shape){x.n, 1, x.h, x.w};
    g.r.y_shape = (struct rt_shape){y.n, 1, y.h, y.w};
    RT_TRY(read_channel(&call->dy, place.n, &g.dz));
    RT_TRY(read_channel(&call->x[0], place.n / (w.n / groups) * w.c + place.c, &g.r.x[0]));
    RT_TRY(read_element(&call->dp[0], place, &got));
    const double want = op->reference_parameter(&g.r, g.dz, place, &magnitude);
    /* Also of those that only other weights would multiply, at the edges. */
    double levelled = 0;
    for (size_t i = 0; i < rt_shape_size(g.r.y_shape); i++)
        levelled += fabs(g.dz[i]);
    levelled *= take_magnitudes(g.r.x[0], rt_shape_size(g.r.x_shape[0]));
    status = compare_gradient("its gradient by a weight", place, got, want,
                              allowed_gradient(magnitude, levelled));
end:
    gradients_finish(&g);
    return status;
}

rt_status rt_self_check_backward(const struct rt_op *op, const struct rt_op_call *call,
                                 struct rt_random *random)
{
    const bool data = call->dx[0].buffer && !call->dx_add[0];
    if (data && rt_random_below(random, 2) == 0)
        return check_data(op, call, random);
    return call->dp[0].buffer ? check_parameter(op, call, random) : RT_OK;
}
