#!/usr/bin/env python3
"""The kernels of an operation under Oclgrind, which sees every access to memory: none outside a buffer,
none that races with another, nothing uninitialised that decides or is stored where it is read.

usage: oclgrind.py IMPLEMENTATIONS COMMON_CL PROGRAM VARIANT MATH NAME...

The program's tests run on small tensors in this variant and in this math, `fast`, `exact` or `both`, and
every kernel must have run that is in a file beside common.cl whose name begins with one of these, unless
it begins with one that is here behind a `-`.
"""
import os
import pathlib
import re
import subprocess
import sys

# Memory that is not initialised is looked for in code without vectors alone: where Clang fills up a
# vector with undefined lanes, as it does for `v.lo = ...`, Oclgrind 21.10 reads wildly itself.
# In exact math some kernels have vectors of 16 in every variant.
SCALAR = "1x8"
# What CPUs have of local memory, so that the variants for them find room.
CPU_LOCAL_BYTES = 128 << 10
# Nor in the loss's kernels, whoever runs them: the library clears a part of their sums between kernels,
# whereupon Oclgrind takes the other part for uninitialised (ShadowMemory::allocate in its
# hostMemoryStore).
CLEARED = "loss"


def kernels_of(folder, names):
    wanted = tuple(name for name in names if not name.startswith("-"))
    others = tuple(name[1:] for name in names if name.startswith("-"))
    kernels = set()
    for path in folder.glob("*.cl"):
        if path.name.startswith(wanted) and not path.name.startswith(others):
            kernels.update(re.findall(r"^__kernel\b[^;{]*?\bvoid\s+(\w+)\(", path.read_text(), re.M))
    return kernels


def complaints_of(printed):
    """What Oclgrind complains of, each a block of lines, but for what it takes for uninitialised."""
    blocks = re.split(r"\n\s*\n", printed)
    wrong = re.compile(r"uninitialized\b.*\n\tKernel: %s_" % CLEARED, re.I)
    return "\n\n".join(block for block in blocks if not wrong.search(block))


def run(implementations, program, variant, math, names):
    """The program's exit status, what it printed, and what it and Oclgrind complained of."""
    checks = ["--data-races"]
    if variant == SCALAR and math == "fast" and CLEARED not in names:
        checks.append("--uninitialized")
    if variant.endswith("x1"):
        checks += ["--local-mem-size", str(CPU_LOCAL_BYTES)]
    environment = dict(os.environ, RETORT_TEST_SMALL="1", RETORT_TEST_VARIANTS=variant,
                       RETORT_TEST_MATH="" if math == "both" else math)
    # Not --log: every context begins that file anew.
    done = subprocess.run([implementations, "run", "oclgrind", *checks, program], check=False,
                          capture_output=True, text=True, errors="replace", env=environment)
    return done.returncode, done.stdout, complaints_of(done.stderr)


def main():
    implementations, common, program, variant, math, *names = sys.argv[1:]
    status, printed, complaints = run(implementations, program, variant, math, names)
    ran = set(re.findall(r"^launched (\w+)$", printed, re.M))
    print("\n".join(line for line in printed.splitlines() if line.startswith("[")))
    sys.stdout.flush()
    print(complaints[:20000], file=sys.stderr)
    if status:
        return status
    if re.search(r"^\tKernel: |OCLGRIND FATAL ERROR|Oclgrind - ", complaints, re.M):
        print("Oclgrind reports what stands above")
        return 1
    missing = kernels_of(pathlib.Path(common).parent, names) - ran
    if missing:
        print("no test ran the kernels %s" % ", ".join(sorted(missing)))
        return 1
    print("%d kernels ran without a report: %s" % (len(ran), ", ".join(sorted(ran))))
    return 0


if __name__ == "__main__":
    sys.exit(main())
