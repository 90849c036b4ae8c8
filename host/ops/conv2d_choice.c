#include <stdio.h>
#include <string.h>

#include "ops/conv2d.h"

static const char *const part_names[RT_CONV2D_PARTS] = {
    [RT_CONV2D_FORWARD] = "conv2d forward",
    [RT_CONV2D_BACKWARD_DATA] = "conv2d backward data",
    [RT_CONV2D_BACKWARD_WEIGHTS] = "conv2d backward weights",
};

const char *rt_conv2d_part_name(enum rt_conv2d_part part)
{
    return part_names[part];
}

void rt_conv2d_key(const struct rt_conv2d *a, struct rt_shape x, enum rt_conv2d_part part,
                   char key[RT_CHOICE_KEY_BYTES])
{
    snprintf(key, RT_CHOICE_KEY_BYTES, "%s %dx%dx%d to %d, kernel %d, stride %d", part_names[part],
             x.c, x.h, x.w, a->channels, a->kernel, a->stride);
}

rt_status rt_conv2d_parse_key(const char *key, struct rt_conv2d *a, struct rt_shape *x,
                              enum rt_conv2d_part *part)
{
    char again[RT_CHOICE_KEY_BYTES];
    struct rt_shape y;
    for (int i = 0; i < RT_CONV2D_PARTS; i++) {
        const size_t length = strlen(part_names[i]);
        *part = (enum rt_conv2d_part)i;
        *a = (struct rt_conv2d){0};
        *x = (struct rt_shape){0};
        if (strncmp(key, part_names[i], length) != 0 ||
            sscanf(key + length, " %dx%dx%d to %d, kernel %d, stride %d", &x->c, &x->h, &x->w,
                   &a->channels, &a->kernel, &a->stride) != 6)
            continue;
        rt_conv2d_key(a, *x, *part, again);
        if (strcmp(again, key) == 0 && x->c > 0 && x->h > 0 && x->w > 0 &&
            rt_op_conv2d.infer(a, x, &y) == RT_OK)
            return RT_OK;
    }
    return rt_fail(RT_ERROR_ARGUMENT, "'%s' is no part of a convolution", key);
}

const struct rt_conv2d_variant *rt_conv2d_find(const char *name)
{
    const struct rt_conv2d_variant *const *variant = rt_conv2d_variants;
    while (*variant && strcmp((*variant)->name, name) != 0)
        variant++;
    return *variant;
}

const struct rt_conv2d_variant *rt_conv2d_chosen(const struct rt_device *device,
                                                 const struct rt_conv2d *a, struct rt_shape x,
                                                 enum rt_conv2d_part part)
{
    char key[RT_CHOICE_KEY_BYTES];
    rt_conv2d_key(a, x, part, key);
    const char *name = rt_device_choice(device, key);
    if (!name)
        return NULL;
    const struct rt_conv2d_variant *variant = rt_conv2d_find(name);
    if (!variant)
        rt_device_doubt_choice(device, key);
    return variant && variant->supports(device, a, x, part) ? variant : NULL;
}
