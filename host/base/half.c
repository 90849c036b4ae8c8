#include "base/half.h"

#include <string.h>

float rt_half_value(uint16_t bits)
{
    const uint32_t sign = (uint32_t)(bits & 0x8000) << 16;
    const uint32_t exponent = bits >> 10 & 31, fraction = bits & 1023;
    uint32_t word = sign | (exponent + 112) << 23 | fraction << 13;
    float value;
    if (exponent == 0)
        return (sign ? -1.f : 1.f) * (float)fraction * 0x1p-24f;
    if (exponent == 31)
        word = sign | 0x7f800000 | fraction << 13;
    memcpy(&value, &word, sizeof value);
    return value;
}
