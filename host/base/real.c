#include "base/real.h"

#include <math.h>

/* Taylor's series about 0 of a quarter turn's middle, |x| <= pi / 4. */
static double near_cosine(double x)
{
    const double square = x * x;
    double sum = 1;
    for (int n = 16; n >= 2; n -= 2)
        sum = 1 - sum * square / (n * (n - 1));
    return sum;
}

static double near_sine(double x)
{
    const double square = x * x;
    double sum = 1;
    for (int n = 17; n >= 3; n -= 2)
        sum = 1 - sum * square / (n * (n - 1));
    return x * sum;
}

double rt_cosine(double turns)
{
    turns -= floor(turns);
    const int quarter = (int)(turns * 4 + 0.5);
    const double x = 6.283185307179586 * (turns - 0.25 * quarter);
    switch (quarter % 4) {
    case 0:
        return near_cosine(x);
    case 1:
        return -near_sine(x);
    case 2:
        return -near_cosine(x);
    default:
        return near_sine(x);
    }
}

/* log(m 2^e) = e log 2 + 2 artanh s with s = (m - 1) / (m + 1), m from sqrt(1/2) to sqrt(2). */
double rt_logarithm(double x)
{
    int exponent;
    double m = frexp(x, &exponent);
    if (m < 0.7071067811865476) {
        m *= 2;
        exponent--;
    }
    const double s = (m - 1) / (m + 1), square = s * s;
    double sum = 0;
    for (int n = 23; n >= 1; n -= 2)
        sum = sum * square + 1.0 / n;
    return exponent * 0.6931471805599453 + 2 * s * sum;
}

double rt_power(double x, uint64_t n)
{
    double power = 1;
    for (; n > 0; n /= 2, x *= x)
        if (n % 2 == 1)
            power *= x;
    return power;
}
