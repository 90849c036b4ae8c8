/* Compiled programs on disk, so that the next start need not compile them. */
#ifndef RT_DEVICE_PROGRAM_CACHE_H
#define RT_DEVICE_PROGRAM_CACHE_H

#include "device/internal.h"

/* What a program is compiled from. */
struct rt_program_source {
    const char *common, *text; /* one after the other */
    const char *options;       /* all that the compiler gets */
};

/* The folder for the programs of a device, in a new string, or NULL: none. RETORT_CACHE_DIR where
 * it is set, empty for none; else retort's place among the user's caches, unless the driver is
 * known to keep what it compiles itself. Errors: MEMORY. */
rt_status rt_program_cache_folder(const struct rt_device_info *info, char **folder);

/* The program as it was stored, ready for its kernels, released by the caller; NULL where there is
 * none, or none that is whole, was made from this source by this driver, and is taken by it. Never
 * fails: a debug line says what is wrong with an entry. */
cl_program rt_program_cache_load(const struct rt_device *device,
                                 const struct rt_program_source *source);

/* The most that the entries in a folder may take. */
#define RT_PROGRAM_CACHE_BYTES ((size_t)256 << 20)

/* Stores a program that was built from this source, in the place of what is there, and removes
 * those that were not used for longest where all together take more than RT_PROGRAM_CACHE_BYTES.
 * Never fails: a debug line says why it could not be stored. */
void rt_program_cache_store(const struct rt_device *device, const struct rt_program_source *source,
                            cl_program program);

#endif
