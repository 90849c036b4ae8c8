#include "device/program_cache.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/memory.h"

#define ENTRY_BYTES_MAX ((size_t)64 << 20)

/* An entry's file is this header in the machine's own byte order, the key, the binary. */
#define MAGIC "retort program 1" /* what the file is, and the version of this format */
struct header {
    char magic[sizeof MAGIC - 1];
    uint64_t key_bytes, binary_bytes;
    uint64_t checksum; /* rt_hash of the binary */
};

/* Where the binary of a source is kept. The file's name is a hash of the key; as the file holds the
 * key, two keys with one hash cost a compilation, not a wrong program. */
struct entry {
    char *folder, *path; /* NULL: nothing is kept */
    char *key;           /* everything that the binary depends on */
};

/* --- the place of an entry ---------------------------------------------------------------- */

/* NVIDIA's driver keeps what it compiles; so does PoCL, which, to give a program's binary, would
 * compile all its kernels once more, for work-groups of any size. */
static bool driver_caches(const struct rt_device_info *info)
{
    static const char *const platforms[] = {"Portable Computing Language", "NVIDIA CUDA"};
    for (size_t i = 0; i < RT_COUNT(platforms); i++)
        if (strcmp(info->platform_name, platforms[i]) == 0)
            return true;
    return false;
}

rt_status rt_program_cache_folder(const struct rt_device_info *info, char **folder)
{
    const char *chosen = getenv("RETORT_CACHE_DIR"), *caches = getenv("XDG_CACHE_HOME"),
               *home = getenv("HOME");
    *folder = NULL;
    if (chosen)
        return *chosen ? rt_copy_text(folder, chosen) : RT_OK;
    if (driver_caches(info))
        return RT_OK;
    if (caches && *caches == '/') /* the standard says to ignore a relative path */
        return rt_path_join(folder, caches, "retort");
    if (home && *home)
        return rt_path_join(folder, home, ".cache/retort");
    return RT_OK;
}

static rt_status format_key(const struct rt_device *device, const struct rt_program_source *source,
                            char **key)
{
    const struct rt_device_info *info = &device->info;
    char version[128] = "";
    cl_platform_id platform;
    if (clGetDeviceInfo(device->id, CL_DEVICE_PLATFORM, sizeof platform, &platform, NULL) ==
        CL_SUCCESS)
        clGetPlatformInfo(platform, CL_PLATFORM_VERSION, sizeof version - 1, version, NULL);
    return rt_format(key, "%s\n%s\n%s\n%s\n%s\n%s\n%s%s", info->platform_name, version, info->name,
                     info->version, info->driver, source->options, source->common, source->text);
}

static void entry_finish(struct entry *entry)
{
    free(entry->folder);
    free(entry->path);
    free(entry->key);
}

static rt_status entry_init(struct entry *entry, const struct rt_device *device,
                            const struct rt_program_source *source)
{
    rt_status status = RT_OK;
    char *name = NULL;
    memset(entry, 0, sizeof *entry);
    RT_TRY(rt_program_cache_folder(&device->info, &entry->folder));
    if (!entry->folder)
        return RT_OK;
    RT_TRY(format_key(device, source, &entry->key));
    RT_TRY(rt_format(&name, "%016" PRIx64 ".bin", rt_hash(entry->key, strlen(entry->key))));
    RT_TRY(rt_path_join(&entry->path, entry->folder, name));
end:
    free(name);
    return status;
}

/* --- loading ------------------------------------------------------------------------------ */

/* Finds the binary within the entry's file. */
static rt_status find_binary(const struct entry *entry, const char *bytes, size_t size,
                             const char **binary, size_t *binary_bytes)
{
    struct header header;
    const size_t key_bytes = strlen(entry->key);
    if (size < sizeof header)
        return rt_fail(RT_ERROR_FORMAT, "%s is cut off", entry->path);
    memcpy(&header, bytes, sizeof header);
    if (memcmp(header.magic, MAGIC, sizeof header.magic) != 0)
        return rt_fail(RT_ERROR_FORMAT, "%s is no program of this version", entry->path);
    bytes += sizeof header;
    size -= sizeof header;
    if (header.key_bytes != key_bytes || size < key_bytes ||
        memcmp(bytes, entry->key, key_bytes) != 0)
        return rt_fail(RT_ERROR_FORMAT, "%s was compiled from another source or by another driver",
                       entry->path);
    *binary = bytes + key_bytes;
    *binary_bytes = size - key_bytes;
    if (header.binary_bytes != *binary_bytes)
        return rt_fail(RT_ERROR_FORMAT, "%s holds %zu bytes of a binary of %" PRIu64, entry->path,
                       *binary_bytes, header.binary_bytes);
    if (header.checksum != rt_hash(*binary, *binary_bytes))
        return rt_fail(RT_ERROR_FORMAT, "%s is damaged", entry->path);
    return RT_OK;
}

/* *program is NULL on failure. */
static rt_status create_program(const struct rt_device *device, const struct entry *entry,
                                const char *options, const char *binary, size_t bytes,
                                cl_program *program)
{
    cl_int code, taken = CL_SUCCESS;
    *program = clCreateProgramWithBinary(device->context, 1, &device->id, &bytes,
                                         &(const unsigned char *){(const unsigned char *)binary},
                                         &taken, &code);
    if (code == CL_SUCCESS)
        code = taken;
    if (code == CL_SUCCESS)
        code = clBuildProgram(*program, 1, &device->id, options, NULL, NULL);
    if (code == CL_SUCCESS)
        return RT_OK;
    if (*program)
        clReleaseProgram(*program);
    *program = NULL;
    return rt_fail(RT_ERROR_BUILD, "the driver of %s does not take %s: %s (%d)", device->info.name,
                   entry->path, rt_cl_error_name(code), (int)code);
}

cl_program rt_program_cache_load(const struct rt_device *device,
                                 const struct rt_program_source *source)
{
    rt_status status = RT_OK;
    cl_program program = NULL;
    struct entry entry;
    char *bytes = NULL;
    const char *binary = NULL;
    size_t size, binary_bytes = 0;
    RT_TRY(entry_init(&entry, device, source));
    if (!entry.path || !rt_path_exists(entry.path))
        goto end;
    RT_TRY(rt_file_read(entry.path, ENTRY_BYTES_MAX, &bytes, &size));
    RT_TRY(find_binary(&entry, bytes, size, &binary, &binary_bytes));
    RT_TRY(create_program(device, &entry, source->options, binary, binary_bytes, &program));
    utimensat(AT_FDCWD, entry.path, NULL, 0); /* used now; if not noted, it goes sooner */
end:
    if (status < 0)
        rt_debug("compiling again: %s", rt_error_message());
    free(bytes);
    entry_finish(&entry);
    return program;
}

/* --- bounding ----------------------------------------------------------------------------- */

struct stored {
    char *path;
    size_t bytes;
    struct timespec used;
};

static int compare_used(const void *a, const void *b)
{
    const struct timespec *x = &((const struct stored *)a)->used,
                          *y = &((const struct stored *)b)->used;
    if (x->tv_sec != y->tv_sec)
        return x->tv_sec < y->tv_sec ? -1 : 1;
    return (x->tv_nsec > y->tv_nsec) - (x->tv_nsec < y->tv_nsec);
}

/* Whether an entry has this name, or what a killed process has left of writing one: the folder may
 * be the user's, with other files in it. */
static bool is_entry(const char *name)
{
    return strspn(name, "0123456789abcdef") == 16 && strncmp(name + 16, ".bin", 4) == 0;
}

static rt_status list_stored(const char *folder, struct stored **list, size_t *count)
{
    rt_status status = RT_OK;
    size_t capacity = 0;
    struct stat info;
    DIR *listing = opendir(folder);
    if (!listing)
        return rt_fail(RT_ERROR_IO, "cannot read the folder %s", folder);
    for (const struct dirent *file; (file = readdir(listing));) {
        if (!is_entry(file->d_name))
            continue;
        RT_TRY(rt_grow(list, &capacity, *count + 1, sizeof **list));
        struct stored *stored = &(*list)[*count];
        RT_TRY(rt_path_join(&stored->path, folder, file->d_name));
        ++*count;
        if (stat(stored->path, &info) == 0 && S_ISREG(info.st_mode)) {
            stored->bytes = (size_t)info.st_size;
            stored->used = info.st_mtim;
        }
    }
end:
    closedir(listing);
    return status;
}

/* Another process may do the same: what is gone already is as well. */
static rt_status bound(const char *folder)
{
    struct stored *list = NULL;
    size_t count = 0, bytes = 0;
    rt_status status = list_stored(folder, &list, &count);
    for (size_t i = 0; i < count; i++)
        bytes += list[i].bytes;
    if (count > 0)
        qsort(list, count, sizeof *list, compare_used);
    for (size_t i = 0; i < count && bytes > RT_PROGRAM_CACHE_BYTES; i++) {
        bytes -= list[i].bytes;
        if (list[i].bytes > 0)
            unlink(list[i].path);
    }
    for (size_t i = 0; i < count; i++)
        free(list[i].path);
    free(list);
    return status;
}

/* --- storing ------------------------------------------------------------------------------ */

/* The program's binary, released by free(). */
static rt_status get_binary(const struct rt_device *device, cl_program program,
                            unsigned char **binary, size_t *bytes)
{
    *binary = NULL;
    *bytes = 0;
    cl_int code = clGetProgramInfo(program, CL_PROGRAM_BINARY_SIZES, sizeof *bytes, bytes, NULL);
    if (code == CL_SUCCESS && *bytes == 0)
        return rt_fail(RT_ERROR_UNSUPPORTED, "the driver of %s gives no binary", device->info.name);
    if (code == CL_SUCCESS) {
        rt_status status = rt_alloc(binary, *bytes, 1);
        if (status < 0)
            return status;
        code = clGetProgramInfo(program, CL_PROGRAM_BINARIES, sizeof binary, binary, NULL);
    }
    return code == CL_SUCCESS ? RT_OK : rt_cl_fail(device, code, "get a program's binary");
}

void rt_program_cache_store(const struct rt_device *device, const struct rt_program_source *source,
                            cl_program program)
{
    rt_status status = RT_OK;
    struct entry entry;
    struct header header;
    struct rt_file_writer writer;
    unsigned char *binary = NULL;
    size_t bytes;
    RT_TRY(entry_init(&entry, device, source));
    if (!entry.path)
        goto end;
    RT_TRY(get_binary(device, program, &binary, &bytes));
    memcpy(header.magic, MAGIC, sizeof header.magic);
    header.key_bytes = strlen(entry.key);
    header.binary_bytes = bytes;
    header.checksum = rt_hash(binary, bytes);
    RT_TRY(rt_folder_create(entry.folder));
    RT_TRY(rt_file_begin(&writer, entry.path));
    fwrite(&header, sizeof header, 1, writer.stream);
    fwrite(entry.key, 1, strlen(entry.key), writer.stream);
    fwrite(binary, 1, bytes, writer.stream);
    RT_TRY(rt_file_commit(&writer));
    status = bound(entry.folder);
end:
    if (status < 0)
        rt_debug("a compiled program is not kept, or too many are: %s", rt_error_message());
    free(binary);
    entry_finish(&entry);
}
