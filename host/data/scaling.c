#include <math.h>

#include "base/error.h"
#include "retort/data.h"

struct sums {
    uint64_t pixels;
    uint64_t values[3], squares[3];
};

static void add_patch(struct sums *sums, const struct rt_image *image, const struct rt_patch *patch,
                      int size)
{
    for (int y = patch->y; y < patch->y + size; y++) {
        const uint8_t *p =
            image->pixels + 3 * ((size_t)y * (size_t)image->width + (size_t)patch->x);
        for (int i = 0; i < 3 * size; i++) {
            sums->values[i % 3] += p[i];
            sums->squares[i % 3] += (uint64_t)p[i] * p[i];
        }
    }
    sums->pixels += (uint64_t)size * (uint64_t)size;
}

rt_status rt_scaling_measure(const struct rt_dataset *dataset, const struct rt_patch_list *patches,
                             int size, struct rt_scaling *scaling)
{
    rt_status status = RT_OK;
    struct sums sums = {0};
    struct rt_image image = {0};
    for (size_t i = 0; i < patches->count; i++) {
        const struct rt_patch *patch = &patches->patches[i];
        if (i == 0 || patch->image != patch[-1].image) { /* a list comes image by image */
            rt_image_finish(&image);
            RT_TRY(rt_dataset_load(dataset, patch->image, &image, NULL));
        }
        add_patch(&sums, &image, patch, size);
    }
    *scaling = (struct rt_scaling){.mode = RT_SCALING_DATA};
    for (int c = 0; c < 3; c++) {
        double pixels = sums.pixels ? (double)sums.pixels : 1;
        double mean = (double)sums.values[c] / pixels;
        /* fma, so that no compiler's choice of contraction changes a bit */
        double variance = fma(-mean, mean, (double)sums.squares[c] / pixels);
        scaling->mean[c] = (float)mean;
        scaling->deviation[c] = variance > 1 ? (float)sqrt(variance) : 1; /* of flat images */
    }
end:
    rt_image_finish(&image);
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
