#include "base/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/memory.h"

static rt_status fail_errno(const char *doing, const char *path)
{
    return rt_fail(errno == ENOMEM ? RT_ERROR_MEMORY : RT_ERROR_IO, "cannot %s %s: %s", doing, path,
                   strerror(errno));
}

rt_status rt_file_read(const char *path, size_t limit, char **bytes, size_t *size)
{
    rt_status status = RT_OK;
    *bytes = NULL;
    *size = 0;
    FILE *stream = fopen(path, "rb");
    if (!stream)
        return fail_errno("read", path);
    size_t capacity = 0;
    for (;;) {
        RT_TRY(rt_grow(bytes, &capacity, *size + 4096, 1));
        size_t got = fread(*bytes + *size, 1, capacity - *size - 1, stream);
        *size += got;
        if (*size > limit) {
            status = rt_fail(RT_ERROR_FORMAT, "cannot read %s: it is larger than %zu bytes", path,
                             limit);
            goto end;
        }
        if (got == 0)
            break;
    }
    if (ferror(stream))
        status = fail_errno("read", path);
    else
        (*bytes)[*size] = 0;
end:
    fclose(stream);
    if (status < 0) {
        free(*bytes);
        *bytes = NULL;
    }
    return status;
}

static void writer_release(struct rt_file_writer *writer)
{
    free(writer->path);
    free(writer->temporary);
    memset(writer, 0, sizeof *writer);
}

rt_status rt_file_begin(struct rt_file_writer *writer, const char *path)
{
    rt_status status = RT_OK;
    struct stat info;
    memset(writer, 0, sizeof *writer);
    /* The rename would put a file in the place of a device such as /dev/null. */
    if (stat(path, &info) == 0 && !S_ISREG(info.st_mode))
        return rt_fail(RT_ERROR_IO, "cannot write %s: it is not a regular file", path);
    errno = 0; /* whoever commits asks what went wrong on the way */
    RT_TRY(rt_copy_text(&writer->path, path));
    RT_TRY(rt_format(&writer->temporary, "%s.%ld.tmp", path, (long)getpid()));
    writer->stream = fopen(writer->temporary, "wb");
    if (!writer->stream)
        status = fail_errno("write", path);
end:
    if (status < 0)
        writer_release(writer);
    return status;
}

rt_status rt_file_commit(struct rt_file_writer *writer)
{
    rt_status status = RT_OK;
    bool written = !ferror(writer->stream) && fflush(writer->stream) == 0 &&
                   fsync(fileno(writer->stream)) == 0;
    if (!written && errno == 0)
        errno = EIO;
    if (!written)
        status = fail_errno("write", writer->path);
    if (fclose(writer->stream) != 0 && status == RT_OK)
        status = fail_errno("write", writer->path);
    if (status == RT_OK && rename(writer->temporary, writer->path) != 0)
        status = fail_errno("write", writer->path);
    if (status < 0)
        unlink(writer->temporary);
    writer_release(writer);
    return status;
}

void rt_file_abandon(struct rt_file_writer *writer)
{
    if (writer->stream) {
        fclose(writer->stream);
        unlink(writer->temporary);
    }
    writer_release(writer);
}

rt_status rt_file_write(const char *path, const void *bytes, size_t size)
{
    struct rt_file_writer writer;
    rt_status status = rt_file_begin(&writer, path);
    if (status < 0)
        return status;
    fwrite(bytes, 1, size, writer.stream);
    return rt_file_commit(&writer);
}

rt_status rt_file_adopt(const char *temporary, const char *path)
{
    const int file = open(temporary, O_RDONLY | O_CLOEXEC);
    bool done = file >= 0 && fsync(file) == 0;
    if (file >= 0)
        close(file);
    done = done && rename(temporary, path) == 0;
    return done ? RT_OK : fail_errno("write", path);
}

/* Whether rt_file_begin gives this name, in some process, to what will be the file `name`. */
static bool is_temporary_of(const char *temporary, const char *name)
{
    size_t length = strlen(name);
    if (strncmp(temporary, name, length) != 0 || temporary[length] != '.')
        return false;
    const char *number = temporary + length + 1;
    size_t digits = strspn(number, "0123456789");
    return digits > 0 && strcmp(number + digits, ".tmp") == 0;
}

rt_status rt_file_sweep(const char *path)
{
    rt_status status = RT_OK;
    char *folder = NULL, *temporary = NULL;
    DIR *listing = NULL;
    const char *name = rt_path_name(path);
    RT_TRY(rt_format(&folder, "%.*s.", (int)(name - path), path));
    listing = opendir(folder);
    if (!listing)
        RT_TRY(fail_errno("read the folder", folder));
    for (const struct dirent *entry; (entry = readdir(listing));) {
        if (!is_temporary_of(entry->d_name, name))
            continue;
        free(temporary);
        RT_TRY(rt_path_join(&temporary, folder, entry->d_name));
        if (unlink(temporary) != 0 && errno != ENOENT)
            RT_TRY(fail_errno("remove", temporary));
    }
end:
    if (listing)
        closedir(listing);
    free(folder);
    free(temporary);
    return status;
}

rt_status rt_folder_create(const char *path)
{
    char *parent = NULL;
    rt_status status = rt_copy_text(&parent, path);
    if (status < 0)
        return status;
    for (char *slash = parent + 1; *parent && *slash; slash++) {
        if (*slash != '/')
            continue;
        *slash = 0;
        mkdir(parent, 0777); /* the last mkdir tells whether it worked */
        *slash = '/';
    }
    free(parent);
    if (mkdir(path, 0777) == 0 || (errno == EEXIST && rt_path_is_folder(path)))
        return RT_OK;
    if (errno == EEXIST)
        return rt_fail(RT_ERROR_IO, "cannot create the folder %s: it is a file", path);
    return fail_errno("create the folder", path);
}

bool rt_path_exists(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0;
}

bool rt_path_is_folder(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

bool rt_path_is_same(const char *a, const char *b)
{
    struct stat first, second;
    return stat(a, &first) == 0 && stat(b, &second) == 0 && first.st_dev == second.st_dev &&
           first.st_ino == second.st_ino;
}

rt_status rt_path_join(char **path, const char *folder, const char *name)
{
    size_t length = strlen(folder);
    bool slash = length > 0 && folder[length - 1] == '/';
    return rt_format(path, "%s%s%s", folder, slash ? "" : "/", name);
}

const char *rt_path_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

rt_status rt_path_stem(char **stem, const char *path)
{
    rt_status status = rt_copy_text(stem, rt_path_name(path));
    if (status < 0)
        return status;
    char *dot = strrchr(*stem, '.');
    if (dot && dot != *stem)
        *dot = 0;
    return RT_OK;
}
