/* ONNX: https://github.com/onnx/onnx. */
#include "exchange/onnx.h"

/* The first field of every ONNX file, ir_version: number 1, a whole number. */
static bool recognise(const char *path)
{
    return rt_file_begins(path, "\x08", 1);
}

const struct rt_format rt_format_onnx = {
    .name = "onnx",
    .title = "ONNX",
    .recognise = recognise,
#ifdef RT_HAVE_ONNX
    .export = rt_onnx_export,
#else
    .missing = "protobuf-c with the onnx.proto of ONNX",
#endif
};
