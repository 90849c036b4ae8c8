/* The data of a run: opened, cut and dealt as its recipe says. */
#ifndef RT_LEARN_RECIPE_H
#define RT_LEARN_RECIPE_H

#include "base/error.h"
#include "model/model.h"
#include "retort/learn.h"

struct rt_material {
    struct rt_dataset *dataset;
    struct rt_patch_list train;
    struct rt_patch_list judged; /* held out; all labelled ones where the recipe holds none out */
};

/* Problems of the data set go to the log. Errors: those of rt_dataset_open and rt_dataset_patches.
 */
rt_status rt_material_open(struct rt_material *material, const struct rt_data_recipe *recipe,
                           int patch);

/* Rasters are seen as the recipe says, else as the model does that is to look at them, else as was
 * measured. */
void rt_material_look(struct rt_material *material, const struct rt_data_recipe *recipe,
                      const struct rt_model_info *info);

/* Leaves the share options->masks of the patches to train on labelled and adds the unlabelled
 * images of options->transfer. Without a teacher, who alone could explain the unlabelled patches,
 * labelled ones come again in their place, so that an epoch is as long as with one. Errors: those
 * of rt_patches_limit_labels, rt_dataset_open and rt_dataset_patches. */
rt_status rt_material_limit_labels(struct rt_material *material,
                                   const struct rt_train_options *options);
void rt_material_close(struct rt_material *material);

/* The data's classes must be those that the model was trained on, by number and colour; `who` names
 * the model in the message. Errors: ARGUMENT. */
rt_status rt_material_expect_classes(const struct rt_material *material,
                                     const struct rt_palette *palette, const char *who);

/* The same of a model, to which the data's are given where its file did not tell them: then the
 * number counts, and a name that it did tell must be that of the same class; one that is nearly
 * another's is warned of. Errors: ARGUMENT. */
rt_status rt_material_name_classes(const struct rt_material *material, struct rt_model *model,
                                   const char *who);

#endif
