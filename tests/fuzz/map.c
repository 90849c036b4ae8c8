/* Maps of names. */
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "exchange/map.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const names[] = {"down.0.0.weight",
                                        "enc.12.conv.3.bias",
                                        "a",
                                        "a.b",
                                        "",
                                        "layers.123456789012.weight",
                                        "head"};
    struct rt_map map;
    if (rt_map_read(&map, fuzz_file("map", data, size)) != RT_OK)
        return 0;
    fuzz_refuse(map.count == 0, "a map of nothing");
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char *ours;
        fuzz_refuse(rt_map_name(&map, names[i], &ours) != RT_OK, "a name that cannot be mapped");
        fuzz_refuse(ours && strchr(ours, '*') != NULL, "a star that stands for nothing");
        free(ours);
    }
    for (size_t i = 0; i < map.count; i++) { /* a name that is its own pattern */
        char *ours;
        fuzz_refuse(rt_map_name(&map, map.lines[i].theirs, &ours) != RT_OK, "a name of its own");
        if (!strchr(map.lines[i].theirs, '*'))
            fuzz_refuse(!ours, "a line that does not fit itself");
        free(ours);
    }
    rt_map_finish(&map);
    return 0;
}
