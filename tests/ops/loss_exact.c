/* The losses in exact math: the same bits by every variant of every device, and of parts. */
#include "ops/check.h"

#include <stdlib.h>

#include "base/hash.h"
#include "base/memory.h"
#include "base/random.h"
#include "ops/loss.h"

#define TEACHERS 2

/* x, dx, and the teachers. */
enum { X, DX, T0, T1, TENSORS };

static struct guarded random_tensor(struct rt_device *device, struct rt_shape shape,
                                    uint64_t stream)
{
    struct rt_random random = rt_random_start(5, stream);
    double *values = calloc(rt_shape_size(shape), sizeof *values);
    for (size_t i = 0; i < rt_shape_size(shape); i++)
        values[i] = 6 * (double)rt_random_unit(&random) - 3;
    struct guarded tensor = guarded_create(device, shape, GAP);
    guarded_write(&tensor, values);
    free(values);
    return tensor;
}

/* Some pixels of unknown class, and some that are to be ignored. */
static struct rt_buffer *random_labels(struct rt_device *device, struct rt_shape shape)
{
    struct rt_random random = rt_random_start(5, 100);
    const size_t count = (size_t)shape.n * (size_t)shape.h * (size_t)shape.w;
    struct rt_buffer *buffer;
    uint8_t *labels = malloc(count);
    for (size_t i = 0; i < count; i++) {
        const uint32_t label = rt_random_below(&random, (uint32_t)shape.c + 2);
        labels[i] = label < (uint32_t)shape.c    ? (uint8_t)label
                    : label == (uint32_t)shape.c ? RT_LABEL_UNKNOWN
                                                 : RT_LABEL_IGNORE;
    }
    assert_ok(rt_buffer_create(&buffer, device, count));
    assert_ok(rt_buffer_write(buffer, 0, count, labels));
    free(labels);
    return buffer;
}

/* All at once, or `part` images at a time. */
static void run(struct rt_loss_state *state, const struct guarded *t, struct rt_buffer *labels,
                int teachers, int part)
{
    const struct rt_shape shape = t[X].tensor.shape;
    const struct rt_tensor all[] = {t[T0].tensor, t[T1].tensor};
    if (part == 0) {
        assert_ok(rt_loss_run(state, &t[X].tensor, labels, all, teachers, &t[DX].tensor, NULL));
        return;
    }
    assert_ok(rt_loss_count(state, shape, labels));
    for (int first = 0, n; first < shape.n; first += n) {
        n = shape.n - first < part ? shape.n - first : part;
        const struct rt_tensor x = rt_tensor_images(t[X].tensor, first, n);
        const struct rt_tensor dx = rt_tensor_images(t[DX].tensor, first, n);
        const struct rt_tensor some[] = {rt_tensor_images(all[0], first, n),
                                         rt_tensor_images(all[1], first, n)};
        assert_ok(rt_loss_add(state, &x, labels, first, some, teachers, &dx, NULL));
    }
}

/* The hash of the values and the gradient. */
static uint64_t solve(struct rt_device *device, const struct rt_loss *loss, struct rt_shape shape,
                      int part)
{
    struct rt_loss_state *state;
    struct rt_loss_values values;
    struct guarded t[TENSORS];
    struct rt_buffer *labels = random_labels(device, shape);
    for (int i = 0; i < TENSORS; i++)
        t[i] = random_tensor(device, shape, (uint64_t)i);
    assert_ok(rt_loss_create(&state, device, loss, shape.c));
    run(state, t, labels, loss->soft == RT_SOFT_NONE ? 0 : TEACHERS, part);
    assert_ok(rt_loss_read(state, &values));
    float *gradient = guarded_read(&t[DX], "gradient");
    const uint64_t hashes[] = {rt_hash(&values, sizeof values),
                               rt_hash(gradient, rt_shape_size(shape) * sizeof *gradient)};
    free(gradient);
    rt_loss_destroy(state);
    rt_buffer_destroy(labels);
    for (int i = 0; i < TENSORS; i++)
        rt_buffer_destroy(t[i].tensor.buffer);
    return rt_hash(hashes, sizeof hashes);
}

static void check_loss(struct rt_loss loss, struct rt_shape shape, uint64_t golden)
{
    struct rt_device *device;
    const bool parts = loss.hard == RT_HARD_CE || loss.hard == RT_HARD_FOCAL;
    for (int c = 0; c < shape.c; c++)
        loss.weights[c] = 0.5f + (float)c * 0.3f;
    for (size_t d = 0; (device = check_variant(d)); d++) {
        assert_ok(rt_device_set_math(device, RT_MATH_EXACT));
        for (int part = 0; part <= (parts ? 2 : 0); part++) {
            const uint64_t hash = solve(device, &loss, shape, part);
            if (hash != golden)
                fail_msg("hard %d, soft %d, %d images, %d at a time, vectors of %d in groups of "
                         "%d: the hash is 0x%llx, not 0x%llx",
                         (int)loss.hard, (int)loss.soft, shape.n, part, rt_device_vector(device),
                         rt_device_group(device), (unsigned long long)hash,
                         (unsigned long long)golden);
        }
        rt_device_close(device);
    }
}

/* More images than are summed at once, rows of no whole vectors, and planes of several chunks. */
static void has_the_same_bits_everywhere(void **state)
{
    (void)state;
    const struct rt_shape many = {130, 3, 3, 7}, large = {3, 3, 37, 53};
    const struct rt_loss distilled = {
        .hard = RT_HARD_CE, .soft = RT_SOFT_KL, .alpha = 0.3f, .temperature = 3};
    const struct rt_loss dice = {.hard = RT_HARD_DICE_FOCAL, .soft = RT_SOFT_LOGITS, .alpha = 0.3f};
    check_any_device();
    check_loss(distilled, many, 0xad8c00f567d0a9d2);
    check_loss(distilled, large, 0xfe8206de21b6978d);
    check_loss(dice, many, 0xa2863c9cbb1f726c);
    check_loss(dice, large, 0xbedf21e8b84597a4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(has_the_same_bits_everywhere)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
