#!/usr/bin/env python3
"""What goes wrong around a run: kills at any moment, a second process, a folder that is gone or
cannot be written. The program is $RETORT_PROGRAM.

usage: faults.py [KILLS]     of training and of distillation each; 5 if not given
"""
import fcntl
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import checks
from run_files import SMALL, expect_same_run, expect_whole_files

RETORT = os.environ["RETORT_PROGRAM"]
EPOCHS = 60
EPOCH_SECONDS = 0.05  # about
SHORT = SMALL + ("--epochs", EPOCHS)
ENDLESS = SMALL + ("--schedule", "constant", "--epochs", "1000000")
KILLS = int(sys.argv[1]) if len(sys.argv) > 1 else 5
SEED = 20


def start(*arguments, before=(), **variables):
    return subprocess.Popen([*before, RETORT, *map(str, arguments)], stderr=subprocess.PIPE, text=True,
                            stdout=subprocess.DEVNULL,
                            env=dict(os.environ, ASAN_OPTIONS="detect_leaks=0", **variables))


def kill(process):
    process.kill()
    return process.communicate()[1]


# --- kills ----------------------------------------------------------------------------------


def wait_for_epoch(process, epoch):
    """Until this epoch, or a later one, is told to be done, or the process has ended."""
    for line in process.stderr:
        if line.startswith("epoch ") and int(line.split()[1].split("/")[0]) >= epoch:
            return


def wait_for_saving(process, run):
    """Until a file is being written under its temporary name, or the process has ended."""
    while process.poll() is None:
        if run.exists() and any(name.endswith(".tmp") for name in os.listdir(run)):
            return


def finish_with_kills(command, run, kills, seconds):
    """Kills the command so many times, resuming it each time, and then lets it end. The moments are
    uniform over the epochs and, before the first, over the `seconds` that the program needs to
    start; every other kill then waits for a file that is being written."""
    for number, epoch in enumerate(sorted(random.randrange(EPOCHS) for _ in range(kills))):
        process = start(*command, "--out", run, *resume(run))
        wait_for_epoch(process, epoch) if epoch else time.sleep(random.uniform(0, seconds))
        time.sleep(random.uniform(0, EPOCH_SECONDS))
        if number % 2:
            wait_for_saving(process, run)
        error = kill(process)
        assert process.returncode == -signal.SIGKILL, "it ended before it could be killed: " + error
        expect_whole_files(run)
    checks.run(RETORT, *command, "--out", run, *resume(run))


def resume(run):
    return ("--resume",) if (run / "config.json").exists() else ()


def check_kills(command, name):
    """KILLS kills, five of them a run."""
    whole = FOLDER / (name + "-whole")
    checks.run(RETORT, *command, "--out", whole)
    started = time.monotonic()
    probe = start(*command, "--out", FOLDER / (name + "-probe"))
    wait_for_epoch(probe, 1)
    seconds = time.monotonic() - started
    kill(probe)
    for first in range(0, KILLS, 5):
        killed = FOLDER / (name + "-killed")
        finish_with_kills(command, killed, min(5, KILLS - first), seconds)
        expect_same_run(whole, killed)
        shutil.rmtree(killed)


def killed_trainings_come_to_the_same_bits():
    check_kills(("train", *SHORT), "train")


def killed_distillations_come_to_the_same_bits():
    check_kills(("distill", "--teacher", FOLDER / "train-whole" / "best.safetensors", *SHORT,
                 "--seed", "2"), "distill")


# --- a second process -------------------------------------------------------------------------


def a_second_writer_is_refused():
    run = FOLDER / "locked"
    first = start("train", *ENDLESS, "--out", run)
    try:
        wait_for_epoch(first, 1)
        for how in ("--resume", "--force"):
            _, error = checks.run(RETORT, "train", *ENDLESS, "--out", run, how, status=1)
            assert "%s: another process writes to it" % run in error, error
        assert first.poll() is None
    finally:
        kill(first)
    second = start("train", *ENDLESS, "--out", run, "--resume")
    try:
        wait_for_epoch(second, 1)
        second.send_signal(signal.SIGINT)
        _, error = second.communicate(timeout=60)
    finally:
        second.kill()
    assert second.returncode == 130, error
    assert not (run / ".lock").exists()


def two_share_caches_and_a_device():
    """Each comes to the bits that it comes to alone."""
    shared = {"RETORT_CACHE_DIR": str(FOLDER / "cache"), "RETORT_PROFILE_DIR": str(FOLDER / "profile")}
    both = [(FOLDER / ("shared-" + seed), start("train", *SHORT, "--seed", seed, "--out",
                                                FOLDER / ("shared-" + seed), **shared))
            for seed in "12"]
    for _, process in both:
        error = process.communicate()[1]
        assert process.returncode == 0, error
    assert any((FOLDER / "cache").iterdir()), "the cache was not used"
    for (run, _), seed in zip(both, "12"):
        alone = FOLDER / "alone"
        checks.run(RETORT, "train", *SHORT, "--seed", seed, "--out", alone)
        expect_same_run(alone, run)
        shutil.rmtree(alone)


def evaluations_into_one_folder_wait_for_each_other():
    out = FOLDER / "verdict"
    command = ("eval", "--model", FOLDER / "shared-1" / "best.safetensors", "--out", out)
    started = time.monotonic()
    checks.run(RETORT, *command)
    seconds = time.monotonic() - started
    shutil.rmtree(out)
    out.mkdir()
    with open(out / ".verdict.lock", "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        process = start(*command)
        time.sleep(2 * seconds)
        try:
            assert process.poll() is None and os.listdir(out) == [".verdict.lock"], os.listdir(out)
        except AssertionError:
            kill(process)
            raise
    error = process.communicate(timeout=60)[1]
    assert process.returncode == 0, error
    assert (out / "metrics.json").exists() and not (out / ".verdict.lock").exists()


# --- a folder that goes away --------------------------------------------------------------------


def expect_end(process, message):
    """It ends by itself with this message and the exit status of a failure."""
    _, error = process.communicate(timeout=60)
    assert process.returncode == 1, (process.returncode, error)
    assert error.splitlines()[-1].startswith("retort: cannot write %s/" % FOLDER), error
    assert error.endswith(message + "\n"), error


def expect_resumable(run):
    """The last checkpoint is whole, and the run goes on from it."""
    expect_whole_files(run)
    rows = len((run / "log.csv").read_text().splitlines())
    process = start("train", *ENDLESS, "--out", run, "--resume")
    try:
        told = next(line for line in process.stderr if line.startswith("epoch "))
    finally:
        kill(process)
    epoch = int(told.split()[1].split("/")[0])
    assert rows - 1 <= epoch <= rows, (rows, told)


def a_folder_moved_under_way_ends_the_run():
    run, moved = FOLDER / "here", FOLDER / "there"
    process = start("train", *ENDLESS, "--out", run)
    try:
        wait_for_epoch(process, 2)
        run.rename(moved)
        expect_end(process, ": No such file or directory")
    finally:
        kill(process)
    assert not run.exists()
    expect_resumable(moved)


def a_folder_that_becomes_read_only_ends_the_run():
    bound = ()
    if os.geteuid() == 0:  # whom permissions do not bind, but for this
        bound = ("setpriv", "--bounding-set=-dac_override,-dac_read_search")
    if bound and (not shutil.which("setpriv") or subprocess.run([*bound, "true"]).returncode):
        print("             this superuser cannot be denied a folder: not tested")
        return
    run = FOLDER / "read-only"
    process = start("train", *ENDLESS, "--out", run, before=bound)
    try:
        wait_for_epoch(process, 2)
        run.chmod(0o555)
        expect_end(process, ": Permission denied")
        _, error = checks.run(*bound, RETORT, "train", *ENDLESS, "--out", run / "new", status=1)
        assert "cannot create the folder %s/new: Permission denied" % run in error, error
    finally:
        kill(process)
        run.chmod(0o755)
    expect_resumable(run)


def main():
    global FOLDER
    random.seed(SEED)
    if checks.run(RETORT, "devices", "--json")[0].strip() == "[]":
        print("there is no OpenCL device")
        sys.exit(1 if os.environ.get("CI") else checks.SKIPPED)
    with tempfile.TemporaryDirectory(prefix="retort-faults-") as folder:
        FOLDER = pathlib.Path(folder)
        checks.main((killed_trainings_come_to_the_same_bits,
                     killed_distillations_come_to_the_same_bits,
                     a_second_writer_is_refused,
                     two_share_caches_and_a_device,
                     evaluations_into_one_folder_wait_for_each_other,
                     a_folder_moved_under_way_ends_the_run,
                     a_folder_that_becomes_read_only_ends_the_run))


main()
