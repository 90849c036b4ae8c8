/* What one process alone may write. */
#ifndef RT_BASE_LOCK_H
#define RT_BASE_LOCK_H

#include <stdbool.h>

#include "base/error.h"

/* Zeroed, it holds nothing. */
struct rt_lock {
    bool held;
    int file;
    char *path;
};

/* Locks an existing folder by its file `.lock`, which rt_lock_finish removes. The lock goes with
 * the process, however that ends: a `.lock` that a killed one has left is in nobody's way. Does
 * nothing where the lock is held already. Where the file system knows no locks, a warning says so
 * and the folder counts as locked.
 * Errors: IO (another process holds it, the file cannot be written), MEMORY. */
rt_status rt_lock_folder(struct rt_lock *lock, const char *folder);

/* Locks by this file, which rt_lock_finish removes, and waits while another process does: for work
 * that is done in a moment. Otherwise as above. */
rt_status rt_lock_wait(struct rt_lock *lock, const char *path);

void rt_lock_finish(struct rt_lock *lock);

#endif
