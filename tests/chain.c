/* The whole chain through the program, on scenes so few and networks so small that it takes
 * seconds; and what must not get lost on the way. */
#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "program.h"
#include "retort/data.h"

#define SMALL "--data synth:3 --patch 64 --model unet:2,depth=2 --epochs 1"

/* All tests share one folder, the working directory, and the run `t` in it. */
static char folder[] = "/tmp/retort-chain-XXXXXX";

static int start(void **state)
{
    (void)state;
    if (!mkdtemp(folder) || chdir(folder) != 0)
        return -1;
    int status = retort("train " SMALL " --out t");
    if (status != 0)
        fprintf(stderr, "%s\n", program_output);
    return status;
}

static int finish(void **state)
{
    (void)state;
    return chdir("/") != 0 || shell("rm -r %s", folder) != 0;
}

static void a_run_is_trained_and_judged(void **state)
{
    (void)state;
    static const char *const files[] = {
        "t/config.json",       "t/log.csv",
        "t/best.safetensors",  "t/last.safetensors",
        "t/eval/metrics.json", "t/eval/confusion.csv",
        "t/loss.gp",           "t/eval/panel-10-prediction.png",
    };
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        if (!rt_path_exists(files[i]))
            fail_msg("%s is missing", files[i]);
    json_t *metrics = read_json("t/eval/metrics.json");
    assert_string_equal(json_string_value(json_object_get(metrics, "network")), "unet:2,depth=2");
    assert_int_equal(json_array_size(json_object_get(metrics, "classes")), 6);
    json_decref(metrics);
}

static void a_run_is_not_overwritten(void **state)
{
    (void)state;
    assert_int_equal(shell("cp t/best.safetensors before"), 0);
    assert_int_equal(retort("train " SMALL " --seed 2 --out t"), 2);
    assert_said("already holds a run");
    assert_int_equal(shell("cmp before t/best.safetensors"), 0);
    assert_int_equal(shell("cp -r t forced"), 0);
    assert_int_equal(retort("train " SMALL " --seed 2 --out forced --force"), 0);
    assert_int_not_equal(shell("cmp -s before forced/best.safetensors"), 0);
}

static void wrong_names_are_told(void **state)
{
    (void)state;
    assert_int_equal(retort("train --out x --model resnet:18"), 2);
    assert_said("resnet:18");
    assert_int_equal(retort("train --out x --model unet:2,depht=2"), 2);
    assert_said("there is no option 'depht'; did you mean depth?");
    assert_int_equal(retort("train --out x --model unet:2,up=neares"), 2);
    assert_said("not 'neares'; did you mean nearest?");
    assert_int_equal(retort("train --out x --device cup"), 2);
    assert_said("no device is called 'cup'; did you mean cpu?");
    assert_int_equal(retort("train --out x --device nosuch"), 2);
    assert_said("no device is called 'nosuch'");
    assert_int_equal(retort("train --out x --data /nowhere"), 1);
    assert_said("/nowhere");
    assert_int_equal(retort("train --out x --data synth:3 --patch 4096"), 2);
    assert_false(rt_path_exists("x/log.csv"));
}

/* An evaluation finds the run's own held-out part; another split is what it is told to be. */
static void an_evaluation_knows_its_run(void **state)
{
    (void)state;
    assert_int_equal(retort("eval --model t/best.safetensors --out e1"), 0);
    assert_int_equal(retort("eval --model t/best.safetensors --validation 0 --out e2"), 0);
    json_t *run = read_json("t/eval/metrics.json"), *again = read_json("e1/metrics.json"),
           *all = read_json("e2/metrics.json");
    assert_true(json_equal(json_object_get(run, "confusion"), json_object_get(again, "confusion")));
    assert_int_equal(json_integer_value(json_object_get(run, "patches")), 64);
    assert_int_equal(json_integer_value(json_object_get(all, "patches")), 3 * 64);
    json_decref(run);
    json_decref(again);
    json_decref(all);
}

static void damaged_weights_are_refused(void **state)
{
    (void)state;
    assert_int_equal(shell("head -c 5000 t/best.safetensors >cut; echo text >text"), 0);
    assert_int_equal(retort("eval --model cut --out e"), 1);
    assert_said("cut");
    assert_int_equal(retort("eval --model text --out e"), 1);
    assert_said("text");
    assert_int_equal(retort("eval --model nowhere --out e"), 1);
    assert_said("nowhere");
    assert_false(rt_path_exists("e"));
}

static void write_picture(const char *path, int width, int height)
{
    struct rt_image image;
    assert_ok(rt_image_init(&image, width, height, 3));
    for (int i = 0; i < width * height * 3; i++)
        image.pixels[i] = (uint8_t)(i / 300 % 2 * 200);
    assert_ok(rt_image_write_png(&image, path));
    rt_image_finish(&image);
}

static void other_classes_are_refused(void **state)
{
    (void)state;
    assert_int_equal(shell("mkdir -p other/images other/masks"), 0);
    write_picture("other/images/a.png", 128, 128);
    write_picture("other/masks/a.png", 128, 128);
    assert_int_equal(retort("data other"), 0);
    assert_said("#C8C8C8");
    assert_int_equal(retort("eval --model t/best.safetensors --data other --validation 0 --out e"),
                     2);
    assert_said("classes");
}

static void images_are_segmented(void **state)
{
    (void)state;
    struct rt_image mask;
    write_picture("photo.png", 150, 70);
    assert_int_equal(retort("predict --model t/best.safetensors --out m photo.png"), 0);
    assert_said("m/photo.png");
    assert_ok(rt_image_read(&mask, "m/photo.png"));
    assert_int_equal(mask.width, 150);
    assert_int_equal(mask.height, 70);
    rt_image_finish(&mask);

    assert_int_equal(retort("predict --model t/best.safetensors --out m photo.png"), 2);
    assert_said("m/photo.png exists; --force replaces it");
    assert_int_equal(retort("predict --model t/best.safetensors --out m --force photo.png"), 0);
    assert_int_equal(retort("predict --model t/best.safetensors --out . --force photo.png"), 2);
    assert_said("would overwrite it");
    assert_int_equal(shell("mkdir -p sub && cp photo.png sub/photo.jpg"), 0);
    assert_int_equal(retort("predict --model t/best.safetensors --out m2 photo.png sub/photo.jpg"),
                     2);
    assert_said("two images would be written to m2/photo.png");
    assert_int_equal(shell("head -c 300 photo.png >half.png"), 0);
    assert_int_equal(retort("predict --model t/best.safetensors --out m2 half.png"), 1);
    assert_said("half.png");
    assert_false(rt_path_exists("m2/half.png"));
    assert_int_equal(retort("predict --model t/best.safetensors --overlap 32 --out m2 photo.png"),
                     2);
    assert_said("overlap");
}

static void a_student_is_distilled_and_reported(void **state)
{
    (void)state;
    char *page;
    size_t size;
    assert_int_equal(retort("distill " SMALL " --teacher t/best.safetensors --control --out s"), 0);
    assert_said("\nteacher ");
    assert_said("\nstudent alone ");
    assert_said("\nstudent distilled ");
    assert_int_equal(retort("report t s --out r.html"), 0);
    assert_ok(rt_file_read("r.html", 1 << 26, &page, &size));
    assert_non_null(strstr(page, "student alone"));
    assert_non_null(strstr(page, "student distilled"));
    assert_null(strstr(page, "http:"));
    free(page);
    assert_int_equal(retort("report --out r2.html sub"), 1);
    assert_said("sub/config.json");
    assert_int_equal(retort("report --out r2.html t missing"), 1);
    assert_false(rt_path_exists("r2.html"));
    assert_int_equal(retort("report --out /dev/null t"), 1);
    assert_said("not a regular file");
}

static void an_interrupt_saves(void **state)
{
    (void)state;
    static const char script[] =
        "rm -f i.txt; "
        "\"$RETORT_PROGRAM\" train --data synth:3 --patch 64 --model unet:2,depth=2 "
        "--schedule constant --epochs 100000 --out i %s 2>i.txt & "
        "while ! grep -q ^epoch i.txt 2>&1 && kill -0 $!; do sleep 0.1; done; kill -INT $!; wait "
        "$!";
    assert_int_equal(shell(script, ""), 130);
    assert_true(rt_path_exists("i/last.safetensors"));
    assert_int_equal(shell(script, "--resume"), 130);
}

/* A limit on the size of files stands for the disk; a page is larger than 2 KiB. */
static void a_full_disk_is_told(void **state)
{
    (void)state;
    assert_int_equal(shell("echo before >full.html; trap '' XFSZ; ulimit -f 4; "
                           "exec \"$RETORT_PROGRAM\" report t --out full.html"),
                     1);
    assert_said("cannot write full.html");
    assert_int_equal(shell("cat full.html; ls full.html*"), 0);
    assert_string_equal(program_output, "before\nfull.html\n");
}

/* The limit leaves room for the driver's own files, not for 1.9 MB of weights. Neither the last
 * checkpoint nor what belongs to it is touched, and the run can go on later. */
static void a_full_disk_keeps_the_checkpoint(void **state)
{
    (void)state;
    static const char train[] = "\"$RETORT_PROGRAM\" train --data synth:3 --patch 64 --model "
                                "unet:16,depth=3 --schedule constant --out d";
    assert_int_equal(shell("%s --epochs 1 && cp -r d saved && rm -r d/eval", train), 0);
    assert_int_equal(shell("trap '' XFSZ; ulimit -f 2000; %s --epochs 2 --resume", train), 1);
    assert_said("cannot write d/best.safetensors: File too large");
    assert_int_equal(shell("ls d; for f in best last state; do cmp d/$f.safetensors "
                           "saved/$f.safetensors || exit 1; done"),
                     0);
    assert_string_equal(program_output, "best.safetensors\nconfig.json\nlast.safetensors\n"
                                        "log.csv\nlog.jsonl\nloss.gp\nloss.png\n"
                                        "state.safetensors\n");
    assert_int_equal(shell("%s --epochs 2 --resume", train), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_run_is_trained_and_judged),
        cmocka_unit_test(a_run_is_not_overwritten),
        cmocka_unit_test(wrong_names_are_told),
        cmocka_unit_test(an_evaluation_knows_its_run),
        cmocka_unit_test(damaged_weights_are_refused),
        cmocka_unit_test(other_classes_are_refused),
        cmocka_unit_test(images_are_segmented),
        cmocka_unit_test(a_student_is_distilled_and_reported),
        cmocka_unit_test(an_interrupt_saves),
        cmocka_unit_test(a_full_disk_is_told),
        cmocka_unit_test(a_full_disk_keeps_the_checkpoint),
    };
    return cmocka_run_group_tests(tests, start, finish);
}
