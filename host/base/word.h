/* What somebody may have meant who spelt a word wrong. */
#ifndef RT_BASE_WORD_H
#define RT_BASE_WORD_H

#include <stddef.h>

/* The word of `words`, each at `stride` bytes from the last, that is spelt most like `text`,
 * without regard to case; NULL where none comes near. NULLs among the words are passed over. */
const char *rt_word_closest(const char *text, const char *const *words, size_t count,
                            size_t stride);

/* The same for a list that ends with NULL. */
const char *rt_word_closest_of(const char *text, const char *const *words);

/* "; did you mean WORD?", or "" where `word` is NULL. Returns `text`. */
#define RT_WORD_MEANT 160
const char *rt_word_meant(char text[RT_WORD_MEANT], const char *prefix, const char *word);

#endif
