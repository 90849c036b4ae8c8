#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/process.h"
#include "device/program_cache.h"
#include "device/sources.h"

#define SOURCE_BYTES_MAX (1 << 20)

struct rt_program {
    char *key; /* file and options */
    cl_program program;
    struct rt_program *next;
};

/* The text of a kernel file: from the folder RETORT_CL_DIR where it is set, else embedded. */
static rt_status file_text(const char *file, char **text)
{
    const char *folder = getenv("RETORT_CL_DIR");
    if (folder && *folder) {
        char *path = NULL;
        size_t size;
        rt_status status = rt_path_join(&path, folder, file);
        if (status == RT_OK)
            status = rt_file_read(path, SOURCE_BYTES_MAX, text, &size);
        free(path);
        return status;
    }
    for (const struct rt_source *source = rt_sources; source->name; source++)
        if (strcmp(source->name, file) == 0)
            return rt_copy_text(text, source->text);
    return rt_fail(RT_ERROR_BUILD, "there is no kernel file %s", file);
}

/* The same with the files that it includes in the place of its #include lines, which a compiler
 * could not follow into this program. */
static rt_status source_text(const char *file, char **text)
{
    static const char directive[] = "#include \"";
    rt_status status = file_text(file, text);
    char *line, *included = NULL, *whole = NULL;
    while (status == RT_OK && (line = strstr(*text, directive))) {
        char *name = line + strlen(directive), *rest = strchr(name, '"');
        if (!rest)
            RT_TRY(rt_fail(RT_ERROR_BUILD, "%s includes a file without a name", file));
        *line = *rest++ = '\0';
        RT_TRY(file_text(name, &included));
        RT_TRY(rt_format(&whole, "%s%s%s", *text, included, rest));
        free(included);
        free(*text);
        *text = whole;
        included = NULL;
    }
end:
    free(included);
    if (status < 0) {
        free(*text);
        *text = NULL;
    }
    return status;
}

static rt_status fail_build(struct rt_device *device, cl_program program, const char *file,
                            const char *options, cl_int code)
{
    size_t bytes = 0;
    char *log = NULL;
    clGetProgramBuildInfo(program, device->id, CL_PROGRAM_BUILD_LOG, 0, NULL, &bytes);
    rt_status status = rt_alloc(&log, bytes + 1, 1);
    if (status < 0)
        return status;
    clGetProgramBuildInfo(program, device->id, CL_PROGRAM_BUILD_LOG, bytes, log, NULL);
    status = rt_fail(RT_ERROR_BUILD, "%s does not build on %s (driver %s) with '%s': %s (%d)%s\n%s",
                     file, device->info.name, device->info.driver, options, rt_cl_error_name(code),
                     (int)code, rt_cl_advice(code), log);
    free(log);
    return status;
}

static rt_status compile(struct rt_device *device, const char *file,
                         const struct rt_program_source *source, cl_program *program)
{
    cl_int code;
    *program = clCreateProgramWithSource(
        device->context, 2, (const char *[]){source->common, source->text}, NULL, &code);
    if (code != CL_SUCCESS)
        return rt_cl_fail(device, code, "create a program");
    code = clBuildProgram(*program, 1, &device->id, source->options, NULL, NULL);
    if (code == CL_SUCCESS)
        return RT_OK;
    rt_status status = fail_build(device, *program, file, source->options, code);
    clReleaseProgram(*program);
    return status;
}

static const char *math_option(const struct rt_device *device)
{
    return rt_device_is_exact(device) ? " -DEXACT=1" : "";
}

/* The program from the cache, else from its source. */
static rt_status build(struct rt_device *device, const char *file, const char *options,
                       cl_program *program)
{
    rt_status status = RT_OK;
    char *common = NULL, *text = NULL, *all_options = NULL;
    double start = rt_clock_seconds();
    RT_TRY(source_text("common.cl", &common));
    RT_TRY(source_text(file, &text));
    const int cpu = rt_device_is_cpu(device);
    if (strstr(options, "-DVEC="))
        RT_TRY(rt_format(&all_options, "-cl-std=CL1.2 %s%s -DCPU=%d", options, math_option(device),
                         cpu));
    else
        RT_TRY(rt_format(&all_options, "-cl-std=CL1.2 -DVEC=%d %s%s -DCPU=%d",
                         rt_device_vector(device), options, math_option(device), cpu));
    const struct rt_program_source source = {common, text, all_options};
    *program = rt_program_cache_load(device, &source);
    const bool cached = *program;
    if (!cached) {
        RT_TRY(compile(device, file, &source, program));
        rt_program_cache_store(device, &source, *program);
    }
    rt_debug("%s %s with '%s' in %.2f s", cached ? "loaded" : "built", file, all_options,
             rt_clock_seconds() - start);
end:
    free(common);
    free(text);
    free(all_options);
    return status;
}

static rt_status find_program(struct rt_device *device, const char *file, const char *options,
                              cl_program *found)
{
    rt_status status = RT_OK;
    char *key = NULL;
    struct rt_program *entry = NULL;
    RT_TRY(rt_format(&key, "%s %s%s", file, options, math_option(device)));
    for (entry = device->programs; entry; entry = entry->next) {
        if (strcmp(entry->key, key) == 0) {
            *found = entry->program;
            goto end;
        }
    }
    struct rt_program *made = NULL;
    RT_TRY(rt_alloc(&made, 1, sizeof *made));
    status = build(device, file, options, &made->program);
    if (status < 0) {
        free(made);
        goto end;
    }
    made->key = key;
    key = NULL;
    made->next = device->programs;
    device->programs = made;
    *found = made->program;
end:
    free(key);
    return status;
}

static rt_status create_kernel(struct rt_device *device, const char *file, const char *name,
                               const char *options, struct rt_kernel *kernel)
{
    cl_program program;
    cl_int code;
    rt_status status = find_program(device, file, options, &program);
    if (status < 0)
        return status;
    kernel->kernel = clCreateKernel(program, name, &code);
    if (code == CL_SUCCESS)
        code = clGetKernelWorkGroupInfo(kernel->kernel, device->id, CL_KERNEL_WORK_GROUP_SIZE,
                                        sizeof kernel->group_size, &kernel->group_size, NULL);
    if (code != CL_SUCCESS)
        return rt_fail(RT_ERROR_BUILD, "cannot take the kernel %s out of %s on %s: %s (%d)%s", name,
                       file, device->info.name, rt_cl_error_name(code), (int)code,
                       rt_cl_advice(code));
    return RT_OK;
}

static void kernel_destroy(struct rt_kernel *kernel)
{
    if (kernel->kernel)
        clReleaseKernel(kernel->kernel);
    free(kernel->key);
    free(kernel);
}

rt_status rt_device_kernel(struct rt_device *device, const char *file, const char *name,
                           const char *options, const struct rt_kernel **kernel)
{
    rt_status status = RT_OK;
    struct rt_kernel *made = NULL;
    char *key = NULL;
    RT_TRY(rt_format(&key, "%s %s %s%s", file, name, options, math_option(device)));
    for (struct rt_kernel *entry = device->kernels; entry; entry = entry->next) {
        if (strcmp(entry->key, key) == 0) {
            *kernel = entry;
            goto end;
        }
    }
    RT_TRY(rt_alloc(&made, 1, sizeof *made));
    RT_TRY(create_kernel(device, file, name, options, made));
    made->key = key;
    key = NULL;
    made->next = device->kernels;
    device->kernels = made;
    *kernel = made;
    made = NULL;
end:
    if (made)
        kernel_destroy(made);
    free(key);
    return status;
}

rt_status rt_device_kernel_items(struct rt_device *device, const char *file, const char *name,
                                 const char *options, size_t *items)
{
    const struct rt_kernel *kernel;
    rt_status status = rt_device_kernel(device, file, name, options, &kernel);
    if (status == RT_OK)
        *items = kernel->group_size;
    return status;
}

void rt_device_release_programs(struct rt_device *device)
{
    while (device->kernels) {
        struct rt_kernel *kernel = device->kernels;
        device->kernels = kernel->next;
        kernel_destroy(kernel);
    }
    while (device->programs) {
        struct rt_program *program = device->programs;
        device->programs = program->next;
        clReleaseProgram(program->program);
        free(program->key);
        free(program);
    }
}
