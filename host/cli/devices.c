/* retort devices: what OpenCL offers here. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/json.h"
#include "base/memory.h"
#include "base/size.h"
#include "cli/commands.h"
#include "cli/common.h"
#include "retort/device.h"

static void print_device(const struct rt_device_info *info)
{
    char memory[RT_SIZE_TEXT], buffer[RT_SIZE_TEXT], cache[RT_SIZE_TEXT], local[RT_SIZE_TEXT];
    printf("%d  %s (%s%s)\n", info->index, info->name, info->integrated ? "integrated " : "",
           rt_device_type_name(info->type));
    printf("   platform        %d:%d, %s\n", info->platform, info->device, info->platform_name);
    printf("   vendor          %s\n", info->vendor);
    printf("   driver          %s, %s\n", info->driver, info->version);
    printf("   compute units   %d", info->units);
    if (info->mhz > 0)
        printf(", up to %d MHz", info->mhz);
    printf("\n");
    printf("   memory          %s, one buffer up to %s, %s of cache\n",
           rt_size_text(memory, info->memory_bytes), rt_size_text(buffer, info->buffer_bytes),
           rt_size_text(cache, info->cache_bytes));
    printf("   work-group      %zu work-items (%zu x %zu x %zu), %s of local memory\n",
           info->group_size, info->group_sizes[0], info->group_sizes[1], info->group_sizes[2],
           rt_size_text(local, info->local_bytes));
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

static json_t *describe_all(const struct rt_device_info *devices, size_t count)
{
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++)
        rt_json_append(&list, describe_device(&devices[i]));
    return list;
}

rt_status run_devices(int argc, char **argv)
{
    static const struct command_example examples[] = {
        {"See what there is to compute with", "retort devices"},
        {"Train on the second of them", "retort train --device 1 --out runs/teacher"},
        {NULL, NULL},
    };
    rt_status status = RT_OK;
    struct rt_device_info *devices = NULL;
    size_t count = 0;
    bool json = false;
    struct command_line line = {
        .usage = "[--json]",
        .about = "Shows every OpenCL device with its limits. Other commands take one by its\n"
                 "number, platform:device, type or part of its name with --device.",
        .examples = examples,
        .see = "doctor bench tune",
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
        RT_TRY(print_json(describe_all(devices, count)));
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
