/* retort devices: what OpenCL offers here. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/memory.h"
#include "cli/commands.h"
#include "cli/common.h"
#include "retort/device.h"

#define MIB ((double)(1 << 20))

static void print_device(const struct rt_device_info *info)
{
    printf("%d  %s (%s%s)\n", info->index, info->name, info->integrated ? "integrated " : "",
           rt_device_type_name(info->type));
    printf("   platform        %d:%d, %s\n", info->platform, info->device, info->platform_name);
    printf("   vendor          %s\n", info->vendor);
    printf("   driver          %s, %s\n", info->driver, info->version);
    printf("   compute units   %d", info->units);
    if (info->mhz > 0)
        printf(", up to %d MHz", info->mhz);
    printf("\n");
    printf("   memory          %.0f MiB, one buffer up to %.0f MiB, %.4g MiB of cache\n",
           (double)info->memory_bytes / MIB, (double)info->buffer_bytes / MIB,
           (double)info->cache_bytes / MIB);
    printf("   work-group      %zu work-items (%zu x %zu x %zu), %zu KiB of local memory\n",
           info->group_size, info->group_sizes[0], info->group_sizes[1], info->group_sizes[2],
           info->local_bytes >> 10);
    printf("   float vectors   %d wide preferred, %d native\n", info->vector_width,
           info->native_vector_width);
    printf("   half precision  %s\n", info->fp16 ? "yes" : "no");
}

json_t *describe_device(const struct rt_device_info *info)
{
    return json_pack(
        "{si si si ss ss ss ss ss ss sb si si sI sI sI sI sI s[III] sb si si}", "index",
        info->index, "platform", info->platform, "device", info->device, "name", info->name, "type",
        rt_device_type_name(info->type), "platform_name", info->platform_name, "vendor",
        info->vendor, "driver", info->driver, "version", info->version, "integrated",
        info->integrated, "units", info->units, "mhz", info->mhz, "memory_bytes",
        (json_int_t)info->memory_bytes, "buffer_bytes", (json_int_t)info->buffer_bytes,
        "local_bytes", (json_int_t)info->local_bytes, "cache_bytes", (json_int_t)info->cache_bytes,
        "group_size", (json_int_t)info->group_size, "group_sizes", (json_int_t)info->group_sizes[0],
        (json_int_t)info->group_sizes[1], (json_int_t)info->group_sizes[2], "fp16", info->fp16,
        "vector_width", info->vector_width, "native_vector_width", info->native_vector_width);
}

static rt_status print_json(const struct rt_device_info *devices, size_t count)
{
    json_t *list = json_array();
    int failed = !list;
    for (size_t i = 0; i < count && !failed; i++)
        failed = json_array_append_new(list, describe_device(&devices[i]));
    failed = failed || json_dumpf(list, stdout, JSON_INDENT(2));
    json_decref(list);
    putchar('\n');
    return failed ? rt_fail(RT_ERROR_MEMORY, "cannot write the devices as JSON") : RT_OK;
}

rt_status run_devices(int argc, char **argv)
{
    rt_status status = RT_OK;
    struct rt_device_info *devices = NULL;
    size_t count = 0;
    bool json = false;
    struct command_line line = {
        .usage = "[--json]",
        .about = "Shows every OpenCL device with its limits. Other commands take one by its\n"
                 "number, platform:device, type or part of its name with --device.",
    };
    const struct option options[] = {
        OPTION_HEADING("Options"),
        OPTION(OPTION_FLAG, "json", &json, .help = "print a JSON array"),
    };
    command_line_add(&line, options, RT_COUNT(options));
    add_general_options(&line);
    RT_TRY(command_line_parse(&line, argc, argv));
    RT_TRY(rt_device_list(&devices, &count));
    if (json)
        RT_TRY(print_json(devices, count));
    else if (count == 0)
        status = rt_fail(RT_ERROR_DEVICE, "no OpenCL device was found; install your GPU's OpenCL "
                                          "driver, or pocl-opencl-icd to use the CPU");
    for (size_t i = 0; i < count && !json; i++)
        print_device(&devices[i]);
end:
    free(devices);
    command_line_finish(&line);
    return status;
}
