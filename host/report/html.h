/* Pieces of an HTML page. */
#ifndef RT_REPORT_HTML_H
#define RT_REPORT_HTML_H

#include <stdio.h>

#include "base/error.h"

/* The page up to its body, and from there on. The title is escaped. */
void rt_html_begin(FILE *page, const char *title);
void rt_html_end(FILE *page);

/* Text with the characters that mean something in HTML replaced. */
void rt_html_text(FILE *page, const char *text);

/* A PNG file within the page, with a caption above it that is escaped; a note where there is no
 * such file. Errors: IO, FORMAT (too large to be a picture of ours), MEMORY. */
rt_status rt_html_picture(FILE *page, const char *path, const char *caption);

#endif
