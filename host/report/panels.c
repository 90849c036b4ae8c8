/* Image, truth and prediction of a patch: a picture each, and one of all three side by side. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "base/memory.h"
#include "report/plot.h"
#include "retort/report.h"

#define GAP 8           /* white pixels between tiles */
#define TILE_PIXELS 320 /* small patches are enlarged to about this beside each other */
#define SIDE_MAX 512    /* larger ones are shrunk below this: these pictures are for looking at */
#define TILES 3

static const char *const tile_names[TILES] = {"image", "truth", "prediction"};

/* Tiles of side x side pixels, each of them every step-th of the patch's size x size, which are
 * enlarged to zoom x zoom where they lie side by side. */
struct panel {
    int size, step, side, zoom;
    struct rt_image tiles[TILES];
    uint64_t known, right; /* pixels with a class, and those predicted right */
    uint64_t truth[RT_CLASSES_MAX], predicted[RT_CLASSES_MAX]; /* pixels by class */
};

static rt_status init_panel(struct panel *panel, int size)
{
    rt_status status = RT_OK;
    panel->size = size;
    panel->step = (size + SIDE_MAX - 1) / SIDE_MAX;
    panel->side = size / panel->step;
    panel->zoom = panel->side < TILE_PIXELS ? TILE_PIXELS / panel->side : 1;
    for (int i = 0; i < TILES && status == RT_OK; i++)
        status = rt_image_init(&panel->tiles[i], panel->side, panel->side, 3);
    return status;
}

static void finish_panel(struct panel *panel)
{
    for (int i = 0; i < TILES; i++)
        rt_image_finish(&panel->tiles[i]);
}

/* Where the tile begins beside the others. */
static int tile_x(const struct panel *panel, int tile)
{
    return tile * (panel->side * panel->zoom + GAP);
}

/* Fills the tile from RGB pixels [size, size]. */
static void fill_tile(struct panel *panel, int tile, const uint8_t *rgb)
{
    for (int y = 0; y < panel->side; y++)
        for (int x = 0; x < panel->side; x++)
            memcpy(panel->tiles[tile].pixels + 3 * ((size_t)y * panel->side + x),
                   rgb + 3 * ((size_t)y * panel->size + x) * panel->step, 3);
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

static void count_labels(uint64_t counts[RT_CLASSES_MAX], const uint8_t *labels, size_t pixels)
{
    memset(counts, 0, RT_CLASSES_MAX * sizeof *counts);
    for (size_t i = 0; i < pixels; i++)
        if (labels[i] < RT_CLASSES_MAX)
            counts[labels[i]]++;
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
    count_labels(panel->truth, part_labels.pixels, pixels);
    count_labels(panel->predicted, predicted, pixels);
    fill_tile(panel, 0, part.pixels);
    fill_tile(panel, 1, truth);
    fill_tile(panel, 2, prediction);
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
                            .tiles_width = tile_x(panel, TILES) - GAP,
                            .tiles_height = panel->side * panel->zoom};
    layout.width = layout.left + layout.tiles_width + 50 + 8 * (int)longest;
    layout.height = layout.bottom + layout.tiles_height + 52;
    return layout;
}

/* What all panels share. The canvas is laid out so that one enlarged pixel is zoom x zoom of it. */
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
    FILE *script = plot->script;
    int top = layout->bottom + layout->tiles_height;
    rt_status status = rt_plot_output(plot, name);
    if (status < 0)
        return status;
    fputs("set label 1 ", script);
    rt_plot_text(script, title);
    fprintf(script, " at screen %.6f,%.6f\n", (double)layout->left / layout->width,
            (double)(top + 38) / layout->height);
    for (int i = 0; i < TILES; i++)
        fprintf(script, "set label %d '%s' at screen %.6f,%.6f center textcolor rgb '#606060'\n",
                i + 2, tile_names[i],
                (layout->left + tile_x(panel, i) + panel->side * panel->zoom / 2.0) / layout->width,
                (double)(top + 13) / layout->height);
    fputs("plot NaN notitle", script);
    for (int i = 0; i < TILES; i++)
        fprintf(script,
                ", \\\n  '%s-%s.png' binary filetype=png origin=(%g,%g) dx=%d dy=%d "
                "with rgbimage notitle",
                name, tile_names[i], tile_x(panel, i) + (panel->zoom - 1) / 2.0,
                (panel->zoom - 1) / 2.0, panel->zoom, panel->zoom);
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

/* --- the files ------------------------------------------------------------------------------- */

/* The pixels of each class that occurs. */
static json_t *counts_json(const struct rt_palette *palette, const uint64_t counts[RT_CLASSES_MAX])
{
    json_t *object = json_object();
    for (int c = 0; c < palette->count && object; c++)
        if (counts[c] > 0 && json_object_set_new(object, palette->classes[c].name,
                                                 json_integer((json_int_t)counts[c])) < 0) {
            json_decref(object);
            object = NULL;
        }
    return object;
}

/* A file's name may be no UTF-8, which JSON is. */
static json_t *name_json(const char *name)
{
    json_t *text = json_string(name);
    return text ? text : json_string("an image");
}

static rt_status write_tiles(const char *folder, const char *name, const struct panel *panel)
{
    rt_status status = RT_OK;
    for (int i = 0; i < TILES && status == RT_OK; i++) {
        char *file = NULL, *path = NULL;
        status = rt_format(&file, "%s-%s.png", name, tile_names[i]);
        if (status == RT_OK)
            status = rt_path_join(&path, folder, file);
        if (status == RT_OK)
            status = rt_image_write_png(&panel->tiles[i], path);
        free(file);
        free(path);
    }
    return status;
}

/* What is being drawn. */
struct drawing {
    const char *folder;
    struct rt_model *model;
    const struct rt_dataset *dataset;
    struct rt_plot plot;
    struct panel panel;
    json_t *list; /* of panels.json */
};

static rt_status add_panel(struct drawing *drawing, int number, const struct rt_patch *patch)
{
    rt_status status = RT_OK;
    char name[32], *title = NULL;
    struct panel *panel = &drawing->panel;
    const struct rt_palette *palette = &rt_model_describe(drawing->model)->palette;
    const char *image = rt_path_name(rt_dataset_item(drawing->dataset, patch->image)->image_path);
    RT_TRY(fill_panel(panel, drawing->model, drawing->dataset, patch));
    snprintf(name, sizeof name, "panel-%02d", number);
    RT_TRY(write_tiles(drawing->folder, name, panel));
    rt_json_append(&drawing->list,
                   json_pack("{so si si sI sI so so}", "image", name_json(image), "x",
                             (int)patch->x, "y", (int)patch->y, "known", (json_int_t)panel->known,
                             "right", (json_int_t)panel->right, "truth",
                             counts_json(rt_dataset_palette(drawing->dataset), panel->truth),
                             "predicted", counts_json(palette, panel->predicted)));
    RT_TRY(rt_format(&title, "%s at %d, %d: %.1f %% right", image, patch->x, patch->y,
                     panel->known ? 100.0 * panel->right / panel->known : 0.0));
    struct layout layout = lay_out(panel, palette);
    if (number == 1)
        begin_script(drawing->plot.script, &layout);
    status = plot_panel(&drawing->plot, panel, &layout, palette, name, title);
end:
    free(title);
    return status;
}

/* panels.json: what the pictures show. */
static rt_status write_list(struct drawing *drawing)
{
    rt_status status = RT_OK;
    char *path = NULL, *text = NULL;
    json_t *root = json_pack("{si so}", "patch", drawing->panel.size, "panels", drawing->list);
    drawing->list = NULL;
    RT_TRY(rt_json_text(&text, root, JSON_INDENT(2)));
    RT_TRY(rt_path_join(&path, drawing->folder, "panels.json"));
    status = rt_file_write(path, text, strlen(text));
end:
    json_decref(root);
    free(text);
    free(path);
    return status;
}

rt_status rt_report_panels(const char *folder, struct rt_model *model,
                           const struct rt_data_recipe *recipe, int count)
{
    rt_status status = RT_OK;
    struct rt_dataset *dataset = NULL;
    struct rt_patch_list train = {0}, held_out = {0};
    struct drawing drawing = {.folder = folder, .model = model};
    const int size = rt_model_describe(model)->patch;
    struct rt_raster_view view;
    const struct rt_dataset_options options = {
        .source = recipe->source, .palette = recipe->palette, .view = recipe->view};
    RT_TRY(rt_folder_create(folder));
    RT_TRY(rt_dataset_open(&dataset, &options));
    view = rt_raster_view_choose(&recipe->view, &rt_model_describe(model)->view);
    view = rt_raster_view_choose(&view, rt_dataset_view(dataset));
    rt_dataset_look(dataset, &view);
    drawing.dataset = dataset;
    RT_TRY(rt_dataset_patches(dataset, size, recipe->split, recipe->validation, recipe->seed,
                              &train, &held_out));
    const struct rt_patch_list *list = recipe->validation > 0 ? &held_out : &train;
    if ((size_t)count > list->count)
        count = (int)list->count;
    RT_TRY(init_panel(&drawing.panel, size));
    drawing.list = json_array();
    RT_TRY(rt_plot_begin(&drawing.plot, folder, "panels"));
    for (int i = 0; i < count; i++)
        RT_TRY(add_panel(&drawing, i + 1, &list->patches[list->count * (size_t)i / (size_t)count]));
    RT_TRY(write_list(&drawing));
    status = rt_plot_finish(&drawing.plot);
end:
    rt_plot_abandon(&drawing.plot);
    finish_panel(&drawing.panel);
    json_decref(drawing.list);
    free(train.patches);
    free(held_out.patches);
    rt_dataset_close(dataset);
    return status;
}
