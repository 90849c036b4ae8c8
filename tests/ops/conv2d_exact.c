/* Convolutions in exact mode: every implementation of a definition, on every device and for every
 * vector width, has the bits of that definition, written here for the host as
 * host/ops/conv2d_exact.c states it; and a batch has those of its parts. */
#include "ops/check.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/random.h"
#include "ops/conv2d.h"

#define PLACES 36

struct layer {
    struct rt_shape x;
    int channels, kernel, stride;
};

static struct rt_shape output_of(struct layer l)
{
    return (struct rt_shape){l.x.n, l.channels, (l.x.h - 1) / l.stride + 1,
                             (l.x.w - 1) / l.stride + 1};
}

static struct rt_shape weights_of(struct layer l)
{
    return (struct rt_shape){l.channels, l.x.c, l.kernel, l.kernel};
}

/* --- data ----------------------------------------------------------------------------------- */

/* Normal numbers, zeros of either sign among them. */
static float *numbers(struct rt_shape shape, uint64_t stream)
{
    struct rt_random random = rt_random_start(11, stream);
    const size_t size = rt_shape_size(shape);
    float *values = calloc(size, sizeof *values);
    for (size_t i = 0; i < size; i++)
        values[i] = i % 3 == 1 ? 0.0f : i % 7 == 2 ? -0.0f : rt_random_normal(&random);
    return values;
}

enum { X, W, BIAS, DY, DX, TENSORS };

struct data {
    struct layer layer;
    int groups; /* 0: one */
    struct rt_shape shapes[TENSORS];
    float *values[TENSORS]; /* of dx: what the gradient is added to */
};

static struct data data_create(struct layer l)
{
    struct data d = {.layer = l,
                     .shapes = {l.x, weights_of(l), {1, l.channels, 1, 1}, output_of(l), l.x}};
    for (int i = 0; i < TENSORS; i++)
        d.values[i] = numbers(d.shapes[i], (uint64_t)i);
    return d;
}

static void data_finish(struct data *d)
{
    for (int i = 0; i < TENSORS; i++)
        free(d->values[i]);
}

static struct rt_conv2d attributes_of(struct layer l)
{
    return (struct rt_conv2d){l.channels, l.kernel, l.stride, true, {.relu = true}, 1};
}

/* --- the definition ------------------------------------------------------------------------- */

/* A convolution of stride 1 or 2 as either direction has it. */
struct sum {
    const float *in, *w, *bias; /* bias: NULL for none */
    struct rt_shape from, to;
    int kernel, stride, out_step, in_step;
    bool turn;
};

static float element(const float *array, struct rt_shape s, int n, int c, int i, int j)
{
    if (i < 0 || i >= s.h || j < 0 || j >= s.w)
        return 0;
    return array[((size_t)(n * s.c + c) * (size_t)s.h + (size_t)i) * (size_t)s.w + (size_t)j];
}

static float tap(const struct sum *s, int o, int c, int i)
{
    const int taps = s->kernel * s->kernel;
    return s->w[o * s->out_step + c * s->in_step + (s->turn ? taps - 1 - i : i)];
}

static float direct(const struct sum *s, int n, int o, int i, int j)
{
    const int pad = s->kernel / 2;
    float sum = s->bias ? s->bias[o] : 0;
    for (int c = 0; c < s->from.c; c++)
        for (int v = 0; v < s->kernel; v++)
            for (int u = 0; u < s->kernel; u++)
                sum = fmaf(
                    tap(s, o, c, u * s->kernel + v),
                    element(s->in, s->from, n, c, i * s->stride + u - pad, j * s->stride + v - pad),
                    sum);
    return sum;
}

typedef void line(const float *from, int step, float *to, int to_step);

static const float sixth = 1 / 6.0f;

static void input_line(const float *d, int s, float *to, int t)
{
    const float a = fmaf(-4, d[2 * s], d[4 * s]), b = fmaf(-4, d[s], d[3 * s]);
    const float c = d[4 * s] - d[2 * s], difference = d[3 * s] - d[s], e = 2 * difference;
    to[0] = fmaf(4, d[0], fmaf(-5, d[2 * s], d[4 * s]));
    to[t] = a + b;
    to[2 * t] = a - b;
    to[3 * t] = c + e;
    to[4 * t] = c - e;
    to[5 * t] = fmaf(4, d[s], fmaf(-5, d[3 * s], d[5 * s]));
}

static void filter_line(const float *g, int s, float *to, int t)
{
    const float outer = g[0] + g[2 * s], even = outer * sixth, odd = g[s] * sixth;
    const float last = g[2 * s] * sixth, far = fmaf(g[0], sixth / 4, last);
    const float middle = g[s] * (sixth / 2);
    to[0] = g[0] * 0.25f;
    to[t] = -even - odd;
    to[2 * t] = odd - even;
    to[3 * t] = far + middle;
    to[4 * t] = far - middle;
    to[5 * t] = g[2 * s];
}

static void output_line(const float *m, int s, float *to, int t)
{
    const float sum = m[s] + m[2 * s], difference = m[s] - m[2 * s];
    const float far = m[3 * s] + m[4 * s], e = m[3 * s] - m[4 * s], last = fmaf(8, e, difference);
    to[0] = m[0] + sum + far;
    to[t] = fmaf(2, e, difference);
    to[2 * t] = fmaf(4, far, sum);
    to[3 * t] = last + m[5 * s];
}

static void gradient_line(const float *g, int s, float *to, int t)
{
    const float outer = g[0] + g[2 * s], inner = g[s] + g[3 * s];
    const float even = outer * -sixth, odd = inner * -sixth;
    const float far = fmaf(4, g[2 * s], g[0]) * (sixth / 4);
    const float middle = fmaf(4, g[3 * s], g[s]) * (sixth / 2);
    to[0] = g[0] * 0.25f;
    to[t] = even + odd;
    to[2 * t] = even - odd;
    to[3 * t] = far + middle;
    to[4 * t] = far - middle;
    to[5 * t] = g[3 * s];
}

static void weight_line(const float *m, int s, float *to, int t)
{
    const float sum = m[s] + m[2 * s], difference = m[s] - m[2 * s];
    const float far = m[3 * s] + m[4 * s], e = m[3 * s] - m[4 * s];
    const float twice = 2 * e, fourfold = 4 * far, last = sum + fourfold;
    to[0] = m[0] + sum + far;
    to[t] = difference + twice;
    to[2 * t] = last + m[5 * s];
}

/* L m L' of a square: L along the columns, then along the rows. */
static void transform(line *line, const float *from, int size, float *to, int to_size)
{
    float columns[PLACES];
    for (int j = 0; j < size; j++)
        line(from + j, size, columns + j, size);
    for (int i = 0; i < to_size; i++)
        line(columns + i * size, 1, to + i * to_size, 1);
}

static void transform_filter(const struct sum *s, int o, int c, float to[PLACES])
{
    float g[9];
    for (int i = 0; i < 9; i++)
        g[i] = tap(s, o, c, i);
    transform(filter_line, g, 3, to, 6);
}

/* Of `size` x `size` elements from row i and column j of a plane on. */
static void transform_tile(line *line, const float *array, struct rt_shape shape, int n, int c,
                           int i, int j, int size, float to[PLACES])
{
    float square[PLACES];
    for (int k = 0; k < size * size; k++)
        square[k] = element(array, shape, n, c, i + k / size, j + k % size);
    transform(line, square, size, to, 6);
}

/* The 4 x 4 outputs from (i, j) on. */
static void winograd_tile(const struct sum *s, int n, int o, int i, int j, float to[16])
{
    float sums[PLACES] = {0}, in[PLACES], filter[PLACES];
    for (int c = 0; c < s->from.c; c++) {
        transform_tile(input_line, s->in, s->from, n, c, i - 1, j - 1, 6, in);
        transform_filter(s, o, c, filter);
        for (int p = 0; p < PLACES; p++)
            sums[p] = fmaf(filter[p], in[p], sums[p]);
    }
    transform(output_line, sums, 6, to, 4);
    for (int k = 0; k < 16; k++)
        to[k] += s->bias ? s->bias[o] : 0;
}

/* All outputs, before what follows the sum. */
static void convolve(const struct sum *s, bool winograd, float *to)
{
    const struct rt_shape t = s->to;
    float tile[16] = {0};
    for (int n = 0; n < t.n; n++)
        for (int o = 0; o < t.c; o++)
            for (int i = 0; i < t.h; i += 4)
                for (int j = 0; j < t.w; j += 4) {
                    if (winograd)
                        winograd_tile(s, n, o, i, j, tile);
                    for (int k = 0; k < 16; k++) {
                        const int row = i + k / 4, column = j + k % 4;
                        if (row < t.h && column < t.w)
                            to[((n * t.c + o) * t.h + row) * t.w + column] =
                                winograd ? tile[k] : direct(s, n, o, row, column);
                    }
                }
}

/* One image's gradient by the filter from c to o, in rows of one chunk; direct, stride 1. */
static float sum_chunk(const struct data *d, int n, int o, int c, int tap, int first, int end)
{
    const int pad = d->layer.kernel / 2, u = tap / d->layer.kernel, v = tap % d->layer.kernel;
    float lanes[16] = {0};
    for (int i = first; i < end; i++)
        for (int j = 0; j < d->layer.x.w; j++)
            lanes[j % 16] = fmaf(element(d->values[DY], d->shapes[DY], n, o, i, j),
                                 element(d->values[X], d->layer.x, n, c, i + u - pad, j + v - pad),
                                 lanes[j % 16]);
    for (int half = 8; half >= 4; half /= 2)
        for (int l = 0; l < half; l++)
            lanes[l] += lanes[l + half];
    return (lanes[0] + lanes[1]) + (lanes[2] + lanes[3]);
}

static void direct_weights(const struct data *d, int n, int o, int c, float *to)
{
    const struct rt_conv2d a = attributes_of(d->layer);
    const int rows = rt_conv2d_chunk_rows(&a, d->layer.x), height = d->layer.x.h;
    for (int tap = 0; tap < a.kernel * a.kernel; tap++)
        for (int i = 0; i < height; i += rows)
            to[tap] += sum_chunk(d, n, o, c, tap, i, i + rows < height ? i + rows : height);
}

static void strided_weights(const struct data *d, int n, int o, int c, float *to)
{
    const int stride = d->layer.stride, kernel = d->layer.kernel, pad = kernel / 2;
    for (int tap = 0; tap < kernel * kernel; tap++) {
        float sum = 0;
        for (int i = 0; i < d->shapes[DY].h; i++) {
            float row = 0;
            for (int j = 0; j < d->shapes[DY].w; j++)
                row = fmaf(element(d->values[DY], d->shapes[DY], n, o, i, j),
                           element(d->values[X], d->layer.x, n, c, i * stride + tap / kernel - pad,
                                   j * stride + tap % kernel - pad),
                           row);
            sum += row;
        }
        to[tap] += sum;
    }
}

static void winograd_weights(const struct data *d, int n, int o, int c, float *to)
{
    const struct rt_shape x = d->layer.x;
    const int rows = 4 * rt_conv2d_chunk_tile_rows(x);
    float total[PLACES] = {0}, in[PLACES], gradient[PLACES], taps[9];
    for (int first = 0; first < x.h; first += rows) {
        float sums[PLACES] = {0};
        for (int i = first; i < x.h && i < first + rows; i += 4)
            for (int j = 0; j < x.w; j += 4) {
                transform_tile(input_line, d->values[X], x, n, c, i - 1, j - 1, 6, in);
                transform_tile(gradient_line, d->values[DY], d->shapes[DY], n, o, i, j, 4,
                               gradient);
                for (int p = 0; p < PLACES; p++)
                    sums[p] = fmaf(gradient[p], in[p], sums[p]);
            }
        for (int p = 0; p < PLACES; p++)
            total[p] += sums[p];
    }
    transform(weight_line, total, 6, taps, 3);
    for (int k = 0; k < 9; k++)
        to[k] += taps[k];
}

static struct rt_shape result_of(const struct data *d, enum rt_conv2d_part part)
{
    static const int tensors[] = {DY, X, W};
    return d->shapes[tensors[part]];
}

/* What a part of the convolution must be; by data NULL for stride 2, which the other tests see to.
 */
static float *define(const struct data *d, enum rt_conv2d_part part)
{
    const struct layer l = d->layer;
    const struct rt_conv2d a = attributes_of(l);
    const bool winograd = rt_conv2d_is_winograd(&a, l.x, part);
    const int taps = l.kernel * l.kernel;
    const size_t size = rt_shape_size(result_of(d, part));
    float *result = calloc(size, sizeof *result);
    if (part == RT_CONV2D_BACKWARD_WEIGHTS) {
        for (int n = 0; n < l.x.n; n++)
            for (int f = 0; f < l.channels * l.x.c; f++)
                (winograd        ? winograd_weights
                 : l.stride == 1 ? direct_weights
                                 : strided_weights)(d, n, f / l.x.c, f % l.x.c, result + f * taps);
        return result;
    }
    const bool forward = part == RT_CONV2D_FORWARD;
    const int out_step = l.x.c * taps;
    const struct sum s = {.in = d->values[forward ? X : DY],
                          .w = d->values[W],
                          .bias = forward ? d->values[BIAS] : NULL,
                          .from = forward ? l.x : d->shapes[DY],
                          .to = forward ? d->shapes[DY] : l.x,
                          .kernel = l.kernel,
                          .stride = l.stride,
                          .out_step = forward ? out_step : taps,
                          .in_step = forward ? taps : out_step,
                          .turn = !forward};
    if (!forward && l.stride != 1) {
        free(result);
        return NULL;
    }
    convolve(&s, winograd, result);
    for (size_t i = 0; i < size; i++)
        result[i] = !forward ? result[i] + d->values[DX][i] : result[i] < 0 ? 0 : result[i];
    return result;
}

/* --- what devices compute --------------------------------------------------------------------- */

static struct guarded upload(struct rt_device *device, const struct data *d, int which)
{
    const struct guarded g =
        guarded_create(device, d->shapes[which], which == W || which == BIAS ? 0 : GAP);
    assert_ok(rt_tensor_write(&g.tensor, d->values[which]));
    return g;
}

/* Runs a part for images first to first + n - 1 of the data; the gradient by the weights goes to
 * dw, and is added to what stands there if `add`. Returns the other parts' results. */
static float *run_images(struct rt_device *device, const struct rt_conv2d_variant *variant,
                         const struct data *d, enum rt_conv2d_part part, int first, int n,
                         const struct guarded *dw, bool add)
{
    struct rt_conv2d a = attributes_of(d->layer);
    struct rt_shape x = d->layer.x, of_y = d->shapes[DY];
    struct guarded tensors[TENSORS];
    for (int i = 0; i < TENSORS; i++)
        tensors[i] = upload(device, d, i);
    a.groups = d->groups;
    x.n = of_y.n = n;
    const size_t floats = variant->scratch ? variant->scratch(device, &a, x, part) : 0;
    const struct guarded scratch =
        guarded_create(device, (struct rt_shape){1, 1, 1, (int)floats}, 0);
    const struct guarded y = guarded_create(device, of_y, GAP);
    struct rt_op_call call = {.device = device,
                              .attributes = &a,
                              .x = {rt_tensor_images(tensors[X].tensor, first, n)},
                              .y = y.tensor,
                              .p = {tensors[W].tensor, tensors[BIAS].tensor},
                              .dy = rt_tensor_images(tensors[DY].tensor, first, n),
                              .dx = {rt_tensor_images(tensors[DX].tensor, first, n)},
                              .dx_add = {true},
                              .dp = {dw->tensor},
                              .dp_add = add,
                              .scratch = scratch.tensor};
    assert_ok(variant->run[part](&call));
    float *result = part == RT_CONV2D_FORWARD         ? guarded_read(&y, "y")
                    : part == RT_CONV2D_BACKWARD_DATA ? guarded_read(&tensors[DX], "dx")
                                                      : NULL;
    free(guarded_read(&scratch, "scratch"));
    for (int i = 0; i < TENSORS; i++)
        rt_buffer_destroy(tensors[i].tensor.buffer);
    rt_buffer_destroy(scratch.tensor.buffer);
    rt_buffer_destroy(y.tensor.buffer);
    return result;
}

/* The same for all images; weights' gradients of the first `parts` of them by one call, of the
 * others by another, or for 0 of all at once. */
static float *compute(struct rt_device *device, const struct rt_conv2d_variant *variant,
                      const struct data *d, enum rt_conv2d_part part, int parts)
{
    const struct guarded dw = guarded_create(device, weights_of(d->layer), 0);
    const int n = d->layer.x.n;
    float *result = run_images(device, variant, d, part, 0, parts ? parts : n, &dw, false);
    if (parts)
        run_images(device, variant, d, part, parts, n - parts, &dw, true);
    if (part == RT_CONV2D_BACKWARD_WEIGHTS)
        result = guarded_read(&dw, "dw");
    rt_buffer_destroy(dw.tensor.buffer);
    return result;
}

static void check_bits(const struct data *d, enum rt_conv2d_part part, struct rt_device *device,
                       const char *variant, const float *got, const float *want)
{
    for (size_t i = 0; i < rt_shape_size(result_of(d, part)); i++)
        if (memcmp(&got[i], &want[i], sizeof *got) != 0)
            fail_msg("%dx%dx%dx%d to %d, kernel %d, stride %d, part %d, %s, vectors of %d, groups "
                     "of %d: element %zu is %a, expected %a",
                     d->layer.x.n, d->layer.x.c, d->layer.x.h, d->layer.x.w, d->layer.channels,
                     d->layer.kernel, d->layer.stride, (int)part, variant, rt_device_vector(device),
                     rt_device_group(device), i, (double)got[i], (double)want[i]);
}

/* All implementations of the definition, on one device. */
static void check_device_bits(struct rt_device *device, const struct data *d,
                              enum rt_conv2d_part part, const float *want)
{
    static const struct rt_conv2d_variant *const all[] = {
        &rt_conv2d_winograd, &rt_conv2d_winograd_plain, &rt_conv2d_tiled, &rt_conv2d_direct,
        &rt_conv2d_plain};
    const struct rt_conv2d a = attributes_of(d->layer);
    const bool winograd = rt_conv2d_is_winograd(&a, d->layer.x, part);
    bool taken = false;
    for (size_t i = 0; i < RT_COUNT(all); i++) {
        const bool plain_weights = all[i] == &rt_conv2d_plain && d->layer.stride == 1 &&
                                   part == RT_CONV2D_BACKWARD_WEIGHTS; /* which direct does */
        if ((i < 2) != winograd || plain_weights || !all[i]->supports(device, &a, d->layer.x, part))
            continue;
        taken |= all[i] == rt_conv2d_taken(device, &a, d->layer.x, part);
        const int most = part == RT_CONV2D_BACKWARD_WEIGHTS ? d->layer.x.n / 2 : 0;
        for (int parts = 0; parts <= most; parts += most ? most : 1) {
            float *got = compute(device, all[i], d, part, parts);
            check_bits(d, part, device, all[i]->name, got, want);
            free(got);
        }
    }
    assert_true(taken);
}

static void check(struct layer layer)
{
    struct rt_device *device;
    check_any_device();
    struct data d = data_create(layer);
    for (int part = 0; part < RT_CONV2D_PARTS; part++) {
        float *want = define(&d, (enum rt_conv2d_part)part);
        for (size_t i = 0; want && (device = check_variant(i)); i++) {
            assert_ok(rt_device_set_math(device, RT_MATH_EXACT));
            check_device_bits(device, &d, (enum rt_conv2d_part)part, want);
            rt_device_close(device);
        }
        free(want);
    }
    data_finish(&d);
}

/* A group alone, of the only image. */
static struct data group_of(const struct data *d, int group)
{
    struct data part = *d;
    struct layer *l = &part.layer;
    l->x.c /= d->groups;
    l->channels /= d->groups;
    const struct rt_shape shapes[] = {
        l->x, weights_of(*l), {1, l->channels, 1, 1}, output_of(*l), l->x};
    memcpy(part.shapes, shapes, sizeof shapes);
    for (int i = 0; i < TENSORS; i++)
        part.values[i] += (size_t)group * rt_shape_size(shapes[i]);
    return part;
}

static void check_group_bits(struct rt_device *device, const struct data *d,
                             enum rt_conv2d_part part)
{
    struct rt_conv2d a = attributes_of(d->layer);
    a.groups = d->groups;
    assert_true(rt_conv2d_taken(device, &a, d->layer.x, part) == &rt_conv2d_plain);
    float *got = compute(device, &rt_conv2d_plain, d, part, 0);
    for (int g = 0; g < d->groups; g++) {
        const struct data alone = group_of(d, g);
        float *want = define(&alone, part);
        if (want)
            check_bits(&alone, part, device, "plain",
                       got + (size_t)g * rt_shape_size(result_of(&alone, part)), want);
        free(want);
    }
    free(got);
}

/* A convolution of groups has the bits of each group's own; the gradients by its weights are those
 * of stride 2, whatever the stride. */
static void check_groups(struct layer layer, int groups)
{
    struct rt_device *device;
    check_any_device();
    struct data d = data_create(layer);
    d.groups = groups;
    for (size_t i = 0; (device = check_variant(i)); i++) {
        assert_ok(rt_device_set_math(device, RT_MATH_EXACT));
        check_group_bits(device, &d, RT_CONV2D_FORWARD);
        check_group_bits(device, &d, RT_CONV2D_BACKWARD_DATA);
        if (layer.stride == 2)
            check_group_bits(device, &d, RT_CONV2D_BACKWARD_WEIGHTS);
        rt_device_close(device);
    }
    data_finish(&d);
}

static void groups_of_channels(void **state)
{
    (void)state;
    check_groups((struct layer){{1, 6, 9, 37}, 6, 3, 1}, 6);
    check_groups((struct layer){{1, 6, 11, 21}, 12, 3, 2}, 6);
    check_groups((struct layer){{1, 8, 6, 18}, 4, 5, 1}, 2);
    check_groups((struct layer){{1, 32, 5, 20}, 32, 3, 1}, 32); /* else Winograd's */
}

static void direct_ones(void **state)
{
    (void)state;
    check((struct layer){{1, 1, 1, 1}, 1, 3, 1});
    check((struct layer){{5, 2, 9, 21}, 3, 3, 1});
    check((struct layer){{2, 3, 6, 33}, 5, 1, 1});
    check((struct layer){{1, 2, 7, 18}, 3, 5, 1});
    check((struct layer){{2, 3, 9, 12}, 4, 3, 2});
}

static void winograd_ones(void **state)
{
    (void)state;
    check((struct layer){{5, 16, 9, 21}, 17, 3, 1});
    check((struct layer){{2, 3, 13, 70}, 16, 3, 1});
}

/* Images of several chunks; and filters so many that a pass has room for less than the batch. */
static void chunks_and_passes(void **state)
{
    (void)state;
    const struct layer wide = {{1, 8, 20, 1100}, 8, 3, 1}, large = {{1, 16, 70, 260}, 16, 3, 1};
    const struct rt_conv2d of_wide = attributes_of(wide);
    assert_true(rt_conv2d_chunk_rows(&of_wide, wide.x) < wide.x.h);
    assert_true(4 * rt_conv2d_chunk_tile_rows(large.x) < large.x.h);
    check(wide);
    check(large);
    check((struct layer){{3, 1024, 1, 2}, 1024, 1, 1});
    check((struct layer){{2, 256, 17, 16}, 256, 3, 1});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(direct_ones),
        cmocka_unit_test(groups_of_channels),
        cmocka_unit_test(winograd_ones),
        cmocka_unit_test(chunks_and_passes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
