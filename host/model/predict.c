/* Class probabilities of images of any size: a grid of overlapping tiles, each weighted by a
 * window that falls towards its border, the windows scaled so that they add up to 1. Tiles are
 * taken row after row, and only the rows that a row of tiles covers are held. */
#include <limits.h>
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
    const struct rt_predict_stream *stream;
    struct axis across, down;
    uint8_t *window; /* [tile][tile][3] what of a tile lies within the image, without gaps */
    uint8_t *rgb;    /* [tile][tile][3] the tile, reflected where it reaches beyond */
    int capacity;    /* tiles a batch */
    int count;       /* of them gathered so far */
    int *indices;    /* [capacity] their places in the grid */
    float *batch;    /* [capacity][3][tile][tile] */
    float *result;   /* [capacity][classes][tile][tile] */
    uint8_t *valid;  /* [capacity][tile][tile] of each window, without gaps */
    float *rows;    /* [tile][classes][width] rows that tiles are still added to, from `first` on */
    uint8_t *marks; /* [tile][width] which of their pixels are valid in some tile */
    int first;
};

static size_t row_floats(const struct tiler *t)
{
    return (size_t)t->model->info.palette.count * (size_t)t->across.size;
}

static void reflect_window(const struct tiler *t)
{
    int tile = t->across.tile, width = tile_length(&t->across), height = tile_length(&t->down);
    for (int y = 0; y < tile; y++)
        for (int x = 0; x < tile; x++) {
            int row = reflect(y, height), column = reflect(x, width);
            memcpy(t->rgb + ((size_t)y * (size_t)tile + (size_t)x) * 3,
                   t->window + ((size_t)row * (size_t)width + (size_t)column) * 3, 3);
        }
}

/* Adds a tile to the batch, unless nothing in it is to be segmented. */
static rt_status gather(struct tiler *t, int index)
{
    int tile = t->across.tile, width = tile_length(&t->across), height = tile_length(&t->down);
    size_t pixels = (size_t)tile * (size_t)tile, inside = (size_t)width * (size_t)height;
    uint8_t *valid = t->valid + (size_t)t->count * pixels;
    bool whole = inside == pixels;
    memset(valid, 1, inside);
    rt_status status = t->stream->read(
        t->stream->user, tile_start(&t->across, index % t->across.count),
        tile_start(&t->down, index / t->across.count), width, height, t->window, valid);
    if (status < 0 || !memchr(valid, 1, inside))
        return status;
    if (!whole)
        reflect_window(t);
    rt_scaling_apply(&t->model->info.scaling, whole ? t->window : t->rgb, pixels,
                     t->batch + (size_t)t->count * 3 * pixels);
    t->indices[t->count++] = index;
    return RT_OK;
}

/* Moves `given` of `count` items of `size` bytes out at the front; zeroes come in at the end. */
static void shift(void *items, size_t count, size_t given, size_t size)
{
    uint8_t *bytes = items;
    memmove(bytes, bytes + given * size, (count - given) * size);
    memset(bytes + (count - given) * size, 0, given * size);
}

/* Gives away the rows above `until`, at most those that are held, to which no tile will be added
 * any more. */
static rt_status give_rows(struct tiler *t, int until)
{
    rt_status status = RT_OK;
    const size_t length = row_floats(t), width = (size_t)t->across.size,
                 held = (size_t)t->down.tile;
    const size_t given = (size_t)(until - t->first);
    for (size_t y = 0; y < given; y++)
        RT_TRY(t->stream->write(t->stream->user, t->first + (int)y, t->rows + y * length,
                                t->marks + y * width));
    shift(t->rows, held, given, length * sizeof *t->rows);
    shift(t->marks, held, given, width);
    t->first = until;
end:
    return status;
}

/* All rows above `until`: more than are held where tiles in between had nothing to segment. */
static rt_status give_all_rows(struct tiler *t, int until)
{
    rt_status status = RT_OK;
    while (status == RT_OK && t->first < until)
        status = give_rows(t, until - t->first < t->down.tile ? until : t->first + t->down.tile);
    return status;
}

/* Adds the probabilities of the batch's tile i to the rows. */
static void blend(const struct tiler *t, int i)
{
    const int index = t->indices[i], tile = t->across.tile;
    const int column = index % t->across.count, row = index / t->across.count;
    const int width = tile_length(&t->across), height = tile_length(&t->down);
    const size_t classes = (size_t)t->model->info.palette.count, line = (size_t)t->across.size;
    const size_t plane = (size_t)tile * (size_t)tile, left = (size_t)tile_start(&t->across, column);
    const size_t top = (size_t)(tile_start(&t->down, row) - t->first);
    const float *across = t->across.share + (size_t)column * (size_t)tile;
    const float *down = t->down.share + (size_t)row * (size_t)tile;
    for (size_t c = 0; c < classes; c++)
        for (int y = 0; y < height; y++) {
            const float *from =
                t->result + ((size_t)i * classes + c) * plane + (size_t)y * (size_t)tile;
            float *to = t->rows + ((top + (size_t)y) * classes + c) * line + left;
            for (int x = 0; x < width; x++)
                to[x] += down[y] * across[x] * from[x];
        }
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++)
            t->marks[(top + (size_t)y) * line + left + (size_t)x] |=
                t->valid[(size_t)i * plane + (size_t)y * (size_t)width + (size_t)x];
}

/* Segments the gathered tiles; they come in the order of the grid, row after row. */
static rt_status run_batch(struct tiler *t)
{
    rt_status status = RT_OK;
    struct rt_tensor input = *rt_model_input(t->model), logits;
    if (t->count == 0)
        return RT_OK;
    input.shape.n = t->count;
    RT_TRY(rt_tensor_write(&input, t->batch));
    RT_TRY(rt_model_forward(t->model, t->count, false, 0, 0, &logits));
    RT_TRY(rt_softmax(t->model->device, &logits, &logits));
    RT_TRY(rt_tensor_read(&logits, t->result));
    for (int i = 0; i < t->count; i++) {
        RT_TRY(give_all_rows(t, tile_start(&t->down, t->indices[i] / t->across.count)));
        blend(t, i);
    }
    t->count = 0;
end:
    return status;
}

static rt_status check_overlap(const struct rt_model *model, int overlap)
{
    int patch = model->info.patch;
    if (overlap < 0 || 2 * overlap >= patch)
        return rt_fail(RT_ERROR_ARGUMENT,
                       "an overlap of %d pixels does not fit tiles of %d: it must be at least 0 "
                       "and less than half a tile",
                       overlap, patch);
    return RT_OK;
}

static rt_status check_image(const struct rt_model *model, const struct rt_image *image)
{
    if (image->channels != model->info.channels || image->width < 1 || image->height < 1)
        return rt_fail(RT_ERROR_ARGUMENT,
                       "cannot segment an image of %d x %d pixels with %d channels: the model "
                       "takes %d channels",
                       image->width, image->height, image->channels, model->info.channels);
    return RT_OK;
}

static rt_status run_tiles(struct tiler *t)
{
    rt_status status = RT_OK;
    const int tiles = t->across.count * t->down.count;
    for (int index = 0; index < tiles; index++) {
        RT_TRY(gather(t, index));
        if (t->count == t->capacity)
            RT_TRY(run_batch(t));
    }
    RT_TRY(run_batch(t));
    status = give_all_rows(t, t->down.size);
end:
    return status;
}

rt_status rt_model_predict_stream(struct rt_model *model, const struct rt_predict_stream *stream,
                                  int overlap)
{
    rt_status status = RT_OK;
    int tile = model->info.patch;
    size_t plane = (size_t)tile * (size_t)tile, classes = (size_t)model->info.palette.count;
    struct tiler t = {.model = model, .stream = stream};
    if (overlap == RT_OVERLAP_AUTO)
        overlap = tile / 8;
    RT_TRY(check_overlap(model, overlap));
    RT_TRY(axis_init(&t.across, stream->width, tile, overlap));
    RT_TRY(axis_init(&t.down, stream->height, tile, overlap));
    if (t.across.count > INT_MAX / t.down.count)
        RT_TRY(rt_fail(RT_ERROR_ARGUMENT,
                       "cannot segment %d x %d pixels in tiles of %d: there are too many",
                       stream->width, stream->height, tile));
    int tiles = t.across.count * t.down.count;
    t.capacity = tiles < BATCH ? tiles : BATCH;
    RT_TRY(rt_alloc(&t.window, plane, 3));
    RT_TRY(rt_alloc(&t.rgb, plane, 3));
    RT_TRY(rt_alloc(&t.indices, (size_t)t.capacity, sizeof *t.indices));
    RT_TRY(rt_alloc(&t.batch, (size_t)t.capacity * 3 * plane, sizeof *t.batch));
    RT_TRY(rt_alloc(&t.result, (size_t)t.capacity * classes * plane, sizeof *t.result));
    RT_TRY(rt_alloc(&t.valid, (size_t)t.capacity, plane));
    RT_TRY(rt_alloc(&t.marks, (size_t)stream->width, (size_t)tile));
    RT_TRY(rt_alloc(&t.rows, row_floats(&t), (size_t)tile * sizeof *t.rows));
    RT_TRY(rt_model_plan(model, t.capacity, tile, tile, RT_PLAN_FORWARD));
    status = run_tiles(&t);
end:
    free(t.across.share);
    free(t.down.share);
    free(t.window);
    free(t.rgb);
    free(t.indices);
    free(t.batch);
    free(t.result);
    free(t.valid);
    free(t.rows);
    free(t.marks);
    return status;
}

/* --- an image at hand ------------------------------------------------------------------------- */

struct at_hand {
    const struct rt_image *image;
    float *probabilities; /* the caller's [classes][height][width] */
    size_t classes;
};

static rt_status read_at_hand(void *user, int x, int y, int width, int height, uint8_t *rgb,
                              uint8_t *valid)
{
    const struct rt_image *image = ((const struct at_hand *)user)->image;
    (void)valid;
    rt_image_cut(image, x, y, width, height, rgb);
    return RT_OK;
}

static rt_status write_at_hand(void *user, int y, const float *row, const uint8_t *valid)
{
    (void)valid;
    const struct at_hand *hand = user;
    const size_t width = (size_t)hand->image->width, height = (size_t)hand->image->height;
    for (size_t c = 0; c < hand->classes; c++)
        memcpy(hand->probabilities + (c * height + (size_t)y) * width, row + c * width,
               width * sizeof *row);
    return RT_OK;
}

rt_status rt_model_predict(struct rt_model *model, const struct rt_image *image, int overlap,
                           float *probabilities)
{
    struct at_hand hand = {image, probabilities, (size_t)model->info.palette.count};
    const struct rt_predict_stream stream = {image->width, image->height, read_at_hand,
                                             write_at_hand, &hand};
    rt_status status = check_image(model, image);
    return status < 0 ? status : rt_model_predict_stream(model, &stream, overlap);
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
