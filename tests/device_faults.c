/* What is done when an OpenCL call fails, whichever it is: each call of a short training,
 * distillation and evaluation fails once, alone or with all that follow. */
#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"
#include "device/device.h"
#include "failing_device.h"
#include "retort/model.h"
#include "run_device.h"
#include "short_run.h"

static char *data, *run, *student; /* folders */
static long injected;              /* faults, in all */

/* Codes that drivers have been seen to give, and one that OpenCL does not know. */
static const cl_int codes[] = {CL_OUT_OF_RESOURCES,     CL_MEM_OBJECT_ALLOCATION_FAILURE,
                               CL_DEVICE_NOT_AVAILABLE, CL_INVALID_COMMAND_QUEUE,
                               CL_OUT_OF_HOST_MEMORY,   -9999};

/* --- what is done --------------------------------------------------------------------------- */

/* The first epoch of a run, or the second one. */
static rt_status train_epoch(struct rt_device *on, int epoch)
{
    struct rt_train_options options = short_run(data, run);
    options.epochs = epoch;
    options.resume = epoch > 1;
    return rt_train(on, &options, NULL);
}

static rt_status distil_epoch(struct rt_device *on, int epoch)
{
    struct rt_train_options options = short_run(data, student);
    char *teacher = test_path(folder, "teacher.safetensors");
    options.epochs = epoch;
    options.resume = epoch > 1;
    options.teachers = (const char *const[]){teacher};
    options.teacher_count = 1;
    options.soft = RT_SOFT_KL;
    rt_status status = rt_train(on, &options, NULL);
    free(teacher);
    return status;
}

static rt_status train(struct rt_device *on)
{
    return train_epoch(on, 2);
}

static rt_status distil(struct rt_device *on)
{
    return distil_epoch(on, 2);
}

static rt_status evaluate(struct rt_device *on)
{
    rt_status status = RT_OK;
    const struct rt_train_options options = short_run(data, run);
    struct rt_model *model = NULL;
    struct rt_metrics *metrics = NULL;
    char *weights = test_path(run, "best.safetensors");
    RT_TRY(rt_alloc(&metrics, 1, sizeof *metrics));
    RT_TRY(rt_model_load(&model, on, weights));
    status = rt_evaluate(model, &options.data, 2, metrics);
end:
    rt_model_destroy(model);
    free(metrics);
    free(weights);
    return status;
}

/* --- every call ----------------------------------------------------------------------------- */

static int complain(long call, const char *what, const char *found)
{
    print_error("call %ld, %s: %s: %s\n", call, failed_call(), what, found);
    return 1;
}

/* The message says what failed, where and what OpenCL said. */
static bool is_told(rt_status status, const char *name)
{
    const char *message = rt_error_message();
    return (status == RT_ERROR_DEVICE || status == RT_ERROR_MEMORY || status == RT_ERROR_BUILD) &&
           strstr(message, name) && (strstr(message, "CL_") || strstr(message, "(-9999)")) &&
           !strstr(message, "(null)");
}

struct sweep {
    rt_status (*work)(struct rt_device *on);
    const char *folder; /* of the run that it reads or goes on with */
    struct kept_run before, after;
    bool lasting;
};

/* The work fails at this call; false where it makes fewer. *wrong counts what is amiss. */
static bool check_call(const struct sweep *sweep, long call, int *wrong)
{
    const char *name = rt_device_describe(device)->name;
    const size_t bytes = rt_device_bytes(device);
    const long objects = live_objects();
    put_back_run(&sweep->before, sweep->folder);
    fail_call(CALLS_OF_WORK, call, codes[(size_t)call % RT_COUNT(codes)], sweep->lasting);
    rt_status status = sweep->work(device);
    if (!end_failures()) {
        assert_ok(status);
        return false;
    }
    injected++;
    if (!is_told(status, name))
        *wrong += complain(call, rt_status_name(status), rt_error_message());
    for (enum run_file i = BEST; i <= LAST; i++) /* the others tell times, which differ */
        if (!run_holds(&sweep->before, sweep->folder, i) &&
            !run_holds(&sweep->after, sweep->folder, i))
            *wrong += complain(call, run_file_names[i], "neither the old nor the new");
    if (rt_device_bytes(device) > bytes || live_objects() > objects)
        *wrong += complain(call, "device memory", "it is not released");
    return true;
}

/* From what the failed work has left, it comes to the same end. */
static void check_recovery(const struct sweep *sweep, long call)
{
    rt_status status = sweep->work(device);
    if (status < 0 || !run_holds(&sweep->after, sweep->folder, LAST) ||
        !run_holds(&sweep->after, sweep->folder, BEST))
        fail_msg("after call %ld failed: %s: %s", call, rt_status_name(status), rt_error_message());
}

static void check_every_call(struct sweep sweep)
{
    long call = 0;
    int wrong = 0;
    NEED_DEVICE();
    keep_run(&sweep.before, sweep.folder);
    assert_ok(sweep.work(device));
    keep_run(&sweep.after, sweep.folder);
    for (; check_call(&sweep, call, &wrong); call++)
        if (call % 64 == 0)
            check_recovery(&sweep, call);
    assert_int_equal(wrong, 0);
    assert_true(call > 50);
    put_back_run(&sweep.before, sweep.folder);
    check_recovery(&sweep, call);
    put_back_run(&sweep.before, sweep.folder);
    forget_run(&sweep.before);
    forget_run(&sweep.after);
}

static void every_call_of_a_training_may_fail(void **state)
{
    (void)state;
    check_every_call((struct sweep){.work = train, .folder = run});
}

static void the_device_may_go_at_every_call(void **state)
{
    (void)state;
    check_every_call((struct sweep){.work = train, .folder = run, .lasting = true});
}

static void every_call_of_a_distillation_may_fail(void **state)
{
    (void)state;
    check_every_call((struct sweep){.work = distil, .folder = student});
}

static void every_call_of_an_evaluation_may_fail(void **state)
{
    (void)state;
    check_every_call((struct sweep){.work = evaluate, .folder = run});
}

/* --- setup ---------------------------------------------------------------------------------- */

static rt_status open_and_train(void)
{
    rt_status status = RT_OK;
    struct rt_device *own = NULL;
    RT_TRY(rt_device_open(&own, NULL));
    status = train(own);
end:
    rt_device_close(own);
    return status;
}

/* Some questions may stay without an answer: then the run comes to the end it has without them. */
static void every_step_of_setting_up_may_fail(void **state)
{
    (void)state;
    struct kept_run before;
    int wrong = 0;
    long call = 0;
    NEED_DEVICE();
    const long objects = live_objects();
    keep_run(&before, run);
    for (;; call++) {
        put_back_run(&before, run);
        fail_call(CALLS_OF_SETUP, call, codes[(size_t)call % RT_COUNT(codes)], false);
        rt_status status = open_and_train();
        if (!end_failures()) {
            assert_ok(status);
            break;
        }
        injected++;
        const bool question = strncmp(failed_call(), "clGet", strlen("clGet")) == 0;
        if (status == RT_OK ? !question : !*rt_error_message())
            wrong += complain(call, rt_status_name(status), rt_error_message());
        if (live_objects() != objects)
            wrong += complain(call, "objects", "they are not released");
    }
    assert_int_equal(wrong, 0);
    assert_true(call > 50);
    put_back_run(&before, run);
    forget_run(&before);
}

/* --- the group ------------------------------------------------------------------------------ */

static int start(void **state)
{
    if (open_device(state) != 0)
        return -1;
    data = write_short_data(folder);
    run = test_path(folder, "run");
    student = test_path(folder, "student");
    if (!device)
        return 0;
    char *teacher = test_path(folder, "teacher.safetensors");
    char *last = test_path(run, "last.safetensors");
    assert_ok(train_epoch(device, 1));
    assert_int_equal(link(last, teacher), 0);
    assert_ok(distil_epoch(device, 1));
    free(teacher);
    free(last);
    return 0;
}

static int end(void **state)
{
    print_message("%ld faults were injected\n", injected);
    free(data);
    free(run);
    free(student);
    close_device(state);
    return live_objects() == 0 ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_call_of_a_training_may_fail),
        cmocka_unit_test(the_device_may_go_at_every_call),
        cmocka_unit_test(every_call_of_a_distillation_may_fail),
        cmocka_unit_test(every_call_of_an_evaluation_may_fail),
        cmocka_unit_test(every_step_of_setting_up_may_fail),
    };
    return cmocka_run_group_tests(tests, start, end);
}
