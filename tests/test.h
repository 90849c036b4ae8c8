/* What every test program includes. */
#ifndef RT_TESTS_TEST_H
#define RT_TESTS_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "retort/status.h"

/* The call succeeds; its message is shown where it does not. */
#define assert_ok(call)                                                                            \
    do {                                                                                           \
        rt_status status_ = (call);                                                                \
        if (status_ != RT_OK)                                                                      \
            fail_msg("%s: %s: %s", #call, rt_status_name(status_), rt_error_message());            \
    } while (0)

/* The call fails with this status and a message that contains this text. */
#define assert_fails(call, expected, text)                                                         \
    do {                                                                                           \
        rt_status status_ = (call);                                                                \
        assert_int_equal(status_, expected);                                                       \
        if (!strstr(rt_error_message(), text))                                                     \
            fail_msg("'%s' is not in the message '%s'", text, rt_error_message());                 \
    } while (0)

#endif
