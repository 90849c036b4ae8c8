/* Images, palettes, data sets, patches and batches. Nothing here needs an OpenCL device. */
#ifndef RETORT_DATA_H
#define RETORT_DATA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "retort/status.h"

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

#define RT_CLASSES_MAX 32    /* classes a palette may have */
#define RT_LABEL_IGNORE 255  /* the label of a pixel that belongs to no class of the palette */
#define RT_LABEL_UNKNOWN 254 /* of a pixel without a mask: only a teacher can teach it */

/* --- images ------------------------------------------------------------------------------- */

/* 8-bit samples, row after row from the top, `channels` interleaved samples a pixel. */
struct rt_image {
    int width, height, channels;
    uint8_t *pixels; /* height * width * channels bytes, owned by the image */
};

/* Reads a JPEG or PNG file (told by its first bytes, not its name) as 3-channel RGB. Grey is
 * repeated, alpha dropped, 16-bit samples shortened. Release with rt_image_finish.
 * Errors: IO, FORMAT (neither kind, truncated, damaged, larger than 2^28 pixels), MEMORY. */
rt_status rt_image_read(struct rt_image *image, const char *path);

/* Writes an image of 1 (grey) or 3 channels (RGB) as PNG, under a temporary name first.
 * Errors: IO, ARGUMENT (other channels), MEMORY. */
rt_status rt_image_write_png(const struct rt_image *image, const char *path);

/* Takes an image whose struct is not initialised to width x height x channels zeroed bytes. */
rt_status rt_image_init(struct rt_image *image, int width, int height, int channels);
void rt_image_finish(struct rt_image *image);

/* Copies the window of width x height pixels at (x, y), which must lie within the image, to
 * to[height][width][channels]. */
void rt_image_cut(const struct rt_image *image, int x, int y, int width, int height, uint8_t *to);

/* How the samples of a raster become the 8-bit RGB that networks look at (retort/raster.h). Zeroed:
 * bands 1, 2 and 3, and the range of 16-bit and other deep samples is measured. JPEG and PNG files
 * have no part in it. */
struct rt_raster_view {
    int bands[3];           /* for red, green and blue, from 1; 0: the first three */
    bool ranged;            /* low and high are set */
    double low[3], high[3]; /* what deep samples become 0 and 255; 8-bit ones are as they are */
};

/* --- palettes ----------------------------------------------------------------------------- */

struct rt_class {
    char name[64];
    uint8_t rgb[3];
};

/* The classes of a segmentation: label i is classes[i]. */
struct rt_palette {
    char name[64]; /* "dubai", "synth", a file's name, or "masks" when taken from the masks */
    int count;
    struct rt_class classes[RT_CLASSES_MAX];
    int unlabeled; /* the class that means "nothing known", -1 if there is none */
};

/* Reads {"name": ..., "classes": [{"name": ..., "color": "#RRGGBB"}, ...], "unlabeled": NAME}.
 * Also accepts "title" for a class's "name", as annotation tools write. Without "name" the palette
 * is called like the file; without "unlabeled" the class "Unlabeled" is taken, if there is one.
 * Errors: IO, FORMAT (not JSON, no or too many classes, a name or colour used twice), MEMORY. */
rt_status rt_palette_read(struct rt_palette *palette, const char *path);

/* A built-in palette by name ("dubai", "synth"), NULL if there is none. A static object. */
const struct rt_palette *rt_palette_builtin(const char *name);

/* Paints `count` labels as 3 * count bytes of RGB; labels outside the palette become black. */
void rt_palette_colorize(const struct rt_palette *palette, const uint8_t *labels, size_t count,
                         uint8_t *rgb);

/* --- data sets ---------------------------------------------------------------------------- */

struct rt_dataset; /* immutable once opened and appended to; may be used from several threads */

struct rt_dataset_options {
    const char *source;         /* a folder, or "synth[:COUNT[,SEED]]" */
    const char *palette;        /* a palette file or a built-in palette's name; NULL to find one */
    bool images_only;           /* take every image; masks are not looked for */
    struct rt_raster_view view; /* what is given of it; zeroed: what is needed is measured */
};

/* What was found of one image and its mask; texts are owned by the data set. */
struct rt_dataset_item {
    const char *image_path; /* a made-up name such as "synth-003" for the synthetic set */
    const char *mask_path;  /* NULL without a mask */
    int width, height;
    const char
        *mask_kind; /* "rgb 8-bit", "palette 4-bit", "grey 8-bit", ..., "synthetic", "none" */
    bool raster;    /* read through GDAL */
    bool deep;      /* a raster of more than 8 bits a sample */
    bool windowed;  /* so large a raster that it is only decoded in parts */
};

/* Finds the pairs: below the folder, every image FOLDER/images/STEM.EXT with its mask
 * FOLDER/masks/STEM.png (with GDAL, also .tif and other rasters for both), in the order of their
 * paths (bytes compared); with images_only every image that does not lie in a folder called
 * "masks". Pairs that do not fit (unpaired, unreadable header, sizes that differ) are left out and
 * kept as problems. Of the files only the headers are read, and of a sample of the masks the
 * colours: the palette is that of the file, else the first built-in one that has at least 95 % of
 * the sampled pixels, else (all masks are read for it) the colours of the masks, sorted and named
 * "#RRGGBB", or for grey masks "class 0" to the highest value below 255. With images_only and no
 * file it has no classes. Where there are rasters of more than 8 bits a sample and no range is
 * given, the range is measured from the 2nd to the 98th percentile of each band, over windows
 * spread evenly over up to 256 of them together: one range for all. Errors: ARGUMENT (a bad synth
 * source, or one with a palette file; bands without a raster, a range without one of more than 8
 * bits), IO, FORMAT (no pair at all, a bad palette file, too many colours to be classes), MEMORY.
 */
rt_status rt_dataset_open(struct rt_dataset **dataset, const struct rt_dataset_options *options);
void rt_dataset_close(struct rt_dataset *dataset);

/* Adds the images of `more`, which the data set then owns, after its own: index i of `more` becomes
 * rt_dataset_count(dataset) + i. Meant for images without masks: the palette stays that of the
 * data set. On failure both are as before. Errors: ARGUMENT (a second time), MEMORY. */
rt_status rt_dataset_append(struct rt_dataset *dataset, struct rt_dataset *more);

size_t rt_dataset_count(const struct rt_dataset *dataset);
const struct rt_dataset_item *rt_dataset_item(const struct rt_dataset *dataset, size_t index);
const struct rt_palette *rt_dataset_palette(const struct rt_dataset *dataset);

/* How its rasters are seen: the bands that were given, and the range, given or measured; zeroed
 * where neither is. Another view, such as that of a model which is to look at them, is taken by
 * rt_dataset_look, before other threads use the data set. */
const struct rt_raster_view *rt_dataset_view(const struct rt_dataset *dataset);
void rt_dataset_look(struct rt_dataset *dataset, const struct rt_raster_view *view);

/* What was given of a view, and what is known for the rest. */
struct rt_raster_view rt_raster_view_choose(const struct rt_raster_view *given,
                                            const struct rt_raster_view *known);

/* What did not fit, one sentence each; also the warning about a classes.json whose colours are
 * not the masks'. */
size_t rt_dataset_problems(const struct rt_dataset *dataset);
const char *rt_dataset_problem(const struct rt_dataset *dataset, size_t index);

#define RT_SURVEY_KINDS 16 /* more kinds of masks than there are */
#define RT_SURVEY_UNKNOWN 8

/* What decoding every file of a data set shows. */
struct rt_dataset_survey {
    size_t images; /* decoded without a problem; what follows counts these */
    int min_width, max_width, min_height, max_height;
    int kind_count;
    struct {
        const char *kind; /* as in rt_dataset_item */
        size_t images;
    } kinds[RT_SURVEY_KINDS];
    uint64_t pixels; /* that have a mask: the sum of the classes' and the ignored ones */
    uint64_t class_pixels[RT_CLASSES_MAX];
    uint64_t ignored_pixels;
    size_t images_with_ignored;
    size_t unknown_colours; /* different ones outside the palette */
    int unknown_count;      /* those listed, most pixels first */
    struct rt_unknown_colour {
        uint8_t rgb[3]; /* the value, three times, for a grey mask */
        uint64_t pixels;
        size_t images;
    } unknown[RT_SURVEY_UNKNOWN];
    size_t problem_count;
    char **problems; /* files that do not decode, one sentence each */
};

/* Surveys the data set; seconds for a large one. Release with rt_dataset_survey_finish, before the
 * data set is closed. Errors: MEMORY. */
rt_status rt_dataset_survey(const struct rt_dataset *dataset, struct rt_dataset_survey *survey);
void rt_dataset_survey_finish(struct rt_dataset_survey *survey);

/* Decodes one image (RGB) and its labels (1 channel, RT_LABEL_IGNORE outside the palette; left
 * zeroed, with pixels NULL, where there is no mask). labels may be NULL. Release both with
 * rt_image_finish. Errors: IO, FORMAT (truncated, damaged, of another size than its header said),
 * MEMORY. */
rt_status rt_dataset_load(const struct rt_dataset *dataset, size_t index, struct rt_image *image,
                          struct rt_image *labels);

/* The same for a part of the image, width x height pixels at (x, y), which must lie within it. Of a
 * raster, only that part is decoded. Pixels of rasters that are without data, in the image or in
 * the mask, are labelled RT_LABEL_IGNORE. */
rt_status rt_dataset_load_part(const struct rt_dataset *dataset, size_t index, int x, int y,
                               int width, int height, struct rt_image *image,
                               struct rt_image *labels);

/* --- patches ------------------------------------------------------------------------------ */

struct rt_patch {
    uint32_t image;  /* index into the data set */
    int32_t x, y;    /* top left corner, pixels */
    bool unlabelled; /* its mask, if there is one, is not looked at */
};

struct rt_patch_list {
    size_t count;
    struct rt_patch *patches; /* released by free() */
};

enum rt_split {
    RT_SPLIT_PATCH, /* patches are dealt at random: neighbours meet in both parts */
    RT_SPLIT_IMAGE, /* whole images are dealt: the honest one */
};

/* Cuts every image into size x size patches from the top left, dropping the rest at the right and
 * the bottom, and deals about `share` (0 to 1) of them to `held_out`, the others to `train`; with
 * RT_SPLIT_IMAGE in whole images. A share of 0 leaves held_out empty. The same seed gives the
 * same split everywhere. Images smaller than a patch are left out with a warning to the log.
 * Errors: ARGUMENT (size < 1, share outside 0..1, no patch in one of the parts), MEMORY. */
rt_status rt_dataset_patches(const struct rt_dataset *dataset, int size, enum rt_split split,
                             double share, uint64_t seed, struct rt_patch_list *train,
                             struct rt_patch_list *held_out);

/* Leaves about `share` (above 0, to 1) of the patches labelled, at least one, and marks the others
 * as unlabelled; with RT_SPLIT_IMAGE in whole images, whose patches must lie side by side in the
 * list. The same seed marks the same ones everywhere. Errors: ARGUMENT (the share), MEMORY. */
rt_status rt_patches_limit_labels(struct rt_patch_list *list, enum rt_split split, double share,
                                  uint64_t seed);

/* --- scaling ------------------------------------------------------------------------------ */

enum rt_scaling_mode {
    RT_SCALING_DATA,  /* (v - mean[c]) / deviation[c], over the training patches */
    RT_SCALING_PATCH, /* (v - min) / (max - min) of each patch and channel, as the public recipe */
};

struct rt_scaling {
    enum rt_scaling_mode mode;
    float mean[3], deviation[3]; /* in 0..255; used with RT_SCALING_DATA */
};

/* The mean and deviation of each channel over the patches, exact integer sums before the last
 * step. Errors: those of rt_dataset_load. */
rt_status rt_scaling_measure(const struct rt_dataset *dataset, const struct rt_patch_list *patches,
                             int size, struct rt_scaling *scaling);

/* Scales `count` pixels of interleaved RGB into three planes: out[c * count + i]. */
void rt_scaling_apply(const struct rt_scaling *scaling, const uint8_t *rgb, size_t count,
                      float *out);

/* --- batches ------------------------------------------------------------------------------ */

struct rt_loader; /* a thread that keeps two batches ready */

struct rt_loader_options {
    const struct rt_dataset *dataset;    /* must outlive the loader */
    const struct rt_patch_list *patches; /* must outlive the loader */
    int size;                            /* patch width and height, pixels */
    int batch;                           /* patches a batch */
    struct rt_scaling scaling;
    uint64_t seed;
    bool shuffle;       /* a new order each epoch, from the seed */
    bool augment;       /* flips, quarter turns, brightness within 10 %, from the seed */
    size_t cache_bytes; /* decoded images kept in memory; 0 means 1 GiB */
};

/* A batch lives until the next call of rt_loader_next or rt_loader_start. */
struct rt_batch {
    int count;                      /* patches in it: the last batch of an epoch may hold fewer */
    const float *images;            /* [count, 3, size, size] */
    const uint8_t *labels;          /* [count, size, size]; RT_LABEL_UNKNOWN where unlabelled */
    const struct rt_patch *patches; /* [count] */
};

/* Starts the thread, which waits for rt_loader_start. Errors: ARGUMENT (no patch, or one that lies
 * outside of its image), MEMORY. Destroying drops what the thread is at. */
rt_status rt_loader_create(struct rt_loader **loader, const struct rt_loader_options *options);
void rt_loader_destroy(struct rt_loader *loader);

/* Starts epoch `epoch`: what comes next depends on the seed and the epoch alone, so that a
 * resumed run sees what an uninterrupted one would. Batches under way are dropped. */
rt_status rt_loader_start(struct rt_loader *loader, uint64_t epoch);

/* The next batch; count is 0 at the end of the epoch. Errors: ARGUMENT before the first start, and
 * those of rt_dataset_load, for the image that the message names. Both the end and an error come
 * again until an epoch is started. */
rt_status rt_loader_next(struct rt_loader *loader, struct rt_batch *batch);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif
#endif
