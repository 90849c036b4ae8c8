/* Numbers of half precision, as files hold them. */
#ifndef RT_BASE_HALF_H
#define RT_BASE_HALF_H

#include <stdint.h>

/* The value of the bits of a binary16 (IEEE 754): 1 bit of sign, 5 of exponent, 10 of fraction. */
float rt_half_value(uint16_t bits);

#endif
