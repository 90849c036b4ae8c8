/* Descriptions of Keras models: the attribute model_config. */
#include "fuzz.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "exchange/keras_export.h"
#include "exchange/keras_unet.h"

/* What is taken for a U-Net is described as the same one. */
static void check_again(const struct rt_keras_unet *k)
{
    static struct rt_keras_unet again;
    static struct rt_problems problems;
    struct rt_unet unet = k->unet;
    char *config;
    json_t *root;
    unet.width = 1;
    problems = (struct rt_problems){0};
    fuzz_refuse(rt_keras_describe(&unet, 3, &config) != RT_OK, "no description");
    fuzz_refuse(rt_keras_walk(&again, config, &root, &problems) != RT_OK || problems.count > 0,
                problems.text);
    fuzz_refuse(again.unet.depth != unet.depth || again.unet.up != unet.up ||
                    again.unet.norm != unet.norm || again.count != k->count,
                "another network");
    for (int i = 0; i < k->count; i++)
        fuzz_refuse(strcmp(again.parts[i].name, k->parts[i].name) != 0, "another part");
    json_decref(root);
    free(config);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct rt_keras_unet k;
    static struct rt_problems problems;
    char *config;
    json_t *root;
    problems = (struct rt_problems){0};
    fuzz_refuse(rt_alloc(&config, size + 1, 1) != RT_OK, "no memory");
    memcpy(config, data, size);
    if (rt_keras_walk(&k, config, &root, &problems) == RT_OK && problems.count == 0)
        check_again(&k);
    json_decref(root);
    free(config);
    return 0;
}
