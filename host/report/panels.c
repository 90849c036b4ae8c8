/* Image, truth and prediction side by side. */
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "report/plot.h"
#include "retort/report.h"

#define GAP 8           /* white pixels between tiles */
#define TILE_PIXELS 320 /* small patches are enlarged to about this */

/* Three tiles of size x size pixels, every pixel enlarged to zoom x zoom. */
struct panel {
    int size, zoom;
    struct rt_image tiles;
    uint64_t known, right; /* pixels with a class, and those predicted right */
};

static int tile_x(const struct panel *panel, int tile)
{
    return tile * (panel->size * panel->zoom + GAP);
}

/* Copies RGB pixels [size, size] to a tile. */
static void place_tile(struct panel *panel, int tile, const uint8_t *rgb)
{
    int side = panel->size * panel->zoom;
    for (int y = 0; y < side; y++) {
        uint8_t *row =
            panel->tiles.pixels + 3 * ((size_t)y * panel->tiles.width + tile_x(panel, tile));
        const uint8_t *from = rgb + 3 * (size_t)(y / panel->zoom) * panel->size;
        for (int x = 0; x < side; x++)
            memcpy(row + 3 * x, from + 3 * (x / panel->zoom), 3);
    }
}

/* The two palettes hold the same classes, maybe in another order, so colours are compared. */
static void count_right(struct panel *panel, const uint8_t *labels, int classes,
                        const uint8_t *truth, const uint8_t *prediction)
{
    size_t pixels = (size_t)panel->size * panel->size;
    panel->known = panel->right = 0;
    for (size_t i = 0; i < pixels; i++) {
        panel->known += labels[i] < classes;
        panel->right += labels[i] < classes && memcmp(truth + 3 * i, prediction + 3 * i, 3) == 0;
    }
}

static rt_status fill_panel(struct panel *panel, struct rt_model *model,
                            const struct rt_dataset *dataset, const struct rt_patch *patch)
{
    rt_status status = RT_OK;
    const struct rt_palette *palette = &rt_model_describe(model)->palette;
    const struct rt_palette *data_palette = rt_dataset_palette(dataset);
    struct rt_image part = {0}, part_labels = {0};
    size_t pixels = (size_t)panel->size * panel->size;
    float *probabilities = NULL;
    uint8_t *predicted = NULL, *truth = NULL, *prediction = NULL;
    RT_TRY(rt_alloc(&probabilities, pixels * (size_t)palette->count, sizeof *probabilities));
    RT_TRY(rt_alloc(&predicted, pixels, 1));
    RT_TRY(rt_alloc(&truth, pixels, 3));
    RT_TRY(rt_alloc(&prediction, pixels, 3));
    RT_TRY(rt_dataset_load_part(dataset, patch->image, patch->x, patch->y, panel->size, panel->size,
                                &part, &part_labels));
    RT_TRY(rt_model_predict(model, &part, 0, probabilities));
    rt_probabilities_label(probabilities, palette->count, pixels, predicted);
    rt_palette_colorize(data_palette, part_labels.pixels, pixels, truth);
    rt_palette_colorize(palette, predicted, pixels, prediction);
    count_right(panel, part_labels.pixels, data_palette->count, truth, prediction);
    place_tile(panel, 0, part.pixels);
    place_tile(panel, 1, truth);
    place_tile(panel, 2, prediction);
end:
    free(probabilities);
    free(predicted);
    free(truth);
    free(prediction);
    rt_image_finish(&part);
    rt_image_finish(&part_labels);
    return status;
}

/* --- the script ------------------------------------------------------------------------------ */

/* Lengths in pixels: the tiles stand at (left, bottom) in a canvas of width x height. */
struct layout {
    int left, bottom, width, height, tiles_width, tiles_height;
};

static struct layout lay_out(const struct panel *panel, const struct rt_palette *palette)
{
    size_t longest = strlen("no class");
    for (int c = 0; c < palette->count; c++)
        if (strlen(palette->classes[c].name) > longest)
            longest = strlen(palette->classes[c].name);
    struct layout layout = {.left = 10,
                            .bottom = 10,
                            .tiles_width = panel->tiles.width,
                            .tiles_height = panel->tiles.height};
    layout.width = layout.left + layout.tiles_width + 50 + 8 * (int)longest;
    layout.height = layout.bottom + layout.tiles_height + 52;
    return layout;
}

/* What all panels share. The canvas is laid out so that one pixel of the tiles is one of it. */
static void begin_script(FILE *script, const struct layout *layout)
{
    fprintf(script,
            "set terminal pngcairo noenhanced font 'DejaVu Sans,11' background '#ffffff' "
            "size %d,%d\nunset border\nunset tics\n",
            layout->width, layout->height);
    fprintf(script, "set xrange [-0.5:%d.5]\nset yrange [-0.5:%d.5]\n", layout->tiles_width - 1,
            layout->tiles_height - 1);
    fprintf(script, "set lmargin at screen %.6f\nset rmargin at screen %.6f\n",
            (double)layout->left / layout->width,
            (double)(layout->left + layout->tiles_width) / layout->width);
    fprintf(script, "set bmargin at screen %.6f\nset tmargin at screen %.6f\n",
            (double)layout->bottom / layout->height,
            (double)(layout->bottom + layout->tiles_height) / layout->height);
    fprintf(script, "set key at screen %.6f,%.6f left top Left reverse samplen 1 spacing 1.3\n",
            (double)(layout->left + layout->tiles_width + 8) / layout->width,
            (double)(layout->bottom + layout->tiles_height) / layout->height);
}

static rt_status plot_panel(struct rt_plot *plot, const struct panel *panel,
                            const struct layout *layout, const struct rt_palette *palette,
                            const char *name, const char *title)
{
    static const char *const tiles[] = {"image", "truth", "prediction"};
    FILE *script = plot->script;
    int top = layout->bottom + layout->tiles_height;
    rt_status status = rt_plot_output(plot, name);
    if (status < 0)
        return status;
    fputs("set label 1 ", script);
    rt_plot_text(script, title);
    fprintf(script, " at screen %.6f,%.6f\n", (double)layout->left / layout->width,
            (double)(top + 38) / layout->height);
    for (int i = 0; i < 3; i++)
        fprintf(script, "set label %d '%s' at screen %.6f,%.6f center textcolor rgb '#606060'\n",
                i + 2, tiles[i],
                (layout->left + tile_x(panel, i) + panel->size * panel->zoom / 2.0) / layout->width,
                (double)(top + 13) / layout->height);
    fprintf(script, "plot '%s-tiles.png' binary filetype=png with rgbimage notitle", name);
    for (int c = 0; c < palette->count; c++) {
        const struct rt_class *class = &palette->classes[c];
        fprintf(script,
                ", \\\n  NaN with points pointtype 5 pointsize 2 linecolor rgb "
                "'#%02X%02X%02X' title ",
                class->rgb[0], class->rgb[1], class->rgb[2]);
        rt_plot_text(script, class->name);
    }
    fputs(", \\\n  NaN with points pointtype 5 pointsize 2 linecolor rgb '#000000' title 'no "
          "class'\n",
          script);
    return RT_OK;
}

static rt_status add_panel(const char *folder, struct rt_plot *plot, int number,
                           struct panel *panel, struct rt_model *model,
                           const struct rt_dataset *dataset, const struct rt_patch *patch)
{
    rt_status status = RT_OK;
    char name[32], *file = NULL, *path = NULL, *title = NULL;
    const struct rt_palette *palette = &rt_model_describe(model)->palette;
    RT_TRY(fill_panel(panel, model, dataset, patch));
    snprintf(name, sizeof name, "panel-%02d", number);
    RT_TRY(rt_format(&file, "%s-tiles.png", name));
    RT_TRY(rt_path_join(&path, folder, file));
    RT_TRY(rt_image_write_png(&panel->tiles, path));
    RT_TRY(rt_format(&title, "%s at %d, %d: %.1f %% right",
                     rt_path_name(rt_dataset_item(dataset, patch->image)->image_path), patch->x,
                     patch->y, panel->known ? 100.0 * panel->right / panel->known : 0.0));
    struct layout layout = lay_out(panel, palette);
    if (number == 1)
        begin_script(plot->script, &layout);
    status = plot_panel(plot, panel, &layout, palette, name, title);
end:
    free(file);
    free(path);
    free(title);
    return status;
}

rt_status rt_report_panels(const char *folder, struct rt_model *model,
                           const struct rt_data_recipe *recipe, int count)
{
    rt_status status = RT_OK;
    struct rt_dataset *dataset = NULL;
    struct rt_patch_list train = {0}, held_out = {0};
    struct panel panel = {.size = rt_model_describe(model)->patch};
    struct rt_plot plot = {0};
    struct rt_raster_view view;
    const struct rt_dataset_options options = {
        .source = recipe->source, .palette = recipe->palette, .view = recipe->view};
    RT_TRY(rt_folder_create(folder));
    RT_TRY(rt_dataset_open(&dataset, &options));
    view = rt_raster_view_choose(&recipe->view, &rt_model_describe(model)->view);
    view = rt_raster_view_choose(&view, rt_dataset_view(dataset));
    rt_dataset_look(dataset, &view);
    RT_TRY(rt_dataset_patches(dataset, panel.size, recipe->split, recipe->validation, recipe->seed,
                              &train, &held_out));
    const struct rt_patch_list *list = recipe->validation > 0 ? &held_out : &train;
    if ((size_t)count > list->count)
        count = (int)list->count;
    panel.zoom = panel.size < TILE_PIXELS ? TILE_PIXELS / panel.size : 1;
    RT_TRY(rt_image_init(&panel.tiles, tile_x(&panel, 3) - GAP, panel.size * panel.zoom, 3));
    memset(panel.tiles.pixels, 255, 3 * (size_t)panel.tiles.width * panel.tiles.height);
    RT_TRY(rt_plot_begin(&plot, folder, "panels"));
    for (int i = 0; i < count; i++)
        RT_TRY(add_panel(folder, &plot, i + 1, &panel, model, dataset,
                         &list->patches[list->count * (size_t)i / (size_t)count]));
    status = rt_plot_finish(&plot);
end:
    rt_plot_abandon(&plot);
    rt_image_finish(&panel.tiles);
    free(train.patches);
    free(held_out.patches);
    rt_dataset_close(dataset);
    return status;
}
