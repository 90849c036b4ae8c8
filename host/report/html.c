#include "report/html.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"

#define PICTURE_BYTES_MAX (64 << 20)

/* Pictures have white paper, so that they stand as cards on a dark page. */
static const char style[] =
    ":root{color-scheme:light dark;--paper:#fff;--ink:#1d2126;--soft:#5c6670;--line:#dfe3e8;"
    "--tint:#f3f6f9;--bar:#b7d3ec}\n"
    "@media(prefers-color-scheme:dark){:root{--paper:#15181c;--ink:#e6e9ec;--soft:#98a2ad;"
    "--line:#2d343b;--tint:#1d2228;--bar:#2c5478}}\n"
    "body{margin:0 auto;max-width:72rem;padding:2.5rem 1.25rem 5rem;background:var(--paper);"
    "color:var(--ink);font:16px/1.55 system-ui,sans-serif}\n"
    "h1{font-size:1.9rem;margin:0 0 .5rem}\n"
    "h2{font-size:1.25rem;margin:3rem 0 .75rem;padding-bottom:.3rem;"
    "border-bottom:1px solid var(--line)}\n"
    "p.lead{font-size:1.1rem;margin:.25rem 0 1.5rem}\n"
    "p.note,caption,figcaption{color:var(--soft);font-size:.875rem}\n"
    ".wide{overflow-x:auto}\n"
    "table{border-collapse:collapse;font-variant-numeric:tabular-nums;font-size:.9375rem;"
    "width:100%}\n"
    "th,td{padding:.45rem .75rem;text-align:right;border-bottom:1px solid var(--line);"
    "white-space:nowrap}\n"
    "th{font-weight:600;color:var(--soft)}\n"
    "th:first-child,td:first-child,td.text,th.text{text-align:left}\n"
    "tr.best td{background:var(--tint);font-weight:600}\n"
    "th.bar{width:22%}\n"
    "td.bar{background:linear-gradient(90deg,var(--bar) var(--share),transparent var(--share)) "
    "0 50%/100% 70% no-repeat}\n"
    ".swatch{display:inline-block;width:.8em;height:.8em;margin-right:.5em;border-radius:2px;"
    "box-shadow:0 0 0 1px var(--line)}\n"
    ".grid{display:grid;gap:1rem;grid-template-columns:repeat(auto-fit,minmax(28rem,1fr))}\n"
    "figure{margin:0 0 1rem;padding:.75rem;background:#fff;border:1px solid var(--line);"
    "border-radius:8px}\n"
    "figure figcaption{color:#5c6670;margin-bottom:.4rem}\n"
    "figure img{display:block;width:100%;height:auto}\n"
    "figure.panel img{width:auto;max-width:100%}\n"
    "details{margin:.5rem 0;border:1px solid var(--line);border-radius:8px;padding:.6rem 1rem}\n"
    "summary{cursor:pointer}\n";

void rt_html_begin(FILE *page, const char *title)
{
    fputs("<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n"
          "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n<title>",
          page);
    rt_html_text(page, title);
    fprintf(page, "</title>\n<style>\n%s</style>\n<body>\n", style);
}

void rt_html_end(FILE *page)
{
    fputs("</body>\n</html>\n", page);
}

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

rt_status rt_html_picture(FILE *page, const char *path, const char *caption)
{
    rt_status status = RT_OK;
    char *bytes = NULL;
    size_t size;
    bool panel = strncmp(rt_path_name(path), "panel-", 6) == 0;
    fprintf(page, "<figure%s><figcaption>", panel ? " class=\"panel\"" : "");
    rt_html_text(page, caption);
    fputs("</figcaption>", page);
    if (rt_path_exists(path)) {
        RT_TRY(rt_file_read(path, PICTURE_BYTES_MAX, &bytes, &size));
        fputs("<img alt=\"\" src=\"data:image/png;base64,", page);
        write_base64(page, (const uint8_t *)bytes, size);
        fputs("\">", page);
    } else {
        fputs("(not drawn: gnuplot was missing)", page);
    }
    fputs("</figure>\n", page);
end:
    free(bytes);
    return status;
}
