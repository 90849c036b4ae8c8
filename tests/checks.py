"""What the tests in Python share: each check is a function, named as what it shows, and raises
AssertionError where that is not so."""
import os
import subprocess
import sys

SKIPPED = 77  # meson's exit status for it


def run(*command, status=0, **variables):
    """What the command prints to stdout and stderr; fails unless it ends with this status. It has
    these variables in its environment."""
    environment = dict(os.environ, ASAN_OPTIONS="detect_leaks=0", **variables)  # as tests/program.c
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False,
                          env=environment)
    assert done.returncode == status, "%s ends with %d, not %d:\n%s%s" % (
        " ".join(map(str, command)), done.returncode, status, done.stdout, done.stderr)
    return done.stdout, done.stderr


def main(checks):
    """Runs all checks and ends the program; prints a line each, as cmocka does."""
    failures = 0
    for check in checks:
        try:
            check()
        except AssertionError as error:
            failures += 1
            print("[  FAILED  ]", check.__name__)
            print("   ", str(error).replace("\n", "\n    "))
        else:
            print("[       OK ]", check.__name__)
    sys.exit(1 if failures else 0)
