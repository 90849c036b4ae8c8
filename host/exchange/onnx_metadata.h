/* What an ONNX file tells of a model beside its graph: for people, for QGIS's plug-in Deepness, and
 * for retort itself. */
#ifndef RT_EXCHANGE_ONNX_METADATA_H
#define RT_EXCHANGE_ONNX_METADATA_H

#include "model/model.h"
#include "onnx.pb-c.h"
#include "retort/exchange.h"

#define RT_ONNX_METADATA_MAX 16

struct rt_onnx_metadata {
    Onnx__StringStringEntryProto entries[RT_ONNX_METADATA_MAX], *list[RT_ONNX_METADATA_MAX];
    size_t count;
    char *about; /* a paragraph */
};

/* Release with rt_onnx_metadata_finish, whatever the result. Errors: ARGUMENT (a class's name that
 * is no UTF-8), MEMORY. */
rt_status rt_onnx_metadata_init(struct rt_onnx_metadata *metadata, const struct rt_model *model,
                                const struct rt_export_options *options);
void rt_onnx_metadata_finish(struct rt_onnx_metadata *metadata);

#endif
