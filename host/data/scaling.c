#include <math.h>
#include <pthread.h>
#include <stdlib.h>

#include "base/memory.h"
#include "base/parallel.h"
#include "retort/data.h"

struct sums {
    uint64_t pixels;
    uint64_t values[3], squares[3];
};

/* Sums over the pixels of a row, which 32 bits hold for up to 65536 of them. */
static void add_row(struct sums *sums, const uint8_t *rgb, int count)
{
    uint32_t values[3] = {0}, squares[3] = {0};
    for (int i = 0; i < count; i++)
        for (int c = 0; c < 3; c++) {
            uint32_t value = rgb[3 * i + c];
            values[c] += value;
            squares[c] += value * value;
        }
    for (int c = 0; c < 3; c++) {
        sums->values[c] += values[c];
        sums->squares[c] += squares[c];
    }
    sums->pixels += (uint64_t)count;
}

static void add_patch(struct sums *sums, const struct rt_image *image, const struct rt_patch *patch,
                      int size)
{
    const size_t width = (size_t)image->width;
    for (int y = patch->y; y < patch->y + size; y++)
        for (int x = 0; x < size; x += 65536)
            add_row(sums, image->pixels + 3 * ((size_t)y * width + (size_t)(patch->x + x)),
                    size - x < 65536 ? size - x : 65536);
}

static void add(struct sums *to, const struct sums *from)
{
    to->pixels += from->pixels;
    for (int c = 0; c < 3; c++) {
        to->values[c] += from->values[c];
        to->squares[c] += from->squares[c];
    }
}

/* Patches of one image that follow each other in the list. */
struct stretch {
    size_t first, count;
};

struct measuring {
    const struct rt_dataset *dataset;
    const struct rt_patch *patches;
    int size;
    struct stretch *stretches;
    pthread_mutex_t mutex; /* guards the sums */
    struct sums sums;
};

static void add_sums(struct measuring *measuring, const struct sums *sums)
{
    pthread_mutex_lock(&measuring->mutex);
    add(&measuring->sums, sums);
    pthread_mutex_unlock(&measuring->mutex);
}

/* Patch by patch, where the image is too large to be decoded as a whole. */
static rt_status measure_windows(struct measuring *measuring, const struct stretch *stretch)
{
    const int size = measuring->size;
    struct sums sums = {0};
    rt_status status = RT_OK;
    for (size_t i = 0; i < stretch->count && status == RT_OK; i++) {
        const struct rt_patch *patch = &measuring->patches[stretch->first + i];
        struct rt_image part;
        status = rt_dataset_load_part(measuring->dataset, patch->image, patch->x, patch->y, size,
                                      size, &part, NULL);
        if (status == RT_OK)
            add_patch(&sums, &part, &(struct rt_patch){0}, size);
        rt_image_finish(&part);
    }
    add_sums(measuring, &sums);
    return status;
}

static rt_status measure_stretch(void *work, size_t index)
{
    struct measuring *measuring = work;
    const struct stretch *stretch = &measuring->stretches[index];
    const struct rt_patch *patches = measuring->patches + stretch->first;
    struct sums sums = {0};
    struct rt_image image;
    if (rt_dataset_item(measuring->dataset, patches->image)->windowed)
        return measure_windows(measuring, stretch);
    rt_status status = rt_dataset_load(measuring->dataset, patches->image, &image, NULL);
    if (status < 0)
        return status;
    for (size_t i = 0; i < stretch->count; i++)
        add_patch(&sums, &image, &patches[i], measuring->size);
    rt_image_finish(&image);
    add_sums(measuring, &sums);
    return RT_OK;
}

static struct rt_scaling scaling_from(const struct sums *sums)
{
    struct rt_scaling scaling = {.mode = RT_SCALING_DATA};
    for (int c = 0; c < 3; c++) {
        double pixels = sums->pixels ? (double)sums->pixels : 1;
        double mean = (double)sums->values[c] / pixels;
        /* fma, so that no compiler's choice of contraction changes a bit */
        double variance = fma(-mean, mean, (double)sums->squares[c] / pixels);
        scaling.mean[c] = (float)mean;
        scaling.deviation[c] = variance > 1 ? (float)sqrt(variance) : 1; /* of flat images */
    }
    return scaling;
}

rt_status rt_scaling_measure(const struct rt_dataset *dataset, const struct rt_patch_list *patches,
                             int size, struct rt_scaling *scaling)
{
    struct measuring measuring = {.dataset = dataset, .patches = patches->patches, .size = size};
    size_t stretches = 0;
    rt_status status = rt_alloc(&measuring.stretches, patches->count, sizeof *measuring.stretches);
    if (status < 0)
        return status;
    for (size_t i = 0; i < patches->count; i++) { /* a list comes image by image */
        if (i == 0 || patches->patches[i].image != patches->patches[i - 1].image)
            measuring.stretches[stretches++].first = i;
        measuring.stretches[stretches - 1].count++;
    }
    pthread_mutex_init(&measuring.mutex, NULL);
    status = rt_parallel(stretches, measure_stretch, &measuring);
    pthread_mutex_destroy(&measuring.mutex);
    *scaling = scaling_from(&measuring.sums);
    free(measuring.stretches);
    return status;
}

void rt_scaling_apply(const struct rt_scaling *scaling, const uint8_t *rgb, size_t count,
                      float *out)
{
    for (size_t c = 0; c < 3; c++) {
        float shift = scaling->mean[c], divisor = scaling->deviation[c];
        if (scaling->mode == RT_SCALING_PATCH) {
            uint8_t low = 255, high = 0;
            for (size_t i = 0; i < count; i++) {
                uint8_t value = rgb[3 * i + c];
                low = value < low ? value : low;
                high = value > high ? value : high;
            }
            shift = low;
            divisor = high > low ? (float)(high - low) : 1;
        }
        float scaled[256]; /* there are only so many values */
        for (int v = 0; v < 256; v++)
            scaled[v] = ((float)v - shift) / divisor;
        for (size_t i = 0; i < count; i++)
            out[c * count + i] = scaled[rgb[3 * i + c]];
    }
}
