/* The files of a data folder. */
#ifndef RT_DATA_SCAN_H
#define RT_DATA_SCAN_H

#include <stdbool.h>

#include "data/texts.h"

struct rt_scan {
    struct rt_texts images;   /* JPEG and PNG files, and with GDAL rasters, by name */
    struct rt_texts masks;    /* PNG files, and with GDAL rasters, of folders called "masks" */
    struct rt_texts classes;  /* files called classes.json */
    struct rt_texts problems; /* folders that cannot be read */
    size_t rasters;           /* that were met, taken or not */
};

/* Walks the folder; each list comes sorted. Images are those of folders called "images", or with
 * any_folder those of all folders but "masks". Hidden files and folders are passed over, and a
 * folder that links lead to more than once is read once. Errors: IO (the folder itself cannot be
 * read), MEMORY. scan is to be finished whatever the result. */
rt_status rt_scan_folder(struct rt_scan *scan, const char *folder, bool any_folder);
void rt_scan_finish(struct rt_scan *scan);

#endif
