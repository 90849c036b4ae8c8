/* GDAL, which is loaded when the first raster is opened: it and the hundred libraries that it needs
 * are slow to start and large, and most commands have no raster. */
#ifndef RT_DATA_GDAL_H
#define RT_DATA_GDAL_H

#include <stddef.h>

#include <cpl_conv.h>
#include <cpl_error.h>
#include <cpl_http.h>
#include <cpl_string.h>
#include <cpl_vsi.h>
#include <gdal.h>
#include <gdal_alg.h>
#include <ogr_api.h>

#include "base/error.h"

/* All of its functions that are called. */
/* clang-format off */
#define RT_GDAL_FUNCTIONS(X) \
    X(CPLError) X(CPLGetErrorHandlerUserData) X(CPLHTTPSetFetchCallback) X(CPLPopErrorHandler) \
    X(CPLPushErrorHandlerEx) X(CPLSetConfigOption) X(CSLAddString) X(CSLDestroy) \
    X(GDALAllRegister) X(GDALClose) X(GDALCreate) X(GDALCreateColorTable) X(GDALCreateCopy) \
    X(GDALDataTypeIsComplex) X(GDALDatasetCommitTransaction) X(GDALDatasetCreateLayer) \
    X(GDALDatasetExecuteSQL) X(GDALDatasetReleaseResultSet) X(GDALDatasetStartTransaction) \
    X(GDALDeregisterDriver) X(GDALDestroyColorTable) X(GDALDestroyDriver) X(GDALGetBlockSize) \
    X(GDALGetColorEntryAsRGB) X(GDALGetColorEntryCount) X(GDALGetDataTypeName) \
    X(GDALGetDataTypeSizeBytes) \
    X(GDALGetDriverByName) X(GDALGetGCPCount) X(GDALGetGCPSpatialRef) X(GDALGetGCPs) \
    X(GDALGetGeoTransform) X(GDALGetMaskBand) X(GDALGetMaskFlags) X(GDALGetMetadata) \
    X(GDALGetMetadataItem) X(GDALGetRasterBand) X(GDALGetRasterColorTable) X(GDALGetRasterCount) \
    X(GDALGetRasterDataType) X(GDALGetRasterXSize) X(GDALGetRasterYSize) X(GDALGetSpatialRef) \
    X(GDALOpenEx) X(GDALPolygonize) X(GDALRasterIO) X(GDALSetCacheMax64) X(GDALSetColorEntry) \
    X(GDALSetDescription) X(GDALSetGCPs2) X(GDALSetGeoTransform) X(GDALSetMetadata) \
    X(GDALSetMetadataItem) X(GDALSetRasterCategoryNames) X(GDALSetRasterColorTable) \
    X(GDALSetRasterNoDataValue) X(GDALSetSpatialRef) X(OGR_Fld_Create) X(OGR_Fld_Destroy) \
    X(OGR_L_CreateField) X(VSIAllocFilesystemPluginCallbacksStruct) \
    X(VSIFreeFilesystemPluginCallbacksStruct) X(VSIGetFileSystemsPrefixes) \
    X(VSIInstallPluginHandler)
/* clang-format on */

/* Each under its own name, of the type that GDAL's headers give it. */
struct rt_gdal {
#define RT_GDAL_MEMBER(name) __typeof__(name) *(name);
    RT_GDAL_FUNCTIONS(RT_GDAL_MEMBER)
#undef RT_GDAL_MEMBER
};

/* Those of this process, for all who come after rt_gdal_need. */
extern struct rt_gdal rt_gdal;

/* Loads GDAL where that is still to be done; `path` is the raster that it is for. What is loaded
 * stays. Errors: UNSUPPORTED (it cannot be loaded). */
rt_status rt_gdal_need(const char *path);

/* Takes the functions from the first of these libraries that is there: names as the system's loader
 * has them, or paths. Leaves them alone where it fails. Errors: those of rt_gdal_need. */
rt_status rt_gdal_load(struct rt_gdal *functions, const char *const *libraries, size_t count,
                       const char *path);

#endif
