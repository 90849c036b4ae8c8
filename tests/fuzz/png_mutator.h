/* Included by the targets that read PNG: a reader that sees a wrong checksum looks no further, so
 * libFuzzer's inputs get the right ones. */
#ifndef RT_TESTS_FUZZ_PNG_MUTATOR_H
#define RT_TESTS_FUZZ_PNG_MUTATOR_H

/* What libFuzzer calls in place of its own mutations. */
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t most, unsigned seed);

#endif
