/* retort doctor, and runs that check themselves, on devices whose kernels are broken on purpose. */
#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"
#include "ops/check.h"
#include "program.h"

#define SMALL "--data synth:3 --patch 64 --model unet:2,depth=2"

/* The working directory: profiles/, and folders of kernels that are wrong. */
static char folder[] = "/tmp/retort-doctor-XXXXXX";

/* Kernels of which one file begins with these lines. */
static int break_kernels(const char *name, const char *file, const char *lines)
{
    return shell("mkdir %s && cp \"$RETORT_CL_SOURCES\"/*.cl %s && printf '%s\n' >%s/%s && cat "
                 "\"$RETORT_CL_SOURCES\"/%s >>%s/%s",
                 name, name, lines, name, file, file, name, file);
}

static int start(void **state)
{
    (void)state;
    if (!mkdtemp(folder) || chdir(folder) != 0)
        return -1;
    setenv("RETORT_PROFILE_DIR", "profiles", 1);
    return break_kernels("direct", "conv2d.cl", "#undef RELU\n#define RELU(v) ((v) + 0.25f)") ||
           break_kernels("wide", "pool.cl", "#if VEC > 4\n#error too wide\n#endif") ||
           break_kernels("none", "pool.cl", "#error broken") ||
           break_kernels("rounded", "pool.cl",
                         "#if EXACT\n#undef LOAD\n#define LOAD(p) (JOIN(vload, VEC)(0, p) * "
                         "1.0000002f)\n#endif");
}

static int finish(void **state)
{
    (void)state;
    return chdir("/") != 0 || shell("rm -r %s", folder) != 0;
}

static const char *text_at(const json_t *object, const char *name)
{
    return json_string_value(json_object_get(object, name));
}

/* The row of a check, of the last setting that was tried. */
static const json_t *row_of(const json_t *report, const char *what, const char *variant)
{
    const json_t *settings = json_object_get(report, "settings"),
                 *last = json_array_get(settings, json_array_size(settings) - 1),
                 *checks = json_object_get(last, "checks");
    for (size_t i = 0; i < json_array_size(checks); i++) {
        const json_t *row = json_array_get(checks, i);
        const char *its = text_at(row, "variant");
        if (strcmp(text_at(row, "what"), what) == 0 && (!variant || strcmp(its, variant) == 0))
            return row;
    }
    fail_msg("there is no check %s", what);
    return NULL;
}

/* Every file of kernels was built, and each check says how near its bound it came. */
static void every_kernel_is_looked_at(void **state)
{
    (void)state;
    check_any_device();
    assert_int_equal(shell("\"$RETORT_PROGRAM\" doctor --verbose --json report.json >log 2>&1"), 0);
    assert_int_equal(
        shell("cat log; for f in $(cd \"$RETORT_CL_SOURCES\" && grep -l __kernel "
              "*.cl); do grep -q \"built $f\\|loaded $f\" log || echo \"no $f\"; done"),
        0);
    assert_said("verdict: fit for training");
    assert_null(strstr(program_output, "\nno "));
    json_t *report = read_json("report.json");
    assert_string_equal(text_at(report, "verdict"), "fit");
    const json_t *checks =
        json_object_get(json_array_get(json_object_get(report, "settings"), 0), "checks");
    assert_in_range(json_array_size(checks), 20, 1000);
    for (size_t i = 0; i < json_array_size(checks); i++) {
        const json_t *row = json_array_get(checks, i);
        if (strcmp(text_at(row, "result"), "right") == 0)
            assert_true(json_number_value(json_object_get(row, "error")) <=
                        json_number_value(json_object_get(row, "bound")));
        else
            assert_string_equal(text_at(row, "result"), "not run");
    }
    const json_t *memory = json_object_get(report, "memory");
    assert_true(json_integer_value(json_object_get(memory, "had")) > 0);
    json_decref(report);
    assert_int_equal(shell("ls profiles"), 2); /* nothing to keep */
}

/* Training with the broken kernel stops, and the checkpoint before stands. */
static void nonsense_stops_a_run(void **state)
{
    (void)state;
    check_any_device();
    assert_int_equal(retort("train " SMALL " --conv direct --schedule constant --epochs 1 --out t"),
                     0);
    assert_int_equal(shell("cp -r t saved"), 0);
    assert_int_equal(shell("RETORT_CL_DIR=direct \"$RETORT_PROGRAM\" train " SMALL
                           " --conv direct --schedule constant --epochs 9 --self-check 1 --resume "
                           "--out t"),
                     1);
    assert_said("computes nonsense: of conv2d forward");
    assert_said("by the kernels conv2d_forward");
    assert_said("the difference is");
    assert_said("stopped in epoch 2 at step");
    assert_said("the weights of the epoch before are kept");
    assert_int_equal(shell("for f in best last state; do cmp t/$f.safetensors "
                           "saved/$f.safetensors || exit 1; done"),
                     0);
}

static void a_self_check_changes_no_bit(void **state)
{
    (void)state;
    check_any_device();
    static const char *const networks[] = {"unet:2,depth=2,norm=batch",
                                           "unet:4,depth=2,up=bilinear,dropout=0.2"};
    for (size_t i = 0; i < RT_COUNT(networks); i++) {
        for (int every = 0; every < 2; every++)
            assert_int_equal(retort("train --data synth:3 --patch 64 --epochs 2 --batch 4 --model "
                                    "%s --self-check %d --force --out checked%d",
                                    networks[i], every, every),
                             0);
        assert_int_equal(shell("cmp checked0/last.safetensors checked1/last.safetensors"), 0);
    }
}

static void a_wrong_variant_is_replaced(void **state)
{
    (void)state;
    check_any_device();
    assert_int_equal(
        shell("RETORT_CL_DIR=direct \"$RETORT_PROGRAM\" doctor --only 'conv2d forward' "
              "--json report.json"),
        0);
    assert_said("but these kernels are replaced");
    assert_said("conv2d forward, direct");
    json_t *report = read_json("report.json");
    assert_string_equal(text_at(report, "verdict"), "replaced");
    assert_string_equal(text_at(row_of(report, "conv2d forward", "direct"), "result"), "wrong");
    assert_string_equal(text_at(row_of(report, "conv2d forward", "plain"), "result"), "right");
    json_decref(report);
    /* What was broken is not run, even where it is asked for. */
    assert_int_equal(shell("RETORT_CL_DIR=direct \"$RETORT_PROGRAM\" train " SMALL
                           " --conv direct --epochs 1 --self-check 1 --out r"),
                     0);
    /* With kernels that are right, another visit takes it back. */
    assert_int_equal(retort("doctor --only 'conv2d forward'"), 0);
    assert_said("right, as far as was asked");
    assert_int_equal(shell("grep -c variant profiles/*.json"), 1);
}

static void shorter_vectors_replace_all(void **state)
{
    (void)state;
    check_any_device();
    struct rt_device *device = check_device(0);
    const bool wide = rt_device_vector(device) > 4;
    rt_device_close(device);
    if (!wide)
        skip();
    assert_int_equal(shell("RETORT_CL_DIR=wide \"$RETORT_PROGRAM\" doctor --only pool --device 0"),
                     0);
    assert_said("WRONG");
    assert_said("vectors of 4 and work-groups of 1");
    assert_int_equal(shell("RETORT_CL_DIR=wide \"$RETORT_PROGRAM\" train " SMALL
                           " --device 0 --epochs 1 --verbose --out w"),
                     0);
    assert_said("pool.cl with '-cl-std=CL1.2 -DVEC=4");
}

static void a_device_may_be_unfit(void **state)
{
    (void)state;
    check_any_device();
    assert_int_equal(shell("rm -rf profiles"), 0);
    assert_int_equal(
        shell("RETORT_CL_DIR=none \"$RETORT_PROGRAM\" doctor --only pool --json report.json"), 1);
    assert_said("verdict: not fit: pool is wrong, and nothing plainer is right");
    assert_said("is not fit for training");
    json_t *report = read_json("report.json");
    assert_string_equal(text_at(report, "verdict"), "unfit");
    assert_int_equal(json_array_size(json_object_get(report, "settings")), 3);
    assert_non_null(strstr(text_at(row_of(report, "pool", NULL), "why"), "pool.cl does not build"));
    json_decref(report);
    assert_int_equal(shell("ls profiles"), 2); /* nothing would be right */
}

static void other_bits_are_told_of_exact_math_alone(void **state)
{
    (void)state;
    check_any_device();
    assert_int_equal(retort("doctor --only \"exact math\""), 0);
    assert_said("verdict: right");
    assert_int_equal(
        shell("RETORT_CL_DIR=rounded \"$RETORT_PROGRAM\" doctor --only \"exact math\""), 0);
    assert_said("pooling has other bits here than elsewhere");
    assert_said("--math exact is not exact here");
}

static void a_name_that_is_none_is_told(void **state)
{
    (void)state;
    check_any_device();
    assert_int_equal(retort("doctor --only convolution"), 2);
    assert_said("there is no check whose name begins with 'convolution'");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kernel_is_looked_at),
        cmocka_unit_test(nonsense_stops_a_run),
        cmocka_unit_test(a_self_check_changes_no_bit),
        cmocka_unit_test(a_wrong_variant_is_replaced),
        cmocka_unit_test(shorter_vectors_replace_all),
        cmocka_unit_test(a_device_may_be_unfit),
        cmocka_unit_test(other_bits_are_told_of_exact_math_alone),
        cmocka_unit_test(a_name_that_is_none_is_told),
    };
    return cmocka_run_group_tests(tests, start, finish);
}
