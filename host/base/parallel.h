/* Work on all processors. */
#ifndef RT_BASE_PARALLEL_H
#define RT_BASE_PARALLEL_H

#include <stddef.h>

#include "base/error.h"

/* One piece of work; called from several threads at a time. */
typedef rt_status rt_piece(void *work, size_t index);

/* Does pieces 0 to count - 1 on as many threads as there are processors, this one among them, and
 * returns when all are done. Pieces are begun in their order; after a failure no more are. Errors:
 * that of the first piece that failed, with its message. */
rt_status rt_parallel(size_t count, rt_piece *piece, void *work);

#endif
