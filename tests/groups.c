/* Convolutions in tiles, or by products of matrices, that a work-group shares: whatever a device
 * and its compiler allow a group, the results have the same bits. */
#include "test.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/random.h"
#include "device/internal.h"
#include "ops/check.h"
#include "ops/conv2d.h"

/* Of a group; 0: the device's own. */
struct limits {
    int items;          /* as the device likes them */
    int kernel_items;   /* as the compiler says of a kernel that it built */
    size_t local_bytes; /* of the device */
    size_t sizes[3];    /* likewise */
};

static const struct limits none,
    others[] = {{.items = 1},         {.items = 8},          {.items = 256},
                {.kernel_items = 16}, {.local_bytes = 6144}, {.sizes = {64, 1, 1}}};

enum { X, Y, WEIGHTS, BIAS, DY, DX, DWEIGHTS, DBIAS, SCRATCH, TENSORS };

static void fill(const struct rt_tensor *tensor, uint64_t stream)
{
    size_t size = rt_buffer_bytes(tensor->buffer) / sizeof(float);
    struct rt_random random = rt_random_start(7, stream);
    float *values = malloc(size * sizeof *values);
    for (size_t i = 0; i < size; i++)
        values[i] = 2 * rt_random_unit(&random) - 1;
    assert_ok(rt_buffer_write(tensor->buffer, 0, size * sizeof *values, values));
    free(values);
}

static void restrict_device(struct rt_device *device, const struct limits *limits)
{
    rt_device_force(device, 4, limits->items ? limits->items : 64);
    if (limits->local_bytes)
        device->info.local_bytes = limits->local_bytes;
    if (limits->sizes[0])
        memcpy(device->info.group_sizes, limits->sizes, sizeof limits->sizes);
    for (struct rt_kernel *kernel = device->kernels; limits->kernel_items && kernel;
         kernel = kernel->next)
        kernel->group_size = (size_t)limits->kernel_items;
}

static const struct way {
    enum rt_conv conv;
    int in, out, kernel; /* channels, and the filters' rows; 2: a transposed convolution */
    const char *files;
} ways[] = {{RT_CONV_TILED, 18, 20, 3, "conv2d_tiled"}, {RT_CONV_TILED, 18, 20, 7, "conv2d_tiled"},
            {RT_CONV_TILED, 2, 9, 1, "conv2d_tiled"},   {RT_CONV_TILED, 4, 3, 3, "conv2d_tiled"},
            {RT_CONV_TILED, 18, 20, 2, "conv2d_tiled"}, {RT_CONV_TILED, 3, 2, 2, "conv2d_tiled"},
            {RT_CONV_WINOGRAD4, 18, 20, 3, "products"}};

/* Forward and backward; what they wrote, `size` floats in all, released by free(). */
static float *convolve(struct rt_device *device, const struct way *way, size_t *size)
{
    const int in = way->in, out = way->out, kernel = way->kernel, scale = kernel == 2 ? 2 : 1;
    const struct rt_conv2d convolution = {out, kernel, 1, true, {true, 0.2f}, 1};
    const struct rt_conv_transpose2d transposed = {out};
    const struct rt_op *op = kernel == 2 ? &rt_op_conv_transpose2d : &rt_op_conv2d;
    const void *attributes = kernel == 2 ? (const void *)&transposed : &convolution;
    /* Parameters are contiguous. */
    const struct rt_shape x = {2, in, 13, 37}, y = {2, out, 13 * scale, 37 * scale},
                          w = {1, 1, 1, out * in * kernel * kernel}, bias = {1, 1, 1, out};
    const struct rt_shape scratch = {1, 1, 1,
                                     (int)op->scratch(device, attributes, &x, RT_BACKWARD)};
    const struct rt_shape shapes[TENSORS] = {x, y, w, bias, y, x, w, bias, scratch};
    struct rt_tensor t[TENSORS];
    for (int i = 0; i < TENSORS; i++) {
        assert_ok(rt_tensor_init(&t[i], device, shapes[i]));
        fill(&t[i], (uint64_t)i);
    }
    const struct rt_op_call call = {.device = device,
                                    .attributes = attributes,
                                    .x = {t[X]},
                                    .y = t[Y],
                                    .p = {t[WEIGHTS], t[BIAS]},
                                    .dy = t[DY],
                                    .dx = {t[DX]},
                                    .dx_add = {true},
                                    .dp = {t[DWEIGHTS], t[DBIAS]},
                                    .scratch = t[SCRATCH],
                                    .training = true};
    assert_ok(op->forward(&call));
    assert_ok(op->backward(&call));
    const int written[] = {Y, DX, DWEIGHTS};
    *size = rt_shape_size(y) + rt_shape_size(x) + rt_shape_size(w);
    float *results = malloc(*size * sizeof *results), *to = results;
    for (size_t i = 0; i < RT_COUNT(written); i++) {
        assert_ok(rt_tensor_read(&t[written[i]], to));
        to += rt_shape_size(t[written[i]].shape);
    }
    for (int i = 0; i < TENSORS; i++)
        rt_tensor_finish(&t[i]);
    return results;
}

/* How many of the kernels that were built are of these files; none has more local memory than is
 * there. */
static int kernels_of(const struct rt_device *device, const char *files)
{
    int count = 0;
    for (struct rt_kernel *kernel = device->kernels; kernel; kernel = kernel->next) {
        cl_ulong bytes = 0;
        if (!strstr(kernel->key, files))
            continue;
        assert_int_equal(clGetKernelWorkGroupInfo(kernel->kernel, device->id,
                                                  CL_KERNEL_LOCAL_MEM_SIZE, sizeof bytes, &bytes,
                                                  NULL),
                         CL_SUCCESS);
        assert_in_range(bytes, 1, device->info.local_bytes);
        count++;
    }
    return count;
}

static void check_limits(size_t index, const struct way *way, const struct limits *limits,
                         const float *want)
{
    if (way->kernel == 2 && limits->items == 1)
        return; /* that shares no tiles */
    struct rt_device *device = check_device(index);
    size_t size;
    rt_device_set_conv(device, way->conv);
    restrict_device(device, limits);
    float *got = convolve(device, way, &size);
    const int first = kernels_of(device, way->files);
    /* Kernels say how many work-items they may have once they are built. */
    for (int built = 0; limits->kernel_items && kernels_of(device, way->files) > built;) {
        built = kernels_of(device, way->files);
        free(got);
        restrict_device(device, limits);
        got = convolve(device, way, &size);
    }
    assert_true(!limits->kernel_items || kernels_of(device, way->files) > first);
    assert_memory_equal(got, want, size * sizeof *got);
    free(got);
    rt_device_close(device);
}

static void groups_change_no_bit(void **state)
{
    (void)state;
    struct rt_device *device;
    check_any_device();
    for (size_t i = 0; (device = check_device(i)); i++) {
        for (const struct way *way = ways; way < ways + RT_COUNT(ways); way++) {
            size_t size;
            rt_device_set_conv(device, way->conv);
            restrict_device(device, &none);
            float *want = convolve(device, way, &size);
            check_limits(i, way, &none, want);
            for (size_t j = 0; j < RT_COUNT(others); j++)
                check_limits(i, way, &others[j], want);
            free(want);
        }
        rt_device_close(device);
    }
}

/* What retort chooses by itself: tiles, and for many filters Winograd's algorithm in steps. */
static void devices_other_than_cpus_share_tiles(void **state)
{
    (void)state;
    static const struct way few = {RT_CONV_AUTO, 18, 20, 3, NULL},
                            many = {RT_CONV_AUTO, 40, 60, 3, NULL};
    struct rt_device *device;
    check_any_device();
    for (size_t i = 0; (device = check_device(i)); i++) {
        size_t size;
        if (rt_device_is_cpu(device)) {
            free(convolve(device, &few, &size));
            assert_int_equal(kernels_of(device, "conv2d_tiled"), 0);
        }
        device->info.type = RT_DEVICE_GPU;
        free(convolve(device, &few, &size));
        assert_true(kernels_of(device, "conv2d_tiled") > 0);
        assert_int_equal(kernels_of(device, "products"), 0);
        free(convolve(device, &many, &size));
        assert_true(kernels_of(device, "products") > 0);
        rt_device_close(device);
    }
}

/* Scratch memory has no room for all tiles of these at once; and the bounds of the errors of
 * F(2x2, 3x3) and F(4x4, 3x3), as shares of the largest result. */
static void check_rounds(struct rt_device *device)
{
    static const struct {
        const struct rt_conv2d_variant *variant;
        double error;
    } bounds[] = {{&rt_conv2d_winograd2, 2e-6}, {&rt_conv2d_winograd4, 1e-5}};
    const struct rt_conv2d attributes = {.channels = 32, .kernel = 3, .stride = 1};
    const struct rt_shape x = {3, 32, 150, 151};
    char key[RT_CHOICE_KEY_BYTES];
    struct rt_conv2d_trial trial = {.key = key, .batch = x.n, .seed = 1};
    for (int part = 0; part < RT_CONV2D_PARTS; part++) {
        rt_conv2d_key(&attributes, x, (enum rt_conv2d_part)part, key);
        for (size_t i = 0; i < RT_COUNT(bounds); i++) {
            struct rt_choice_variant measured;
            trial.variant = bounds[i].variant;
            assert_ok(rt_conv2d_measure(device, &trial, &measured));
            if (!(measured.error <= bounds[i].error))
                fail_msg("%s, %s: error %g", key, trial.variant->name, measured.error);
        }
    }
}

static void winograd_goes_in_rounds(void **state)
{
    (void)state;
    struct rt_device *device;
    check_any_device();
    for (size_t i = 0; (device = check_device(i)); i++) {
        check_rounds(device);
        rt_device_close(device);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(groups_change_no_bit),
        cmocka_unit_test(winograd_goes_in_rounds),
        cmocka_unit_test(devices_other_than_cpus_share_tiles),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
