/* What is known of single platforms, devices and drivers; the table is in quirks.c. */
#ifndef RT_DEVICE_QUIRKS_H
#define RT_DEVICE_QUIRKS_H

#include "device/device.h"

enum rt_quirk_effect {
    RT_QUIRK_CACHES, /* the driver keeps what it compiles: retort does not */
    RT_QUIRK_AVOID   /* a variant is not run; see rt_device_avoids */
};

/* It holds for devices of all of these; NULL: of any. */
struct rt_quirk {
    const char *platform, *device; /* parts of their names */
    const char *from, *before;     /* versions of the driver: "1.5" <= version < "1.6.3" */
    enum rt_quirk_effect effect;
    const char *what, *variant; /* RT_QUIRK_AVOID: as for rt_device_avoids */
    const char *why;
    const char *source; /* repository and issue; NULL: measured here */
};

bool rt_quirk_holds(const struct rt_quirk *quirk, const struct rt_device_info *info);

/* The quirks that hold for a device, one after the other: the first for NULL; NULL past the last.
 */
const struct rt_quirk *rt_quirk_next(const struct rt_device_info *info,
                                     const struct rt_quirk *before);

#endif
