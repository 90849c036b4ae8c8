#include "test.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/random.h"
#include "model/internal.h"
#include "model/safetensors.h"
#include "ops/check.h"
#include "ops/metrics.h"

static char path[] = "/tmp/retort-model-XXXXXX";

static int create_file(void **state)
{
    (void)state;
    int file = mkstemp(path);
    return file < 0 ? -1 : close(file);
}

static int remove_file(void **state)
{
    (void)state;
    return unlink(path);
}

static struct rt_model_info info_of(const char *network, int patch)
{
    struct rt_model_info info = {
        .channels = 3,
        .palette = {"test",
                    6,
                    {{"Water", {1, 2, 3}},
                     {"Land", {4, 5, 6}},
                     {"Road", {7, 8, 9}},
                     {"Building", {10, 11, 12}},
                     {"Vegetation", {13, 14, 15}},
                     {"Unlabeled", {255, 254, 253}}},
                    5},
        .scaling = {RT_SCALING_DATA, {100.1f, 120.7f, 90.3f}, {50.3f, 60.9f, 70.1f}},
        .patch = patch,
    };
    snprintf(info.network, sizeof info.network, "%s", network);
    return info;
}

static struct rt_model *create(struct rt_device *device, const char *network, int patch,
                               uint64_t seed)
{
    struct rt_model_info info = info_of(network, patch);
    struct rt_model *model;
    assert_ok(rt_model_create(&model, device, &info, seed));
    return model;
}

static float *slab(const struct rt_model *model)
{
    float *values = calloc(model->total, sizeof *values);
    assert_ok(rt_buffer_read(model->values, 0, model->total * sizeof *values, values));
    return values;
}

/* --- the network ----------------------------------------------------------------------------- */

static void specifications_are_understood(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"unet:16", "unet:16"},
        {"unet:8,depth=4,up=transpose,norm=none", "unet:8"},
        {"unet:4,norm=batch,up=nearest", "unet:4,up=nearest,norm=batch"},
        {"unet:1,dropout=0.1,depth=2,up=bilinear", "unet:1,depth=2,up=bilinear,dropout=0.1"},
        {"unet:2,dropout=0", "unet:2,dropout=0"},
    };
    for (size_t i = 0; i < RT_COUNT(cases); i++) {
        struct rt_unet unet;
        char text[96];
        assert_ok(rt_unet_parse(&unet, cases[i][0]));
        rt_unet_format(&unet, text, sizeof text);
        if (i != 3) /* 0.1 as a float has more digits, but is the same number when read again */
            assert_string_equal(text, cases[i][1]);
        struct rt_unet again;
        assert_ok(rt_unet_parse(&again, text));
        assert_memory_equal(&again, &unet, sizeof unet);
    }
}

static void wrong_specifications_are_explained(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"", "the only kind of network is unet"},
        {"unet", "it tells no width W, as unet:16 does"},
        {"resnet:18", "the only kind of network is unet"},
        {"unet:", "W is a whole number from 1 to 1024, not ''"},
        {"unet:0", "W is a whole number from 1 to 1024, not '0'"},
        {"unet:+8", "not '+8'"},
        {"unet:16x", "not '16x'"},
        {"unet:99999999999999999999", "W is a whole number"},
        {"unet:16,", "'' is no option with a value"},
        {"unet:16,deep=3", "there is no option 'deep'; its"},
        {"unet:16,dpeth=3", "there is no option 'dpeth'; did you mean depth? Its form"},
        {"unet:16,depth=9", "depth is a whole number from 1 to 8, not '9'"},
        {"unet:16,up=cubic", "up is one of transpose, nearest, bilinear, not 'cubic'"},
        {"unet:16,norm=", "norm is one of none, batch, not ''"},
        {"unet:16,dropout=1", "dropout is a share from 0 to below 1, not '1'"},
        {"unet:16,dropout=nan", "dropout is a share"},
    };
    for (size_t i = 0; i < RT_COUNT(cases); i++) {
        struct rt_unet unet;
        assert_fails(rt_unet_parse(&unet, cases[i][0]), RT_ERROR_ARGUMENT, cases[i][1]);
        assert_non_null(strstr(rt_error_message(), " form is unet:W[,depth=D]"));
    }
}

static size_t count_parameters(const char *network)
{
    struct rt_unet unet;
    struct rt_graph *graph;
    size_t count, sum = 0;
    assert_ok(rt_unet_parse(&unet, network));
    assert_ok(rt_graph_create(&graph, NULL));
    assert_ok(rt_unet_build(&unet, graph, 3, 6));
    const struct rt_graph_parameter *p = rt_graph_parameters(graph, &count);
    for (size_t i = 0; i < count; i++)
        sum += p[i].parameter.trained ? rt_shape_size(p[i].parameter.shape) : 0;
    rt_graph_destroy(graph);
    return sum;
}

static void parameters_are_the_references(void **state)
{
    (void)state;
    assert_int_equal(count_parameters("unet:2"), 30582);
    assert_int_equal(count_parameters("unet:4"), 121750);
    assert_int_equal(count_parameters("unet:8"), 485862);
    assert_int_equal(count_parameters("unet:16"), 1941190);
    assert_int_equal(count_parameters("unet:32"), 7760262);
    assert_int_equal(count_parameters("unet:64"), 31032070);
}

static void check_names(const char *network, const char *const *names, size_t count)
{
    struct rt_unet unet;
    struct rt_graph *graph;
    size_t got;
    assert_ok(rt_unet_parse(&unet, network));
    assert_ok(rt_graph_create(&graph, NULL));
    assert_ok(rt_unet_build(&unet, graph, 3, 6));
    const struct rt_graph_parameter *p = rt_graph_parameters(graph, &got);
    assert_int_equal(got, count);
    for (size_t i = 0; i < count; i++)
        assert_string_equal(p[i].name, names[i]);
    rt_graph_destroy(graph);
}

static void tensors_have_pytorchs_names(void **state)
{
    (void)state;
    static const char *const plain[] = {
        "down.0.0.weight", "down.0.0.bias", "down.0.3.weight", "down.0.3.bias",
        "down.1.0.weight", "down.1.0.bias", "down.1.3.weight", "down.1.3.bias",
        "up.0.weight",     "up.0.bias",     "dec.0.0.weight",  "dec.0.0.bias",
        "dec.0.3.weight",  "dec.0.3.bias",  "head.weight",     "head.bias"};
    static const char *const norm[] = {"down.0.0.weight",       "down.0.1.weight",
                                       "down.0.1.bias",         "down.0.1.running_mean",
                                       "down.0.1.running_var",  "down.0.4.weight",
                                       "down.0.5.weight",       "down.0.5.bias",
                                       "down.0.5.running_mean", "down.0.5.running_var",
                                       "down.1.0.weight",       "down.1.1.weight",
                                       "down.1.1.bias",         "down.1.1.running_mean",
                                       "down.1.1.running_var",  "down.1.4.weight",
                                       "down.1.5.weight",       "down.1.5.bias",
                                       "down.1.5.running_mean", "down.1.5.running_var",
                                       "up.0.weight",           "up.0.bias",
                                       "dec.0.0.weight",        "dec.0.1.weight",
                                       "dec.0.1.bias",          "dec.0.1.running_mean",
                                       "dec.0.1.running_var",   "dec.0.4.weight",
                                       "dec.0.5.weight",        "dec.0.5.bias",
                                       "dec.0.5.running_mean",  "dec.0.5.running_var",
                                       "head.weight",           "head.bias"};
    check_names("unet:2,depth=1", plain, RT_COUNT(plain));
    check_names("unet:2,depth=1,up=nearest,norm=batch", norm, RT_COUNT(norm));
}

static void weights_are_he_normal(void **state)
{
    (void)state;
    check_any_device();
    struct rt_device *device = check_device(0);
    struct rt_model *a = create(device, "unet:8", 16, 1), *b = create(device, "unet:8", 16, 1);
    struct rt_model *c = create(device, "unet:8,depth=2", 16, 1);
    float *x = slab(a), *y = slab(b), *z = slab(c);
    assert_memory_equal(x, y, a->total * sizeof *x);
    /* A tensor's values depend on its name, not on the other tensors. */
    assert_memory_equal(x + RT_TENSOR_GUARD, z + RT_TENSOR_GUARD, 8 * 27 * sizeof *x);
    size_t count;
    const struct rt_graph_parameter *p = rt_graph_parameters(a->graph, &count);
    for (size_t i = 0; i < count; i++) {
        double sum = 0, squares = 0, size = (double)rt_shape_size(p[i].parameter.shape);
        for (size_t j = 0; j < (size_t)size; j++) {
            double value = (double)x[p[i].offset + j];
            sum += value / size;
            squares += value * value / size;
        }
        double variance = p[i].parameter.fan_in ? 2.0 / p[i].parameter.fan_in : 0;
        assert_true(fabs(sum) <= 5 * sqrt(variance / size));
        assert_true(fabs(squares - variance) <= 7 * variance / sqrt(size));
    }
    free(x);
    free(y);
    free(z);
    rt_model_destroy(a);
    rt_model_destroy(b);
    rt_model_destroy(c);
    rt_device_close(device);
}

/* --- running -----------------------------------------------------------------------------------
 */

static void write_input(const struct rt_model *model, int n)
{
    struct rt_tensor input = *rt_model_input(model);
    struct rt_random random = rt_random_start(8, 9);
    input.shape.n = n;
    size_t size = rt_shape_size(input.shape);
    float *values = calloc(size, sizeof *values);
    for (size_t i = 0; i < size; i++)
        values[i] = rt_random_normal(&random);
    assert_ok(rt_tensor_write(&input, values));
    free(values);
}

static float *forward(struct rt_model *model, int n, bool training, struct rt_tensor *logits)
{
    write_input(model, n);
    assert_ok(rt_model_forward(model, n, training, 5, 6, logits));
    float *values = calloc(rt_shape_size(logits->shape), sizeof *values);
    assert_ok(rt_tensor_read(logits, values));
    return values;
}

static double loss(struct rt_model *model, const float *weights)
{
    struct rt_tensor logits;
    assert_ok(rt_buffer_write(model->values, 0, model->total * sizeof *weights, weights));
    float *values = forward(model, 2, true, &logits);
    double sum = 0;
    for (size_t i = 0; i < rt_shape_size(logits.shape); i++)
        sum += cos(1.3 * (double)i) * (double)values[i];
    free(values);
    return sum;
}

/* The loss along the direction of its gradient g grows by |g|^2, dropout included. */
static void check_slope(struct rt_device *device, const char *network)
{
    struct rt_model *model = create(device, network, 16, 3);
    struct rt_tensor dlogits;
    assert_ok(rt_model_plan(model, 2, 16, 8, RT_PLAN_TRAINING));
    float *weights = slab(model), *moved = slab(model);
    loss(model, weights);
    assert_ok(rt_model_gradient(model, &dlogits));
    size_t size = rt_shape_size(dlogits.shape);
    float *values = calloc(size, sizeof *values);
    for (size_t i = 0; i < size; i++)
        values[i] = (float)cos(1.3 * (double)i);
    assert_ok(rt_tensor_write(&dlogits, values));
    free(values);
    assert_ok(rt_model_backward(model));
    struct rt_model_slabs slabs = rt_model_slabs(model);
    float *gradient = calloc(slabs.trained, sizeof *gradient);
    assert_ok(rt_buffer_read(slabs.gradients, 0, slabs.trained * sizeof *gradient, gradient));
    double square = 0;
    for (size_t i = 0; i < slabs.trained; i++)
        square += (double)gradient[i] * (double)gradient[i];
    double h = 1e-3 / sqrt(square), slope = 0;
    for (int sign = 1; sign >= -1; sign -= 2) {
        for (size_t i = 0; i < slabs.trained; i++)
            moved[i] = weights[i] + (float)(sign * h * (double)gradient[i]);
        slope += sign * loss(model, moved) / (2 * h);
    }
    if (!(square > 0 && fabs(slope / square - 1) < 0.02))
        fail_msg("%s: the slope is %g, the gradient says %g", network, slope, square);
    free(weights);
    free(moved);
    free(gradient);
    rt_model_destroy(model);
}

static void gradients_are_slopes(void **state)
{
    (void)state;
    check_any_device();
    struct rt_device *device = check_device(0);
    check_slope(device, "unet:4,depth=2,dropout=0");
    check_slope(device, "unet:4,depth=3");
    check_slope(device, "unet:4,depth=2,up=nearest");
    check_slope(device, "unet:4,depth=2,up=bilinear,norm=batch");
    rt_device_close(device);
}

static void plans_and_batches_give_the_same_bits(void **state)
{
    (void)state;
    check_any_device();
    struct rt_device *device = check_device(0);
    struct rt_model *model = create(device, "unet:4", 32, 4);
    struct rt_tensor logits;
    assert_ok(rt_model_plan(model, 3, 32, 48, RT_PLAN_TRAINING));
    size_t training_bytes = rt_model_planned_bytes(model);
    float *training = forward(model, 3, false, &logits);
    assert_ok(rt_model_plan(model, 2, 32, 48, RT_PLAN_FORWARD)); /* the plan for more is kept */
    assert_int_equal(rt_model_planned_bytes(model), training_bytes);
    rt_model_destroy(model);

    model = create(device, "unet:4", 32, 4);
    assert_ok(rt_model_plan(model, 3, 32, 48, RT_PLAN_FORWARD));
    assert_true(rt_model_planned_bytes(model) < training_bytes / 4 * 3);
    float *inference = forward(model, 3, false, &logits), *few = forward(model, 2, false, &logits);
    size_t image = 6 * 32 * 48;
    assert_memory_equal(training, inference, 3 * image * sizeof(float));
    assert_memory_equal(few, inference, 2 * image * sizeof(float));
    assert_fails(rt_model_plan(model, 1, 32, 40, RT_PLAN_FORWARD), RT_ERROR_ARGUMENT,
                 "multiples of 16");
    assert_fails(rt_model_gradient(model, &logits), RT_ERROR_ARGUMENT, "with training");
    free(training);
    free(inference);
    free(few);
    rt_model_destroy(model);
    rt_device_close(device);
}

/* --- on disk -----------------------------------------------------------------------------------
 */

static void saved_models_are_loaded_bit_by_bit(void **state)
{
    (void)state;
    static const char *const networks[] = {"unet:2,depth=3",
                                           "unet:3,depth=2,up=nearest,norm=batch"};
    check_any_device();
    struct rt_device *device = check_device(0);
    for (size_t i = 0; i < RT_COUNT(networks); i++) {
        struct rt_model *model = create(device, networks[i], 16, 7), *loaded;
        char *first, *second;
        size_t size, second_size;
        assert_ok(rt_model_save(model, path));
        assert_ok(rt_file_read(path, 1 << 24, &first, &size));
        assert_ok(rt_model_load(&loaded, device, path));
        float *a = slab(model), *b = slab(loaded);
        assert_memory_equal(a, b, model->total * sizeof *a);
        assert_memory_equal(rt_model_describe(model), rt_model_describe(loaded),
                            sizeof(struct rt_model_info));
        assert_ok(rt_model_save(loaded, path));
        assert_ok(rt_file_read(path, 1 << 24, &second, &second_size));
        assert_int_equal(size, second_size);
        assert_memory_equal(first, second, size);
        free(first);
        free(second);
        free(a);
        free(b);
        rt_model_destroy(model);
        rt_model_destroy(loaded);
    }
    rt_device_close(device);
}

static void write_bytes(const void *bytes, size_t size)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    fclose(file);
}

static void damaged_models_are_refused(void **state)
{
    (void)state;
    check_any_device();
    struct rt_device *device = check_device(0);
    struct rt_model *model = create(device, "unet:1,depth=1", 16, 7);
    char *bytes;
    size_t size;
    assert_ok(rt_model_save(model, path));
    rt_model_destroy(model);
    assert_ok(rt_file_read(path, 1 << 24, &bytes, &size));
    for (size_t length = 0; length < size; length += 1 + size / 100) {
        write_bytes(bytes, length);
        assert_int_equal(rt_model_load(&model, device, path), RT_ERROR_FORMAT);
        assert_null(model);
    }
    size_t header = 8 + (size_t)(unsigned char)bytes[0] + ((size_t)(unsigned char)bytes[1] << 8);
    assert_true(header < size);
    for (size_t i = 0; i < header; i++) {
        bytes[i] = (char)(bytes[i] ^ 1 << i % 8);
        write_bytes(bytes, size);
        rt_model_load(&model, device, path); /* a changed class name is still a model */
        rt_model_destroy(model);
        bytes[i] = (char)(bytes[i] ^ 1 << i % 8);
    }
    free(bytes);
    rt_device_close(device);
}

/* A file whose entries or metadata were changed. */
struct forgery {
    struct rt_safetensors_entry entries[64];
    size_t count;
    char info[2000];
};

static void forge(const struct forgery *f)
{
    struct rt_safetensors_text text = {"retort", f->info};
    assert_ok(rt_safetensors_write(path, f->entries, f->count, &text, f->info[0] ? 1 : 0));
}

static void replace(char *text, const char *old, const char *new)
{
    char rest[2000];
    char *found = strstr(text, old);
    assert_non_null(found);
    snprintf(rest, sizeof rest, "%s", found + strlen(old));
    sprintf(found, "%s%s", new, rest);
}

static void models_that_do_not_fit_are_explained(void **state)
{
    (void)state;
    check_any_device();
    struct rt_device *device = check_device(0);
    struct rt_model *model = create(device, "unet:2,depth=1", 16, 7);
    struct rt_safetensors file;
    struct forgery good = {0};
    assert_ok(rt_model_save(model, path));
    rt_model_destroy(model);
    assert_ok(rt_safetensors_read(&file, path));
    good.count = file.count;
    memcpy(good.entries, file.entries, file.count * sizeof *file.entries);
    strcpy(good.info, rt_safetensors_text(&file, "retort"));
    forge(&good);
    assert_ok(rt_model_load(&model, device, path));
    rt_model_destroy(model);

    static const char *const changes[][3] = {
        {"\"unet:2,depth=1\"", "\"unet:4,depth=1\"", "is 2x3x3x3, but unet:4,depth=1 with"},
        {"\"unet:2,depth=1\"", "\"unet:1024\"", "is 2x3x3x3, but unet:1024 with"},
        {"\"unet:2,depth=1\"", "\"unet:2,depth=2\"", "lacks the tensor down.2.0.weight"},
        {"\"unet:2,depth=1\"", "\"net\"", "the only kind of network is unet"},
        {"{\"name\":\"Land\",\"color\":\"#040506\"},", "", "head.weight in"},
        {"\"format\":1", "\"format\":2", "is of format 2"},
        {"\"channels\":3", "\"channels\":4", "3 channels, not 4"},
        {"\"patch\":16", "\"patch\":15", "a multiple of 2"},
        {"\"patch\":16", "\"patch\":-2", "lacks the patch"},
        {"\"#040506\"", "\"040506\"", "lacks the palette"},
        {"\"unlabeled\":\"Unlabeled\"", "\"unlabeled\":\"Sky\"", "lacks the palette"},
        {"\"mode\":\"data\"", "\"mode\":\"new\"", "lacks the scaling"},
        {"{", "[", "lacks its format"},
    };
    rt_device_reset_peak(device);
    const size_t before = rt_device_peak_bytes(device);
    for (size_t i = 0; i < RT_COUNT(changes); i++) {
        struct forgery f = good;
        replace(f.info, changes[i][0], changes[i][1]);
        forge(&f);
        assert_fails(rt_model_load(&model, device, path), RT_ERROR_FORMAT, changes[i][2]);
        assert_non_null(strstr(rt_error_message(), path));
        assert_int_equal(rt_device_peak_bytes(device), before); /* a promise costs no memory */
    }

    struct forgery f = good;
    f.info[0] = 0;
    forge(&f);
    assert_fails(rt_model_load(&model, device, path), RT_ERROR_FORMAT, "not written by retort");
    f = good;
    f.count--;
    forge(&f);
    assert_fails(rt_model_load(&model, device, path), RT_ERROR_FORMAT, "lacks the tensor");
    f = good;
    f.entries[f.count] = f.entries[0];
    f.entries[f.count++].name = "extra";
    forge(&f);
    assert_fails(rt_model_load(&model, device, path), RT_ERROR_FORMAT, "holds the tensor extra");
    f = good;
    float *nan = calloc(54, sizeof *nan);
    nan[53] = NAN;
    f.entries[0].data = nan;
    forge(&f);
    assert_fails(rt_model_load(&model, device, path), RT_ERROR_FORMAT,
                 "the tensor down.0.0.weight in");
    free(nan);
    rt_safetensors_finish(&file);
    rt_device_close(device);
}

static void models_are_saved_only_if_they_can_be_loaded(void **state)
{
    (void)state;
    check_any_device();
    struct rt_device *device = check_device(0);
    struct rt_model_info info = info_of("unet:1,depth=1", 16);
    struct rt_model *model;
    strcpy(info.palette.classes[1].name, "\xff");
    assert_ok(rt_model_create(&model, device, &info, 1));
    assert_fails(rt_model_save(model, path), RT_ERROR_ARGUMENT, "UTF-8");
    rt_model_destroy(model);
    info = info_of("unet:1,depth=1", 16);
    info.scaling.mean[1] = NAN;
    assert_ok(rt_model_create(&model, device, &info, 1));
    assert_fails(rt_model_save(model, path), RT_ERROR_ARGUMENT, "not finite");
    assert_fails(rt_model_save(model, "/nonexistent/a"), RT_ERROR_ARGUMENT, "not finite");
    rt_model_destroy(model);
    info = info_of("unet:1,depth=1", 16);
    assert_ok(rt_model_create(&model, device, &info, 1));
    assert_fails(rt_model_save(model, "/nonexistent/a"), RT_ERROR_IO, "/nonexistent/a");
    rt_model_destroy(model);
    rt_device_close(device);
}

/* --- prediction --------------------------------------------------------------------------------
 */

static struct rt_image random_image(int width, int height)
{
    struct rt_image image;
    struct rt_random random = rt_random_start(1, 1);
    assert_ok(rt_image_init(&image, width, height, 3));
    for (int i = 0; i < width * height * 3; i++)
        image.pixels[i] = (uint8_t)rt_random_below(&random, 256);
    return image;
}

static float *predict(struct rt_model *model, const struct rt_image *image, int overlap)
{
    size_t area = (size_t)(image->width * image->height);
    float *p = calloc(6 * area, sizeof *p);
    assert_ok(rt_model_predict(model, image, overlap, p));
    for (size_t i = 0; i < area; i++) {
        float sum = 0;
        for (size_t c = 0; c < 6; c++)
            sum += p[c * area + i];
        assert_true(fabsf(sum - 1) < 1e-5f);
    }
    return p;
}

static void a_tile_is_predicted_as_it_is(void **state)
{
    (void)state;
    check_any_device();
    struct rt_device *device = check_device(0);
    struct rt_model *model = create(device, "unet:2,depth=2", 16, 7);
    struct rt_image image = random_image(16, 16);
    float *p = predict(model, &image, 4), planes[3 * 256], *direct = calloc(6 * 256, sizeof *p);
    struct rt_tensor input, logits;
    rt_scaling_apply(&model->info.scaling, image.pixels, 256, planes);
    input = *rt_model_input(model);
    input.shape.n = 1;
    assert_ok(rt_tensor_write(&input, planes));
    assert_ok(rt_model_forward(model, 1, false, 0, 0, &logits));
    assert_ok(rt_softmax(device, &logits, &logits));
    assert_ok(rt_tensor_read(&logits, direct));
    assert_memory_equal(p, direct, 6 * 256 * sizeof *p);
    free(p);
    free(direct);
    rt_image_finish(&image);
    rt_model_destroy(model);
    rt_device_close(device);
}

/* The crop at (x, y) of the image's probabilities equals what the crop alone gives, over the given
 * part of it, which no other tile covers. */
static void check_crop(struct rt_model *model, const struct rt_image *image, const float *whole,
                       int x, int y, int from, int to)
{
    struct rt_image crop;
    assert_ok(rt_image_init(&crop, 16, 16, 3));
    for (int row = 0; row < 16; row++)
        memcpy(crop.pixels + row * 48, image->pixels + ((y + row) * image->width + x) * 3, 48);
    float *p = predict(model, &crop, 0);
    for (int c = 0; c < 6; c++)
        for (int v = from; v < to; v++)
            for (int u = from; u < to; u++) {
                int place = (c * image->height + y + v) * image->width + x + u;
                assert_float_equal(p[(c * 16 + v) * 16 + u], whole[place], 0);
            }
    free(p);
    rt_image_finish(&crop);
}

static void large_images_are_tiled(void **state)
{
    (void)state;
    check_any_device();
    struct rt_device *device = check_device(0);
    struct rt_model *model = create(device, "unet:2,depth=2", 16, 7);
    struct rt_image image = random_image(40, 28); /* 3 x 2 tiles, 4 pixels shared */
    float *p = predict(model, &image, 4);
    check_crop(model, &image, p, 0, 0, 0, 12);
    check_crop(model, &image, p, 12, 12, 4, 12);
    check_crop(model, &image, p, 24, 12, 4, 16);
    free(p);
    free(predict(model, &image, 0));
    free(predict(model, &image, 7));
    assert_fails(rt_model_predict(model, &image, 8, NULL), RT_ERROR_ARGUMENT, "less than half");
    assert_fails(rt_model_predict(model, &image, -2, NULL), RT_ERROR_ARGUMENT, "at least 0");
    rt_image_finish(&image);
    rt_model_destroy(model);
    rt_device_close(device);
}

/* The padded image is the reflection, spelt out here. */
static void small_images_are_reflected(void **state)
{
    (void)state;
    static const int columns[] = {0, 1, 2, 3, 4, 3, 2, 1, 0, 1, 2, 3, 4, 3, 2, 1};
    check_any_device();
    struct rt_device *device = check_device(0);
    struct rt_model *model = create(device, "unet:2,depth=2", 16, 7);
    struct rt_image small = random_image(5, 1), padded;
    assert_ok(rt_image_init(&padded, 16, 16, 3));
    for (int i = 0; i < 256; i++)
        memcpy(padded.pixels + 3 * i, small.pixels + 3 * columns[i % 16], 3);
    float *p = predict(model, &small, 2), *q = predict(model, &padded, 2);
    for (int c = 0; c < 6; c++)
        assert_memory_equal(p + 5 * c, q + 256 * c, 5 * sizeof *p);
    free(p);
    free(q);
    struct rt_image grey;
    assert_ok(rt_image_init(&grey, 5, 5, 1));
    assert_fails(rt_model_predict(model, &grey, 2, NULL), RT_ERROR_ARGUMENT, "1 channels");
    rt_image_finish(&grey);
    rt_image_finish(&small);
    rt_image_finish(&padded);
    rt_model_destroy(model);
    rt_device_close(device);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(specifications_are_understood),
        cmocka_unit_test(wrong_specifications_are_explained),
        cmocka_unit_test(parameters_are_the_references),
        cmocka_unit_test(tensors_have_pytorchs_names),
        cmocka_unit_test(weights_are_he_normal),
        cmocka_unit_test(gradients_are_slopes),
        cmocka_unit_test(plans_and_batches_give_the_same_bits),
        cmocka_unit_test(saved_models_are_loaded_bit_by_bit),
        cmocka_unit_test(damaged_models_are_refused),
        cmocka_unit_test(models_that_do_not_fit_are_explained),
        cmocka_unit_test(models_are_saved_only_if_they_can_be_loaded),
        cmocka_unit_test(a_tile_is_predicted_as_it_is),
        cmocka_unit_test(large_images_are_tiled),
        cmocka_unit_test(small_images_are_reflected),
    };
    return cmocka_run_group_tests(tests, create_file, remove_file);
}
