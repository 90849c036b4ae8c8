#include "fuzz.h"

#include <zlib.h>

#include "png_mutator.h"

#define SIGNATURE_BYTES 8

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t most);

static uint32_t get_word(const uint8_t *bytes)
{
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

static void put_word(uint8_t *bytes, uint32_t word)
{
    for (int i = 0; i < 4; i++)
        bytes[i] = (uint8_t)(word >> 8 * (3 - i));
}

/* One input in eight keeps its wrong checksums: they must be seen, too. */
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t most, unsigned seed)
{
    size = LLVMFuzzerMutate(data, size, most);
    if (seed % 8 == 0)
        return size;
    for (size_t at = SIGNATURE_BYTES; at + 12 <= size;) {
        uint32_t length = get_word(data + at);
        if (length > size - at - 12)
            break;
        put_word(data + at + 8 + length, (uint32_t)crc32(0, data + at + 4, length + 4));
        at += 12 + length;
    }
    return size;
}
