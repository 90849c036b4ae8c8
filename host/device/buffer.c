#include <stdlib.h>

#include "base/memory.h"
#include "device/internal.h"

/* Of one command: NVIDIA's driver 580.159 fills 6 GiB, but of 16 GiB nothing, and it is the next
 * command that fails. */
#define FILL_BYTES_MAX ((size_t)1 << 30)

rt_status rt_buffer_create(struct rt_buffer **buffer, struct rt_device *device, size_t bytes)
{
    cl_int code;
    *buffer = NULL;
    if (bytes > device->info.buffer_bytes)
        return rt_fail(RT_ERROR_DEVICE,
                       "cannot allocate %zu bytes in one buffer: %s allows %zu; use a smaller "
                       "batch or patch",
                       bytes, device->info.name, device->info.buffer_bytes);
    rt_status status = rt_alloc(buffer, 1, sizeof **buffer);
    if (status < 0)
        return status;
    (*buffer)->memory =
        clCreateBuffer(device->context, CL_MEM_READ_WRITE, bytes ? bytes : 1, NULL, &code);
    if (code != CL_SUCCESS) {
        free(*buffer);
        *buffer = NULL;
        return rt_fail(RT_ERROR_DEVICE,
                       "cannot allocate %zu bytes on %s, where %zu are in use: %s (%d)%s", bytes,
                       device->info.name, device->bytes, rt_cl_error_name(code), (int)code,
                       rt_cl_advice(code));
    }
    (*buffer)->device = device;
    (*buffer)->bytes = bytes;
    device->bytes += bytes;
    if (device->bytes > device->peak_bytes)
        device->peak_bytes = device->bytes;
    return RT_OK;
}

void rt_buffer_destroy(struct rt_buffer *buffer)
{
    if (!buffer)
        return;
    clReleaseMemObject(buffer->memory);
    buffer->device->bytes -= buffer->bytes;
    free(buffer);
}

size_t rt_buffer_bytes(const struct rt_buffer *buffer)
{
    return buffer->bytes;
}

static rt_status check_range(const struct rt_buffer *buffer, size_t offset, size_t bytes)
{
    if (offset > buffer->bytes || bytes > buffer->bytes - offset)
        return rt_fail(RT_ERROR_ARGUMENT, "bytes %zu + %zu lie outside a buffer of %zu", offset,
                       bytes, buffer->bytes);
    return RT_OK;
}

static rt_status check_code(const struct rt_buffer *buffer, cl_int code, const char *doing)
{
    return code == CL_SUCCESS ? RT_OK : rt_cl_fail(buffer->device, code, doing);
}

rt_status rt_buffer_write(struct rt_buffer *buffer, size_t offset, size_t bytes, const void *from)
{
    rt_status status = check_range(buffer, offset, bytes);
    if (status < 0 || bytes == 0)
        return status;
    return check_code(buffer,
                      clEnqueueWriteBuffer(buffer->device->queue, buffer->memory, CL_TRUE, offset,
                                           bytes, from, 0, NULL, NULL),
                      "write a buffer");
}

rt_status rt_buffer_read(struct rt_buffer *buffer, size_t offset, size_t bytes, void *to)
{
    rt_status status = check_range(buffer, offset, bytes);
    if (status < 0 || bytes == 0)
        return status;
    return check_code(buffer,
                      clEnqueueReadBuffer(buffer->device->queue, buffer->memory, CL_TRUE, offset,
                                          bytes, to, 0, NULL, NULL),
                      "read a buffer");
}

static rt_status check_rows(const struct rt_buffer *buffer, const struct rt_rows *rows)
{
    if (rows->count == 0 || rows->bytes == 0)
        return RT_OK;
    if (rows->pitch < rows->bytes || rows->count > buffer->bytes / rows->pitch + 1)
        return rt_fail(RT_ERROR_ARGUMENT,
                       "%zu rows of %zu bytes, %zu apart, do not fit into a buffer of %zu",
                       rows->count, rows->bytes, rows->pitch, buffer->bytes);
    return check_range(buffer, rows->offset, (rows->count - 1) * rows->pitch + rows->bytes);
}

rt_status rt_buffer_write_rows(struct rt_buffer *buffer, const struct rt_rows *rows,
                               const void *from)
{
    rt_status status = check_rows(buffer, rows);
    const size_t origin[3] = {rows->offset, 0, 0}, host_origin[3] = {0, 0, 0};
    const size_t region[3] = {rows->bytes, rows->count, 1};
    if (status < 0 || rows->bytes == 0 || rows->count == 0)
        return status;
    return check_code(buffer,
                      clEnqueueWriteBufferRect(buffer->device->queue, buffer->memory, CL_TRUE,
                                               origin, host_origin, region, rows->pitch, 0,
                                               rows->bytes, 0, from, 0, NULL, NULL),
                      "write a buffer");
}

rt_status rt_buffer_read_rows(struct rt_buffer *buffer, const struct rt_rows *rows, void *to)
{
    rt_status status = check_rows(buffer, rows);
    const size_t origin[3] = {rows->offset, 0, 0}, host_origin[3] = {0, 0, 0};
    const size_t region[3] = {rows->bytes, rows->count, 1};
    if (status < 0 || rows->bytes == 0 || rows->count == 0)
        return status;
    return check_code(buffer,
                      clEnqueueReadBufferRect(buffer->device->queue, buffer->memory, CL_TRUE,
                                              origin, host_origin, region, rows->pitch, 0,
                                              rows->bytes, 0, to, 0, NULL, NULL),
                      "read a buffer");
}

rt_status rt_buffer_fill(struct rt_buffer *buffer, size_t offset, size_t bytes, uint32_t pattern)
{
    rt_status status = check_range(buffer, offset, bytes);
    const size_t end = offset + bytes;
    for (size_t from = offset; status == RT_OK && from < end; from += FILL_BYTES_MAX) {
        const size_t some = end - from < FILL_BYTES_MAX ? end - from : FILL_BYTES_MAX;
        status = check_code(buffer,
                            clEnqueueFillBuffer(buffer->device->queue, buffer->memory, &pattern,
                                                sizeof pattern, from, some, 0, NULL, NULL),
                            "fill a buffer");
    }
    return status;
}

rt_status rt_buffer_copy(struct rt_buffer *to, size_t to_offset, struct rt_buffer *from,
                         size_t from_offset, size_t bytes)
{
    rt_status status = RT_OK;
    RT_TRY(check_range(to, to_offset, bytes));
    RT_TRY(check_range(from, from_offset, bytes));
    if (bytes == 0)
        return RT_OK;
    status = check_code(to,
                        clEnqueueCopyBuffer(to->device->queue, from->memory, to->memory,
                                            from_offset, to_offset, bytes, 0, NULL, NULL),
                        "copy a buffer");
end:
    return status;
}
