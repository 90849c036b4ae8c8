/* Training, distillation and evaluation. */
#ifndef RETORT_LEARN_H
#define RETORT_LEARN_H

#include "retort/exchange.h"
#include "retort/loss.h"
#include "retort/model.h"

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

/* --- training and distillation -------------------------------------------------------------- */

/* What a run reports while it goes on. */
struct rt_progress {
    int epoch, epochs; /* epoch counts from 1 */
    int step, steps;   /* within the epoch, from 1 */
    double loss;       /* mean over the epoch so far */
    double images_per_second;
    double seconds_left; /* of the whole run, estimated */
    bool epoch_done;     /* the epoch has been judged and saved: the next three are set */
    double val_loss, val_accuracy, val_mean_iou;
};

/* How data is cut, split and scaled. */
struct rt_data_recipe {
    const char *source;  /* a folder, or "synth[:COUNT[,SEED]]" */
    const char *palette; /* a palette file or NULL */
    int patch;           /* pixels; 256 */
    enum rt_split split;
    double validation; /* the held-out share; 0.2. With 0 all patches are trained on, and judged */
    uint64_t seed;     /* of the split */
    enum rt_scaling_mode scaling;
    struct rt_raster_view view; /* what is given of it; the rest is a teacher's, or measured */
};

/* Reads from a run's config.json how its data was cut, split and scaled, so that its weights can be
 * judged on the same held-out part. Release with rt_data_recipe_finish, for this alone owns its
 * texts. Errors: IO, FORMAT, MEMORY. */
rt_status rt_data_recipe_read(struct rt_data_recipe *recipe, const char *path);
void rt_data_recipe_finish(struct rt_data_recipe *recipe);

enum rt_schedule { RT_SCHEDULE_COSINE, RT_SCHEDULE_CONSTANT };

struct rt_train_options {
    struct rt_data_recipe data;
    const char *network; /* "unet:16" */
    int epochs, batch;
    float rate; /* learning rate at the start */
    enum rt_schedule schedule;
    int patience; /* epochs without a better validation mean IoU before stopping; 0: never stop */
    bool augment;
    struct rt_optimizer optimizer;
    enum rt_hard_loss loss;
    uint64_t seed; /* of weights, order, augmentation, dropout */

    /* Distillation, where teacher_count is above 0. */
    const char *const *teachers; /* weight files, or models of other programs: see rt_model_open */
    int teacher_count;
    /* How the images of teachers of other programs are scaled, and the order in which they take
     * channels; NULL: as their files tell, which is an ARGUMENT error where one does not. */
    const struct rt_scaling *teacher_scaling;
    enum rt_channel_order teacher_channels;
    enum rt_soft_loss soft;
    float alpha, temperature;

    /* What is learnt from the teachers alone. Without teachers, labelled patches come again in the
     * place of the unlabelled ones: the twin to compare with learns from the same masks in as many
     * steps. */
    double masks;         /* the share of the training patches whose masks are used; 1 */
    const char *transfer; /* a folder of unlabelled images to learn from as well, or NULL */

    /* The most device memory to hold while it trains, in bytes; 0: what the device has. Where a
     * step does not fit, its patches go through the network in parts and their gradients are added
     * up: the same result but for rounding. Where that does not do, or the loss is dice, the
     * backward pass computes again what was dropped of the forward pass: the same bits, in more
     * time. With batch normalisation, whose statistics are of a part, that is tried before parts.
     */
    size_t memory_limit;

    /* Every so many steps, from the first on, a tile of one operation that the device computed is
     * computed again on the host; 0: never. It changes no result. */
    int self_check;

    const char *out;    /* the run folder */
    bool resume, force; /* continue the run there; or replace it */

    /* Called before a new run takes its memory, when all else has been checked, with the network
     * that is to be trained, its teachers after it, and the patches a step: the last moment at
     * which the way that the device computes may change. A failure is rt_train's. NULL for none. */
    rt_status (*prepare)(void *user, struct rt_model *const *models, int count, int batch);

    /* Called on the caller's thread after every step, and once more after every epoch; NULL for
     * none. */
    void (*progress)(void *user, const struct rt_progress *progress);
    /* Asked after every step; true saves and ends with RT_ERROR_INTERRUPTED. NULL: never. */
    bool (*stop)(void *user);
    void *user;
};

/* The reference recipe: unet:16, 100 epochs, batch 16, Adam 1e-3, cosine, cross-entropy, patches of
 * 256, split by image, alpha 0.1, temperature 4, KL. */
void rt_train_defaults(struct rt_train_options *options);

struct rt_train_result {
    int epochs;           /* trained, those before a resume counted */
    double best_mean_iou; /* on the held-out patches, of best.safetensors */
    int best_epoch;
    double seconds;
    size_t peak_device_bytes;
};

/* Trains a network, or distils one where there are teachers, into the run folder. Teachers and
 * student must share classes and patch size (those of a teacher whose file does not tell them are
 * the data's); the student takes over the teachers' scaling, be it that of another program: it sees
 * the images as they do, and needs nothing of them later.
 *   config.json        the options
 *   log.csv            epoch, train_loss, val_loss, val_accuracy, val_mean_iou, seconds,
 *                      images_per_second, peak_device_bytes
 *   log.jsonl          the same, a JSON object an epoch, and wall_time: seconds since 1970
 *   best.safetensors   the weights with the best validation mean IoU
 *   last.safetensors   the weights after the last epoch, or the step that was interrupted
 *   state.safetensors  weights, moments and the place in the run, for `resume`
 * The same options and device give the same bits; a resumed run, wherever it was interrupted or
 * killed, ends with the bits of an uninterrupted one. It must be given the options it began with
 * (with a constant learning rate, more epochs). force removes these six files of a run, no others.
 * All device memory is taken before the first step, and told in the log; what does not fit fails
 * before a file is written.
 * Errors: ARGUMENT (what does not make sense; a memory limit that is too low; a folder that holds a
 * run without resume or force, or such files that are not retort's; a teacher of other classes,
 * patch size or scaling), IO, FORMAT, DEVICE (also where the self-check found that the device
 * computes nonsense), MEMORY, DIVERGED (the loss is no number, at which
 * step; what was saved before stands), INTERRUPTED (saved; resume goes on). result may be NULL; it
 * is set on success. */
rt_status rt_train(struct rt_device *device, const struct rt_train_options *options,
                   struct rt_train_result *result);

/* --- evaluation ------------------------------------------------------------------------------ */

#define RT_CURVE_POINTS 257

struct rt_class_metrics {
    double iou, precision, recall, f1; /* NAN where undefined: no pixel in truth and prediction */
    uint64_t support;                  /* pixels of this class in the truth */
    double average_precision;
    double curve_precision[RT_CURVE_POINTS], curve_recall[RT_CURVE_POINTS]; /* by threshold k/256 */
};

struct rt_metrics {
    int classes;
    double accuracy, mean_iou; /* the mean over classes that occur */
    double mean_iou_labelled;  /* the same without the palette's unlabeled class */
    struct rt_class_metrics of[RT_CLASSES_MAX];
    uint64_t confusion[RT_CLASSES_MAX * RT_CLASSES_MAX]; /* [truth * classes + prediction] */
    uint64_t ignored;                                    /* pixels of no class */
    size_t patches, parameters, bytes;                   /* bytes: of the weights */
    double milliseconds_per_image; /* of a patch, in batches, inference alone */
    size_t peak_device_bytes;
};

/* Evaluates a model on the held-out part of the data (on all of it where recipe->validation is 0),
 * cut into patches of the model's size. The palette of the data must have the model's classes by
 * colour. Errors: ARGUMENT (other classes), those of rt_dataset_load, DEVICE, MEMORY. */
rt_status rt_evaluate(struct rt_model *model, const struct rt_data_recipe *recipe, int batch,
                      struct rt_metrics *metrics);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif
#endif
