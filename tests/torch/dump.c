/* Writes what tests/torch/agree.py compares: a network's weights before and after one Adam step,
 * and its input, labels and logits as raw float32 and bytes.
 *
 * usage: dump FOLDER NETWORK auto|direct */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/random.h"
#include "model/model.h"
#include "ops/loss.h"
#include "ops/optimizer.h"

#define BATCH 2
#define SIZE 64
#define CLASSES 6
#define PIXELS ((size_t)BATCH * SIZE * SIZE)

struct dump {
    const char *folder;
    struct rt_device *device;
    struct rt_model *model;
    struct rt_loss_state *loss;
    struct rt_buffer *labels, *moments[2];
};

static rt_status write_raw(const struct dump *dump, const char *name, const void *bytes,
                           size_t size)
{
    char *path = NULL;
    rt_status status = rt_path_join(&path, dump->folder, name);
    if (status == RT_OK)
        status = rt_file_write(path, bytes, size);
    free(path);
    return status;
}

static rt_status save(const struct dump *dump, const char *name)
{
    char *path = NULL;
    rt_status status = rt_path_join(&path, dump->folder, name);
    if (status == RT_OK)
        status = rt_model_save(dump->model, path);
    free(path);
    return status;
}

static rt_status create(struct dump *dump, const char *network, const char *conv)
{
    rt_status status = RT_OK;
    struct rt_model_info info = {
        .channels = 3, .palette = *rt_palette_builtin("synth"), .patch = SIZE};
    struct rt_loss loss = {.hard = RT_HARD_CE};
    snprintf(info.network, sizeof info.network, "%s", network);
    for (int i = 0; i < CLASSES; i++)
        loss.weights[i] = 1;
    RT_TRY(rt_device_open(&dump->device, NULL));
    rt_device_set_conv(dump->device, strcmp(conv, "direct") == 0 ? RT_CONV_DIRECT : RT_CONV_AUTO);
    RT_TRY(rt_model_create(&dump->model, dump->device, &info, 7));
    RT_TRY(rt_model_plan(dump->model, BATCH, SIZE, SIZE, RT_PLAN_TRAINING));
    RT_TRY(rt_loss_create(&dump->loss, dump->device, &loss, CLASSES));
    RT_TRY(rt_buffer_create(&dump->labels, dump->device, PIXELS));
    size_t bytes = rt_model_slabs(dump->model).trained * sizeof(float);
    for (int i = 0; i < 2; i++) {
        RT_TRY(rt_buffer_create(&dump->moments[i], dump->device, bytes));
        RT_TRY(rt_buffer_fill(dump->moments[i], 0, bytes, 0));
    }
    status = save(dump, "before.safetensors");
end:
    return status;
}

static rt_status fill(struct dump *dump)
{
    static float images[3 * PIXELS];
    static uint8_t labels[PIXELS];
    struct rt_random random = rt_random_start(5, 0);
    rt_status status = RT_OK;
    for (size_t i = 0; i < RT_COUNT(images); i++)
        images[i] = rt_random_normal(&random);
    for (size_t i = 0; i < PIXELS; i++) /* about one in seven is ignored */
        labels[i] = (uint8_t)rt_random_below(&random, CLASSES + 1);
    for (size_t i = 0; i < PIXELS; i++)
        labels[i] = labels[i] == CLASSES ? RT_LABEL_IGNORE : labels[i];
    RT_TRY(write_raw(dump, "images.raw", images, sizeof images));
    RT_TRY(write_raw(dump, "labels.raw", labels, sizeof labels));
    RT_TRY(rt_tensor_write(rt_model_input(dump->model), images));
    status = rt_buffer_write(dump->labels, 0, sizeof labels, labels);
end:
    return status;
}

static rt_status infer(struct dump *dump)
{
    static float values[CLASSES * PIXELS];
    struct rt_tensor logits;
    rt_status status = RT_OK;
    RT_TRY(rt_model_forward(dump->model, BATCH, false, 1, 0, &logits));
    RT_TRY(rt_tensor_read(&logits, values));
    status = write_raw(dump, "logits.raw", values, sizeof values);
end:
    return status;
}

static rt_status adam_step(struct dump *dump)
{
    const struct rt_optimizer adam = {
        .kind = RT_ADAM, .beta1 = 0.9f, .beta2 = 0.999f, .epsilon = 1e-3f};
    struct rt_model_slabs slabs = rt_model_slabs(dump->model);
    struct rt_tensor logits, dlogits;
    rt_status status = RT_OK;
    RT_TRY(rt_model_forward(dump->model, BATCH, true, 1, 0, &logits));
    RT_TRY(rt_model_gradient(dump->model, &dlogits));
    RT_TRY(rt_loss_run(dump->loss, &logits, dump->labels, NULL, 0, &dlogits, NULL));
    RT_TRY(rt_model_backward(dump->model));
    RT_TRY(rt_optimizer_step(dump->device, &adam, slabs.values, slabs.gradients, dump->moments,
                             slabs.trained, 1e-3f, 1));
    status = save(dump, "after.safetensors");
end:
    return status;
}

int main(int argc, char **argv)
{
    struct dump dump = {.folder = argc == 4 ? argv[1] : "."};
    rt_status status = RT_OK;
    if (argc != 4)
        return 2;
    RT_TRY(create(&dump, argv[2], argv[3]));
    RT_TRY(fill(&dump));
    RT_TRY(infer(&dump));
    status = adam_step(&dump);
end:
    if (status < 0)
        fprintf(stderr, "dump: %s\n", rt_error_message());
    rt_loss_destroy(dump.loss);
    rt_buffer_destroy(dump.labels);
    rt_buffer_destroy(dump.moments[0]);
    rt_buffer_destroy(dump.moments[1]);
    rt_model_destroy(dump.model);
    rt_device_close(dump.device);
    return status < 0;
}
