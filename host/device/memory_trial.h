/* Whether a device has the memory that it reports. */
#ifndef RT_DEVICE_MEMORY_TRIAL_H
#define RT_DEVICE_MEMORY_TRIAL_H

#include "device/device.h"

struct rt_memory_trial {
    size_t tried;                    /* bytes that were asked for, in all */
    size_t had;                      /* of these, what could be written and held what was written */
    size_t tried_buffer, had_buffer; /* in one buffer */
    double seconds;
    char why[200]; /* why no more was tried, or what ended it; "": all that is reported was had */
};

/* Fills buffers until it has nearly all the memory that the device reports, reads from each, and
 * gives all of it back, in about `seconds` at most. Where the device's memory is the host's, it
 * tries a quarter of what is free there, and 1 GiB at most: more would push out other programs.
 * Errors: DEVICE (what was written is not what is read), MEMORY. That memory ends early is none. */
rt_status rt_device_try_memory(struct rt_device *device, double seconds,
                               struct rt_memory_trial *trial);

#endif
