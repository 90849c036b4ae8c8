/* The program as its user meets it: exit statuses, messages, files. */
#include "test.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static char output[1 << 16]; /* of the last command, both streams */

/* Runs `retort ARGUMENTS`, read by a shell, and returns its exit status. */
static int retort(const char *format, ...)
{
    char arguments[2048], command[4096];
    va_list list;
    va_start(list, format);
    vsnprintf(arguments, sizeof arguments, format, list);
    va_end(list);
    snprintf(command, sizeof command, "exec 2>&1; '%s' %s", getenv("RETORT_PROGRAM"), arguments);
    FILE *stream = popen(command, "r");
    assert_non_null(stream);
    size_t length = fread(output, 1, sizeof output - 1, stream);
    output[length] = 0;
    int status = pclose(stream);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

/* The last command said this. */
static void assert_said(const char *text)
{
    if (!strstr(output, text))
        fail_msg("'%s' is not in the output '%s'", text, output);
}

static void wrong_usage_is_told(void **state)
{
    (void)state;
    assert_int_equal(retort(""), 2);
    assert_said("usage: retort");
    assert_int_equal(retort("devces"), 2);
    assert_said("retort: there is no command 'devces'; did you mean devices?");
    assert_int_equal(retort("help devces"), 2);
    assert_said("did you mean devices?");
    assert_int_equal(retort("devices --jsn"), 2);
    assert_said("retort: devices has no option --jsn; did you mean --json?");
    assert_int_equal(retort("devices --quite-another"), 2);
    assert_said("--quite-another; see retort devices --help");
    assert_int_equal(retort("devices -j"), 2);
    assert_said("has no option -j");
    assert_int_equal(retort("devices --json=1"), 2);
    assert_said("--json takes no value");
    assert_int_equal(retort("devices surplus"), 2);
    assert_said("'surplus'");
}

static void help_and_version(void **state)
{
    (void)state;
    assert_int_equal(retort("--version"), 0);
    assert_said("retort ");
    assert_int_equal(retort("help"), 0);
    assert_said("show the OpenCL devices");
    assert_int_equal(retort("devices --help"), 0);
    assert_said("--json");
    assert_int_equal(retort("help devices"), 0);
    assert_said("--json");
}

static void output_that_cannot_be_written(void **state)
{
    (void)state;
    if (access("/dev/full", W_OK) != 0)
        skip();
    assert_int_equal(retort("help >/dev/full"), 1);
    assert_said("retort: cannot write the output");
}

static void devices_as_json(void **state)
{
    (void)state;
    assert_int_equal(retort("devices --json"), 0);
    json_t *list = json_loads(output, 0, NULL);
    assert_true(json_is_array(list));
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *device = json_array_get(list, i);
        assert_int_equal(json_integer_value(json_object_get(device, "index")), i);
        assert_true(json_integer_value(json_object_get(device, "memory_bytes")) > 0);
        assert_true(json_is_string(json_object_get(device, "driver")));
    }
    json_decref(list);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wrong_usage_is_told),
        cmocka_unit_test(help_and_version),
        cmocka_unit_test(output_that_cannot_be_written),
        cmocka_unit_test(devices_as_json),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
