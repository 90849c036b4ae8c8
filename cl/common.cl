/* What every kernel file may use; this text stands before each of them. OpenCL C 1.2. */

#ifndef VEC
#define VEC 4 /* floats a work-item handles along a row: 1, 4, 8 or 16 */
#endif
