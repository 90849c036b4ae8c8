#include "data/census.h"

#include <stdlib.h>

#include "base/memory.h"

/* One row of 256 counts (by blue) for each red and green that occurs: masks hold few colours, and
 * walking the rows gives them sorted. */
struct count {
    uint64_t pixels;
    uint32_t masks;
    uint32_t last_mask; /* the number of the last mask that had it, from 1 */
};

struct rt_census {
    uint32_t masks;
    uint64_t pixels;
    struct count *rows[256 * 256];
};

rt_status rt_census_create(struct rt_census **census)
{
    return rt_alloc(census, 1, sizeof **census);
}

void rt_census_destroy(struct rt_census *census)
{
    if (!census)
        return;
    for (size_t i = 0; i < RT_COUNT(census->rows); i++)
        free(census->rows[i]);
    free(census);
}

static rt_status add_run(struct rt_census *census, uint32_t rgb, uint64_t pixels)
{
    struct count **row = &census->rows[rgb >> 8];
    if (!*row) {
        rt_status status = rt_alloc(row, 256, sizeof **row);
        if (status < 0)
            return status;
    }
    struct count *count = &(*row)[rgb & 255];
    count->pixels += pixels;
    count->masks += count->last_mask != census->masks;
    count->last_mask = census->masks;
    census->pixels += pixels;
    return RT_OK;
}

void rt_census_begin(struct rt_census *census)
{
    census->masks++;
}

rt_status rt_census_add(struct rt_census *census, const struct rt_image *mask,
                        const uint8_t *labels)
{
    size_t count = (size_t)mask->width * (size_t)mask->height;
    uint32_t colour = 0;
    uint64_t run = 0;
    for (size_t i = 0; i < count; i++) {
        if (labels && labels[i] != RT_LABEL_IGNORE)
            continue;
        const uint8_t *p = mask->pixels + i * (size_t)mask->channels;
        uint32_t rgb = mask->channels == 3 ? (uint32_t)p[0] << 16 | (uint32_t)p[1] << 8 | p[2]
                                           : p[0] * 0x10101u;
        if (run > 0 && rgb != colour) {
            rt_status status = add_run(census, colour, run);
            if (status < 0)
                return status;
            run = 0;
        }
        colour = rgb;
        run++;
    }
    return run > 0 ? add_run(census, colour, run) : RT_OK;
}

bool rt_census_find(const struct rt_census *census, uint32_t from, struct rt_census_entry *entry)
{
    for (uint32_t rgb = from; rgb < 1u << 24; rgb++) {
        const struct count *row = census->rows[rgb >> 8];
        if (!row) {
            rgb |= 255; /* the row's last */
        } else if (row[rgb & 255].pixels > 0) {
            *entry = (struct rt_census_entry){rgb, row[rgb & 255].pixels, row[rgb & 255].masks};
            return true;
        }
    }
    return false;
}

double rt_census_cover(const struct rt_census *census, const struct rt_palette *palette)
{
    uint64_t covered = 0;
    for (int i = 0; i < palette->count; i++) {
        const uint8_t *rgb = palette->classes[i].rgb;
        const struct count *row = census->rows[rgb[0] << 8 | rgb[1]];
        covered += row ? row[rgb[2]].pixels : 0;
    }
    return census->pixels ? (double)covered / (double)census->pixels : 0;
}
