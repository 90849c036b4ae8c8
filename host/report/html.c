#include "report/html.h"

#include <ctype.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"

#define PICTURE_BYTES_MAX (4 << 20)

void rt_html_text(FILE *page, const char *text)
{
    for (; *text; text++) {
        switch (*text) {
        case '&':
            fputs("&amp;", page);
            break;
        case '<':
            fputs("&lt;", page);
            break;
        case '>':
            fputs("&gt;", page);
            break;
        case '"':
            fputs("&quot;", page);
            break;
        case '\'':
            fputs("&#39;", page);
            break;
        default:
            fputc(*text, page);
        }
    }
}

void rt_html_count(FILE *page, double value)
{
    char digits[32];
    const bool fits = value > -1e18 && value < 1e18; /* no count is as large: the file is damaged */
    int length = snprintf(digits, sizeof digits, "%.0f", fits ? value : 0.0);
    for (int i = 0; i < length; i++) {
        if (i > 0 && (length - i) % 3 == 0 && digits[i - 1] != '-')
            fputs("&#8239;", page);
        fputc(digits[i], page);
    }
}

void rt_html_duration(FILE *page, double seconds)
{
    if (!(seconds >= 0 && seconds < 1e9))
        fputs("–", page);
    else if (seconds < 59.5)
        fprintf(page, "%.*f&nbsp;s", seconds < 9.95 ? 1 : 0, seconds);
    else if (seconds < 3570)
        fprintf(page, "%d&nbsp;min %d&nbsp;s", (int)(seconds + 0.5) / 60,
                (int)(seconds + 0.5) % 60);
    else
        fprintf(page, "%d&nbsp;h %d&nbsp;min", (int)(seconds + 30) / 3600,
                (int)(seconds + 30) / 60 % 60);
}

/* RFC 4648: three bytes become four letters, and '=' fills the last four. */
static void write_base64(FILE *page, const uint8_t *bytes, size_t size)
{
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < size; i += 3) {
        size_t left = size - i;
        uint32_t word = (uint32_t)bytes[i] << 16 | (uint32_t)(left > 1 ? bytes[i + 1] : 0) << 8 |
                        (left > 2 ? bytes[i + 2] : 0);
        fputc(letters[word >> 18], page);
        fputc(letters[word >> 12 & 63], page);
        fputc(left > 1 ? letters[word >> 6 & 63] : '=', page);
        fputc(left > 2 ? letters[word & 63] : '=', page);
    }
}

rt_status rt_html_picture(FILE *page, const char *path, const char *alt)
{
    char *bytes;
    size_t size;
    if (!rt_path_exists(path))
        return RT_OK;
    rt_status status = rt_file_read(path, PICTURE_BYTES_MAX, &bytes, &size);
    if (status < 0)
        return status;
    fputs("<img alt=\"", page);
    rt_html_text(page, alt);
    fputs("\" src=\"data:image/png;base64,", page);
    write_base64(page, (const uint8_t *)bytes, size);
    fputs("\">", page);
    free(bytes);
    return RT_OK;
}

/* --- tables to save -------------------------------------------------------------------------- */

rt_status rt_html_csv_begin(struct rt_html_csv *csv)
{
    csv->text = NULL;
    csv->stream = open_memstream(&csv->text, &csv->size);
    return csv->stream ? RT_OK : rt_fail(RT_ERROR_MEMORY, "cannot write a table: out of memory");
}

/* What may stand in a data: link as it is; all else by its value, RFC 3986. */
static void write_link(FILE *page, const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        unsigned char letter = (unsigned char)text[i];
        if (letter && letter < 128 && (isalnum(letter) || strchr("-._~,:/", letter)))
            fputc(letter, page);
        else
            fprintf(page, "%%%02X", letter);
    }
}

rt_status rt_html_csv_link(struct rt_html_csv *csv, FILE *page, const char *name, const char *what)
{
    bool whole = !ferror(csv->stream);
    whole = fclose(csv->stream) == 0 && whole;
    csv->stream = NULL;
    if (whole) {
        fputs("<a class=\"csv\" download=\"", page);
        for (; *name; name++)
            fputc((unsigned char)*name < 128 && isalnum((unsigned char)*name) ? *name : '-', page);
        fputs(".csv\" href=\"data:text/csv;charset=utf-8,", page);
        write_link(page, csv->text, csv->size);
        fputs("\" aria-label=\"CSV: ", page);
        rt_html_text(page, what);
        fputs("\">CSV</a>", page);
    }
    free(csv->text);
    csv->text = NULL;
    return whole ? RT_OK : rt_fail(RT_ERROR_MEMORY, "cannot write a table: out of memory");
}

void rt_html_csv_abandon(struct rt_html_csv *csv)
{
    if (!csv->stream)
        return;
    fclose(csv->stream);
    free(csv->text);
    csv->stream = NULL;
}
