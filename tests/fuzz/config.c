/* config.json: how a run was started. */
#include "fuzz.h"

#include "learn/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct rt_data_recipe recipe;
    struct rt_train_options options;
    const char *path = fuzz_file("config.json", data, size);
    bool ours;
    if (rt_config_is_ours(path, &ours) < 0 || !ours)
        return 0;
    if (rt_data_recipe_read(&recipe, path) == RT_OK)
        rt_data_recipe_finish(&recipe);
    rt_train_defaults(&options);
    rt_config_expect(path, &options, "a device", RT_MATH_FAST);
    return 0;
}
