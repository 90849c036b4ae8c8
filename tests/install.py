#!/usr/bin/env python3
"""What `meson install` leaves, as a stranger uses it: the program, the headers, pkg-config, and the
program of tests/example/ built against that alone. The program of the build is $RETORT_PROGRAM.

usage: install.py SOURCE_FOLDER BUILD_FOLDER
"""
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

import checks
from pictures import write_png

SOURCE, BUILD = map(pathlib.Path, sys.argv[1:])
RETORT, EXAMPLE = os.environ["RETORT_PROGRAM"], SOURCE / "tests/example/segment.c"
CC = os.environ.get("CC", "cc").split()
WARNINGS = ("-Wall", "-Wextra", "-Werror")


def find(pattern):
    """The one path below the root that ends so."""
    found = sorted(ROOT.rglob(pattern))
    assert len(found) == 1, "%s: %s" % (pattern, found)
    return found[0]


def pkg_config(*arguments):
    """What it says when there is nothing to find but what was installed, and the system's."""
    folder = find("retort.pc").parent
    output, _ = checks.run("pkg-config", *arguments, "retort", PKG_CONFIG_PATH=str(folder),
                           PKG_CONFIG_SYSROOT_DIR=str(ROOT))
    # the sysroot went before the system's folders as well, where nothing lies
    return [re.sub(r"^(-[IL])%s" % re.escape(str(ROOT)), r"\1", word)
            if word[:2] in ("-I", "-L") and not pathlib.Path(word[2:]).exists() else word
            for word in output.split()]


def symbols(*arguments):
    """The names that nm shows, without those of versions."""
    output, _ = checks.run("nm", "--defined-only", "--format=posix", *arguments)
    return {line.split()[0] for line in output.splitlines() if len(line.split()) > 2}


def public_functions():
    for header in sorted((SOURCE / "include").rglob("*.h")):
        text = re.sub(r"/\*.*?\*/|^#.*?$", "", header.read_text(), flags=re.S | re.M)
        text = re.sub(r"\btypedef\b[^;]*;", "", text)
        yield from re.findall(r"\b(rt_\w+)\(", text)


# --- the files --------------------------------------------------------------------------------


def all_public_headers_are_there():
    ours, theirs = SOURCE / "include/retort", find("include/retort")
    names = {path.name for path in ours.iterdir()}
    assert names == {path.name for path in theirs.iterdir()}
    whole = (ours / "retort.h").read_text()
    assert all('#include "retort/%s"' % name in whole for name in names - {"retort.h"}), \
        "retort.h is all of libretort"


def exactly_the_public_functions_are_exported():
    public = set(public_functions())
    exported = symbols("-D", LIBRARY) - {"_edata", "_end", "__bss_start"}  # some linkers' own
    assert len(public) > 50
    assert not public - exported, "declared, but not in the library: %s" % (public - exported)
    assert not exported - public, "in the library, but not declared: %s" % (exported - public)


def the_static_library_keeps_to_its_names():
    strangers = {name for name in symbols("-g", find("libretort.a"))
                 if not name.startswith(("rt_", "onnx__"))}  # protoc-c calls what it makes so
    assert not strangers, strangers


def nothing_names_the_folder_of_the_build():
    for path in (LIBRARY, PROGRAM):
        dynamic, _ = checks.run("readelf", "-d", path)
        assert "RPATH" not in dynamic and "RUNPATH" not in dynamic, dynamic
    for folder in (SOURCE, BUILD, ROOT):
        assert str(folder) not in find("retort.pc").read_text()
    assert "[libretort.so.0]" in checks.run("readelf", "-d", LIBRARY)[0]


def gdal_is_not_linked():
    for path in (LIBRARY, PROGRAM):
        assert "gdal" not in checks.run("readelf", "-d", path)[0].lower()
    assert "gdal" not in find("retort.pc").read_text()


def the_program_runs_wherever_it_lies():
    moved = FOLDER / "elsewhere"
    shutil.copy(PROGRAM, moved)
    version = checks.run(RETORT, "--version")
    assert checks.run(PROGRAM, "--version") == checks.run(moved, "--version") == version
    assert version[0].split()[1] == pkg_config("--modversion")[0]
    assert checks.run(moved, "devices", "--json") == checks.run(RETORT, "devices", "--json")


# --- the example ------------------------------------------------------------------------------


def expect_same_mask(program, **variables):
    mask = FOLDER / "mask.png"
    shares, _ = checks.run(program, MODEL, PHOTO, mask, **variables)
    assert mask.read_bytes() == EXPECTED.read_bytes(), "retort predict paints another mask"
    mask.unlink()
    shares = [float(line.split()[0]) for line in shares.splitlines()]
    assert 99 < sum(shares) < 101 and max(shares) < 100, shares


def the_example_segments_as_retort_does():
    program = FOLDER / "segment"
    checks.run(*CC, *WARNINGS, EXAMPLE, "-o", program, *pkg_config("--cflags", "--libs"))
    where = {"LD_LIBRARY_PATH": str(LIBRARY.parent)}
    expect_same_mask(program, **where)
    assert "usage: segment" in checks.run(program, status=2, **where)[1]
    _, error = checks.run(program, PHOTO, PHOTO, FOLDER / "mask.png", status=1, **where)
    assert error.startswith("segment: ") and str(PHOTO) in error, error


def the_example_with_the_library_within_it():
    program, hidden = FOLDER / "segment-static", FOLDER / "hidden"
    hidden.mkdir()
    for path in LIBRARY.parent.glob("libretort.so*"):
        path.rename(hidden / path.name)
    try:
        checks.run(*CC, EXAMPLE, "-o", program, *pkg_config("--static", "--cflags", "--libs"))
        expect_same_mask(program)
    finally:
        for path in hidden.iterdir():
            path.rename(LIBRARY.parent / path.name)


def programs_in_cxx_find_the_functions():
    compiler = os.environ.get("CXX", "c++").split()
    if not shutil.which(compiler[0]):
        assert not os.environ.get("CI"), "there is no C++ compiler"
        return
    source, program = FOLDER / "program.cc", FOLDER / "program"
    names = sorted(set(public_functions()))
    source.write_text(
        "#include <retort/retort.h>\n#include <cstring>\n"
        "typedef void (*function)();\nfunction functions[] = {%s};\n"
        "int main() { return functions[0] && !std::strcmp(rt_version(), RT_VERSION) ? 0 : 1; }\n"
        % ", ".join("(function)%s" % name for name in names))
    checks.run(*compiler, *WARNINGS, "-Wno-cast-function-type", source, "-o", program,
               *pkg_config("--cflags", "--libs"))
    checks.run(program, LD_LIBRARY_PATH=str(LIBRARY.parent))


os.environ.pop("LD_LIBRARY_PATH", None)  # meson names the folder of the build
if shutil.which("pkg-config") is None:
    print("there is no pkg-config")
    sys.exit(1 if os.environ.get("CI") else checks.SKIPPED)
if checks.run(RETORT, "devices", "--json")[0].strip() == "[]":
    print("there is no OpenCL device")
    sys.exit(1 if os.environ.get("CI") else checks.SKIPPED)
with tempfile.TemporaryDirectory() as temporary:
    FOLDER = pathlib.Path(temporary).resolve()
    ROOT, MODEL, PHOTO = FOLDER / "root", FOLDER / "run/best.safetensors", FOLDER / "photo.png"
    subprocess.run(["meson", "install", "-C", str(BUILD), "--no-rebuild", "--quiet", "--destdir",
                    str(ROOT)], check=True)
    LIBRARY, PROGRAM = find("libretort.so").resolve(), find("bin/retort")
    checks.run(RETORT, "train", "--data", "synth:1", "--split", "patch", "--patch", "64", "--model",
               "unet:2,depth=1", "--epochs", "1", "--out", FOLDER / "run")
    write_png(PHOTO, 93, 67, lambda x, y: (2 * x, 3 * y, (x ^ y) & 255))
    checks.run(RETORT, "predict", "--model", MODEL, "--out", FOLDER / "masks", PHOTO)
    EXPECTED = FOLDER / "masks/photo.png"
    checks.main((all_public_headers_are_there, exactly_the_public_functions_are_exported,
                 the_static_library_keeps_to_its_names, nothing_names_the_folder_of_the_build,
                 gdal_is_not_linked, the_program_runs_wherever_it_lies, the_example_segments_as_retort_does,
                 the_example_with_the_library_within_it, programs_in_cxx_find_the_functions))
