#include "data/gdal.h"

#include <assert.h>
#include <dlfcn.h>
#include <pthread.h>
#include <string.h>

#include "base/memory.h"

struct rt_gdal rt_gdal;

static const char *const function_names[] = {
#define NAME(name) #name,
    RT_GDAL_FUNCTIONS(NAME)
#undef NAME
};

#define FUNCTIONS RT_COUNT(function_names)

static_assert(sizeof(struct rt_gdal) == FUNCTIONS * sizeof(void *), "one pointer a name");

/* The functions in the order of their names; NULL, or the name that is not there. */
static const char *look_up(void *library, void *found[FUNCTIONS])
{
    for (size_t i = 0; i < FUNCTIONS; i++) {
        found[i] = dlsym(library, function_names[i]);
        if (!found[i])
            return function_names[i];
    }
    return NULL;
}

rt_status rt_gdal_load(struct rt_gdal *functions, const char *const *libraries, size_t count,
                       const char *path)
{
    void *library = NULL, *found[FUNCTIONS];
    size_t i = 0;
    while (!library && i < count)
        library = dlopen(libraries[i++], RTLD_LAZY | RTLD_LOCAL);
    if (!library)
        return rt_fail(RT_ERROR_UNSUPPORTED,
                       "cannot work on %s: GDAL, which reads and writes rasters such as GeoTIFF, "
                       "cannot be loaded as %s (%s); install it (Debian: gdal-bin), or build "
                       "retort again if it has another version by now",
                       path, libraries[0], dlerror());
    const char *missing = look_up(library, found);
    if (missing)
        return rt_fail(RT_ERROR_UNSUPPORTED,
                       "cannot work on %s: %s, which should be GDAL, has no %s; build retort again",
                       path, libraries[i - 1], missing);
    memcpy(functions, found, sizeof found);
    return RT_OK;
}

rt_status rt_gdal_need(const char *path)
{
    /* The one that it was built for, wherever it lies now, or where it was then. */
    static const char *const libraries[] = {RT_GDAL_NAME, RT_GDAL_PATH};
    static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    static bool loaded; /* else tried again, since each thread has its own message */
    pthread_mutex_lock(&mutex);
    rt_status status =
        loaded ? RT_OK : rt_gdal_load(&rt_gdal, libraries, RT_COUNT(libraries), path);
    loaded = status == RT_OK;
    pthread_mutex_unlock(&mutex);
    return status;
}
