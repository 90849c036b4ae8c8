/* Whatever GDAL makes of a file, as a photo and as a mask. */
#include "fuzz.h"

#include "data/raster.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *path = fuzz_file("raster", data, size);
    const struct rt_raster_view view = {.ranged = true, .high = {1, 1, 1}};
    struct rt_image_header header;
    struct rt_image image, valid;
    struct rt_window window = {0, 0, 32, 32};
    if (rt_raster_header(path, &view, &header) == RT_OK) {
        window.width = header.width < 32 ? header.width : 32;
        window.height = header.height < 32 ? header.height : 32;
        if (rt_raster_load(path, &view, &window, &image, &valid) == RT_OK) {
            fuzz_refuse(image.width != window.width, "another width");
            rt_image_finish(&image);
            rt_image_finish(&valid);
        }
    }
    if (rt_raster_mask_header(path, &header) != RT_OK)
        return 0;
    window.width = header.width < 32 ? header.width : 32;
    window.height = header.height < 32 ? header.height : 32;
    if (rt_raster_mask_load(path, &window, &image) == RT_OK)
        rt_image_finish(&image);
    return 0;
}
