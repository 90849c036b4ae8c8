#!/usr/bin/env python3
"""Every command that README.md shows works: those of blocks are run, on small pictures and networks, a
section (##) after the other in a folder of its own; those within sentences exist, with their options.
The program is $RETORT_PROGRAM.

Blocks are indented or fenced. In one that has a line with `$ ` before it, the lines without are output;
what is fenced as `text` is output, as `c` the program of tests/example/, and as `python` another test's.

usage: readme.py SOURCE_FOLDER BUILD_FOLDER [DUBAI]
DUBAI: a folder of real images; then the commands that name it run on it, with the networks as they stand.
"""
import functools
import json
import os
import pathlib
import re
import sys
import tempfile

import checks
from pictures import write_png

SOURCE, BUILD = map(pathlib.Path, sys.argv[1:3])
DUBAI = pathlib.Path(sys.argv[3]) if len(sys.argv) > 3 else None
RETORT, README = os.environ["RETORT_PROGRAM"], (SOURCE / "README.md").read_text()
EXAMPLE = SOURCE / "tests/example/segment.c"

# Commands that are not run here, and which test runs them, or why none does.
ELSEWHERE = {
    "tools/demo": "`chain` runs `retort demo`",
    "tools/test": "it runs this test",
    "tools/bench-peers --steps 5 --python /usr/bin/python3 --python PYTHON_WITH_2.15":
        "`torch_peers` and `bench_peers` run it on small networks",
    "source <(build/host/cli/retort completion bash)": "`cmdline` does so in bash",
    "meson setup build --prefix /usr/local": "`install` installs this build below a folder of its own",
    "meson install -C build": "`install` does so",
    "cc tests/example/segment.c -o segment $(pkg-config --cflags --libs retort)": "`install` does so",
    "build/host/cli/retort import teacher.h5 --scaling patch --palette dubai --out teacher.safetensors":
        "`hdf5_exchange` and `keras_exchange` import such files",
    "build/host/cli/retort distill --data PHOTOS --teacher teacher.safetensors --model unet:4 --out runs/student":
        "`chain` distils; an imported teacher is a file like others",
    "build/host/cli/retort export runs/student/best.safetensors --torch student.safetensors --keras student.h5":
        "`hdf5_exchange` and `torch_exchange` export",
    "build/host/cli/retort distill --data PHOTOS --teacher teacher.onnx --teacher-scaling imagenet "
    "--model unet:8 --epochs 30 --out runs/student": "`onnx_import` distils from ONNX files",
    "build/host/cli/retort import unet.onnx --out unet.safetensors --scaling unit": "`onnx_import` does so",
    "build/host/cli/retort export runs/student/best.safetensors --onnx student.onnx": "`onnx_export` does so",
    "build/host/cli/retort export runs/student/best.safetensors --onnx student-qgis.onnx --deepness "
    "--resolution 0.3": "`onnx_export` does so",
    "gdal_translate -q -a_srs EPSG:32640 -a_ullr 325000 2790000 325859 2789162 image_part_001.jpg scene.tif":
        "`gis` makes rasters so",
    "retort predict --model runs/student/best.safetensors --out maps --polygons --probabilities scene.tif":
        "`gis` does so",
    "ogrinfo -q -dialect SQLITE maps/scene.gpkg "
    '-sql "SELECT name, SUM(ST_Area(geom)) AS area FROM segments GROUP BY name"': "`gis` adds areas up so",
    "./segment runs/student/best.safetensors PHOTO.jpg mask.png": "`install` does so",
}

# What is put in the place of what would take too long.
SUBSTITUTIONS = (
    (r"--epochs \d+", "--epochs 1"),
)
SMALL_SUBSTITUTIONS = SUBSTITUTIONS + (
    (r"unet:\d+(,depth=\d+)?", "unet:2,depth=1"),
    (r"retort bench\b", "retort bench --model unet:2,depth=1 --student unet:2,depth=1 --batch 1 "
                        "--patch 32 --steps 1"),
)


# --- what is shown ----------------------------------------------------------------------------


def sections():
    return re.split(r"^## .*$", README, flags=re.M)


def blocks(text):
    """Pairs of a language, "" where none is named, and what the block holds."""
    text = "\n" + text
    for fence in re.finditer(r"^```(\w*)\n(.*?)^```$", text, re.S | re.M):
        yield fence[1], fence[2]
    text = re.sub(r"^```.*?^```$", "", text, flags=re.S | re.M)
    for block in re.finditer(r"(?<=\n\n)(?:(?: {4}.*)?\n)+", text):
        if block[0].strip():
            yield "", re.sub(r"^ {4}", "", block[0].strip("\n"), flags=re.M) + "\n"


def is_program(language, text):
    return language == "c" or not language and "int main(" in text


def commands(section):
    """The commands of its blocks, each in one line and without its comment."""
    for language, text in blocks(section):
        if language in ("text", "python") or is_program(language, text):
            continue
        lines = re.sub(r"\\\n\s*", "", text).splitlines()
        if any(line.startswith("$ ") for line in lines):
            lines = [line[2:] for line in lines if line.startswith("$ ")]
        for line in lines:
            command = " ".join(re.sub(r"(^|\s)#.*", "", line).split())
            if command:
                yield command


def spans():
    """What stands in backquotes within sentences and tables."""
    text = re.sub(r"^```.*?^```$|^ {4}.*$", "", README, flags=re.S | re.M)
    for span in re.findall(r"`([^`]+)`", text):
        yield re.sub(r"^(\w+=\S* )+", "", " ".join(span.split()))


@functools.lru_cache
def explained(command):
    return checks.run(RETORT, "help", command)[0]


def names():
    shown = checks.run(RETORT, "help")[0]
    return [name for name in re.findall(r"^  ([a-z]\S*) ", shown, re.M) if name != "retort"]


def options(text):
    return re.findall(r"(?:^|[\s\[])(--[a-z][\w-]*)", text)


# --- the checks -------------------------------------------------------------------------------


def make_pictures(folder):
    (folder / "PHOTOS/images").mkdir(parents=True)
    (folder / "PHOTOS/masks").mkdir()
    for i in range(5):
        def height(x, y, i=i):
            return (x + y * (i + 1)) // 64 % 3
        write_png(folder / ("PHOTOS/images/%d.png" % i), 256, 256,
                  lambda x, y: (80 * height(x, y), x ^ y, 255 - x))
        write_png(folder / ("PHOTOS/masks/%d.png" % i), 256, 256,
                  lambda x, y: ((0x3C, 0x10, 0x98), (0x84, 0x29, 0xF6), (0x6E, 0xC1, 0xE4))[height(x, y)])
    write_png(folder / "PHOTO.jpg", 300, 200, lambda x, y: (x & 255, y, 128))
    (folder / "DUBAI").symlink_to(DUBAI or folder / "PHOTOS")
    (folder / "tools").symlink_to(SOURCE / "tools")
    (folder / "build/host/cli").mkdir(parents=True)
    (folder / "build/host/cli/retort").symlink_to(RETORT)


def run_shown(command, folder):
    for pattern, replacement in SUBSTITUTIONS if DUBAI else SMALL_SUBSTITUTIONS:
        command = re.sub(pattern, replacement, command)
    path = "%s:%s" % (folder / "build/host/cli", os.environ["PATH"])
    cache = os.environ.get("XDG_CACHE_HOME", str(pathlib.Path.home() / ".cache"))  # of compiled kernels
    checks.run("sh", "-c", "cd \"$FOLDER\" && %s" % command, FOLDER=str(folder), PATH=path,
               HOME=str(FOLDER / "home"), XDG_CACHE_HOME=cache, RETORT_PROFILE_DIR="")
    for made in re.findall(r"(?:--out|--chart|>) *(\S+)", command):
        path = folder / made
        assert path.exists() and (path.is_dir() or path.stat().st_size), \
            "`%s` has not made %s" % (command, made)


def commands_of_blocks_run():
    shown = [list(commands(section)) for section in sections()]
    missing = set(ELSEWHERE) - set(sum(shown, []))
    assert not missing, "README.md does not show %s" % sorted(missing)
    for number, section in enumerate(shown):
        folder = FOLDER / ("section-%d" % number)
        make_pictures(folder)
        for command in section:
            if command not in ELSEWHERE and (not DUBAI or "DUBAI" in command):
                run_shown(command, folder)


def commands_within_sentences_exist():
    known = names()
    every = "".join(map(explained, known))
    for span in spans():
        words = span.split()
        if words[0] == "retort" and len(words) > 1 and words[1].islower() and words[1][0] != "-":
            assert words[1] in known, "there is no `%s`" % span
            missing = [option for option in options(span) if option not in explained(words[1])]
            assert not missing, "`%s`: no %s" % (span, missing)
        elif words[0].startswith("--"):
            assert options(span)[0] in every, "no command has `%s`" % span


def tools_within_sentences_exist():
    tests = {test["name"] for test in
             json.loads((BUILD / "meson-info/intro-tests.json").read_text())}
    for span in spans():
        words = span.split()
        if words[0].startswith("tools/"):
            tool = (SOURCE / words[0]).read_text()
            missing = [option for option in options(span) if option not in tool]
            assert not missing, "`%s`: no %s" % (span, missing)
        if span.startswith("meson test -C build "):
            assert set(words[4:]) <= tests, "`%s`: no such test" % span


def the_program_is_the_example():
    text = EXAMPLE.read_text()
    assert len(text.splitlines()) <= 60
    shown = [block for language, block in blocks(README) if is_program(language, block)]
    assert all(block == text for block in shown), "README.md shows another program than %s" % EXAMPLE
    assert shown or not os.environ.get("CI"), "README.md does not show %s" % EXAMPLE


if checks.run(RETORT, "devices", "--json")[0].strip() == "[]":
    print("there is no OpenCL device")
    sys.exit(1 if os.environ.get("CI") else checks.SKIPPED)
if DUBAI and not DUBAI.is_dir():
    print("there is no folder %s" % DUBAI)
    sys.exit(checks.SKIPPED)
with tempfile.TemporaryDirectory() as temporary:
    FOLDER = pathlib.Path(temporary).resolve()
    checks.main((commands_of_blocks_run,) if DUBAI else
                (commands_of_blocks_run, commands_within_sentences_exist,
                 tools_within_sentences_exist, the_program_is_the_example))
