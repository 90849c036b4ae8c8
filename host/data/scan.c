#include "data/scan.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/memory.h"
#include "retort/raster.h"

#define DEPTH_MAX 32

struct walk {
    struct rt_scan *scan;
    bool any_folder;
    struct visit {
        dev_t device;
        ino_t inode;
    } * visits; /* the folders read so far: links may lead to one again, or round in a circle */
    size_t count, capacity;
};

static bool has_extension(const char *name, const char *extension)
{
    const char *dot = strrchr(name, '.');
    return dot && dot != name && strcasecmp(dot + 1, extension) == 0;
}

static bool is_one_of(const char *name, const char *const *extensions, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (has_extension(name, extensions[i]))
            return true;
    return false;
}

/* Counts the rasters, which are there only with GDAL. */
static bool is_raster(struct rt_scan *scan, const char *name)
{
    static const char *const rasters[] = {"tif", "tiff", "vrt", "jp2", "img", "bil", "bip",
                                          "bsq", "ers",  "pix", "ntf", "bmp", "webp"};
    bool is = is_one_of(name, rasters, RT_COUNT(rasters));
    scan->rasters += is;
    return is && rt_raster_available();
}

static bool is_image(struct rt_scan *scan, const char *name)
{
    static const char *const photos[] = {"jpg", "jpeg", "png"};
    return is_one_of(name, photos, RT_COUNT(photos)) || is_raster(scan, name);
}

static bool is_mask(struct rt_scan *scan, const char *name)
{
    return has_extension(name, "png") || is_raster(scan, name);
}

/* parent is the name of the folder that the file lies in. */
static rt_status take_file(struct walk *walk, const char *parent, const char *path)
{
    struct rt_scan *scan = walk->scan;
    const char *name = rt_path_name(path);
    if (strcmp(name, "classes.json") == 0)
        return rt_texts_add(&scan->classes, "%s", path);
    if (strcmp(parent, "masks") == 0)
        return is_mask(scan, name) ? rt_texts_add(&scan->masks, "%s", path) : RT_OK;
    if ((walk->any_folder || strcmp(parent, "images") == 0) && is_image(scan, name))
        return rt_texts_add(&scan->images, "%s", path);
    return RT_OK;
}

/* Whether the folder was new; it is remembered. */
static rt_status visit(struct walk *walk, const struct stat *info, bool *is_new)
{
    *is_new = false;
    for (size_t i = 0; i < walk->count; i++)
        if (walk->visits[i].device == info->st_dev && walk->visits[i].inode == info->st_ino)
            return RT_OK;
    rt_status status =
        rt_grow(&walk->visits, &walk->capacity, walk->count + 1, sizeof *walk->visits);
    if (status < 0)
        return status;
    walk->visits[walk->count++] = (struct visit){info->st_dev, info->st_ino};
    *is_new = true;
    return RT_OK;
}

/* The names in a folder, sorted; hidden ones (such as the "._x.jpg" of some systems) left out. */
static rt_status list_folder(const char *path, struct rt_texts *names)
{
    DIR *folder = opendir(path);
    if (!folder)
        return rt_fail(RT_ERROR_IO, "cannot read the folder %s: %s", path, strerror(errno));
    rt_status status = RT_OK;
    const struct dirent *entry;
    while (status == RT_OK && (entry = readdir(folder)))
        if (entry->d_name[0] != '.')
            status = rt_texts_add(names, "%s", entry->d_name);
    closedir(folder);
    rt_texts_sort(names);
    return status;
}

static rt_status walk_folder(struct walk *walk, const char *path, int depth);

static rt_status walk_entry(struct walk *walk, const char *folder, const char *name, int depth)
{
    char *path = NULL;
    struct stat info;
    rt_status status = rt_path_join(&path, folder, name);
    if (status < 0)
        return status;
    bool is_new = false;
    if (stat(path, &info) != 0)
        status =
            rt_texts_add(&walk->scan->problems, "%s cannot be read: %s", path, strerror(errno));
    else if (S_ISREG(info.st_mode))
        status = take_file(walk, rt_path_name(folder), path);
    else if (S_ISDIR(info.st_mode) && depth < DEPTH_MAX)
        status = visit(walk, &info, &is_new);
    if (status == RT_OK && is_new) {
        status = walk_folder(walk, path, depth + 1);
        if (status == RT_ERROR_IO)
            status = rt_texts_add(&walk->scan->problems, "%s", rt_error_message());
    }
    free(path);
    return status;
}

static rt_status walk_folder(struct walk *walk, const char *path, int depth)
{
    struct rt_texts names = {0};
    rt_status status = list_folder(path, &names);
    for (size_t i = 0; i < names.count && status == RT_OK; i++)
        status = walk_entry(walk, path, names.items[i], depth);
    rt_texts_finish(&names);
    return status;
}

rt_status rt_scan_folder(struct rt_scan *scan, const char *folder, bool any_folder)
{
    *scan = (struct rt_scan){0};
    struct walk walk = {.scan = scan, .any_folder = any_folder};
    struct stat info;
    char *path = NULL;
    bool is_new;
    rt_status status = rt_copy_text(&path, folder);
    if (status < 0)
        return status;
    for (size_t length = strlen(path); length > 1 && path[length - 1] == '/'; length--)
        path[length - 1] = 0;
    if (stat(path, &info) == 0)
        RT_TRY(visit(&walk, &info, &is_new));
    RT_TRY(walk_folder(&walk, path, 0));
    rt_texts_sort(&scan->images);
    rt_texts_sort(&scan->masks);
    rt_texts_sort(&scan->classes);
end:
    free(walk.visits);
    free(path);
    return status;
}

void rt_scan_finish(struct rt_scan *scan)
{
    rt_texts_finish(&scan->images);
    rt_texts_finish(&scan->masks);
    rt_texts_finish(&scan->classes);
    rt_texts_finish(&scan->problems);
}
