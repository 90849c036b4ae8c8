#include "test.h"

#include "short_run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "data_files.h"

const char *const run_file_names[RUN_FILES] = {"config.json",      "log.csv",
                                               "log.jsonl",        "best.safetensors",
                                               "last.safetensors", "state.safetensors"};

void keep_run(struct kept_run *kept, const char *run)
{
    for (int i = 0; i < RUN_FILES; i++) {
        char *path = test_path(run, run_file_names[i]);
        assert_ok(rt_file_read(path, 1 << 20, &kept->bytes[i], &kept->sizes[i]));
        free(path);
    }
}

void put_back_run(const struct kept_run *kept, const char *run)
{
    for (int i = 0; i < RUN_FILES; i++) {
        char *path = test_path(run, run_file_names[i]);
        FILE *stream = fopen(path, "wb"); /* without rt_file_write's wait for the disk */
        assert_non_null(stream);
        assert_int_equal(fwrite(kept->bytes[i], 1, kept->sizes[i], stream), kept->sizes[i]);
        assert_int_equal(fclose(stream), 0);
        free(path);
    }
}

void forget_run(struct kept_run *kept)
{
    for (int i = 0; i < RUN_FILES; i++)
        free(kept->bytes[i]);
}

bool run_holds(const struct kept_run *kept, const char *run, enum run_file file)
{
    char *path = test_path(run, run_file_names[file]), *bytes;
    size_t size;
    assert_ok(rt_file_read(path, 1 << 20, &bytes, &size));
    bool same = size == kept->sizes[file] && memcmp(bytes, kept->bytes[file], size) == 0;
    free(bytes);
    free(path);
    return same;
}

char *write_short_data(const char *folder)
{
    enum { SIZE = 32, COUNT = SIZE * SIZE * 3 };
    uint8_t image[COUNT], mask[COUNT];
    char *data = test_path(folder, "data");
    for (int i = 0; i < COUNT; i++) {
        image[i] = (uint8_t)(i * 7);
        mask[i] = i / 3 % 2 ? 200 : 0;
    }
    char *image_path = test_path(data, "images/a.png"), *mask_path = test_path(data, "masks/a.png");
    write_test_png(
        image_path,
        &(struct test_png){.width = SIZE, .height = SIZE, .type = 2, .depth = 8, .samples = image});
    write_test_png(
        mask_path,
        &(struct test_png){.width = SIZE, .height = SIZE, .type = 2, .depth = 8, .samples = mask});
    free(image_path);
    free(mask_path);
    return data;
}

struct rt_train_options short_run(const char *data, const char *out)
{
    struct rt_train_options options;
    rt_train_defaults(&options);
    options.data.source = data;
    options.data.patch = 16;
    options.data.split = RT_SPLIT_PATCH;
    options.data.validation = 0.25;
    options.network = "unet:2,depth=1,norm=batch,dropout=0.1";
    options.schedule = RT_SCHEDULE_CONSTANT;
    options.epochs = 1;
    options.augment = true;
    options.out = out;
    return options;
}
