/* What Winograd's algorithms for 3x3 filters, F(4x4, 3x3) and F(3x3, 4x4), do to a line of numbers:
 * B', G and A' of the one, G4 and A3' of the other. T is the type of a number, a float or a vector
 * of them; to(i, value) takes the results. Products that are added are written as fma, or are by a
 * power of two, so that the bits are the same for every T. */

#define SIXTH 0x1.555556p-3f

/* B' d of six values */
#define INPUT_LINE(T, to, d0, d1, d2, d3, d4, d5)                                                  \
    {                                                                                              \
        const T a = fma((T)(-4), d2, d4), b = fma((T)(-4), d1, d3);                                \
        const T c = d4 - d2, e = 2 * (d3 - d1);                                                    \
        to(0, fma((T)(4), d0, fma((T)(-5), d2, d4)));                                              \
        to(1, a + b);                                                                              \
        to(2, a - b);                                                                              \
        to(3, c + e);                                                                              \
        to(4, c - e);                                                                              \
        to(5, fma((T)(4), d1, fma((T)(-5), d3, d5)));                                              \
    }

/* G g of three values */
#define FILTER_LINE(T, to, g0, g1, g2)                                                             \
    {                                                                                              \
        const T even = (g0 + g2) * SIXTH, odd = g1 * SIXTH;                                        \
        const T far = fma(g0, (T)(SIXTH / 4), g2 * SIXTH), middle = g1 * (SIXTH / 2);              \
        to(0, g0 * 0.25f);                                                                         \
        to(1, -even - odd);                                                                        \
        to(2, odd - even);                                                                         \
        to(3, far + middle);                                                                       \
        to(4, far - middle);                                                                       \
        to(5, g2);                                                                                 \
    }

/* A' m of six values, to four */
#define OUTPUT_LINE(T, to, m0, m1, m2, m3, m4, m5)                                                 \
    {                                                                                              \
        const T s = m1 + m2, d = m1 - m2, t = m3 + m4, e = m3 - m4;                                \
        to(0, m0 + s + t);                                                                         \
        to(1, fma((T)(2), e, d));                                                                  \
        to(2, fma((T)(4), t, s));                                                                  \
        to(3, fma((T)(8), e, d) + m5);                                                             \
    }

/* G4 of four values */
#define GRADIENT_LINE(T, to, g0, g1, g2, g3)                                                       \
    {                                                                                              \
        const T even = (g0 + g2) * -SIXTH, odd = (g1 + g3) * -SIXTH;                               \
        const T far = fma((T)(4), g2, g0) * (SIXTH / 4);                                           \
        const T middle = fma((T)(4), g3, g1) * (SIXTH / 2);                                        \
        to(0, g0 * 0.25f);                                                                         \
        to(1, even + odd);                                                                         \
        to(2, even - odd);                                                                         \
        to(3, far + middle);                                                                       \
        to(4, far - middle);                                                                       \
        to(5, g3);                                                                                 \
    }

/* A3' m of six values, to three */
#define WEIGHT_LINE(T, to, m0, m1, m2, m3, m4, m5)                                                 \
    {                                                                                              \
        to(0, m0 + (m1 + m2) + (m3 + m4));                                                         \
        to(1, (m1 - m2) + 2 * (m3 - m4));                                                          \
        to(2, (m1 + m2) + 4 * (m3 + m4) + m5);                                                     \
    }
