/* Exact math on a device: not only near the reference, but with the bits of every other device. */
#include "base/hash.h"
#include "base/memory.h"
#include "ops/certify.h"
#include "ops/conv2d.h"

static const struct rt_conv2d wide = {20, 3, 1, true, {true, 0.2f}, 1},
                              narrow = {2, 3, 1, true, {0}, 1}, head = {6, 1, 1, true, {0}, 1},
                              grouped = {8, 3, 2, true, {true, 0.2f}, 4};
static const struct rt_conv_transpose2d transposed = {5};
static const struct rt_batch_norm norm = {0.1f, 1e-3f, {true, 0.2f}};
static const struct rt_pool average = {.mode = RT_POOL_AVERAGE},
                            overlapping = {RT_POOL_MAX, 3, 2, 1},
                            smooth = {RT_POOL_AVERAGE, 3, 1, 1};
static const struct rt_upsample bilinear = {RT_UPSAMPLE_BILINEAR};
static const struct rt_add sum = {true};
static const struct rt_pointwise logistic = {RT_POINTWISE_SIGMOID, 0, 0},
                                 leaky = {RT_POINTWISE_LEAKY, 0.2f, 0};

/* `golden` names the bits of all tensors that the operation leaves, forward and back. A new
 * definition has a new one, which the message tells. */
static const struct {
    const char *name;
    const struct rt_op *op;
    const void *attributes;
    struct rt_shape x;
    uint64_t golden;
} cases[] = {
    {"Winograd's convolution", &rt_op_conv2d, &wide, {2, 18, 14, 38}, 0xa94e75d62dbac9c6},
    {"direct convolution", &rt_op_conv2d, &narrow, {2, 3, 9, 21}, 0x4f23d6a671d85f5e},
    {"1x1 convolution", &rt_op_conv2d, &head, {2, 16, 9, 11}, 0x59c530babe328a9a},
    {"convolution of groups", &rt_op_conv2d, &grouped, {2, 12, 9, 37}, 0x1c033075486b90b0},
    {"transposed convolution",
     &rt_op_conv_transpose2d,
     &transposed,
     {2, 18, 6, 17},
     0x918673903b9441cb},
    {"batch normalisation", &rt_op_batch_norm, &norm, {3, 2, 34, 50}, 0xabd7cb2b16a2efe},
    {"pooling", &rt_op_pool, &average, {2, 3, 10, 34}, 0x8c937bb9f3bc292a},
    {"pooling of the largest that overlaps",
     &rt_op_pool,
     &overlapping,
     {2, 3, 9, 33},
     0x2be858f6246b79d9},
    {"pooling of averages that overlaps", &rt_op_pool, &smooth, {2, 3, 9, 33}, 0x6f04da98028a5c82},
    {"upsampling", &rt_op_upsample, &bilinear, {2, 3, 9, 33}, 0x143d72428e025be3},
    {"sum", &rt_op_add, &sum, {2, 3, 9, 33}, 0xdc0a283ff673ff9a},
    {"logistic function", &rt_op_pointwise, &logistic, {2, 3, 9, 33}, 0xe6afcb5e78599f6e},
    {"leaky ReLU", &rt_op_pointwise, &leaky, {2, 3, 9, 33}, 0x529386a54982b823},
};

static rt_status certify_case(struct rt_device *device, size_t i, struct rt_verified *verified)
{
    struct rt_expected *expected;
    struct rt_bits bits = {.count = 0};
    const struct rt_verify_case test = {.op = cases[i].op,
                                        .attributes = cases[i].attributes,
                                        .x = {cases[i].x, cases[i].x},
                                        .training = true};
    rt_status status = rt_expected_create(&expected, &test);
    if (status < 0)
        return status;
    status = rt_verify(device, expected, RT_VERIFY_ALL, verified, &bits);
    rt_expected_destroy(expected);
    const uint64_t hash = rt_hash(bits.hashes, bits.count * sizeof *bits.hashes);
    if (status == RT_OK && hash != cases[i].golden)
        status =
            rt_fail(RT_ERROR_DEVICE,
                    "%s has other bits here than elsewhere: they hash to 0x%llx, not 0x%llx",
                    cases[i].name, (unsigned long long)hash, (unsigned long long)cases[i].golden);
    return status;
}

rt_status rt_certify_exact(struct rt_device *device, const struct rt_check *check,
                           struct rt_verified *verified)
{
    rt_status status = RT_OK;
    if (check->variant)
        rt_device_force(device, 1, 1);
    RT_TRY(rt_device_set_math(device, RT_MATH_EXACT));
    for (size_t i = 0; i < RT_COUNT(cases) && status == RT_OK; i++)
        status = certify_case(device, i, verified);
end:
    return status;
}
