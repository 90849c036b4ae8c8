#include "learn/recipe.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/log.h"
#include "base/memory.h"
#include "base/word.h"
#include "data/palette.h"

static rt_status open_dataset(struct rt_dataset **dataset, const struct rt_dataset_options *options)
{
    rt_status status = rt_dataset_open(dataset, options);
    for (size_t i = 0; status == RT_OK && i < rt_dataset_problems(*dataset); i++)
        rt_warn("%s", rt_dataset_problem(*dataset, i));
    return status;
}

/* Adds the patches to a list, their images counted from first_image. */
static rt_status append(struct rt_patch_list *list, const struct rt_patch_list *more,
                        size_t first_image, bool unlabelled)
{
    size_t capacity = list->count;
    rt_status status =
        rt_grow(&list->patches, &capacity, list->count + more->count, sizeof *list->patches);
    for (size_t i = 0; status == RT_OK && i < more->count; i++) {
        struct rt_patch patch = more->patches[i];
        patch.image += (uint32_t)first_image;
        patch.unlabelled = unlabelled;
        list->patches[list->count++] = patch;
    }
    return status;
}

static rt_status add_transfer(struct rt_material *material, const char *source, int patch)
{
    rt_status status = RT_OK;
    struct rt_dataset *unlabelled = NULL;
    struct rt_patch_list patches = {0}, none = {0};
    size_t labelled = rt_dataset_count(material->dataset);
    const struct rt_dataset_options options = {.source = source, .images_only = true};
    RT_TRY(open_dataset(&unlabelled, &options));
    RT_TRY(rt_dataset_patches(unlabelled, patch, RT_SPLIT_PATCH, 0, 0, &patches, &none));
    RT_TRY(append(&material->train, &patches, labelled, true));
    RT_TRY(rt_dataset_append(material->dataset, unlabelled));
    unlabelled = NULL; /* it is the data set's now */
end:
    rt_dataset_close(unlabelled);
    free(patches.patches);
    free(none.patches);
    return status;
}

/* Fills the places of the unlabelled patches with labelled ones, one after the other. */
static void repeat_labelled(struct rt_patch_list *list)
{
    size_t labelled = 0;
    for (size_t p = 0; p < list->count; p++)
        if (!list->patches[p].unlabelled)
            list->patches[labelled++] = list->patches[p];
    for (size_t p = labelled; p < list->count; p++)
        list->patches[p] = list->patches[p - labelled];
}

rt_status rt_material_open(struct rt_material *material, const struct rt_data_recipe *recipe,
                           int patch)
{
    rt_status status = RT_OK;
    *material = (struct rt_material){0};
    const struct rt_dataset_options options = {
        .source = recipe->source, .palette = recipe->palette, .view = recipe->view};
    RT_TRY(open_dataset(&material->dataset, &options));
    RT_TRY(rt_dataset_patches(material->dataset, patch, recipe->split, recipe->validation,
                              recipe->seed, &material->train, &material->judged));
    if (material->judged.count == 0)
        RT_TRY(append(&material->judged, &material->train, 0, false));
end:
    if (status < 0)
        rt_material_close(material);
    return status;
}

void rt_material_look(struct rt_material *material, const struct rt_data_recipe *recipe,
                      const struct rt_model_info *info)
{
    struct rt_raster_view view = rt_raster_view_choose(&recipe->view, &info->view);
    view = rt_raster_view_choose(&view, rt_dataset_view(material->dataset));
    rt_dataset_look(material->dataset, &view);
}

rt_status rt_material_limit_labels(struct rt_material *material,
                                   const struct rt_train_options *options)
{
    rt_status status = RT_OK;
    const struct rt_data_recipe *recipe = &options->data;
    if (options->masks < 1)
        RT_TRY(
            rt_patches_limit_labels(&material->train, recipe->split, options->masks, recipe->seed));
    if (options->transfer)
        RT_TRY(add_transfer(material, options->transfer, recipe->patch));
    if (options->teacher_count == 0)
        repeat_labelled(&material->train);
end:
    return status;
}

void rt_material_close(struct rt_material *material)
{
    free(material->train.patches);
    free(material->judged.patches);
    rt_dataset_close(material->dataset);
    *material = (struct rt_material){0};
}

rt_status rt_material_expect_classes(const struct rt_material *material,
                                     const struct rt_palette *palette, const char *who)
{
    const struct rt_palette *data = rt_dataset_palette(material->dataset);
    if (palette->count != data->count)
        return rt_fail(RT_ERROR_ARGUMENT,
                       "%s tells %d classes apart (palette %s), the data has %d (palette %s): give "
                       "the palette it was trained with",
                       who, palette->count, palette->name, data->count, data->name);
    for (int c = 0; c < data->count; c++) {
        const struct rt_class *its = &palette->classes[c], *ours = &data->classes[c];
        if (memcmp(its->rgb, ours->rgb, sizeof its->rgb) != 0)
            return rt_fail(RT_ERROR_ARGUMENT,
                           "class %d of %s is %s #%02X%02X%02X, of the data %s #%02X%02X%02X: give "
                           "the palette it was trained with",
                           c, who, its->name, its->rgb[0], its->rgb[1], its->rgb[2], ours->name,
                           ours->rgb[0], ours->rgb[1], ours->rgb[2]);
    }
    return RT_OK;
}

/* A class that the data has, too, but as another one. */
static rt_status check_names(const struct rt_palette *its, const struct rt_palette *ours,
                             const char *who)
{
    for (int i = 0; i < its->count; i++)
        for (int k = 0; k < ours->count; k++)
            if (i != k && strcasecmp(its->classes[i].name, ours->classes[k].name) == 0)
                return rt_fail(RT_ERROR_ARGUMENT,
                               "class %d of %s is %s, of the data class %d: give a palette with "
                               "the classes in the order of its outputs",
                               i, who, its->classes[i].name, k);
    return RT_OK;
}

/* A class that the data lacks by this name, but nearly has as another one. */
static void doubt_names(const struct rt_palette *its, const struct rt_palette *ours,
                        const char *who)
{
    char meant[RT_WORD_MEANT];
    for (int i = 0; i < its->count; i++) {
        const char *name = its->classes[i].name, *own = ours->classes[i].name,
                   *closest = rt_palette_closest(ours, name);
        if (closest && strcasecmp(closest, name) != 0 && strcmp(closest, own) != 0)
            rt_warn(
                "class %d of %s is %s, of the data %s%s Then give a palette with the classes in "
                "the order of its outputs",
                i, who, name, own, rt_word_meant(meant, "", closest));
    }
}

rt_status rt_material_name_classes(const struct rt_material *material, struct rt_model *model,
                                   const char *who)
{
    const struct rt_palette *its = &rt_model_describe(model)->palette,
                            *ours = rt_dataset_palette(material->dataset);
    if (strcmp(its->name, RT_PALETTE_UNTOLD) != 0 || its->count != ours->count)
        return rt_material_expect_classes(material, its, who);
    rt_status status = check_names(its, ours, who);
    if (status < 0)
        return status;
    doubt_names(its, ours, who);
    rt_model_name_classes(model, ours);
    return RT_OK;
}
