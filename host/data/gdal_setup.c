#include "data/gdal_setup.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/memory.h"
#include "data/gdal.h"

/* The blocks of files that GDAL holds: a row of tiles of a raster of 20,000 pixels with 16-bit
 * samples, and as much again of what is written. GDAL would take a twentieth of the memory. */
#define CACHE_BYTES ((GIntBig)128 << 20)

/* Drivers that reach over a network, or whose library does. */
static const char *const far_drivers[] = {
    "WMS",    "WMTS",   "WCS",  "OGCAPI", "PLMOSAIC", "PLSCENES", "NGW",
    "EEDA",   "EEDAI",  "DAAS", "HTTP",   "STACTA",   "STACIT",   "PostGISRaster",
    "netCDF", "TileDB", "ECW",  "JP2ECW", "JPIPKAK",  "MrSID",
};

/* Virtual file systems of what is on this machine; all others are closed. */
static const char *const near_systems[] = {"/vsimem/",  "/vsisubfile/", "/vsisparse/", "/vsizip/",
                                           "/vsigzip/", "/vsitar/",     "/vsi7z/",     "/vsirar/"};

static bool is_near(const char *prefix)
{
    for (size_t i = 0; i < RT_COUNT(near_systems); i++)
        if (strcmp(prefix, near_systems[i]) == 0)
            return true;
    return false;
}

static void *refuse_open(void *user, const char *name, const char *mode)
{
    (void)user;
    (void)mode;
    rt_gdal.CPLError(CE_Failure, CPLE_OpenFailed, "%s is not opened: it is not on this machine",
                     name);
    return NULL;
}

static int refuse_stat(void *user, const char *name, VSIStatBufL *info, int flags)
{
    (void)user;
    (void)name;
    (void)info;
    (void)flags;
    return -1;
}

static CPLHTTPResult *refuse_fetch(const char *url, CSLConstList options, GDALProgressFunc progress,
                                   void *progress_user, CPLHTTPFetchWriteFunc write,
                                   void *write_user, void *user)
{
    (void)options;
    (void)progress;
    (void)progress_user;
    (void)write;
    (void)write_user;
    (void)user;
    rt_gdal.CPLError(CE_Failure, CPLE_OpenFailed, "%s is not fetched: it is not on this machine",
                     url);
    return NULL;
}

static void close_systems(void)
{
    char **prefixes = rt_gdal.VSIGetFileSystemsPrefixes();
    VSIFilesystemPluginCallbacksStruct *refusal = rt_gdal.VSIAllocFilesystemPluginCallbacksStruct();
    refusal->open = refuse_open;
    refusal->stat = refuse_stat;
    for (int i = 0; prefixes && prefixes[i]; i++)
        if (strncmp(prefixes[i], "/vsi", 4) == 0 && !is_near(prefixes[i]))
            rt_gdal.VSIInstallPluginHandler(prefixes[i], refusal);
    rt_gdal.VSIFreeFilesystemPluginCallbacksStruct(refusal);
    rt_gdal.CSLDestroy(prefixes);
}

/* GDAL loses the file systems that are replaced; LeakSanitizer would tell of them. */
#ifdef __has_feature
#define HAS_FEATURE(name) __has_feature(name)
#else
#define HAS_FEATURE(name) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || HAS_FEATURE(address_sanitizer)
#include <sanitizer/lsan_interface.h>
#define LOSSES_BEGIN() __lsan_disable()
#define LOSSES_END() __lsan_enable()
#else
#define LOSSES_BEGIN() ((void)0)
#define LOSSES_END() ((void)0)
#endif

static void set_up(void)
{
    LOSSES_BEGIN();
    rt_gdal.GDALAllRegister();
    for (size_t i = 0; i < RT_COUNT(far_drivers); i++) {
        GDALDriverH driver = rt_gdal.GDALGetDriverByName(far_drivers[i]);
        if (!driver)
            continue;
        rt_gdal.GDALDeregisterDriver(driver);
        rt_gdal.GDALDestroyDriver(driver);
    }
    close_systems();
    rt_gdal.CPLHTTPSetFetchCallback(refuse_fetch, NULL);
    rt_gdal.CPLSetConfigOption("GDAL_VRT_ENABLE_PYTHON", "NO");
    rt_gdal.GDALSetCacheMax64(CACHE_BYTES);
    LOSSES_END();
}

static void CPL_STDCALL hear(CPLErr class, CPLErrorNum number, const char *message)
{
    struct rt_gdal_ear *ear = rt_gdal.CPLGetErrorHandlerUserData();
    (void)number;
    if (class < CE_Failure) {
        if (class == CE_Warning)
            rt_debug("GDAL: %s", message);
        return;
    }
    if (!ear->failed)
        snprintf(ear->message, sizeof ear->message, " (%s", message);
    ear->failed = true;
}

void rt_gdal_begin(struct rt_gdal_ear *ear)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    *ear = (struct rt_gdal_ear){0};
    rt_gdal.CPLPushErrorHandlerEx(hear, ear);
    pthread_once(&once, set_up);
    ear->failed = false;
}

void rt_gdal_end(void)
{
    rt_gdal.CPLPopErrorHandler();
}

const char *rt_gdal_said(struct rt_gdal_ear *ear)
{
    size_t length = strlen(ear->message);
    if (!ear->failed || length == 0)
        return "";
    for (size_t i = 0; i < length; i++) /* one sentence, on one line */
        if ((unsigned char)ear->message[i] < ' ')
            ear->message[i] = ' ';
    while (length > 0 && strchr(" .", ear->message[length - 1]))
        length--;
    if (length + 2 > sizeof ear->message)
        length = sizeof ear->message - 2;
    memcpy(ear->message + length, ")", 2);
    return ear->message;
}
