/* The program as its user meets it: exit statuses and messages. */
#include "test.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "program.h"

static void wrong_usage_is_told(void **state)
{
    (void)state;
    assert_int_equal(retort("%s", ""), 2);
    assert_said("usage: retort");
    assert_int_equal(retort("devces"), 2);
    assert_said("retort: there is no command 'devces'; did you mean devices?\n");
    assert_int_equal(retort("help devces"), 2);
    assert_said("did you mean devices?");
    assert_int_equal(retort("devices --jsn"), 2);
    assert_said("retort: devices has no option --jsn; did you mean --json?\n");
    assert_int_equal(retort("devices --quite-another"), 2);
    assert_said("--quite-another; see retort devices --help");
    assert_int_equal(retort("devices -j"), 2);
    assert_said("has no option -j");
    assert_int_equal(retort("devices --json=1"), 2);
    assert_said("--json takes no value");
    assert_int_equal(retort("help trian"), 2);
    assert_said("did you mean train?");
    assert_int_equal(retort("tune-candidat"), 2); /* what is not for users is not proposed */
    assert_said("there is no command 'tune-candidat'; did you mean tune?");
    assert_int_equal(retort("--verison"), 2);
    assert_said("retort: there is no option --verison; did you mean --version?\n");
    assert_int_equal(retort("version"), 2);
    assert_said("retort: there is no command 'version'; did you mean --version?\n");
    assert_int_equal(retort("--quiet train"), 2);
    assert_said("the command comes first, then its options: retort COMMAND --quiet");
    assert_int_equal(retort("completion fsh"), 2);
    assert_said("did you mean fish?");
    assert_int_equal(retort("devices surplus"), 2);
    assert_said("'surplus'");
}

static void values_are_checked(void **state)
{
    (void)state;
    static const struct {
        const char *arguments, *message;
    } wrong[] = {
        {"train", "retort: train needs --out; see retort train --help"},
        {"train --out", "--out needs a value"},
        {"train --out x --epochs 0", "--epochs is 0, but must be from 1 to"},
        {"train --out x --epochs 1.5", "--epochs takes a whole number, not '1.5'"},
        {"train --out x --lr fast", "--lr takes a number, not 'fast'"},
        {"train --out x --lr nan", "--lr takes a number, not 'nan'"},
        {"train --out x --seed -1", "--seed takes a whole number from 0 to 2^64 - 1, not '-1'"},
        {"train --out x --loss mse", "--loss takes ce|dice|focal|dice+focal, not 'mse'\n"},
        {"train --out x --loss dcie", "not 'dcie'; did you mean dice?"},
        {"train --out --epochs 3", "--out needs a value, but --epochs follows"},
        {"train --out x --learnin 3", "train has no option --learnin; see"},
        {"train --out x --batch-size 3", "did you mean --batch?"},
        {"train --out x --temp 3", "train has no option --temp; see"},
        {"distill --out x --temp 3", "did you mean --temperature?"},
        {"train --out x --epochs -3", "--epochs is -3, but must be from 1"},
        {"train -5", "train does not know what to do with '-5'"},
        {"train --out x --conv=fast",
         "--conv takes auto|direct|gemm|winograd|tiled|winograd2|winograd4, not 'fast'"},
        {"train --out x --math right", "--math takes fast|exact, not 'right'"},
        {"train --out x --math exact --conv gemm", "--conv gemm cannot go with --math exact"},
        {"train --out x --memory-limit lots", "--memory-limit takes a size such as 800M"},
        {"train --out x --alpha 1", "train has no option --alpha"},
        {"distill --out x", "distill needs --teacher"},
        {"train --out /none/x --model unet:8,depht=2",
         "there is no option 'depht'; did you mean depth? Its form is unet:W"},
        {"import x", "import needs --out"},
        {"import x --out /none/y --scaling bright", "a scaling is patch, unit, symmetric"},
        {"import x --out /none/y --scaling 1,2,3/4,5,0", "three deviations above 0"},
        {"import x --out /none/y --channels grb", "--channels takes rgb|bgr, not 'grb'"},
        {"export x", "for what is it to be written: --onnx, --torch or --keras FILE?"},
        {"export x --torch /dev/null", "/dev/null exists; --force replaces it"},
        {"predict --model x --out y", "predict needs IMAGE: retort predict"},
        {"predict --model '' --out y p.png", "--model is empty, but takes FILE"},
        {"completion", "completion needs SHELL: retort completion SHELL"},
        {"data a b", "data does not know what to do with 'b'"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_int_equal(retort("%s", wrong[i].arguments), 2);
        assert_said(wrong[i].message);
    }
}

static void data_that_is_not_there_is_told(void **state)
{
    (void)state;
    static const struct {
        const char *arguments, *message;
    } wrong[] = {
        {"data /nowhere/at/all",
         "cannot read the folder /nowhere/at/all: there is none; the data is a folder or synth"},
        {"data sinth:4", "cannot read the folder sinth:4: there is none; did you mean synth?"},
        {"data /dev/null", "cannot read the folder /dev/null: it is a file"},
        {"import / --out /none/y", "cannot import /: it is a folder; in Keras, save the model as"},
        {"data synth --palette x", "cannot use the palette x"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_int_equal(retort("%s", wrong[i].arguments),
                         i + 1 < sizeof wrong / sizeof *wrong ? 1 : 2);
        assert_said(wrong[i].message);
    }
}

static void every_command_explains_itself(void **state)
{
    (void)state;
    static const char *const commands[] = {"devices", "data",   "train",     "distill", "eval",
                                           "predict", "report", "tune",      "bench",   "doctor",
                                           "import",  "export", "completion"};
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        char usage[64];
        snprintf(usage, sizeof usage, "usage: retort %s ", commands[i]);
        assert_int_equal(retort("%s --help", commands[i]), 0);
        assert_said(usage);
        assert_int_equal(retort("help %s", commands[i]), 0);
        assert_said(usage);
        assert_int_equal(retort("%s -h", commands[i]), 0);
        assert_said(usage);
    }
    retort("train --help");
    assert_said("(default: unet:16)");
    assert_said("(default: 0.001)");
    assert_said("--out RUN                 the run folder (required)");
}

static void help_and_version(void **state)
{
    (void)state;
    assert_int_equal(retort("--version"), 0);
    assert_said("retort ");
    assert_int_equal(retort("help"), 0);
    assert_said("show the OpenCL devices");
    assert_int_equal(retort("-h"), 0);
    assert_said("show the OpenCL devices");
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
    json_t *list = json_loads(program_output, 0, NULL);
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
        cmocka_unit_test(values_are_checked),
        cmocka_unit_test(every_command_explains_itself),
        cmocka_unit_test(help_and_version),
        cmocka_unit_test(output_that_cannot_be_written),
        cmocka_unit_test(devices_as_json),
        cmocka_unit_test(data_that_is_not_there_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
