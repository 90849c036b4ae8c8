/* ONNX files, shared by the files of this folder that read and write them. */
#ifndef RT_EXCHANGE_ONNX_H
#define RT_EXCHANGE_ONNX_H

#include "exchange/exchange.h"

/* What our graphs call the images. */
#define RT_ONNX_INPUT "image"

/* As rt_model_export: onnx_write.c. */
rt_status rt_onnx_export(const struct rt_model *model, const char *path,
                         const struct rt_export_options *options);

#endif
