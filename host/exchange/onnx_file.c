/* An ONNX file's bytes: looked through before protobuf-c unpacks them, because that follows
 * messages within messages as deep as a file says. */
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "exchange/onnx_read.h"

#define FILE_BYTES_MAX ((size_t)INT32_MAX) /* what a protocol buffer may take */
#define DEPTH_MAX 24                       /* graphs within nodes within graphs */
#define OPSET_MIN 9
#define OPSET_MAX 21

/* --- protocol buffers ----------------------------------------------------------------------- */

struct bytes {
    const uint8_t *at, *end;
};

/* A number of 7 bits a byte, the lowest first. */
static bool read_number(struct bytes *b, uint64_t *number)
{
    *number = 0;
    for (int shift = 0; b->at < b->end && shift < 64; shift += 7) {
        const uint8_t byte = *b->at++;
        *number |= (uint64_t)(byte & 127) << shift;
        if (byte < 128)
            return true;
    }
    return false;
}

static bool skip(struct bytes *b, uint64_t size)
{
    if ((uint64_t)(b->end - b->at) < size)
        return false;
    b->at += size;
    return true;
}

/* What a field of this number is, if it is a message. */
static const ProtobufCMessageDescriptor *message_of(const ProtobufCMessageDescriptor *descriptor,
                                                    uint64_t number)
{
    const ProtobufCFieldDescriptor *field =
        number <= UINT32_MAX ? protobuf_c_message_descriptor_get_field(descriptor, (unsigned)number)
                             : NULL;
    return field && field->type == PROTOBUF_C_TYPE_MESSAGE ? field->descriptor : NULL;
}

/* Whether the fields are whole, and messages not too deep. */
static bool is_whole(struct bytes b, const ProtobufCMessageDescriptor *descriptor, int depth)
{
    static const int fixed[] = {[1] = 8, [5] = 4};
    if (depth > DEPTH_MAX)
        return false;
    while (b.at < b.end) {
        uint64_t tag, size;
        if (!read_number(&b, &tag))
            return false;
        const unsigned type = tag & 7;
        if (type == 0) {
            if (!read_number(&b, &size))
                return false;
        } else if (type == 2) {
            if (!read_number(&b, &size) || (uint64_t)(b.end - b.at) < size)
                return false;
            const ProtobufCMessageDescriptor *inner = message_of(descriptor, tag >> 3);
            if (inner && !is_whole((struct bytes){b.at, b.at + size}, inner, depth + 1))
                return false;
            b.at += size;
        } else if (type >= RT_COUNT(fixed) || fixed[type] == 0 ||
                   !skip(&b, (uint64_t)fixed[type])) {
            return false;
        }
    }
    return true;
}

/* --- the file ------------------------------------------------------------------------------- */

int64_t rt_onnx_opset(const Onnx__ModelProto *proto)
{
    int64_t version = 0;
    for (size_t i = 0; i < proto->n_opset_import; i++) {
        const Onnx__OperatorSetIdProto *set = proto->opset_import[i];
        if (!set->domain || !*set->domain || strcmp(set->domain, "ai.onnx") == 0)
            version = set->version;
    }
    return version;
}

static rt_status check(const Onnx__ModelProto *proto, const char *path)
{
    const int64_t opset = rt_onnx_opset(proto);
    if (!proto->graph || proto->graph->n_node == 0)
        return rt_fail(RT_ERROR_FORMAT, "%s is no ONNX network: it has no graph with nodes", path);
    for (size_t i = 0; i < proto->graph->n_node; i++)
        if (!proto->graph->node[i]->op_type)
            return rt_fail(RT_ERROR_FORMAT, "%s is damaged: a node has no operator", path);
    if (opset < OPSET_MIN || opset > OPSET_MAX)
        return rt_fail(RT_ERROR_UNSUPPORTED,
                       "%s uses version %lld of ONNX's operators, and this retort knows %d to %d: "
                       "convert it with onnx.version_converter, or export it anew",
                       path, (long long)opset, OPSET_MIN, OPSET_MAX);
    return RT_OK;
}

rt_status rt_onnx_file_parse(Onnx__ModelProto **proto, const char *path, const uint8_t *bytes,
                             size_t size)
{
    *proto = NULL;
    if (!is_whole((struct bytes){bytes, bytes + size}, &onnx__model_proto__descriptor, 0))
        return rt_fail(
            RT_ERROR_FORMAT,
            "%s is no ONNX file, or it is damaged or cut off: its %zu bytes are no whole "
            "protocol buffer",
            path, size);
    *proto = onnx__model_proto__unpack(NULL, size, bytes);
    if (!*proto)
        return rt_fail(RT_ERROR_FORMAT, "%s is no ONNX file, or it is damaged", path);
    rt_status status = check(*proto, path);
    if (status < 0) {
        onnx__model_proto__free_unpacked(*proto, NULL);
        *proto = NULL;
    }
    return status;
}

rt_status rt_onnx_file_read(Onnx__ModelProto **proto, const char *path)
{
    char *bytes = NULL;
    size_t size;
    *proto = NULL;
    rt_status status = rt_file_read(path, FILE_BYTES_MAX, &bytes, &size);
    if (status == RT_OK)
        status = rt_onnx_file_parse(proto, path, (const uint8_t *)bytes, size);
    free(bytes);
    return status;
}
