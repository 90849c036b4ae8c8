/* What every kernel file may use; this text stands before each of them. OpenCL C 1.2.
 *
 * A tensor [n, c, h, w] arrives as TENSOR(x): its element (n, c, i, j) is
 * x[x_offset + n * x_stride + c * (size_t)x_plane + i * w + j]. */

#define TENSOR(x) __global float *x, ulong x##_offset, ulong x##_stride, uint x##_plane

#ifndef EXACT
#define EXACT 0 /* 1: the same bits on every device; see rt_device_set_math */
#endif
#if EXACT
#pragma OPENCL FP_CONTRACT OFF
#endif

#ifndef VEC
#define VEC 4 /* floats in `vec`: 1, 4, 8 or 16 */
#endif

#define JOIN_(a, b) a##b
#define JOIN(a, b) JOIN_(a, b)

#if VEC == 1
typedef float vec;
typedef int ivec;
typedef uint uvec;
#define LOAD(p) (*(p))
#define STORE(v, p) (*(p) = (v))
#define SUM(v) (v)
#define LANES 0
#define AS_VEC as_float
#define AS_UVEC as_uint
#define TO_INT(v) ((int)(v))
#else
typedef JOIN(float, VEC) vec;
typedef JOIN(int, VEC) ivec;
typedef JOIN(uint, VEC) uvec;
#define LOAD(p) JOIN(vload, VEC)(0, p)
#if VEC >= 8 /* which CPUs have: some of their compilers cut a vstore into pieces of 4 */
#define DEFINE_STORE(space, values, value)                                                         \
    static inline __attribute__((overloadable)) void STORE(values v, space value *p)               \
    {                                                                                              \
        typedef values unaligned __attribute__((aligned(4)));                                      \
        *(space unaligned *)p = v;                                                                 \
    }
DEFINE_STORE(__global, vec, float)
DEFINE_STORE(__local, vec, float)
DEFINE_STORE(__private, vec, float)
DEFINE_STORE(__private, ivec, int)
#else
#define STORE(v, p) JOIN(vstore, VEC)(v, 0, p)
#endif
#define AS_VEC JOIN(as_float, VEC)
#define AS_UVEC JOIN(as_uint, VEC)
#define TO_INT(v) JOIN(convert_int, VEC)(v)
#endif

#if VEC == 4
#define LANES ((ivec)(0, 1, 2, 3))
#define SUM(v) (((v).s0 + (v).s1) + ((v).s2 + (v).s3))
#elif VEC == 8
#define LANES ((ivec)(0, 1, 2, 3, 4, 5, 6, 7))
static inline float SUM(vec v)
{
    float4 a = v.lo + v.hi;
    return (a.s0 + a.s1) + (a.s2 + a.s3);
}
#elif VEC == 16
#define LANES ((ivec)(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15))
static inline float SUM(vec v)
{
    float8 a = v.lo + v.hi;
    float4 b = a.lo + a.hi;
    return (b.s0 + b.s1) + (b.s2 + b.s3);
}
#endif

#include "exact.cl"

/* max(v, 0), never -0, of a number or a vector. What is no number stays so, as it would not with
 * fmax: a network that has gone astray must not look sane. */
#define RELU(v) ((v) <= 0 ? 0 : (v))

/* A hint that the cache line of *p will be wanted soon, in the nearest cache but the first. For
 * CPUs alone, whose address spaces are one. */
#ifndef CPU
#define CPU 0
#endif
#define PREFETCH(p)
#if CPU && defined(__has_builtin)
#if __has_builtin(__builtin_prefetch)
#undef PREFETCH
#define PREFETCH(p) __builtin_prefetch((const void *)(size_t)(p), 0, 2)
#endif
#endif

/* Loads of a group to local memory go BATCH at a time, from addresses that are valid whether or not
 * the value is wanted: with a branch around each, compilers wait for one before they begin the next. */
#define BATCH 8

/* Loads the first `count` elements, or all where there are more; the others are 0. */
static inline vec load_part(__global const float *from, int count)
{
    if (count >= VEC)
        return LOAD(from);
    float part[VEC];
    for (int i = 0; i < VEC; i++)
        part[i] = i < count ? from[i] : 0;
    return LOAD(part);
}

/* Stores the lanes of a vector that lie within a row of `width` floats; `to` is column's place. */
static void store_row(__global float *to, vec value, int column, int width)
{
    if (column + VEC <= width) {
        STORE(value, to);
        return;
    }
    float lanes[VEC];
    STORE(value, lanes);
    for (int i = 0; column + i < width; i++)
        to[i] = lanes[i];
}

/* The same, added to what stands there if `add`. */
static void update_row(__global float *to, vec value, int column, int width, int add)
{
    store_row(to, add ? value + load_part(to, width - column) : value, column, width);
}

/* The lanes of two vectors that the list names, a's first. Compilers that have it make one
 * instruction of the former, and of swizzles, once they have taken these apart, several. */
#define SHUFFLE(a, b, lanes) shuffle2(a, b, (uvec)(lanes))
#ifdef __has_builtin
#if __has_builtin(__builtin_shufflevector)
#undef SHUFFLE
#define SHUFFLE(a, b, lanes) __builtin_shufflevector(a, b, lanes)
#endif
#endif

/* The even and the odd elements of two vectors that follow each other in memory; and back: even and
 * odd elements in turns, stored as update_row does. */
#if VEC == 4
#define EVEN_LANES 0, 2, 4, 6
#define ODD_LANES 1, 3, 5, 7
#elif VEC == 8
#define EVEN_LANES 0, 2, 4, 6, 8, 10, 12, 14
#define ODD_LANES 1, 3, 5, 7, 9, 11, 13, 15
#elif VEC == 16
#define EVEN_LANES 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30
#define ODD_LANES 1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31
#endif
#if VEC == 1
#define EVENS(a, b) (a)
#define ODDS(a, b) (b)
#else
#define EVENS(a, b) SHUFFLE(a, b, EVEN_LANES)
#define ODDS(a, b) SHUFFLE(a, b, ODD_LANES)
#endif
static void store_pairs(__global float *to, vec even, vec odd, int column, int width, int add)
{
#if VEC == 1
    vec low = even, high = odd;
#else
    vec low, high;
    low.even = even.lo;
    low.odd = odd.lo;
    high.even = even.hi;
    high.odd = odd.hi;
#endif
    update_row(to, low, column, width, add);
    update_row(to + VEC, high, column + VEC, width, add);
}

/* Dropout. Whether element (n, c, i, j) is kept depends on the key (of the run and the node), the
 * step and the element alone: 16 bits of Philox-4x32-7 (Salmon et al., SC 2011; 7 rounds pass
 * BigCrush) with the counter ((i / 2) * width + j, c / 4, image + n, step), in word c % 4, the low
 * half for even rows and the high half for odd ones. It is kept where these bits are not below
 * `threshold`, 65536 times the share to drop. */
typedef struct {
    uint threshold; /* 0: no dropout */
    float scale;    /* of what is kept */
    ulong key;
    uint step;
    uint image; /* the number of the tensor's first image among those of the step */
} dropout;

/* The words for channels c / 4 * 4 .. + 3 of row i and VEC columns from j. */
static void dropout_words(uvec words[4], dropout d, int n, int c, int i, int j, int width)
{
    uvec c0 = AS_UVEC(LANES + (i / 2 * width + j)), c1 = (uvec)((uint)c / 4),
         c2 = (uvec)(d.image + (uint)n), c3 = (uvec)(d.step);
    uint k0 = (uint)d.key, k1 = (uint)(d.key >> 32);
#pragma unroll
    for (int round = 0; round < 7; round++) {
        const uvec high0 = mul_hi((uvec)(0xD2511F53u), c0), low0 = c0 * 0xD2511F53u;
        const uvec high1 = mul_hi((uvec)(0xCD9E8D57u), c2), low1 = c2 * 0xCD9E8D57u;
        c0 = high1 ^ c1 ^ k0;
        c1 = low1;
        c2 = high0 ^ c3 ^ k1;
        c3 = low0;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    words[0] = c0;
    words[1] = c1;
    words[2] = c2;
    words[3] = c3;
}

/* The value of an element of row i whose channel's word is given, after dropout. */
static vec drop(vec value, uvec word, dropout d, int i)
{
    const uvec bits = i & 1 ? word >> 16 : word & 0xffffu;
    return select((vec)(0), value * d.scale, bits >= d.threshold);
}

/* --- chunks: host/ops/chunks.h says who takes which vectors ------------------------------- */

#define CHUNKS uint vectors, uint items, uint each, uint step
#define FOR_CHUNK(v, item)                                                                         \
    for (uint v = (item) * (step == 1 ? each : 1), v##_left = (item) < items ? each : 0;           \
         v##_left > 0 && v < vectors; v += step, v##_left--)

/* Sums over pixels, which host/ops/chunks.h shares out as well. In exact mode a chunk is of pixels
 * of one image, `step` is the number of images, and lane l of 16 sums the pixels l, l + 16, ... of
 * the chunk: the lanes of SUM_PARTS vectors, of which PART(at) takes those of a span. */
#if EXACT
#define SUM_PARTS (16 / VEC)
#define PART(at) ((at).first / VEC % SUM_PARTS)
#define FOR_SUMMED(v, item)                                                                        \
    for (uint v##_row = vectors / step, v##_from = (item) / step * each,                           \
              v = (item) % step * v##_row + v##_from,                                              \
              v##_left = (item) < items ? min(each, v##_row - v##_from) : 0;                       \
         v##_left > 0; v++, v##_left--)
#else
#define SUM_PARTS 1
#define PART(at) 0
#define FOR_SUMMED(v, item) FOR_CHUNK(v, item)
#endif

static inline float sum_parts(vec *sums)
{
    for (int kept = SUM_PARTS / 2; kept * VEC >= 4; kept /= 2)
        for (int k = 0; k < kept; k++)
            sums[k] += sums[k + kept];
#if EXACT && VEC == 1
    return (sums[0] + sums[1]) + (sums[2] + sums[3]);
#else
    return SUM(sums[0]);
#endif
}

/* --- classes: the logits of VEC pixels of a tensor [n, CLASSES, h, w] --------------------- */

#ifndef CLASSES
#define CLASSES 1 /* of the tensor; up to 32 */
#endif
#define UNKNOWN 254 /* RT_LABEL_UNKNOWN */
#define IGNORE 255  /* RT_LABEL_IGNORE */

/* Pixels first to first + count - 1 of one image. */
struct span {
    size_t image;
    uint first;
    int count; /* at most VEC */
};

static inline struct span span_of(uint v, uint pixels)
{
    const uint row = (pixels + VEC - 1) / VEC;
    const uint first = v % row * VEC;
    return (struct span){v / row, first, (int)min(pixels - first, (uint)VEC)};
}

/* Labels have no guard; past the end they are IGNORE. */
static inline ivec load_labels(__global const uchar *labels, struct span at, uint pixels)
{
    int part[VEC];
    labels += at.image * pixels + at.first;
    for (int i = 0; i < VEC; i++)
        part[i] = i < at.count ? labels[i] : IGNORE;
    return LOAD(part);
}

/* Past the end of the image logits are 0. */
static inline void load_logits(vec *x, __global const float *from, uint plane, struct span at)
{
    for (int c = 0; c < CLASSES; c++)
        x[c] = load_part(from + c * (size_t)plane + at.first, at.count);
}

/* Subtracts the largest logit, which changes no probability and bounds every exp(). */
static inline void centre_logits(vec *x)
{
    vec largest = x[0];
    for (int c = 1; c < CLASSES; c++)
        largest = LARGER(largest, x[c]);
    for (int c = 0; c < CLASSES; c++)
        x[c] -= largest;
}

/* p[c] = exp(x[c] / T) / z, 1 / T = sharpness, of centred logits. Returns log z, so that
 * log p[c] = x[c] / T - log z. */
static inline vec softmax(const vec *x, float sharpness, vec *p)
{
    vec z = 0;
    for (int c = 0; c < CLASSES; c++) {
        p[c] = EXP(x[c] * sharpness);
        z += p[c];
    }
    for (int c = 0; c < CLASSES; c++)
        p[c] = DIVIDE(p[c], z);
    return LOG(z);
}
