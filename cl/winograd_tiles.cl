/* The tiles of Winograd's algorithms for 3x3 filters, F(4x4, 3x3) and F(3x3, 4x4): 6 x 6 inputs, of
 * which neighbouring tiles share two rows or columns, each transformed to 36 places.
 *
 * VEC tiles are four segments of a row, VEC columns of outputs each, which follow each other in the
 * order (n, tile row, column), so that narrow images fill the vectors too. */

#include "winograd_lines.cl"

#define PLACES 36
#define ALL_ROWS 0x3fu /* of a tile's inputs */

#if VEC == 1
#error "the segments of a vector need at least 4 lanes"
#endif

/* `after` holds the two columns that follow each of four segments, at the front of each quarter.
 * FOLLOWING is a column k of the tiles, lane by lane that of the next tile of the segment, or the
 * first (even) or second (odd) of those two after the last. Where the segments follow each other in
 * a row, the next tile is in the next segment, but for the last; that is IN_ROW. */
#if VEC == 16
typedef float4 after_part;
typedef float16 after;
typedef int4 after_ints;
typedef int16 after_mask;
#define LOAD_AFTER(p) vload4(0, p)
#define AS_AFTER as_float16
#define AS_AFTER_MASK as_int16
#define AFTER_LANES ((int16)(0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0))
#define NEXT_EVEN 1, 2, 3, 16, 5, 6, 7, 20, 9, 10, 11, 24, 13, 14, 15, 28
#define NEXT_ODD 1, 2, 3, 17, 5, 6, 7, 21, 9, 10, 11, 25, 13, 14, 15, 29
#define NEXT_EVEN_IN_ROW 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16
#define NEXT_ODD_IN_ROW 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 17
#else
typedef float2 after_part;
typedef float8 after;
typedef int2 after_ints;
typedef int8 after_mask;
#define LOAD_AFTER(p) vload2(0, p)
#define AS_AFTER as_float8
#define AS_AFTER_MASK as_int8
#define AFTER_LANES ((int8)(0, 1, 0, 1, 0, 1, 0, 1))
#if VEC == 8
#define NEXT_EVEN 1, 8, 3, 10, 5, 12, 7, 14
#define NEXT_ODD 1, 9, 3, 11, 5, 13, 7, 15
#define NEXT_EVEN_IN_ROW 1, 2, 3, 4, 5, 6, 7, 8
#define NEXT_ODD_IN_ROW 1, 2, 3, 4, 5, 6, 7, 9
#else
#define NEXT_EVEN_IN_ROW 1, 2, 3, 4
#define NEXT_ODD_IN_ROW 1, 2, 3, 5
#endif
#endif
#if VEC == 4
#define FOLLOWING_EVEN(k, a) (a).even
#define FOLLOWING_ODD(k, a) (a).odd
#else
#define FOLLOWING_EVEN(k, a) SHUFFLE(k, a, NEXT_EVEN)
#define FOLLOWING_ODD(k, a) SHUFFLE(k, a, NEXT_ODD)
#endif
#define IN_ROW_EVEN(k, a) SHUFFLE(k, a, NEXT_EVEN_IN_ROW)
#define IN_ROW_ODD(k, a) SHUFFLE(k, a, NEXT_ODD_IN_ROW)

/* VEC columns of four rows of outputs; n is the batch's size for segments past the last. */
typedef struct {
    int n, row, column;
} segment;

static inline segment find_segment(int index, int batch, int height, int width)
{
    const int columns = (width + VEC - 1) / VEC, rows = (height + 3) / 4;
    return (segment){min(index / columns / rows, batch), index / columns % rows * 4,
                     index % columns * VEC};
}

/* What a work-item knows of a segment: which of its tiles' six rows of inputs there are, a bit
 * each. */
static inline uint input_rows(segment at, int batch, int height)
{
    if (at.n >= batch)
        return 0;
    const int past = at.row + 5 - height; /* rows below the image */
    return (at.row == 0 ? ALL_ROWS & ~1u : ALL_ROWS) & (past > 0 ? ALL_ROWS >> past : ALL_ROWS);
}

/* Which of the two columns of inputs after each segment the image has: all bits, or none. */
static inline after_mask columns_after(const segment at[4], int width)
{
    const after_mask first = (after_mask)((after_ints)(at[0].column), (after_ints)(at[1].column),
                                          (after_ints)(at[2].column), (after_ints)(at[3].column));
    return first + AFTER_LANES + (VEC - 1) < width;
}

/* B' of a segment's six rows of inputs, VEC columns from `column` on, zeros for those that the
 * image does not have. */
static inline void input_columns(__global const float *from, int width, uint rows, int column,
                                 vec to[6])
{
    vec d[6];
    if (rows == ALL_ROWS && column >= 0 && column + VEC <= width) {
#pragma unroll
        for (int i = 0; i < 6; i++)
            d[i] = LOAD(from + i * width);
    } else {
        const ivec at = LANES + column;
#pragma unroll
        for (int i = 0; i < 6; i++)
            d[i] = rows >> i & 1
                       ? select((vec)(0), LOAD(from + i * width), (at >= 0) & (at < width))
                       : (vec)(0);
    }
#define TO_COLUMNS(i, value) to[i] = value
    INPUT_LINE(vec, TO_COLUMNS, d[0], d[1], d[2], d[3], d[4], d[5])
}

/* The same of the two columns that follow each of the four segments; `there` masks those that the
 * image does not have. */
static inline void input_columns_after(__global const float *const from[4], int width,
                                       const uint rows[4], after_mask there, after to[6])
{
    after d[6];
#pragma unroll
    for (int i = 0; i < 6; i++) {
        after_part part[4];
#pragma unroll
        for (int s = 0; s < 4; s++)
            part[s] = rows[s] >> i & 1 ? LOAD_AFTER(from[s] + i * width + VEC) : (after_part)(0);
        d[i] = AS_AFTER(AS_AFTER_MASK((after)(part[0], part[1], part[2], part[3])) & there);
    }
    INPUT_LINE(after, TO_COLUMNS, d[0], d[1], d[2], d[3], d[4], d[5])
}

/* Whether the segments follow each other in a row; or none of them exists. */
static inline bool in_a_row(const segment at[4])
{
    return at[0].n == at[3].n && at[0].row == at[3].row;
}

/* The columns of VEC tiles in a row of their four segments. */
static inline void tile_columns(vec s0, vec s1, vec s2, vec s3, vec to[4])
{
    const vec even0 = EVENS(s0, s1), even1 = EVENS(s2, s3), odd0 = ODDS(s0, s1),
              odd1 = ODDS(s2, s3);
    to[0] = EVENS(even0, even1), to[2] = ODDS(even0, even1);
    to[1] = EVENS(odd0, odd1), to[3] = ODDS(odd0, odd1);
}

/* B' d B of VEC tiles of one plane, to in[p * step]. */
static inline void transform_input(__global const float *const from[4], const segment at[4],
                                   const uint rows[4], after_mask there, int width,
                                   __local float *in, size_t step)
{
    vec columns[4][6];
#pragma unroll
    for (int s = 0; s < 4; s++)
        input_columns(from[s], width, rows[s], at[s].column - 1, columns[s]);
#define TO_IN(j, value) STORE(value, in + (6 * i + j) * step)
#define TRANSFORM_ROWS(next_even, next_odd)                                                        \
    _Pragma("unroll") for (int i = 0; i < 6; i++)                                                  \
    {                                                                                              \
        vec d[4];                                                                                  \
        tile_columns(columns[0][i], columns[1][i], columns[2][i], columns[3][i], d);               \
        const vec d4 = next_even(d[0], following[i]), d5 = next_odd(d[1], following[i]);           \
        INPUT_LINE(vec, TO_IN, d[0], d[1], d[2], d[3], d4, d5)                                     \
    }
    if (in_a_row(at)) {
        vec following[6];
        input_columns(from[3] + VEC, width, rows[3], at[3].column - 1 + VEC, following);
        TRANSFORM_ROWS(IN_ROW_EVEN, IN_ROW_ODD)
    } else {
        after following[6];
        input_columns_after(from, width, rows, there, following);
        TRANSFORM_ROWS(FOLLOWING_EVEN, FOLLOWING_ODD)
    }
}
