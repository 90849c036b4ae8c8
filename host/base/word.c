#include "base/word.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

static bool same_letter(char a, char b)
{
    return tolower((unsigned char)a) == tolower((unsigned char)b);
}

/* The least number of letters inserted, removed, replaced or swapped with the next that turn a into
 * b (Damerau and Levenshtein, no letter being changed twice). */
static size_t distance_of(const char *a, const char *b)
{
    enum { LONGEST = 64 };
    size_t rows[3][LONGEST], length = strlen(b);
    if (length >= LONGEST)
        return SIZE_MAX;
    size_t *before = rows[0], *last = rows[1], *row = rows[2];
    for (size_t j = 0; j <= length; j++)
        last[j] = j;
    for (size_t i = 1; a[i - 1]; i++) {
        row[0] = i;
        for (size_t j = 1; j <= length; j++) {
            const size_t replaced = last[j - 1] + !same_letter(a[i - 1], b[j - 1]);
            const size_t shifted = (last[j] < row[j - 1] ? last[j] : row[j - 1]) + 1;
            row[j] = replaced < shifted ? replaced : shifted;
            if (i > 1 && j > 1 && same_letter(a[i - 1], b[j - 2]) &&
                same_letter(a[i - 2], b[j - 1]) && before[j - 2] + 1 < row[j])
                row[j] = before[j - 2] + 1;
        }
        size_t *const oldest = before;
        before = last;
        last = row;
        row = oldest;
    }
    return last[length];
}

/* Whether one is the beginning of the other, as what people shorten or spell out. */
static bool begins(const char *a, const char *b)
{
    const size_t x = strlen(a), y = strlen(b), least = x < y ? x : y;
    return least >= 3 && strncasecmp(a, b, least) == 0;
}

const char *rt_word_closest(const char *text, const char *const *words, size_t count, size_t stride)
{
    const char *closest = NULL, *begun = NULL;
    const size_t length = strlen(text);
    size_t best = SIZE_MAX;
    for (size_t i = 0; i < count; i++) {
        const char *word = *(const char *const *)((const char *)words + i * stride);
        if (!word)
            continue;
        /* Few get the first letter wrong: then less is taken for a mistake, and of two words as far
         * the one that begins alike is meant. */
        const bool alike = same_letter(text[0], word[0]);
        const size_t distance = distance_of(text, word), other = strlen(word),
                     longer = length > other ? length : other;
        if (distance < length / 3 + 2 && (alike ? 2 : 3) * distance <= longer &&
            2 * distance + !alike < best) {
            best = 2 * distance + !alike;
            closest = word;
        }
        if (!begun && begins(text, word))
            begun = word;
    }
    return closest ? closest : begun;
}

const char *rt_word_closest_of(const char *text, const char *const *words)
{
    size_t count = 0;
    while (words[count])
        count++;
    return rt_word_closest(text, words, count, sizeof *words);
}

const char *rt_word_meant(char text[RT_WORD_MEANT], const char *prefix, const char *word)
{
    text[0] = 0;
    if (word)
        snprintf(text, RT_WORD_MEANT, "; did you mean %s%s?", prefix, word);
    return text;
}
