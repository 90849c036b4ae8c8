/* exp, log, division and square root of `vec`, common.cl's part of exact arithmetic; another name
 * for what OpenCL has where EXACT is 0, whose last bits are each device's own.
 *
 * They are made of fma, of products and sums that are rounded to nearest, and of whole numbers,
 * which all devices compute alike, and take and give denormal numbers, infinities and NaN, of
 * which the sign and the other bits are not specified. DIVIDE and SQRT are correctly rounded, EXP
 * errs by up to 0.7 and LOG by up to 0.8 units in the last place (one, where EXP's result is
 * denormal). DIVIDE1 and SQRT1 are the same of one float. LARGER is fmax, but of 0 and -0 the first.
 * tests/ops/exact.c checks all this. */
#if EXACT

#define EXP(x) exact_exp(x)
#define LOG(x) exact_log(x)
#define DIVIDE(a, b) exact_divide(a, b)
#define SQRT(x) exact_sqrt(x)
#define LARGER(a, b) exact_larger(a, b)
#if VEC == 1
#define DIVIDE1(a, b) exact_divide(a, b)
#define SQRT1(x) exact_sqrt(x)
#define AS_IVEC as_int
#define TO_FLOAT convert_float
#else
#define DIVIDE1(a, b) exact_divide((vec)(a), (vec)(b)).s0
#define SQRT1(x) exact_sqrt((vec)(x)).s0
#define AS_IVEC JOIN(as_int, VEC)
#define TO_FLOAT JOIN(convert_float, VEC)
#endif

#define SIGN 0x80000000u
#define ONE 0x3f800000u /* the bits of 1 */
#define INFINITE 0x7f800000u
#define NOT_A_NUMBER 0x7fc00000u
#define FRACTION 0x7fffffu /* the bits of a number that are no exponent */

/* Of the bits of a number above 0 its fraction, and its biased exponent, which is below 1 for a
 * denormal number: its value is (1 + fraction / 2^23) 2^(exponent - 127). */
static inline uvec exact_split(uvec bits, ivec *exponent)
{
    const uvec biased = bits >> 23, shift = clz(bits) - 8;
    *exponent = biased == 0 ? 1 - AS_IVEC(shift) : AS_IVEC(biased);
    return (biased == 0 ? bits << shift : bits) & FRACTION;
}

/* The bits of the float that is nearest to m / 2^25 2^(exponent - 127), of two the even one.
 * 2^25 <= m < 2^26, and the lowest bit of m stands for all that are below it. Limits are vectors:
 * Oclgrind 21.10 reads past the end of scalar ones. */
static inline uvec exact_round(uvec m, ivec exponent)
{
    const uvec shift = AS_UVEC(clamp(1 - exponent, (ivec)(0), (ivec)(26))); /* what a denormal result lacks */
    const uvec rest = m & (((uvec)(1) << shift) - 1);
    m = m >> shift | (rest == 0 ? (uvec)(0) : (uvec)(1));
    const uvec nearest = (m >> 2) + ((m >> 1) & (m | m >> 2) & 1);
    const uvec bits = nearest + (AS_UVEC(max(exponent, (ivec)(1)) - 1) << 23);
    return exponent >= 255 ? (uvec)(INFINITE) : bits;
}

/* A quotient of fractions is found within one place by Newton's method, and then cut: its remainder
 * fits into a float and says how to round. */
static vec exact_divide(vec a, vec b)
{
    const uvec sign = (AS_UVEC(a) ^ AS_UVEC(b)) & SIGN;
    const uvec whole_a = AS_UVEC(a) & ~SIGN, whole_b = AS_UVEC(b) & ~SIGN;
    ivec exponent_a, exponent_b;
    const vec n = AS_VEC(exact_split(whole_a, &exponent_a) | ONE); /* from 1 to 2, as is d */
    const vec d = AS_VEC(exact_split(whole_b, &exponent_b) | ONE);

    vec inverse = AS_VEC(0x7ef311c7u - AS_UVEC(d));
#pragma unroll
    for (int i = 0; i < 4; i++)
        inverse = fma(inverse, fma(-inverse, d, (vec)(1)), inverse);
    vec q = n * inverse; /* above 1/2, below 2 */
    q = fma(fma(-q, d, n), inverse, q);
    q = AS_VEC(fma(-q, d, n) < 0 ? AS_UVEC(q) - 1 : AS_UVEC(q));

    const vec rest = fma(-q, d, n);
    const uvec exponent = AS_UVEC(q) >> 23;
    const vec half_place = d * AS_VEC((exponent - 24) << 23);
    const uvec round = rest >= half_place ? (uvec)(2) : (uvec)(0);
    const uvec more = ((rest == 0) | (rest == half_place)) ? (uvec)(0) : (uvec)(1);
    uvec bits = exact_round(((AS_UVEC(q) & FRACTION) | (FRACTION + 1)) << 2 | round | more,
                            exponent_a - exponent_b + AS_IVEC(exponent));

    bits = ((whole_a == 0) | (whole_b == INFINITE)) ? (uvec)(0) : bits;
    bits = ((whole_b == 0) | (whole_a == INFINITE)) ? (uvec)(INFINITE) : bits;
    const ivec none = (whole_a > INFINITE) | (whole_b > INFINITE) |
                      ((whole_a == 0) & (whole_b == 0)) |
                      ((whole_a == INFINITE) & (whole_b == INFINITE));
    bits = none ? (uvec)(NOT_A_NUMBER) : bits;
    return AS_VEC(bits | sign);
}

/* In the same way; no root lies half-way between two floats, and none is denormal. */
static vec exact_sqrt(vec x)
{
    const uvec whole = AS_UVEC(x);
    ivec exponent;
    const uvec fraction = exact_split(whole, &exponent);
    exponent -= 127;
    const vec m = AS_VEC(fraction + (AS_UVEC(exponent & 1) << 23) + ONE); /* from 1 to 4 */

    vec inverse = AS_VEC(0x5f375a86u - (AS_UVEC(m) >> 1)); /* of the root */
#pragma unroll
    for (int i = 0; i < 4; i++)
        inverse = inverse * fma(-0.5f * m * inverse, inverse, (vec)(1.5f));
    vec root = m * inverse;
    root = fma(fma(-root, root, m), 0.5f * inverse, root);
    root = AS_VEC(fma(-root, root, m) < 0 ? AS_UVEC(root) - 1 : AS_UVEC(root));
    /* (root + place / 2)^2 = root^2 + root place + less than a float tells from it */
    const uvec up = fma(-root, root, m) > root * 0x1p-23f ? (uvec)(1) : (uvec)(0);
    uvec bits = AS_UVEC(root) + up + (AS_UVEC(exponent >> 1) << 23);

    bits = whole > INFINITE ? (uvec)(NOT_A_NUMBER) : bits;
    return AS_VEC((((whole & ~SIGN) == 0) | (whole == INFINITE)) ? whole : bits);
}

/* ln 2, where a product of the first with an exponent needs no rounding */
#define LN2_HIGH 0x1.62e4p-1f
#define LN2_LOW 0x1.7f7d1cp-20f

/* exp x = 2^k exp r with k = round(x / ln 2). Where k is 0 it is 1 + r + r^2 q(r); the polynomial
 * was fitted for |r| <= 0.347. */
static vec exact_exp(vec x)
{
    vec within = x > 90.0f ? (vec)(90) : x;
    within = within < -105.0f ? (vec)(-105) : within;
    within = x == x ? within : (vec)(0);
    const vec shifted = fma(within, (vec)(0x1.715476p+0f), (vec)(0x1.8p+23f));
    const vec k = shifted - 0x1.8p+23f;
    const vec high = fma(k, (vec)(-LN2_HIGH), within), r = fma(k, (vec)(-LN2_LOW), high);
    const vec r_rest = fma(k, (vec)(-LN2_LOW), high - r);
    vec q = (vec)(0x1.a1258cp-13f);
    q = fma(q, r, (vec)(0x1.6d43d2p-10f));
    q = fma(q, r, (vec)(0x1.1110ep-7f));
    q = fma(q, r, (vec)(0x1.5554e8p-5f));
    q = fma(q, r, (vec)(0x1.555556p-3f));
    q = fma(q, r, (vec)(0.5f));
    const vec sum = 1 + r, sum_rest = r - (sum - 1);
    const uvec y = AS_UVEC(sum + (sum_rest + fma(r * r, q, r_rest))); /* from 0.7 to 1.5 */
    const uvec bits = exact_round(((y & FRACTION) | (FRACTION + 1)) << 2,
                                  AS_IVEC(y >> 23) + (AS_IVEC(shifted) - 0x4b400000));
    return x == x ? AS_VEC(bits) : x;
}

/* log(2^k (1 + f)) = k ln 2 + f - f^2 / 2 + f^3 q(f) with 1 + f from sqrt(1/2) to sqrt(2). */
static vec exact_log(vec x)
{
    const uvec whole = AS_UVEC(x);
    ivec exponent;
    const uvec fraction = exact_split(whole, &exponent);
    const uvec upper = fraction > 0x3504f3u ? (uvec)(1) : (uvec)(0);
    const vec f = AS_VEC(fraction + ONE - (upper << 23)) - 1;
    const vec k = TO_FLOAT(exponent - 127 + AS_IVEC(upper));
    vec q = (vec)(0x1.1d9df2p-4f);
    q = fma(q, f, (vec)(-0x1.d6484p-4f));
    q = fma(q, f, (vec)(0x1.dea5a6p-4f));
    q = fma(q, f, (vec)(-0x1.fcf2acp-4f));
    q = fma(q, f, (vec)(0x1.23d1d8p-3f));
    q = fma(q, f, (vec)(-0x1.555b52p-3f));
    q = fma(q, f, (vec)(0x1.999d5cp-3f));
    q = fma(q, f, (vec)(-0x1.fffffcp-3f));
    q = fma(q, f, (vec)(0x1.555554p-2f));
    const vec square = f * f;
    const vec rest = fma(k, (vec)(LN2_LOW), fma(square, (vec)(-0.5f), square * f * q));
    const vec high = k * LN2_HIGH, sum = high + f, sum_rest = f - (sum - high);
    uvec bits = AS_UVEC(sum + (sum_rest + rest));
    bits = whole > INFINITE ? (uvec)(NOT_A_NUMBER) : bits; /* the negative ones, too */
    bits = whole == INFINITE ? whole : bits;
    return AS_VEC((whole & ~SIGN) == 0 ? (uvec)(INFINITE | SIGN) : bits);
}

static inline vec exact_larger(vec a, vec b)
{
    return ((a >= b) | (b != b)) ? a : b;
}

#undef SIGN
#undef ONE
#undef INFINITE
#undef NOT_A_NUMBER
#undef FRACTION

#else

#define EXP(x) exp(x)
#define LOG(x) log(x)
#define DIVIDE(a, b) ((a) / (b))
#define SQRT(x) sqrt(x)
#define LARGER(a, b) fmax(a, b)
#define DIVIDE1(a, b) ((a) / (b))
#define SQRT1(x) sqrt(x)

#endif
