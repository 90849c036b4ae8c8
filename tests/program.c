#include "program.h"

#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

char program_output[1 << 16];

/* LeakSanitizer's tracer crashes now and then while a driver's threads end, and fails a program
 * that has no leak: it looks at the tests alone, which have read this variable before. */
void leave_leaks_of_programs(void)
{
    setenv("ASAN_OPTIONS", "detect_leaks=0", 1);
}

static int run(const char *script)
{
    leave_leaks_of_programs();
    char command[8192];
    snprintf(command, sizeof command, "exec 2>&1; %s", script);
    FILE *stream = popen(command, "r");
    assert_non_null(stream);
    size_t length = fread(program_output, 1, sizeof program_output - 1, stream);
    program_output[length] = 0;
    int status = pclose(stream);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

int retort(const char *format, ...)
{
    char script[4096] = "\"$RETORT_PROGRAM\" ";
    size_t length = strlen(script);
    va_list list;
    va_start(list, format);
    vsnprintf(script + length, sizeof script - length, format, list);
    va_end(list);
    return run(script);
}

int shell(const char *format, ...)
{
    char script[4096];
    va_list list;
    va_start(list, format);
    vsnprintf(script, sizeof script, format, list);
    va_end(list);
    return run(script);
}

json_t *read_json(const char *path)
{
    json_error_t error;
    json_t *value = json_load_file(path, 0, &error);
    if (!value)
        fail_msg("%s: %s", path, error.text);
    return value;
}

void assert_said(const char *text)
{
    if (!strstr(program_output, text))
        fail_msg("'%s' is not in the output '%s'", text, program_output);
}
