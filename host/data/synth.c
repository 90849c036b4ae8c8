/* A scene is drawn in the order in which it would have come about: ground, water and vegetation
 * from noise, then a turned grid of streets whose blocks hold lots with houses and trees, then
 * shadows, and at last what a camera adds. Every choice is a random word that belongs to the scene,
 * a layer and a place, so nothing depends on the order of drawing. All arithmetic is on integers;
 * lengths along the grid are in sixteenths of a pixel. */
#include "data/synth.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/random.h"

enum { BUILDING, LAND, ROAD, VEGETATION, WATER, UNLABELED }; /* the order of the palette */

/* What a random word is for. */
enum layer {
    LAYER_SCENE, /* one word a choice: x is the choice's number */
    LAYER_BLOCK,
    LAYER_DISTRICT,
    LAYER_LOT,
    LAYER_TREE,
    LAYER_SENSOR,
    LAYER_NOISE, /* and on: one an octave of a map */
};

enum choice {
    CHOICE_SAND,
    CHOICE_HAZE, /* and two on: one a channel */
    CHOICE_WATER = CHOICE_HAZE + 3,
    CHOICE_GREEN,
    CHOICE_TOWN,
    CHOICE_ANGLE,
    CHOICE_BEND,
    CHOICE_PITCH_U,
    CHOICE_PITCH_V,
    CHOICE_SHIFT_U,
    CHOICE_SHIFT_V,
    CHOICE_SUN,
    CHOICE_WORKS, /* and on */
};

enum map { MAP_RELIEF, MAP_WATER, MAP_GREEN, MAP_GRAIN, MAP_BEND_U, MAP_BEND_V, MAP_COUNT };

/* Noise of several octaves: the first has lattice points every `cell` pixels, each next one twice
 * as many and half the weight. */
static const struct {
    int cell, octaves;
} map_shapes[MAP_COUNT] = {
    [MAP_RELIEF] = {128, 5}, [MAP_WATER] = {256, 4},  [MAP_GREEN] = {96, 5},
    [MAP_GRAIN] = {8, 3},    [MAP_BEND_U] = {192, 1}, [MAP_BEND_V] = {192, 1},
};

struct scene {
    uint64_t seed;
    uint32_t index;
    int width, height;
    uint16_t *maps[MAP_COUNT]; /* [height, width] */
    uint8_t *heights;          /* [height, width] of roofs and trees, pixels of shadow */
    uint8_t *rgb, *labels;     /* [height, width, 3] and [height, width] */
    int cosine, sine, radius;  /* the grid's direction: whole numbers on a circle */
    int bend;                  /* how far streets stray, sixteenths */
    int pitch_u, pitch_v;      /* from street to street, pixels */
    int shift_u, shift_v;      /* sixteenths */
    int water;                 /* the level of MAP_WATER from which on there is water */
    int town;                  /* percent of districts with houses */
    int sun_x, sun_y;          /* a step along a shadow */
};

typedef struct {
    int r, g, b;
} colour;

static uint32_t word(const struct scene *scene, uint32_t layer, int x, int y)
{
    uint32_t words[4];
    rt_philox(scene->seed, (uint32_t[4]){(uint32_t)x, (uint32_t)y, layer, scene->index}, words);
    return words[0];
}

/* low .. high, both possible */
static int choose(const struct scene *scene, enum choice choice, int low, int high)
{
    return low + (int)(word(scene, LAYER_SCENE, (int)choice, 0) % (uint32_t)(high - low + 1));
}

static int clamp(int value, int low, int high)
{
    return value < low ? low : value > high ? high : value;
}

/* --- noise -------------------------------------------------------------------------------- */

/* 0 .. 256 for 0 .. cell, with a flat start and end: 3 t^2 - 2 t^3. */
static int ease(int at, int cell)
{
    int t = at * 256 / cell;
    return t * t * (3 * 256 - 2 * t) / (256 * 256);
}

/* Adds one octave of 0 .. weight * 255 to the sums. */
static rt_status add_octave(const struct scene *scene, uint32_t layer, int cell, int weight,
                            uint32_t *sums)
{
    int columns = scene->width / cell + 2, rows = scene->height / cell + 2;
    uint8_t *lattice;
    rt_status status = rt_alloc(&lattice, (size_t)columns * (size_t)rows, 1);
    if (status < 0)
        return status;
    for (int i = 0; i < columns * rows; i++)
        lattice[i] = (uint8_t)(word(scene, layer, i % columns, i / columns) >> 24);
    for (int y = 0; y < scene->height; y++) {
        const uint8_t *above = lattice + y / cell * columns, *below = above + columns;
        int fy = ease(y % cell, cell);
        for (int x = 0; x < scene->width; x++) {
            int i = x / cell, fx = ease(x % cell, cell);
            int top = above[i] * (256 - fx) + above[i + 1] * fx;
            int bottom = below[i] * (256 - fx) + below[i + 1] * fx;
            *sums++ += (uint32_t)((top * (256 - fy) + bottom * fy) / 65536 * weight);
        }
    }
    free(lattice);
    return RT_OK;
}

/* The map stretched over 0 .. 65535. */
static rt_status make_map(struct scene *scene, enum map map)
{
    rt_status status = RT_OK;
    size_t pixels = (size_t)scene->width * (size_t)scene->height;
    uint32_t *sums = NULL, low = UINT32_MAX, high = 0;
    RT_TRY(rt_alloc(&sums, pixels, sizeof *sums));
    RT_TRY(rt_alloc(&scene->maps[map], pixels, sizeof *scene->maps[map]));
    int cell = map_shapes[map].cell, octaves = map_shapes[map].octaves;
    for (int o = 0; o < octaves; o++)
        RT_TRY(add_octave(scene, LAYER_NOISE + (uint32_t)(map * 8 + o), cell >> o, 256 >> o, sums));
    for (size_t i = 0; i < pixels; i++) {
        low = sums[i] < low ? sums[i] : low;
        high = sums[i] > high ? sums[i] : high;
    }
    for (size_t i = 0; i < pixels; i++)
        scene->maps[map][i] =
            (uint16_t)((uint64_t)(sums[i] - low) * 65535 / (high > low ? high - low : 1));
end:
    free(sums);
    return status;
}

/* The value that about `percent` of the map lies above. */
static int level_above(const struct scene *scene, enum map map, int percent)
{
    size_t counts[256] = {0}, pixels = (size_t)scene->width * (size_t)scene->height, above = 0;
    for (size_t i = 0; i < pixels; i++)
        counts[scene->maps[map][i] >> 8]++;
    int level = 256;
    while (level > 0 && (above + counts[level - 1]) * 100 <= pixels * (size_t)percent)
        above += counts[--level];
    return level << 8;
}

/* --- ground ------------------------------------------------------------------------------- */

static void paint(struct scene *scene, size_t pixel, int label, colour colour, int lighter)
{
    uint8_t *rgb = scene->rgb + 3 * pixel;
    rgb[0] = (uint8_t)clamp(colour.r + lighter, 0, 255);
    rgb[1] = (uint8_t)clamp(colour.g + lighter, 0, 255);
    rgb[2] = (uint8_t)clamp(colour.b + lighter, 0, 255);
    scene->labels[pixel] = (uint8_t)label;
}

/* part of 256 of the way from a to b */
static colour mix(colour a, colour b, int part)
{
    return (colour){a.r + (b.r - a.r) * part / 256, a.g + (b.g - a.g) * part / 256,
                    a.b + (b.b - a.b) * part / 256};
}

/* The map's value, -range .. range. */
static int wave(const struct scene *scene, enum map map, size_t pixel, int range)
{
    return (scene->maps[map][pixel] - 32768) * range / 32768;
}

static void draw_ground(struct scene *scene)
{
    static const colour sands[] = {{206, 184, 150}, {194, 168, 132}, {186, 174, 156}};
    static const colour deep = {40, 76, 94}, shallow = {104, 142, 138}, beach = {222, 208, 180};
    static const colour dark_green = {52, 74, 44}, light_green = {124, 132, 84};
    colour sand = sands[choose(scene, CHOICE_SAND, 0, 2)];
    int water_percent = choose(scene, CHOICE_WATER, -12, 36);
    scene->water = level_above(scene, MAP_WATER, clamp(water_percent, 0, 100));
    int green = level_above(scene, MAP_GREEN, choose(scene, CHOICE_GREEN, 4, 22));
    size_t pixels = (size_t)scene->width * (size_t)scene->height;
    for (size_t i = 0; i < pixels; i++) {
        int wet = scene->maps[MAP_WATER][i] - scene->water,
            lush = scene->maps[MAP_GREEN][i] - green;
        int grain = wave(scene, MAP_GRAIN, i, 256);
        if (wet >= 0)
            paint(scene, i, WATER, mix(shallow, deep, clamp(wet / 20, 0, 256)), grain * 5 / 256);
        else if (wet >= -900 && water_percent > 0)
            paint(scene, i, LAND, beach, grain * 8 / 256);
        else if (lush >= 0)
            paint(scene, i, VEGETATION,
                  mix(light_green, dark_green, clamp(lush / 24 + grain / 2, 0, 256)),
                  grain * 26 / 256);
        else
            paint(scene, i, LAND, sand, wave(scene, MAP_RELIEF, i, 34) + grain * 10 / 256);
    }
}

/* --- town --------------------------------------------------------------------------------- */

/* Far enough from zero that no place in the grid is negative: divisions round one way. */
#define GRID_START (1 << 24)

/* A place in the grid: the block, and the pixels from the block's start to it. */
struct spot {
    int block_u, block_v;
    int u, v; /* sixteenths, 0 .. pitch * 16 - 1 */
};

static struct spot find_spot(const struct scene *scene, int x, int y)
{
    size_t pixel = (size_t)y * (size_t)scene->width + (size_t)x;
    int u = GRID_START + scene->shift_u + wave(scene, MAP_BEND_U, pixel, scene->bend) +
            (x * scene->cosine + y * scene->sine) * 16 / scene->radius;
    int v = GRID_START + scene->shift_v + wave(scene, MAP_BEND_V, pixel, scene->bend) +
            (y * scene->cosine - x * scene->sine) * 16 / scene->radius;
    int pitch_u = scene->pitch_u * 16, pitch_v = scene->pitch_v * 16;
    return (struct spot){u / pitch_u, v / pitch_v, u % pitch_u, v % pitch_v};
}

/* The pixel where the grid's lines u and v (in sixteenths) meet, or the image's nearest; bends are
 * not taken into account. */
static size_t nearest_pixel(const struct scene *scene, int u, int v)
{
    int along = (u - GRID_START - scene->shift_u) / 16,
        down = (v - GRID_START - scene->shift_v) / 16;
    int x = (along * scene->cosine - down * scene->sine) / scene->radius;
    int y = (along * scene->sine + down * scene->cosine) / scene->radius;
    return (size_t)clamp(y, 0, scene->height - 1) * (size_t)scene->width +
           (size_t)clamp(x, 0, scene->width - 1);
}

/* Districts are two blocks wide and high. Blocks that reach into water stay empty. */
static bool is_built(const struct scene *scene, int block_u, int block_v)
{
    if ((int)(word(scene, LAYER_DISTRICT, block_u / 2, block_v / 2) % 100) >= scene->town)
        return false;
    for (int i = 0; i < 9; i++) {
        int u = (block_u * 2 + i % 3) * scene->pitch_u * 8;
        int v = (block_v * 2 + i / 3) * scene->pitch_v * 8;
        if (scene->maps[MAP_WATER][nearest_pixel(scene, u, v)] >= scene->water)
            return false;
    }
    return true;
}

#define MAIN_STREET (17 * 16) /* widths */
#define SIDE_STREET (9 * 16)

static bool is_main(int block)
{
    return block % 4 == 0;
}

static int street_width(int block)
{
    return is_main(block) ? MAIN_STREET : SIDE_STREET;
}

/* Paints a street that is `width` wide at `across` its middle; along gives the marks their beat. */
static void paint_street(struct scene *scene, size_t pixel, int across, int along, int width)
{
    static const colour asphalt = {120, 118, 116}, kerb = {168, 162, 152}, mark = {206, 204, 196};
    int grain = wave(scene, MAP_GRAIN, pixel, 7) + wave(scene, MAP_RELIEF, pixel, 16);
    int edge = across < width - across ? across : width - across;
    bool middle = width == MAIN_STREET && abs(across - width / 2) < 12;
    if (edge < 14)
        paint(scene, pixel, ROAD, kerb, grain);
    else if (middle && along / 16 % 14 < 8)
        paint(scene, pixel, ROAD, mark, grain);
    else
        paint(scene, pixel, ROAD, asphalt, grain);
}

/* Main streets run through everything, over water too; side streets only beside built blocks. */
static bool draw_street(struct scene *scene, size_t pixel, struct spot spot)
{
    int width_u = street_width(spot.block_u), width_v = street_width(spot.block_v);
    bool on_u = spot.u < width_u, on_v = spot.v < width_v;
    bool water = scene->labels[pixel] == WATER;
    bool built = is_built(scene, spot.block_u, spot.block_v);
    if (on_u && !is_main(spot.block_u))
        on_u = !water && (built || is_built(scene, spot.block_u - 1, spot.block_v));
    if (on_v && !is_main(spot.block_v))
        on_v = !water && (built || is_built(scene, spot.block_u, spot.block_v - 1));
    if (on_u && on_v) /* a crossing has neither kerb nor marks */
        paint_street(scene, pixel, SIDE_STREET / 2, 0, SIDE_STREET);
    else if (on_u)
        paint_street(scene, pixel, spot.u, spot.v, width_u);
    else if (on_v)
        paint_street(scene, pixel, spot.v, spot.u, width_v);
    return on_u || on_v;
}

/* Where a place lies in its lot, all in sixteenths. */
struct lot {
    uint32_t dice; /* the lot's random word */
    int u, v, size_u, size_v;
};

static bool find_lot(const struct scene *scene, struct spot spot, uint32_t block, struct lot *lot)
{
    int margin = 4 * 16;
    int u = spot.u - street_width(spot.block_u) - margin;
    int v = spot.v - street_width(spot.block_v) - margin;
    int room_u = scene->pitch_u * 16 - street_width(spot.block_u) - 2 * margin;
    int room_v = scene->pitch_v * 16 - street_width(spot.block_v) - 2 * margin;
    /* one to four lots along each side of the block: halls and houses */
    int count_u = 1 + (int)(block % 4), count_v = 1 + (int)(block / 4 % 4);
    if (u < 0 || v < 0 || u >= room_u || v >= room_v)
        return false;
    lot->size_u = room_u / count_u;
    lot->size_v = room_v / count_v;
    int i = u / lot->size_u, j = v / lot->size_v;
    if (i >= count_u || j >= count_v)
        return false;
    lot->u = u % lot->size_u;
    lot->v = v % lot->size_v;
    lot->dice = word(scene, LAYER_LOT, spot.block_u * 4 + i, spot.block_v * 4 + j);
    return true;
}

static void paint_roof(struct scene *scene, size_t pixel, const struct lot *lot, int edge,
                       uint32_t block)
{
    static const colour roofs[] = {{226, 222, 214}, {204, 190, 166}, {156, 154, 150},
                                   {168, 112, 90},  {112, 112, 116}, {186, 176, 168}};
    /* most roofs of a block are of one kind */
    uint32_t kind = lot->dice >> 8 & 3 ? block >> 8 : lot->dice >> 12;
    int lighter = (int)(lot->dice >> 20 & 15) - 8 + wave(scene, MAP_GRAIN, pixel, 5);
    bool gable = lot->dice >> 24 & 1;
    if (edge < 20)
        lighter += 14; /* the parapet */
    else if (gable)
        lighter += lot->u * 2 < lot->size_u ? 10 : -14;
    else if (scene->maps[MAP_GRAIN][pixel] > 50000)
        lighter -= 30; /* plant on a flat roof */
    paint(scene, pixel, BUILDING, roofs[kind % RT_COUNT(roofs)], lighter);
    scene->heights[pixel] = (uint8_t)(4 + (lot->dice >> 26) % 9);
}

/* One tree, or none, in every square of 12 pixels. */
static void draw_tree(struct scene *scene, size_t pixel, struct spot spot)
{
    static const colour rim = {58, 78, 46}, crown = {96, 116, 66};
    int square = 12 * 16;
    uint32_t dice = word(scene, LAYER_TREE, spot.block_u * 64 + spot.u / square,
                         spot.block_v * 64 + spot.v / square);
    int radius = 40 + (int)(dice & 63);
    int du = spot.u % square - square / 2 + (int)(dice >> 8 & 63) - 32;
    int dv = spot.v % square - square / 2 + (int)(dice >> 16 & 63) - 32;
    int depth = radius * radius - du * du - dv * dv;
    if (depth < 0 || dice >> 30 == 0)
        return;
    paint(scene, pixel, VEGETATION, mix(rim, crown, clamp(depth / 12, 0, 256)),
          wave(scene, MAP_GRAIN, pixel, 22));
    scene->heights[pixel] = 3;
}

static void draw_lot(struct scene *scene, size_t pixel, struct spot spot)
{
    static const colour yard = {176, 166, 150};
    if (scene->labels[pixel] == WATER || !is_built(scene, spot.block_u, spot.block_v))
        return;
    if (scene->labels[pixel] == LAND)
        paint(scene, pixel, LAND, yard,
              wave(scene, MAP_RELIEF, pixel, 24) + wave(scene, MAP_GRAIN, pixel, 12));
    uint32_t block = word(scene, LAYER_BLOCK, spot.block_u, spot.block_v);
    struct lot lot;
    if (!find_lot(scene, spot, block, &lot))
        return;
    int kind = (int)(lot.dice % 16);
    int inset_u = 40 + (int)(lot.dice >> 4 & 15) * lot.size_u / 64;
    int inset_v = 40 + (int)(lot.dice >> 8 & 15) * lot.size_v / 64;
    int u = lot.u - inset_u / 2, v = lot.v - inset_v / 2;
    int size_u = lot.size_u - inset_u, size_v = lot.size_v - inset_v;
    int edge_u = u < size_u - u ? u : size_u - u, edge_v = v < size_v - v ? v : size_v - v;
    if (kind < 12 && edge_u >= 0 && edge_v >= 0)
        paint_roof(scene, pixel, &lot, edge_u < edge_v ? edge_u : edge_v, block);
    else if (kind >= 12 && kind < 15)
        draw_tree(scene, pixel, spot);
}

static void draw_town(struct scene *scene)
{
    for (int y = 0; y < scene->height; y++)
        for (int x = 0; x < scene->width; x++) {
            struct spot spot = find_spot(scene, x, y);
            size_t pixel = (size_t)y * (size_t)scene->width + (size_t)x;
            if (!draw_street(scene, pixel, spot))
                draw_lot(scene, pixel, spot);
        }
}

/* Ground under construction, which nobody labelled; three scenes of four have some. */
static void draw_works(struct scene *scene)
{
    static const colour rubble = {150, 140, 132}, steel = {96, 104, 120};
    if (choose(scene, CHOICE_WORKS, 0, 3) == 0)
        return;
    int radius = choose(scene, CHOICE_WORKS + 1, 14, 30);
    int centre_x = choose(scene, CHOICE_WORKS + 2, 0, scene->width - 1);
    int centre_y = choose(scene, CHOICE_WORKS + 3, 0, scene->height - 1);
    for (int y = 0; y < scene->height; y++)
        for (int x = 0; x < scene->width; x++) {
            size_t pixel = (size_t)y * (size_t)scene->width + (size_t)x;
            int dx = x - centre_x, dy = y - centre_y;
            int rough = wave(scene, MAP_RELIEF, pixel, radius) + wave(scene, MAP_GRAIN, pixel, 2);
            if (abs(dx) > radius + rough || abs(dy) > radius + rough)
                continue;
            paint(scene, pixel, UNLABELED, scene->maps[MAP_GRAIN][pixel] > 40000 ? steel : rubble,
                  wave(scene, MAP_GRAIN, pixel, 60));
            scene->heights[pixel] = 0;
        }
}

/* --- light -------------------------------------------------------------------------------- */

static bool in_shadow(const struct scene *scene, int x, int y)
{
    int own = scene->heights[y * scene->width + x];
    for (int step = 1; step <= 12; step++) {
        x -= scene->sun_x;
        y -= scene->sun_y;
        if (x < 0 || y < 0 || x >= scene->width || y >= scene->height)
            return false;
        if (scene->heights[y * scene->width + x] >= own + step)
            return true;
    }
    return false;
}

static void cast_shadows(struct scene *scene)
{
    for (int y = 0; y < scene->height; y++)
        for (int x = 0; x < scene->width; x++) {
            uint8_t *rgb = scene->rgb + 3 * (y * scene->width + x);
            if (in_shadow(scene, x, y)) /* what light is left is the sky's, and blue */
                for (int c = 0; c < 3; c++)
                    rgb[c] = (uint8_t)(rgb[c] * (116 + 12 * c) / 256);
        }
}

/* The camera: a lens that blurs (1 2 1 both ways), a tint of the air, noise. */
static void develop(const struct scene *scene, const uint8_t *sharp, uint8_t *rgb)
{
    int haze[3];
    for (int c = 0; c < 3; c++)
        haze[c] = choose(scene, CHOICE_HAZE + (enum choice)c, 244, 266);
    for (int y = 0; y < scene->height; y++)
        for (int x = 0; x < scene->width; x++) {
            uint32_t noise = word(scene, LAYER_SENSOR, x, y);
            for (int c = 0; c < 3; c++) {
                int sum = 0;
                for (int k = 0; k < 9; k++) {
                    int at_x = clamp(x + k % 3 - 1, 0, scene->width - 1);
                    int at_y = clamp(y + k / 3 - 1, 0, scene->height - 1);
                    int weight = (2 - abs(k % 3 - 1)) * (2 - abs(k / 3 - 1));
                    sum += weight * sharp[3 * (at_y * scene->width + at_x) + c];
                }
                int jitter = (int)(noise >> 8 * c & 7) + (int)(noise >> (8 * c + 4) & 7) - 7;
                *rgb++ = (uint8_t)clamp(sum * haze[c] / (16 * 256) + jitter, 0, 255);
            }
        }
}

/* --- the scene ---------------------------------------------------------------------------- */

static void choose_scene(struct scene *scene)
{
    static const int directions[][3] = {{1, 0, 1},   {4, 3, 5}, {12, 5, 13}, {15, 8, 17},
                                        {24, 7, 25}, {3, 4, 5}, {5, 12, 13}, {40, 9, 41}};
    static const int suns[][2] = {{1, 1}, {1, 0}, {1, -1}, {-1, 1}};
    const int *direction = directions[choose(scene, CHOICE_ANGLE, 0, RT_COUNT(directions) - 1)];
    scene->cosine = direction[0];
    scene->sine = direction[1];
    scene->radius = direction[2];
    scene->bend = 16 * clamp(choose(scene, CHOICE_BEND, -40, 56), 0, 56);
    scene->pitch_u = choose(scene, CHOICE_PITCH_U, 112, 184);
    scene->pitch_v = choose(scene, CHOICE_PITCH_V, 88, 144);
    scene->shift_u = choose(scene, CHOICE_SHIFT_U, 0, 1 << 16);
    scene->shift_v = choose(scene, CHOICE_SHIFT_V, 0, 1 << 16);
    scene->town = choose(scene, CHOICE_TOWN, 30, 75);
    const int *sun = suns[choose(scene, CHOICE_SUN, 0, RT_COUNT(suns) - 1)];
    scene->sun_x = sun[0];
    scene->sun_y = sun[1];
}

rt_status rt_synth_draw(uint64_t seed, uint32_t index, int width, int height,
                        struct rt_image *image, struct rt_image *labels)
{
    rt_status status = RT_OK;
    struct scene scene = {.seed = seed, .index = index, .width = width, .height = height};
    *image = *labels = (struct rt_image){0};
    RT_TRY(rt_image_init(image, width, height, 3));
    RT_TRY(rt_image_init(labels, width, height, 1));
    size_t pixels = (size_t)width * (size_t)height;
    RT_TRY(rt_alloc(&scene.heights, pixels, 1));
    RT_TRY(rt_alloc(&scene.rgb, pixels, 3));
    scene.labels = labels->pixels;
    for (enum map map = 0; map < MAP_COUNT; map++)
        RT_TRY(make_map(&scene, map));
    choose_scene(&scene);
    draw_ground(&scene);
    draw_town(&scene);
    draw_works(&scene);
    cast_shadows(&scene);
    develop(&scene, scene.rgb, image->pixels);
end:
    for (enum map map = 0; map < MAP_COUNT; map++)
        free(scene.maps[map]);
    free(scene.heights);
    free(scene.rgb);
    if (status < 0) {
        rt_image_finish(image);
        rt_image_finish(labels);
    }
    return status;
}
