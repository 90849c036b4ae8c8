/* All of libretort.
 *
 * Threads: functions may be called from several threads at a time as long as no two of these use
 * the same object. A device and all models that were made on it count as one object: a thread that
 * is to compute beside another opens the device once more. What else is handed over as a pointer to
 * const is only read, so that threads may share a data set, a palette or a list of patches. The
 * message of a failure is the thread's own, the log is the process's.
 *
 * Ownership: what `create`, `open`, `load`, `read` or `init` made is released by its `destroy`,
 * `close` or `finish`, which take NULL or a struct of zeros as well. After a failure there is
 * nothing to release, and a pointer that was to be set is NULL.
 *
 * Options: a struct is filled by its `defaults` function, where there is one, else with zeros,
 * before single members are set. Members may be added with any release whose soname differs. */
#ifndef RETORT_RETORT_H
#define RETORT_RETORT_H

#include "retort/data.h"
#include "retort/device.h"
#include "retort/exchange.h"
#include "retort/learn.h"
#include "retort/loss.h"
#include "retort/model.h"
#include "retort/raster.h"
#include "retort/report.h"
#include "retort/status.h"
#include "retort/version.h"

#endif
