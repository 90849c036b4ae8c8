#include "base/hash.h"

uint64_t rt_hash(const void *bytes, size_t size)
{
    uint64_t hash = 0xcbf29ce484222325u;
    for (const unsigned char *byte = bytes, *end = byte + size; byte < end; byte++)
        hash = (hash ^ *byte) * 0x100000001b3u;
    return hash;
}
