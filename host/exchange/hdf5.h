/* HDF5 files of strangers, through libhdf5, and without its message on every error: attributes and
 * data sets are read whole, external links and files are not followed, and no memory is taken that
 * the file's size does not justify. Debian's libhdf5 is for one thread at a time. */
#ifndef RT_EXCHANGE_HDF5_H
#define RT_EXCHANGE_HDF5_H

#include <hdf5.h>
#include <stdbool.h>

#include "base/error.h"
#include "data/texts.h"
#include "exchange/keras_file.h"

struct rt_hdf5 {
    const char *path;
    size_t bytes; /* the file's size */
    hid_t file;   /* also the root group */
    hid_t access; /* for links of any kind: none leads out of the file */
    H5E_auto2_t report;
    void *report_data;
};

/* Errors: IO, FORMAT. Release with rt_hdf5_close, also after a failure. */
rt_status rt_hdf5_open(struct rt_hdf5 *h, const char *path);
void rt_hdf5_close(struct rt_hdf5 *h);

/* The group of this name, or path, in *group; negative where there is none. To be closed. */
hid_t rt_hdf5_group(const struct rt_hdf5 *h, hid_t in, const char *name);

/* The texts of an attribute, of fixed or variable length; none where there is no such attribute, or
 * where it is empty. Keras cuts long lists into NAME0, NAME1, ... Errors: FORMAT, MEMORY. */
rt_status rt_hdf5_texts(const struct rt_hdf5 *h, hid_t object, const char *name,
                        struct rt_texts *texts);

/* The names of a group's members in the order of their bytes. Errors: FORMAT, MEMORY. */
rt_status rt_hdf5_members(const struct rt_hdf5 *h, hid_t group, struct rt_texts *names);

/* The numbers of a data set, as floats, its shape and a copy of its name. Errors: FORMAT (naming
 * it), MEMORY. */
rt_status rt_hdf5_floats(const struct rt_hdf5 *h, hid_t group, const char *name,
                         struct rt_keras_weight *weight);

#endif
