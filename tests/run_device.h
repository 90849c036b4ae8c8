/* The device and the folder that a test program's runs share. */
#ifndef RT_TESTS_RUN_DEVICE_H
#define RT_TESTS_RUN_DEVICE_H

#include "test.h"

#include "data_files.h"
#include "retort/device.h"

extern struct rt_device *device; /* NULL: the machine has none */
extern char folder[64];

/* A group's setup and teardown. */
int open_device(void **state);
int close_device(void **state);

#define NEED_DEVICE()                                                                              \
    do {                                                                                           \
        if (!device) {                                                                             \
            print_message("there is no OpenCL device\n");                                          \
            skip();                                                                                \
        }                                                                                          \
    } while (0)

#endif
