/* PNG files as images. */
#include "fuzz.h"

#include "data/image.h"
#include "png_mutator.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct rt_image image;
    struct rt_image_header header;
    const char *path = fuzz_file("image", data, size);
    if (rt_image_read(&image, path) != RT_OK)
        return 0;
    fuzz_refuse(rt_image_read_header(&header, path, RT_IMAGE_PHOTO) != RT_OK, "no header");
    fuzz_refuse(header.width != image.width || header.height != image.height, "another size");
    rt_image_finish(&image);
    return 0;
}
