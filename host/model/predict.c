/* Class probabilities of images of any size: a grid of overlapping tiles, each weighted by a
 * window that falls towards its border, the windows scaled so that they add up to 1. */
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/real.h"
#include "model/internal.h"
#include "ops/metrics.h"

#define BATCH 8 /* tiles at a time */

/* The tiles along one axis. */
struct axis {
    int size;     /* of the image, pixels */
    int tile;     /* pixels a tile */
    int count;    /* tiles */
    float *share; /* [count][tile]: what a tile's pixel counts for */
};

/* Spread evenly; the first at the start, the last at the end. */
static int tile_start(const struct axis *axis, int i)
{
    if (axis->count == 1)
        return 0;
    return (int)((long)i * (axis->size - axis->tile) / (axis->count - 1));
}

/* How much of a tile lies within the image. */
static int tile_length(const struct axis *axis)
{
    return axis->size < axis->tile ? axis->size : axis->tile;
}

/* A raised cosine, divided by the sum over all tiles that hold the pixel. */
static rt_status find_shares(struct axis *axis)
{
    rt_status status = RT_OK;
    float *sums = NULL;
    RT_TRY(rt_alloc(&sums, (size_t)axis->size, sizeof *sums));
    RT_TRY(rt_alloc(&axis->share, (size_t)axis->count * (size_t)axis->tile, sizeof *axis->share));
    for (int i = 0; i < axis->count; i++)
        for (int x = 0; x < tile_length(axis); x++) {
            const float height = (float)(1 - rt_cosine((x + 0.5) / axis->tile));
            axis->share[i * axis->tile + x] = height;
            sums[tile_start(axis, i) + x] += height;
        }
    for (int i = 0; i < axis->count; i++)
        for (int x = 0; x < tile_length(axis); x++)
            axis->share[i * axis->tile + x] /= sums[tile_start(axis, i) + x];
end:
    free(sums);
    return status;
}

static rt_status axis_init(struct axis *axis, int size, int tile, int overlap)
{
    int stride = tile - overlap;
    *axis = (struct axis){.size = size, .tile = tile, .count = 1};
    if (size > tile)
        axis->count += (size - tile + stride - 1) / stride;
    return find_shares(axis);
}

/* The pixel within 0 .. size-1 that x is a reflection of, without repeating the border. */
static int reflect(int x, int size)
{
    int period = size > 1 ? 2 * (size - 1) : 1;
    x %= period;
    return x < size ? x : period - x;
}

struct tiler {
    struct rt_model *model;
    const struct rt_image *image;
    struct axis across, down;
    uint8_t *rgb;   /* [tile][tile][3] */
    float *batch;   /* [BATCH][3][tile][tile] */
    float *result;  /* [BATCH][classes][tile][tile] */
    float *blended; /* the caller's [classes][height][width] */
};

/* Cuts a tile out of the image, reflected where it reaches beyond. */
static void cut(const struct tiler *t, int index, float *planes)
{
    int tile = t->across.tile;
    int left = tile_start(&t->across, index % t->across.count);
    int top = tile_start(&t->down, index / t->across.count);
    for (int y = 0; y < tile; y++)
        for (int x = 0; x < tile; x++) {
            int row = reflect(top + y, t->image->height),
                column = reflect(left + x, t->image->width);
            memcpy(t->rgb + ((size_t)y * (size_t)tile + (size_t)x) * 3,
                   t->image->pixels + ((size_t)row * (size_t)t->image->width + (size_t)column) * 3,
                   3);
        }
    rt_scaling_apply(&t->model->info.scaling, t->rgb, (size_t)tile * (size_t)tile, planes);
}

/* Adds a tile's probabilities to the whole image's. */
static void blend(const struct tiler *t, int index, const float *planes)
{
    int column = index % t->across.count, row = index / t->across.count, tile = t->across.tile;
    const float *across = t->across.share + column * tile, *down = t->down.share + row * tile;
    int left = tile_start(&t->across, column), top = tile_start(&t->down, row);
    for (int c = 0; c < t->model->info.palette.count; c++)
        for (int y = 0; y < tile_length(&t->down); y++) {
            const float *from = planes + ((size_t)c * (size_t)tile + (size_t)y) * (size_t)tile;
            float *to = t->blended + ((size_t)c * (size_t)t->image->height + (size_t)(top + y)) *
                                         (size_t)t->image->width;
            for (int x = 0; x < tile_length(&t->across); x++)
                to[left + x] += down[y] * across[x] * from[x];
        }
}

static rt_status run_batch(const struct tiler *t, int first, int count)
{
    rt_status status = RT_OK;
    size_t plane = (size_t)t->across.tile * (size_t)t->across.tile;
    struct rt_tensor input = *rt_model_input(t->model), logits;
    size_t classes = (size_t)t->model->info.palette.count;
    input.shape.n = count;
    for (int i = 0; i < count; i++)
        cut(t, first + i, t->batch + (size_t)i * 3 * plane);
    RT_TRY(rt_tensor_write(&input, t->batch));
    RT_TRY(rt_model_forward(t->model, count, false, 0, 0, &logits));
    RT_TRY(rt_softmax(t->model->device, &logits, &logits));
    RT_TRY(rt_tensor_read(&logits, t->result));
    for (int i = 0; i < count; i++)
        blend(t, first + i, t->result + (size_t)i * classes * plane);
end:
    return status;
}

static rt_status check(const struct rt_model *model, const struct rt_image *image, int overlap)
{
    int patch = model->info.patch;
    if (image->channels != model->info.channels || image->width < 1 || image->height < 1)
        return rt_fail(RT_ERROR_ARGUMENT,
                       "cannot segment an image of %d x %d pixels with %d channels: the model "
                       "takes %d channels",
                       image->width, image->height, image->channels, model->info.channels);
    if (overlap < 0 || 2 * overlap >= patch)
        return rt_fail(RT_ERROR_ARGUMENT,
                       "an overlap of %d pixels does not fit tiles of %d: it must be at least 0 "
                       "and less than half a tile",
                       overlap, patch);
    return RT_OK;
}

rt_status rt_model_predict(struct rt_model *model, const struct rt_image *image, int overlap,
                           float *probabilities)
{
    rt_status status = RT_OK;
    int tile = model->info.patch;
    size_t plane = (size_t)tile * (size_t)tile, classes = (size_t)model->info.palette.count;
    struct tiler t = {.model = model, .image = image, .blended = probabilities};
    if (overlap == RT_OVERLAP_AUTO)
        overlap = tile / 8;
    RT_TRY(check(model, image, overlap));
    RT_TRY(axis_init(&t.across, image->width, tile, overlap));
    RT_TRY(axis_init(&t.down, image->height, tile, overlap));
    int tiles = t.across.count * t.down.count, batch = tiles < BATCH ? tiles : BATCH;
    RT_TRY(rt_alloc(&t.rgb, plane, 3));
    RT_TRY(rt_alloc(&t.batch, (size_t)batch * 3 * plane, sizeof *t.batch));
    RT_TRY(rt_alloc(&t.result, (size_t)batch * classes * plane, sizeof *t.result));
    RT_TRY(rt_model_plan(model, batch, tile, tile, RT_PLAN_FORWARD));
    memset(probabilities, 0,
           classes * (size_t)image->width * (size_t)image->height * sizeof *probabilities);
    for (int first = 0; first < tiles; first += batch)
        RT_TRY(run_batch(&t, first, tiles - first < batch ? tiles - first : batch));
end:
    free(t.across.share);
    free(t.down.share);
    free(t.rgb);
    free(t.batch);
    free(t.result);
    return status;
}

void rt_probabilities_label(const float *probabilities, int classes, size_t pixels, uint8_t *labels)
{
    for (size_t i = 0; i < pixels; i++) {
        size_t best = 0;
        for (size_t c = 1; c < (size_t)classes; c++)
            if (probabilities[c * pixels + i] > probabilities[best * pixels + i])
                best = c;
        labels[i] = (uint8_t)best;
    }
}

rt_status rt_model_segment(struct rt_model *model, const struct rt_image *image, int overlap,
                           struct rt_image *labels)
{
    rt_status status = RT_OK;
    int classes = model->info.palette.count;
    float *probabilities = NULL;
    RT_TRY(rt_image_init(labels, image->width, image->height, 1));
    size_t pixels = (size_t)image->width * (size_t)image->height;
    RT_TRY(rt_alloc(&probabilities, pixels * (size_t)classes, sizeof *probabilities));
    RT_TRY(rt_model_predict(model, image, overlap, probabilities));
    rt_probabilities_label(probabilities, classes, pixels, labels->pixels);
end:
    free(probabilities);
    if (status < 0)
        rt_image_finish(labels);
    return status;
}
