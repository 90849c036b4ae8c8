/* All of libretort.
 *
 * Threads: the functions may be called from several threads at a time as long as no two of them use
 * the same object. An open device counts as one object with all the models that were made for it; a
 * thread that wants to compute beside another opens the device once more. What a function takes as
 * pointer to const it only reads, so that threads may share it: a data set, a palette, a list of
 * patches. A failure's message is the thread's own. Only rt_log_set is for all threads.
 *
 * Ownership: what a `create`, `open`, `load`, `read` or `init` made is released by its `destroy`,
 * `close` or `finish`, which are content with NULL or a struct of zeros; after a failure there is
 * nothing to release, and a pointer that was to be set is NULL.
 *
 * Structs with options are set by a `defaults` function or as {0} before single members are. Later
 * versions may have more members, at any place: programs are compiled anew for them. */
#ifndef RETORT_RETORT_H
#define RETORT_RETORT_H

#include "retort/data.h"
#include "retort/device.h"
#include "retort/learn.h"
#include "retort/loss.h"
#include "retort/model.h"
#include "retort/report.h"
#include "retort/status.h"
#include "retort/version.h"

#endif
