/* What a convolution is, bit for bit, in exact mode. All of it depends on the filters and on the
 * shape of one image alone. Every product is added by an fma; what lies outside an image is zero
 * and takes part as any other number does; numbers are taken to be finite.
 *
 * Direct, forward and by data: an output starts from its bias, or 0, and takes input channel by
 * input channel, of each the columns that its filter covers one after the other, from above.
 *
 * Direct by weights: each chunk of rows of an image has 16 sums, which start from 0; column j is
 * added to sum j % 16, row after row; they are added as SUM in cl/common.cl does for 16. The
 * gradient is the sum of all chunks', from 0 in their order, image after image. With stride 2 an
 * image's is the sum of its rows', from 0 in their order, each of which starts from 0 and takes
 * column after column; and the gradient that of the images', likewise. So it is with groups of
 * channels, which are convolved directly, whatever the stride.
 *
 * Winograd: F(4x4, 3x3) by the lines of cl/winograd_lines.cl, along columns first; products are
 * added, from 0, over the input channels in their order; then the bias, or 0, is added to the
 * output.
 *
 * Winograd by weights: F(3x3, 4x4) by those lines, along columns first. Each chunk of an image's
 * rows of tiles adds up their products, from 0, row after row; an image's transformed sum is that
 * of its chunks', from 0 in their order.
 *
 * The gradient by the weights is the sum of the images', from 0 in their order: the same whether a
 * batch comes as one or in parts. */
#include "ops/conv2d.h"
#include "ops/share.h"

/* Enough work-items for a batch of large images, and few enough sums to add up. */
#define CHUNK_TILES 1024
#define CHUNK_BYTES ((size_t)1 << 20) /* of rows that stay in a CPU core's cache */

bool rt_conv2d_is_winograd(const struct rt_conv2d *a, struct rt_shape x, enum rt_conv2d_part part)
{
    return a->kernel == 3 && a->stride == 1 && rt_conv2d_groups(a) == 1 &&
           x.c * a->channels >= rt_conv2d_winograd.least_filters[part];
}

int rt_conv2d_chunk_tile_rows(struct rt_shape x)
{
    const int rows = (x.h + 3) / 4, chunk = CHUNK_TILES / ((x.w + 3) / 4);
    return chunk < 1 ? 1 : chunk < rows ? chunk : rows;
}

int rt_conv2d_chunk_rows(const struct rt_conv2d *a, struct rt_shape x)
{
    const size_t row = (size_t)(x.c + a->channels) * (size_t)x.w * sizeof(float);
    const size_t chunk = CHUNK_BYTES / row;
    return chunk < 1 ? 1 : chunk < (size_t)x.h ? (int)chunk : x.h;
}

const struct rt_conv2d_variant *rt_conv2d_exact(const struct rt_device *device,
                                                const struct rt_conv2d *a, struct rt_shape x,
                                                enum rt_conv2d_part part)
{
    static const struct rt_conv2d_variant *const winograd[] = {&rt_conv2d_winograd,
                                                               &rt_conv2d_winograd_plain, NULL},
                                                 *const direct[] = {&rt_conv2d_direct,
                                                                    &rt_conv2d_plain, NULL},
                                                 *const shared[] = {&rt_conv2d_tiled,
                                                                    &rt_conv2d_direct,
                                                                    &rt_conv2d_plain, NULL};
    const struct rt_conv2d_variant *const *variant = rt_conv2d_is_winograd(a, x, part) ? winograd
                                                     : rt_device_is_cpu(device)        ? direct
                                                                                       : shared;
    while (variant[1] && !(*variant)->supports(device, a, x, part))
        variant++;
    return *variant;
}
