/* What the targets share. A target is one function that feeds a reader: libFuzzer calls it with
 * inputs of its own making, the test suite (replay.c) with the files of corpus/TARGET. */
#ifndef RT_TESTS_FUZZ_H
#define RT_TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The path of FOLDER/name, a file that holds the input; FOLDER is the process's own, in memory
 * where the system has such a place, and removed at its end. A name may lie in one subfolder.
 * The text stands until the next call but three. */
const char *fuzz_file(const char *name, const void *data, size_t size);

/* FOLDER itself. */
const char *fuzz_folder(void);

/* Ends the process, as a crash does, where something holds that must not. */
void fuzz_refuse(int wrong, const char *what);

#endif
