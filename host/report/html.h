/* Pieces of an HTML page. Texts are escaped unless it is said otherwise. */
#ifndef RT_REPORT_HTML_H
#define RT_REPORT_HTML_H

#include <stdbool.h>
#include <stdio.h>

#include "base/error.h"

/* Text with the characters that mean something in HTML replaced, also fit for an attribute. */
void rt_html_text(FILE *page, const char *text);

/* 1234567 as 1 234 567, with spaces that do not break. */
void rt_html_count(FILE *page, double value);

/* 3725 as "1 h 2 min", 62 as "1 min 2 s"; "–" for what is no number. */
void rt_html_duration(FILE *page, double seconds);

/* A PNG file within the page; nothing where there is no such file. Errors: IO, FORMAT (too large to
 * be a picture of ours), MEMORY. */
rt_status rt_html_picture(FILE *page, const char *path, const char *alt);

/* A table in memory, to be written with commas, that a link of the page saves as a file. */
struct rt_html_csv {
    FILE *stream; /* fields go here */
    char *text;
    size_t size;
};

/* Errors: MEMORY. */
rt_status rt_html_csv_begin(struct rt_html_csv *csv);

/* Writes the link that saves it as NAME.csv, in which all but letters and digits become '-'; `what`
 * says of what the numbers are. Releases the table whatever the result. Errors: MEMORY. */
rt_status rt_html_csv_link(struct rt_html_csv *csv, FILE *page, const char *name, const char *what);

/* Does nothing after the link. */
void rt_html_csv_abandon(struct rt_html_csv *csv);

#endif
