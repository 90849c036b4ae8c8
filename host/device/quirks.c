#include "device/quirks.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

/* Only what was seen or is told in a public issue. What is no matter of one driver is a rule for
 * all kernels and stands in CONTRIBUTING.md: whole work-groups and no barrier in a conditional,
 * with which versions of PoCL go wrong (pocl/pocl 553, 1390, 1990); long launches in slices, for
 * the watchdogs of displays (intel/compute-runtime 904); buffers below what one may hold
 * (intel/compute-runtime 627). And what is no matter of the device but of CLBlast, GEMMK = 1 with
 * MWG != NWG before 1.6.3 (CNugteren/CLBlast 533, 542), is kept out by the sets of parameters in
 * gemm.c and found by its check at first use. */
static const struct rt_quirk quirks[] = {
    {.platform = "Portable Computing Language",
     .effect = RT_QUIRK_CACHES,
     .why = "PoCL keeps what it compiles, and to give a program's binary it would compile all its "
            "kernels once more, for work-groups of any size"},
    {.platform = "NVIDIA CUDA",
     .effect = RT_QUIRK_CACHES,
     .why = "the driver keeps what it compiles"},
};

/* Compares the numbers in two versions, "1.10" > "1.9"; what follows the last number of the shorter
 * one does not count. */
static int compare_versions(const char *a, const char *b)
{
    for (;;) {
        a += strcspn(a, "0123456789");
        b += strcspn(b, "0123456789");
        if (!*a || !*b)
            return 0;
        char *a_end, *b_end;
        const long long x = strtoll(a, &a_end, 10), y = strtoll(b, &b_end, 10);
        if (x != y)
            return x < y ? -1 : 1;
        a = a_end;
        b = b_end;
    }
}

bool rt_quirk_holds(const struct rt_quirk *quirk, const struct rt_device_info *info)
{
    return (!quirk->platform || strstr(info->platform_name, quirk->platform)) &&
           (!quirk->device || strstr(info->name, quirk->device)) &&
           (!quirk->from || compare_versions(info->driver, quirk->from) >= 0) &&
           (!quirk->before || compare_versions(info->driver, quirk->before) < 0);
}

const struct rt_quirk *rt_quirk_next(const struct rt_device_info *info,
                                     const struct rt_quirk *before)
{
    const struct rt_quirk *quirk = before ? before + 1 : quirks;
    while (quirk < quirks + RT_COUNT(quirks) && !rt_quirk_holds(quirk, info))
        quirk++;
    return quirk < quirks + RT_COUNT(quirks) ? quirk : NULL;
}
