#include "ops/reference.h"

#include <math.h>
#include <string.h>

#include "base/random.h"

void rt_reference_each(struct rt_reference *r, const struct rt_tile *tile,
                       double (*value)(const struct rt_reference *r, int n, int c, int i, int j))
{
    const struct rt_shape from = tile->first, size = tile->size;
    for (int n = from.n; n < from.n + size.n; n++)
        for (int c = from.c; c < from.c + size.c; c++)
            for (int i = from.h; i < from.h + size.h; i++)
                for (int j = from.w; j < from.w + size.w; j++)
                    r->y[rt_element(r->y_shape, n, c, i, j)] = value(r, n, c, i, j);
}

/* Philox-4x32-7, written independently of the kernels. */
static void philox7(uint64_t key, uint32_t c[4])
{
    uint32_t k0 = (uint32_t)key, k1 = (uint32_t)(key >> 32);
    for (int round = 0; round < 7; round++, k0 += 0x9E3779B9u, k1 += 0xBB67AE85u) {
        uint64_t a = 0xD2511F53ull * c[0], b = 0xCD9E8D57ull * c[2];
        uint32_t next[4] = {(uint32_t)(b >> 32) ^ c[1] ^ k0, (uint32_t)b,
                            (uint32_t)(a >> 32) ^ c[3] ^ k1, (uint32_t)a};
        memcpy(c, next, sizeof next);
    }
}

double rt_reference_activation(const struct rt_reference *r, const struct rt_activation *activation,
                               double value, int n, int c, int i, int j)
{
    if (activation->relu && value < 0)
        value = 0;
    if (!r->training || activation->dropout <= 0)
        return value;
    uint32_t words[4], threshold = (uint32_t)lrint((double)activation->dropout * 65536.0);
    rt_philox(r->seed, (uint32_t[4]){r->node, 0, 0, 0x64726f70}, words);
    c += r->channel;
    uint32_t counter[4] = {(uint32_t)(i / 2 * r->y_shape.w + j), (uint32_t)c / 4,
                           r->image + (uint32_t)n, r->step};
    philox7(words[0] | (uint64_t)words[1] << 32, counter);
    uint32_t bits = i % 2 ? counter[c % 4] >> 16 : counter[c % 4] & 0xffff;
    return bits < threshold ? 0 : value * 65536.0 / (65536.0 - threshold);
}
