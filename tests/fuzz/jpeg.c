/* JPEG files as images. */
#include "fuzz.h"

#include "data/image.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct rt_image image;
    if (rt_image_read(&image, fuzz_file("image", data, size)) == RT_OK)
        rt_image_finish(&image);
    return 0;
}
