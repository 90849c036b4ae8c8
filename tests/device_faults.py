#!/usr/bin/env python3
"""What a user sees of a device whose memory is exhausted, that goes away, or for which a kernel does
not build. The program is $RETORT_PROGRAM, and $RETORT_FAILING is the same with OpenCL calls that
fail when told to (tests/failing_device.c).

usage: device_faults.py CL     the folder of the kernels
"""
import json
import os
import pathlib
import shutil
import sys
import tempfile

import checks
from run_files import SMALL, expect_same_run, expect_whole_files

RETORT, FAILING = os.environ["RETORT_PROGRAM"], os.environ["RETORT_FAILING"]
KERNELS = pathlib.Path(sys.argv[1])
RUN = SMALL + ("--epochs", "4")
OUT_OF_MEMORY, OUT_OF_RESOURCES, NOT_AVAILABLE, INVALID_QUEUE = -4, -5, -2, -36


def fail(command, function, number, code, lasting=False):
    """What the command says when this call of the function fails, and with it the command."""
    fault = "%s %d %d%s" % (function, number, code, " lasting" if lasting else "")
    _, error = checks.run(FAILING, *command, status=1, RETORT_TEST_FAULT=fault)
    assert NAME in error, error
    return error


def expect_recovery(run):
    """What is there is whole, and resumed it comes to the bits of a run without a fault."""
    expect_whole_files(run)
    checks.run(RETORT, "train", *RUN, "--out", run, "--resume")
    expect_same_run(WHOLE, run)
    shutil.rmtree(run)


# --- memory -----------------------------------------------------------------------------------


def buffers_that_cannot_be_had_are_told_before_a_file_is_written():
    run = FOLDER / "planned"
    for number in (0, 4, 9, 14):
        error = fail(("train", *RUN, "--out", run), "clCreateBuffer", number, OUT_OF_MEMORY)
        assert "cannot allocate" in error and "use a smaller batch or patch" in error, error
        assert not run.exists(), "a folder is left"


def memory_that_ends_under_way_leaves_a_run_that_goes_on():
    run = FOLDER / "memory"
    for function, number in (("clEnqueueNDRangeKernel", 150), ("clEnqueueWriteBufferRect", 12)):
        error = fail(("train", *RUN, "--out", run), function, number, OUT_OF_MEMORY)
        assert "the run in %s has stopped and can be resumed: " % run in error, error
        assert "its memory is exhausted" in error, error
        expect_recovery(run)


# --- a device that goes -----------------------------------------------------------------------


def a_device_that_goes_leaves_a_run_that_goes_on():
    run = FOLDER / "gone"
    for function, number, code in (("clEnqueueNDRangeKernel", 150, NOT_AVAILABLE),
                                   ("clFinish", 5, INVALID_QUEUE)):
        error = fail(("train", *RUN, "--out", run), function, number, code, lasting=True)
        assert "the run in %s has stopped and can be resumed: " % run in error, error
        assert "the device is lost" in error, error
        assert (run / "last.safetensors").exists(), "it failed before anything was saved"
        expect_recovery(run)


def a_device_that_goes_in_saving_leaves_the_checkpoint_before():
    """Reads of a buffer are those of a loss, of counters, and of what is saved: an epoch's, in a row,
    are all of them."""
    run, seen = FOLDER / "saving", set()
    for number in range(12, 20):
        fail(("train", *RUN, "--out", run), "clEnqueueReadBuffer", number, OUT_OF_RESOURCES, True)
        left = (run / "log.csv").read_text().count("\n") - 1
        seen.add(left)
        expect_recovery(run)
    assert len(seen) > 1, "all within one epoch"


# --- kernels that do not build ----------------------------------------------------------------


def break_kernel(name):
    folder = FOLDER / "kernels"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(KERNELS, folder)
    with open(folder / name, "a", encoding="utf-8") as stream:
        stream.write("\n__kernel void broken(__global float *x) { x[0] = no_such_name; }\n")
    return folder


def expect_build_error(error, name):
    first = next(line for line in error.splitlines() if "does not build" in line)
    assert name + " does not build on " + NAME in first, error
    assert "-cl-std=CL1.2" in first and "-DVEC=" in first and "CL_BUILD_PROGRAM_FAILURE" in first, first
    assert "no_such_name" in error, "the compiler's log is not shown: " + error


def a_kernel_of_the_first_step_that_does_not_build_ends_the_run():
    run = FOLDER / "broken"
    _, error = checks.run(RETORT, "train", *RUN, "--out", run, status=1,
                          RETORT_CL_DIR=str(break_kernel("pool.cl")))
    expect_build_error(error, "pool.cl")
    expect_recovery(run)


def a_kernel_of_a_later_session_that_does_not_build_leaves_the_checkpoint():
    run = FOLDER / "later"
    more = SMALL + ("--schedule", "constant")
    checks.run(RETORT, "train", *more, "--epochs", "1", "--out", run)
    kept = (run / "last.safetensors").read_bytes()
    _, error = checks.run(RETORT, "train", *more, "--epochs", "3", "--out", run, "--resume", status=1,
                          RETORT_CL_DIR=str(break_kernel("loss.cl")))
    expect_build_error(error, "loss.cl")
    assert "the run in %s has stopped and can be resumed: " % run in error, error
    expect_whole_files(run)
    assert (run / "last.safetensors").read_bytes() == kept
    checks.run(RETORT, "train", *more, "--epochs", "3", "--out", run, "--resume")
    whole = FOLDER / "later-whole"
    checks.run(RETORT, "train", *more, "--epochs", "3", "--out", whole)
    expect_same_run(whole, run)


def a_kernel_of_the_judging_that_does_not_build_leaves_what_was_trained():
    run = FOLDER / "judged"
    broken = str(break_kernel("metrics.cl"))
    _, error = checks.run(RETORT, "train", *RUN, "--out", run, status=1, RETORT_CL_DIR=broken)
    expect_build_error(error, "metrics.cl")
    assert "the run in %s is trained; --resume judges it: " % run in error, error
    weights = run / "best.safetensors"
    _, error = checks.run(RETORT, "eval", "--model", weights, "--out", FOLDER / "verdict", status=1,
                          RETORT_CL_DIR=broken)
    expect_build_error(error, "metrics.cl")
    assert not (FOLDER / "verdict").exists(), "a folder is left"
    expect_recovery(run)


def main():
    global FOLDER, WHOLE, NAME
    devices = json.loads(checks.run(RETORT, "devices", "--json")[0])
    if not devices:
        print("there is no OpenCL device")
        sys.exit(1 if os.environ.get("CI") else checks.SKIPPED)
    with tempfile.TemporaryDirectory(prefix="retort-device-faults-") as folder:
        FOLDER = pathlib.Path(folder)
        WHOLE = FOLDER / "whole"
        checks.run(RETORT, "train", *RUN, "--out", WHOLE)
        NAME = json.loads((WHOLE / "config.json").read_text())["device"]
        checks.main((buffers_that_cannot_be_had_are_told_before_a_file_is_written,
                     memory_that_ends_under_way_leaves_a_run_that_goes_on,
                     a_device_that_goes_leaves_a_run_that_goes_on,
                     a_device_that_goes_in_saving_leaves_the_checkpoint_before,
                     a_kernel_of_the_first_step_that_does_not_build_ends_the_run,
                     a_kernel_of_a_later_session_that_does_not_build_leaves_the_checkpoint,
                     a_kernel_of_the_judging_that_does_not_build_leaves_what_was_trained))


main()
