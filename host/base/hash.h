/* A short name for a text or a block of bytes. No proof that two of them are equal. */
#ifndef RT_BASE_HASH_H
#define RT_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

/* FNV-1a, 64 bits: http://www.isthe.com/chongo/tech/comp/fnv/ */
uint64_t rt_hash(const void *bytes, size_t size);

#endif
