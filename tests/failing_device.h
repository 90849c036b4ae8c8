/* OpenCL calls that fail when they are told to. The linker leads the library's calls to the
 * functions here; see tests/meson.build. CLBlast's own are not among them. */
#ifndef RT_TESTS_FAILING_DEVICE_H
#define RT_TESTS_FAILING_DEVICE_H

#include <CL/cl.h>
#include <stdbool.h>

enum call_kind {
    CALLS_OF_WORK,  /* buffers, copies, launches, waiting */
    CALLS_OF_SETUP, /* contexts, queues, programs, kernels, questions */
    CALL_KINDS
};

/* From the next call on, the `number`th of this kind (from 0) fails with `code`; if `lasting`, so
 * does every later one of either kind: the device is gone. */
void fail_call(enum call_kind kind, long number, cl_int code, bool lasting);

/* No call fails from here on. Whether one has since fail_call. */
bool end_failures(void);

/* The name of the first call that failed. */
const char *failed_call(void);

/* Objects that were created and not released: buffers, queues, contexts, programs, kernels. */
long live_objects(void);

#endif
