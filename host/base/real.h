/* Functions of real numbers with the same bits on every machine, which libm's need not have: sums,
 * products, quotients and roots as IEEE 754 rounds them, in one order. They err by a few units in
 * the last place. */
#ifndef RT_BASE_REAL_H
#define RT_BASE_REAL_H

#include <stdint.h>

/* The cosine of an angle in turns, a finite number: cos(2 pi turns). */
double rt_cosine(double turns);

/* The natural logarithm of a number that is finite and above 0. */
double rt_logarithm(double x);

/* x multiplied n times by itself; 1 for n = 0. */
double rt_power(double x, uint64_t n);

#endif
