/* segment MODEL.safetensors PHOTO MASK.png: paints every pixel in the colour of its class. */
#include <retort/retort.h>

#include <stdio.h>

static rt_status paint(const struct rt_palette *palette, const struct rt_image *labels,
                       const char *path)
{
    struct rt_image mask;
    rt_status status = rt_image_init(&mask, labels->width, labels->height, 3);
    if (status == RT_OK) {
        size_t pixels = (size_t)labels->width * labels->height;
        rt_palette_colorize(palette, labels->pixels, pixels, mask.pixels);
        status = rt_image_write_png(&mask, path);
    }
    rt_image_finish(&mask);
    return status;
}

static void print_shares(const struct rt_palette *palette, const struct rt_image *labels)
{
    size_t pixels = (size_t)labels->width * labels->height, counts[RT_CLASSES_MAX] = {0};
    for (size_t i = 0; i < pixels; i++)
        counts[labels->pixels[i]]++;
    for (int c = 0; c < palette->count; c++)
        printf("%5.1f %% %s\n", 100.0 * counts[c] / pixels, palette->classes[c].name);
}

int main(int argc, char **argv)
{
    struct rt_device *device = NULL;
    struct rt_model *model = NULL;
    struct rt_image photo = {0}, labels = {0};
    if (argc != 4) {
        fprintf(stderr, "usage: segment MODEL.safetensors PHOTO MASK.png\n");
        return 2;
    }
    rt_status status = rt_device_open(&device, NULL); /* the fastest kind that there is */
    if (status == RT_OK)
        status = rt_model_load(&model, device, argv[1]);
    if (status == RT_OK)
        status = rt_image_read(&photo, argv[2]);
    if (status == RT_OK)
        status = rt_model_segment(model, &photo, RT_OVERLAP_AUTO, &labels);
    if (status == RT_OK)
        status = paint(&rt_model_describe(model)->palette, &labels, argv[3]);
    if (status == RT_OK)
        print_shares(&rt_model_describe(model)->palette, &labels);
    else
        fprintf(stderr, "segment: %s\n", rt_error_message());
    rt_image_finish(&labels);
    rt_image_finish(&photo);
    rt_model_destroy(model);
    rt_device_close(device);
    return status == RT_OK ? 0 : 1;
}
