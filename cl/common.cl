/* What every kernel file may use; this text stands before each of them. OpenCL C 1.2.
 *
 * A tensor [n, c, h, w] arrives as `__global float *x, ulong x_offset, ulong x_stride, uint x_plane`:
 * element (n, c, i, j) is x[x_offset + n * x_stride + c * (size_t)x_plane + i * w + j]. */

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
#else
typedef JOIN(float, VEC) vec;
typedef JOIN(int, VEC) ivec;
typedef JOIN(uint, VEC) uvec;
#define LOAD(p) JOIN(vload, VEC)(0, p)
#define STORE(v, p) JOIN(vstore, VEC)(v, 0, p)
#endif
#define AS_UVEC JOIN(as_, uvec_)
#define CONVERT_VEC JOIN(convert_float, VEC)

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
