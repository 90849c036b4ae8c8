#!/usr/bin/env python3
"""The rules of the house that a program can check.

usage: style.py SOURCE_FOLDER
"""
import itertools
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

# An #include may name the own folder or one further down; see CONTRIBUTING.md.
LAYERS = {
    "base": [],
    "device": ["base"],
    "ops": ["device", "base"],
    "graph": ["ops", "device", "base"],
    "data": ["base"],
    "model": ["graph", "data", "ops", "device", "base"],
    "exchange": ["model", "graph", "data", "ops", "device", "base"],
    "learn": ["exchange", "model", "data", "graph", "ops", "device", "base"],
    "report": ["learn", "exchange", "model", "data", "base"],
    "cli": ["report", "learn", "exchange", "model", "data", "graph", "ops", "device", "base"],
}
LONGEST_FILE = 700
LONGEST_FUNCTION = 70


def includes_point_down(root):
    for path in sorted((root / "host").rglob("*.[ch]")):
        layer = path.relative_to(root / "host").parts[0]
        for number, line in enumerate(path.read_text().splitlines(), 1):
            found = re.match(r'#include "(\w+)/', line)
            if not found or found[1] in ("retort", layer):
                continue
            if found[1] not in LAYERS[layer]:
                yield "%s:%d: %s must not know %s" % (path, number, layer, found[1])


def opencl_stays_in_device(root):
    for path in sorted((root / "host").rglob("*.[ch]")):
        if "device" not in path.parts and re.search(r"#include <(CL/|clblast)", path.read_text()):
            yield "%s: OpenCL and CLBlast belong to host/device" % path


def gdal_stays_in_data(root):
    for path in sorted((root / "host").rglob("*.[ch]")):
        if "data" not in path.parts and re.search(r"#include <(gdal|ogr|cpl)", path.read_text()):
            yield "%s: GDAL belongs to host/data" % path


def headers_compile_alone(root):
    headers = sorted((root / "include").rglob("*.h"))
    for language, compiler in (("c", "cc"), ("c++", "c++")):
        if not shutil.which(compiler):
            continue
        for header in headers:
            with tempfile.NamedTemporaryFile("w", suffix=".c") as source:
                source.write('#include "%s"\n' % header.relative_to(root / "include"))
                source.flush()
                run = subprocess.run(
                    [compiler, "-x", language, "-fsyntax-only", "-Wall", "-Wextra", "-Werror",
                     "-I", str(root / "include"), source.name],
                    capture_output=True, text=True)
            if run.returncode:
                yield "%s does not compile alone as %s:\n%s" % (header, language, run.stderr)


def files_are_formatted(root):
    if not shutil.which("clang-format"):
        return
    sources = [str(path) for folder in ("host", "include", "tests")
               for path in sorted((root / folder).rglob("*.[ch]"))]
    run = subprocess.run(["clang-format", "--dry-run", "--Werror", *sources],
                         capture_output=True, text=True, cwd=root)
    for line in run.stderr.splitlines():
        if "error:" in line:
            yield line


def files_and_functions_are_short(root):
    for folder in ("host", "cl", "include", "tests", "tools"):
        for path in sorted((root / folder).rglob("*")):
            if path.suffix not in (".c", ".h", ".cl", ".py"):
                continue
            lines = path.read_text().splitlines()
            if len(lines) > LONGEST_FILE:
                yield "%s has %d lines: does it hold one thing?" % (path, len(lines))
            start = None
            for number, line in enumerate(lines, 1):
                if path.suffix in (".c", ".cl") and line == "{":
                    start = number
                if start and line == "}":
                    if number - start > LONGEST_FUNCTION:
                        yield "%s:%d: a function of %d lines" % (path, start, number - start)
                    start = None


def kernels_are_portable(root):
    for path in sorted((root / "cl").glob("*.cl")):
        text = re.sub(r"/\*.*?\*/", "", path.read_text(), flags=re.S)
        for word in ("double", "half", "atomic_cmpxchg", "printf", "image2d_t", "pipe"):
            if re.search(r"\b%s\b" % word, text):
                yield "%s uses %s" % (path, word)


def kernels_can_be_sliced(root):
    """Of a launch in slices, these know the slice alone; see struct rt_launch."""
    for path in sorted((root / "cl").glob("*.cl")):
        for word in ("get_group_id", "get_num_groups", "get_global_size"):
            if re.search(r"\b%s\b" % word, path.read_text()):
                yield "%s uses %s" % (path, word)


def kernels_can_be_exact(root):
    """What a vendor may round as it likes has another name, in exact.cl; roof.cl measures it."""
    inexact = r"\b(mad|native_\w+|half_(exp|log|sqrt|rsqrt|divide|recip|powr)\w*|(exp|log)\w*|" \
        r"r?sqrt|pow\w?|sin|cos|tanh?)\s*\("
    for path in sorted((root / "cl").glob("*.cl")):
        text = re.sub(r"/\*.*?\*/", "", path.read_text(), flags=re.S)
        if path.name not in ("exact.cl", "roof.cl"):
            for match in re.finditer(inexact, text):
                yield "%s uses %s" % (path, match.group(1))


def kernels_build_without_a_warning(root):
    """Some drivers print them, or their number, for the user to see."""
    clang = shutil.which("clang")
    for path in sorted((root / "cl").glob("*.cl")) if clang else ():
        if "__kernel" not in path.read_text():
            continue
        for vector, exact in itertools.product((1, 4, 16), (0, 1)):
            said = subprocess.run(
                [clang, "-x", "cl", "-cl-std=CL1.2", "-Xclang", "-finclude-default-header", "-fsyntax-only",
                 "-I", str(root / "cl"), "-include", str(root / "cl/common.cl"), "-DVEC=%d" % vector,
                 "-DEXACT=%d" % exact, "-DCLASSES=6", str(path)],
                capture_output=True, text=True, check=False).stderr
            wrong = re.search(".*(warning|error).*", said)
            if wrong and "#error" not in said:
                yield "%s in vectors of %d, EXACT=%d: %s" % (path, vector, exact, wrong[0])


CHECKS = (includes_point_down, opencl_stays_in_device, gdal_stays_in_data, headers_compile_alone, files_are_formatted,
          files_and_functions_are_short, kernels_are_portable, kernels_build_without_a_warning,
          kernels_can_be_sliced, kernels_can_be_exact)


def main():
    root = pathlib.Path(sys.argv[1]).resolve()
    failures = 0
    for check in CHECKS:
        found = list(check(root))
        failures += bool(found)
        print("[  FAILED  ]" if found else "[       OK ]", check.__name__)
        for line in found:
            print("   ", line)
    return 1 if failures else 0


sys.exit(main())
