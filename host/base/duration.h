/* Times as people read them: "3 min 20 s". */
#ifndef RT_BASE_DURATION_H
#define RT_BASE_DURATION_H

#define RT_DURATION_TEXT 40 /* bytes that rt_duration_text takes at most */

/* "0.35 s", "12 s", "3 min 20 s", "1 h 2 min", "2 d 3 h"; "?" for what is no time. Returns `text`.
 */
const char *rt_duration_text(char text[RT_DURATION_TEXT], double seconds);

#endif
