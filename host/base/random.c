#include "base/random.h"

#include <math.h>
#include <string.h>

#include "base/real.h"

void rt_philox(uint64_t key, const uint32_t counter[4], uint32_t words[4])
{
    uint32_t k0 = (uint32_t)key, k1 = (uint32_t)(key >> 32);
    uint32_t c0 = counter[0], c1 = counter[1], c2 = counter[2], c3 = counter[3];
    for (int round = 0; round < 10; round++) {
        uint64_t p0 = (uint64_t)0xD2511F53u * c0;
        uint64_t p1 = (uint64_t)0xCD9E8D57u * c2;
        c0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0;
        c1 = (uint32_t)p1;
        c2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
        c3 = (uint32_t)p0;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    words[0] = c0;
    words[1] = c1;
    words[2] = c2;
    words[3] = c3;
}

struct rt_random rt_random_start(uint64_t seed, uint64_t stream)
{
    return (struct rt_random){.key = seed, .stream = stream};
}

uint32_t rt_random_word(struct rt_random *random)
{
    uint64_t block = random->position / 4;
    uint32_t counter[4] = {(uint32_t)block, (uint32_t)(block >> 32), (uint32_t)random->stream,
                           (uint32_t)(random->stream >> 32)};
    uint32_t words[4];
    rt_philox(random->key, counter, words);
    return words[random->position++ % 4];
}

uint32_t rt_random_below(struct rt_random *random, uint32_t bound)
{
    uint32_t rejected = (uint32_t)-bound % bound; /* 2^32 mod bound */
    for (;;) {
        uint64_t product = (uint64_t)rt_random_word(random) * bound;
        if ((uint32_t)product >= rejected)
            return (uint32_t)(product >> 32);
    }
}

float rt_random_unit(struct rt_random *random)
{
    return (float)(rt_random_word(random) >> 8) * 0x1p-24f;
}

float rt_random_normal(struct rt_random *random)
{
    double radius = sqrt(-2.0 * rt_logarithm(1.0 - (double)rt_random_unit(random)));
    return (float)(radius * rt_cosine((double)rt_random_unit(random)));
}

void rt_random_shuffle(struct rt_random *random, void *items, size_t count, size_t size)
{
    char *bytes = items;
    char swap[64];
    for (size_t i = count; i > 1; i--) {
        size_t j = rt_random_below(random, (uint32_t)i);
        memcpy(swap, bytes + (i - 1) * size, size);
        memcpy(bytes + (i - 1) * size, bytes + j * size, size);
        memcpy(bytes + j * size, swap, size);
    }
}
