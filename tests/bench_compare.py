#!/usr/bin/env python3
"""tools/bench-compare, on made-up results.

usage: bench_compare.py SOURCE_FOLDER
"""
import copy
import json
import os
import pathlib
import shutil
import sys
import tempfile

import checks

TOOL = pathlib.Path(sys.argv[1]) / "tools" / "bench-compare"
FOLDER = pathlib.Path(tempfile.mkdtemp(prefix="retort-compare-"))

FIRST = {
    "workload": "retort bench 1",
    "standard": True,
    "settings": {"teacher": "unet:16", "student": "unet:8", "batch": 8, "patch": 256, "steps": 5},
    "retort": "0.1.0",
    "host": {"os": "Linux", "architecture": "x86_64"},
    "device": {"name": "Fast | GPU", "type": "gpu", "platform": "One", "driver": "1.2",
               "compute_units": 80},
    "roof": {"gflops": 20000.0, "gb_per_second": 700.0},
    "cases": [{"case": "teacher inference", "images_per_second": 1500.0, "gflops": 9000.0,
               "share_of_peak": 0.45},
              {"case": "distillation", "images_per_second": 700.0, "gflops": 7000.0,
               "share_of_peak": 0.35}],
}


def changed(**changes):
    """FIRST with these values; `device` is merged."""
    result = copy.deepcopy(FIRST)
    for key, value in changes.items():
        if isinstance(value, dict):
            result[key].update(value)
        else:
            result[key] = value
    return result


def file(name, content):
    path = FOLDER / name
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def cells(text):
    """The table: first cell of a row -> the others."""
    rows = [line.strip("| ").replace("\\|", "/").split("|") for line in text.splitlines()
            if line.startswith("|")]
    return {row[0].strip(): [cell.strip() for cell in row[1:]] for row in rows}


def machines_stand_side_by_side():
    slow = changed(device={"name": "Slow CPU", "type": "cpu"}, cases=[
        {"case": "teacher inference", "images_per_second": 26.512, "gflops": 160.7,
         "share_of_peak": 0.628}])
    text, _ = checks.run(TOOL, file("a.json", FIRST), file("b.json", slow))
    assert text.startswith("retort bench 1: teacher unet:16, student unet:8, batch 8, 256 x 256"), text
    assert "Fast \\| GPU | Slow CPU |" in text, text
    table = cells(text)
    assert table["teacher inference"] == ["1500, 9000, 45 %", "26.5, 161, 63 %"], table
    assert table["distillation"] == ["700, 7000, 35 %", "-"], table
    assert table["multiply-adds, GFLOPS"] == ["20000", "20000"], table
    assert {len(line.replace("\\|", "/").split("|")) for line in text.splitlines()
            if line.startswith("|")} == {5}, text


def equal_names_are_told_apart():
    a, b = file("a.json", FIRST), file("b.json", changed(device={"driver": "9.9"}))
    text, _ = checks.run(TOOL, a, b)
    assert "GPU, One 1.2 |" in text and "GPU, One 9.9 |" in text, text
    text, _ = checks.run(TOOL, a, a)
    assert "1.2 (1) |" in text and "1.2 (2) |" in text, text


def other_workloads_are_refused():
    newer = file("newer.json", changed(workload="retort bench 2"))
    for files in ((newer,), (file("a.json", FIRST), newer)):
        text, error = checks.run(TOOL, *files, status=1)
        assert text == "", text
        assert "newer.json is of the workload 'retort bench 2'" in error, error
        assert "compares 'retort bench 1'" in error, error


def other_settings_are_refused():
    small = changed(standard=False, settings={"batch": 1})
    _, error = checks.run(TOOL, file("a.json", FIRST), file("small.json", small), status=1)
    assert "a.json ran with batch 8 and" in error and "small.json with 1" in error, error
    text, _ = checks.run(TOOL, file("small.json", small), file("again.json", small))
    assert text.startswith("retort bench 1, with other settings:"), text


def what_is_no_result_is_refused():
    broken = changed()
    del broken["cases"][0]["gflops"]
    for name, content, message in (
            ("list.json", "[1]", "list.json is not what `retort bench --json` prints"),
            ("text.json", "hello", "text.json is not JSON"),
            ("broken.json", broken, "broken.json is not what"),
            ("words.json", changed(roof={"gflops": "many"}), "words.json is not what")):
        _, error = checks.run(TOOL, file(name, content), status=1)
        assert message in error and "Traceback" not in error, error
    _, error = checks.run(TOOL, FOLDER / "none.json", status=1)
    assert "cannot read" in error and "none.json: No such file" in error, error
    checks.run(TOOL, status=2)


def a_chart_is_drawn():
    if not shutil.which("gnuplot"):
        print("gnuplot is not installed: no chart is drawn")
        return
    # Names that a shell, or gnuplot, would trip over.
    odd = changed(device={"name": "it's `touch hit` $(touch hit) \"%s\" \n@x {/Bold y}"})
    a, b, chart = file("a.json", FIRST), file("b.json", odd), FOLDER / "it's a $chart.png"
    checks.run(TOOL, a, b, "--chart", chart)
    data = chart.read_bytes()
    assert data.startswith(b"\x89PNG") and len(data) > 5000, len(data)
    assert not os.path.exists("hit")
    checks.run(TOOL, a, "--chart", chart)
    assert chart.read_bytes() != data
    _, error = checks.run(TOOL, a, "--chart", FOLDER / "none" / "chart.png", status=1)
    assert "cannot write" in error, error


try:
    checks.main((machines_stand_side_by_side, equal_names_are_told_apart,
                 other_workloads_are_refused, other_settings_are_refused,
                 what_is_no_result_is_refused, a_chart_is_drawn))
finally:
    shutil.rmtree(FOLDER)
