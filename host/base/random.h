/* Counter-based random numbers: the same (key, counter) gives the same bits on every machine,
 * in whatever order they are asked for.
 * Philox-4x32-10: Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3",
 * SC 2011, https://doi.org/10.1145/2063384.2063405 */
#ifndef RT_BASE_RANDOM_H
#define RT_BASE_RANDOM_H

#include <stddef.h>
#include <stdint.h>

/* The block of four 32-bit words that belongs to a 64-bit key and a 128-bit counter. */
void rt_philox(uint64_t key, const uint32_t counter[4], uint32_t words[4]);

/* A sequence of words: one key, one stream, an ever growing counter. Copying the struct copies
 * the sequence's place. */
struct rt_random {
    uint64_t key;
    uint64_t stream;
    uint64_t position;
};

struct rt_random rt_random_start(uint64_t seed, uint64_t stream);
uint32_t rt_random_word(struct rt_random *random);

/* Uniform over 0 .. bound-1 without bias; bound at least 1. */
uint32_t rt_random_below(struct rt_random *random, uint32_t bound);

/* Uniform in [0, 1), a multiple of 2^-24. */
float rt_random_unit(struct rt_random *random);

/* Normal with mean 0 and deviation 1 (Box and Muller). */
float rt_random_normal(struct rt_random *random);

/* A shuffle (Fisher and Yates) of count items of size bytes, size at most 64. */
void rt_random_shuffle(struct rt_random *random, void *items, size_t count, size_t size);

#endif
