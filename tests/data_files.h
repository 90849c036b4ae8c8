/* Files that the tests of host/data make. Each helper ends the test where it fails. */
#ifndef RT_TESTS_DATA_FILES_H
#define RT_TESTS_DATA_FILES_H

#include <stddef.h>
#include <stdint.h>

/* A new folder below /tmp, and its removal with all that is in it. */
void make_test_folder(char path[64]);
void remove_test_folder(const char *path);

/* folder/name, its parents made; released by free(). */
char *test_path(const char *folder, const char *name);

void write_text(const char *path, const char *text);

/* Keeps the first `keep` bytes of a file, or all but the last -keep. */
void truncate_file(const char *path, long keep);

/* A PNG of libpng's colour type and bit depth; samples holds one byte a sample whatever the depth
 * (16-bit ones are written twice). colours are the 3-byte entries of a palette. */
struct test_png {
    int width, height, type, depth;
    int interlace; /* PNG_INTERLACE_NONE or PNG_INTERLACE_ADAM7 */
    const uint8_t *samples;
    const uint8_t *colours;
    int colour_count;
};
void write_test_png(const char *path, const struct test_png *file);

/* channels is 3 or 1. */
void write_test_jpeg(const char *path, int width, int height, int channels, const uint8_t *pixels);

/* A progressive JPEG of 8 x 8 grey pixels in so many scans, from 2 to 127. */
void write_scans_jpeg(const char *path, int scans);

#endif
