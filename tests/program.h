/* Running the program that is tested. */
#ifndef RT_TESTS_PROGRAM_H
#define RT_TESTS_PROGRAM_H

#include <jansson.h>

/* What the last command wrote, to both streams. */
extern char program_output[1 << 16];

/* Runs `retort ARGUMENTS`, read by a shell, and returns its exit status. */
int retort(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Runs a shell script, with the program as "$RETORT_PROGRAM". */
int shell(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Programs that are started from here on are not searched for leaks; retort() and shell() do this.
 */
void leave_leaks_of_programs(void);

/* The JSON in a file, which the caller releases; fails where there is none. */
json_t *read_json(const char *path);

/* Fails unless the last command wrote this. */
void assert_said(const char *text);

#endif
