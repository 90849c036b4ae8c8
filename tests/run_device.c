#include "run_device.h"

#include <stdlib.h>

struct rt_device *device;
char folder[64];

int open_device(void **state)
{
    (void)state;
    struct rt_device_info *devices;
    size_t count;
    assert_ok(rt_device_list(&devices, &count));
    free(devices);
    if (count > 0)
        assert_ok(rt_device_open(&device, NULL));
    make_test_folder(folder);
    return 0;
}

int close_device(void **state)
{
    (void)state;
    rt_device_close(device);
    remove_test_folder(folder);
    return 0;
}
