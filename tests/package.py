#!/usr/bin/env python3
"""The Debian packages of tools/package: they build, lintian finds no error, and the program and the
library run from where they are unpacked.

usage: package.py SOURCE_FOLDER
"""
import os
import pathlib
import re
import shutil
import sys
import tempfile

import checks
from pictures import write_png

SOURCE = pathlib.Path(sys.argv[1])
EXAMPLE = "usr/share/doc/libretort-dev/examples/segment.c"


def unpacked(pattern):
    found = sorted(ROOT.glob(pattern))
    assert found, "%s is in no package" % pattern
    return found[0]


def contents(package):
    listed, _ = checks.run("dpkg-deb", "--contents", PACKAGES[package])
    return [line.split()[5] for line in listed.splitlines()]


def each_file_is_in_its_package():
    assert sorted(PACKAGES) == ["libretort-dev", "libretort0", "retort"], PACKAGES
    assert "./usr/bin/retort" in contents("retort")
    assert all("/doc/" in name or ".so." in name or name.endswith("/")
               for name in contents("libretort0")), contents("libretort0")
    for name in ("include/retort/retort.h", "libretort.a", "libretort.so", "pkgconfig/retort.pc"):
        assert any(path.endswith(name) for path in contents("libretort-dev")), name


def what_the_build_needs_is_named():
    """tools/setup and the recipe agree."""
    setup = re.search(r"^build=\((.*?)\)", (SOURCE / "tools/setup").read_text(), re.S | re.M)[1]
    control = (SOURCE / "tools/debian/control").read_text()
    needed = set(re.search(r"Build-Depends:(.*?)^\w", control, re.S | re.M)[1].split())
    missing = {name for name in setup.split()
               if name.endswith("-dev") and name != "libc6-dev" and name + "," not in needed
               and name not in needed}
    assert not missing, "tools/debian/control does not name %s" % missing


def gdal_is_recommended_alone():
    for package in ("retort", "libretort0"):
        wanted, needed = (checks.run("dpkg-deb", "--field", PACKAGES[package], field)[0]
                          for field in ("Recommends", "Depends"))
        assert re.search(r"\blibgdal\d+", wanted) and "gdal" not in needed, (wanted, needed)


def the_program_runs():
    program = unpacked("usr/bin/retort")
    assert checks.run(program, "--version")[0].split()[0] == "retort"
    assert "train a network" in checks.run(program, "help")[0]


def the_example_is_built_and_runs():
    libraries = unpacked("usr/lib/*/libretort.so").parent
    flags, _ = checks.run("pkg-config", "--cflags", "--libs", "retort",
                          PKG_CONFIG_PATH=str(libraries / "pkgconfig"),
                          PKG_CONFIG_SYSROOT_DIR=str(ROOT))
    checks.run("cc", ROOT / EXAMPLE, "-o", ROOT / "segment", *flags.split())
    program, model, photo = unpacked("usr/bin/retort"), FOLDER / "run/best.safetensors", FOLDER / "a.png"
    write_png(photo, 93, 67, lambda x, y: (2 * x, 3 * y, (x ^ y) & 255))
    checks.run(program, "train", "--data", "synth:1", "--split", "patch", "--patch", "64", "--model",
               "unet:2,depth=1", "--epochs", "1", "--out", FOLDER / "run")
    checks.run(program, "predict", "--model", model, "--out", FOLDER / "masks", photo)
    checks.run(ROOT / "segment", model, photo, FOLDER / "mask.png", LD_LIBRARY_PATH=str(libraries))
    assert (FOLDER / "mask.png").read_bytes() == (FOLDER / "masks/a.png").read_bytes()


os.environ.pop("LD_LIBRARY_PATH", None)  # what is unpacked finds the system's libraries alone
if not shutil.which("dpkg-buildpackage") or not shutil.which("dh") or not shutil.which("lintian"):
    print("there is no dpkg-buildpackage, debhelper or lintian")
    sys.exit(1 if os.environ.get("CI") else checks.SKIPPED)
with tempfile.TemporaryDirectory() as temporary:
    FOLDER = pathlib.Path(temporary).resolve()
    ROOT = FOLDER / "root"
    said, complaints = checks.run(SOURCE / "tools/package", FOLDER / "packages")
    print("\n".join(line for line in (said + complaints).splitlines() if line.startswith("W: ")))
    PACKAGES = {path.name.split("_")[0]: path for path in (FOLDER / "packages").glob("*.deb")
                if "-dbgsym_" not in path.name}
    for package in PACKAGES.values():
        checks.run("dpkg-deb", "--extract", package, ROOT)
    checks.main((each_file_is_in_its_package, what_the_build_needs_is_named,
                 gdal_is_recommended_alone, the_program_runs, the_example_is_built_and_runs))
