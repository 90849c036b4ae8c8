/* Feeds a target the files of folders, as libFuzzer does with its corpus.
 * usage: fuzz-TARGET FOLDER... */
#include "fuzz.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/file.h"

#define INPUT_BYTES_MAX ((size_t)1 << 20)

static void replay(const char *path)
{
    char *bytes;
    size_t size;
    fuzz_refuse(rt_file_read(path, INPUT_BYTES_MAX, &bytes, &size) != RT_OK, rt_error_message());
    printf("%s\n", path);
    fflush(stdout); /* the last line names the input that ended the process */
    LLVMFuzzerTestOneInput((const uint8_t *)bytes, size);
    free(bytes);
}

static int replay_folder(const char *path)
{
    int count = 0;
    DIR *folder = opendir(path);
    fuzz_refuse(!folder, path);
    for (struct dirent *entry; (entry = readdir(folder));) {
        char *file;
        if (entry->d_name[0] == '.')
            continue;
        fuzz_refuse(rt_path_join(&file, path, entry->d_name) != RT_OK, rt_error_message());
        replay(file);
        free(file);
        count++;
    }
    closedir(folder);
    return count;
}

int main(int argc, char **argv)
{
    int count = 0;
    for (int i = 1; i < argc; i++)
        count += replay_folder(argv[i]);
    fuzz_refuse(count == 0, "there is no input");
    LLVMFuzzerTestOneInput((const uint8_t *)"", 0);
    return 0;
}
