#!/usr/bin/env python3
"""tools/bench-peers with interpreters and a retort that only play their parts, so that every figure is
known before.

usage: bench_peers.py SOURCE_FOLDER
"""
import json
import pathlib
import shutil
import sys
import tempfile

import checks

TOOL = pathlib.Path(sys.argv[1]) / "tools" / "bench-peers"
FOLDER = pathlib.Path(tempfile.mkdtemp(prefix="retort-peers-"))
CASES = ("teacher inference", "distillation")

# Its turns take 4, 2, 1, 1, ... seconds: the median of three is 2.
RETORT = """
import json, pathlib, sys
turns = pathlib.Path(__file__).with_suffix(".turns")
turns.write_text((turns.read_text() if turns.exists() else "") + " ".join(sys.argv[1:]) + "\\n")
seconds = max(1, 4 >> len(turns.read_text().splitlines()) - 1)
print(json.dumps({
    "workload": "retort bench 1", "retort": "0.1.0", "settings": {"teacher": "t", "student": "s"},
    "device": {"name": "device", "type": "gpu"}, "host": {}, "peak_resident_bytes": 100 << 20,
    "cases": [{"case": case, "seconds": seconds} for case in %r]}))
""" % (CASES,)

# Stands for `PYTHON -c ...` and for `PYTHON bench-peers-torch BATCH PATCH LAYOUT MODE DEVICE`. The
# fastest is channels_last in inference, and contiguous in what follows.
PYTHON = """
import json, sys
if sys.argv[1] == "-c":
    print(json.dumps({"version": "9.9", "path": "x", "compiles": True, "cuda": True}))
    sys.exit()
batch, patch, layout, mode, device = sys.argv[2:]
if mode == "compiled" and layout == "contiguous":
    print(json.dumps({"error": "NoCompiler: there is none"}))
    sys.exit()
print(json.dumps({"version": "9.9", "threads": 3, "device": device, "parameters": {}}), flush=True)
for number, line in enumerate(sys.stdin):
    if mode == "compiled" and number == 3:
        sys.exit(5)
    fast = layout == ("channels_last" if line.strip() == "teacher inference" else "contiguous")
    print(json.dumps({"seconds": 10 if fast else 20, "peak_resident_bytes": 200 << 20}), flush=True)
"""


def script(name, text):
    path = FOLDER / name
    path.write_text("#!%s\n%s" % (sys.executable, text))
    path.chmod(0o755)
    return path


def run(*arguments, status=0):
    turns = FOLDER / "retort.turns"
    if turns.exists():
        turns.unlink()
    return checks.run(TOOL, "--retort", script("retort", RETORT), "--python",
                      script("python", PYTHON), *arguments, status=status)


def three_turns_as_json():
    """The best peer counts in each case; one that fails is told, and leaves the others."""
    text, error = run("--json", "--steps", "3", "--batch", "4", "--patch", "32")
    result = json.loads(text)
    assert [peer["name"] for peer in result["peers"]] == [
        "PyTorch 9.9, contiguous", "PyTorch 9.9, channels_last"], result["peers"]
    # retort: 4 images in 2 s; PyTorch: in 10 and in 20 s
    assert result["images_per_second"] == {
        "teacher inference": {"retort": 2, "peers": [0.2, 0.4], "ratio": 5},
        "distillation": {"retort": 2, "peers": [0.4, 0.2], "ratio": 5}}, result
    assert result["settings"]["steps"] == 3
    assert (FOLDER / "retort.turns").read_text() == (
        "bench --batch 4 --patch 32 --steps 1 --json\n" * 3)
    assert result["failed"] == [
        {"name": "PyTorch 9.9, contiguous, compiled", "error": "NoCompiler: there is none"},
        {"name": "PyTorch 9.9, channels_last, compiled", "error": "the process ended with 5"}], text
    assert "bench-peers: PyTorch 9.9, contiguous, compiled fails: NoCompiler" in error, error


def a_gpu_meets_a_gpu():
    text, _ = run("--json", "--steps", "1")
    assert {peer["device"] for peer in json.loads(text)["peers"]} == {"cuda"}, text


def the_table_has_a_column_each():
    text, _ = run("--steps", "2", "--batch", "4")
    rows = [line.strip("|").split("|") for line in text.splitlines() if line.startswith("|")]
    assert [cell.strip() for cell in rows[0]] == [
        "", "retort 0.1.0", "PyTorch 9.9, contiguous", "PyTorch 9.9, channels_last", "retort : best"]
    assert [cell.strip() for cell in rows[2]] == ["teacher inference", "1.333", "0.2", "0.4",
                                                   "3.33"]
    assert [cell.strip() for cell in rows[-1]] == ["peak resident memory, MiB", "100", "200", "200",
                                                   "0.50"], rows
    assert {len(row) for row in rows} == {5}, rows


def what_is_missing_is_told():
    without = script("without", "raise ImportError('torch')")
    _, error = checks.run(TOOL, "--python", without, status=1)
    assert "without cannot import torch" in error and "Traceback" not in error, error
    _, error = checks.run(TOOL, "--retort", FOLDER / "none", "--python", FOLDER / "python", status=1)
    assert "none: No such file or directory; build it" in error, error
    broken = script("broken", "import sys; print('no device', file=sys.stderr); sys.exit(1)")
    _, error = checks.run(TOOL, "--retort", broken, "--python", FOLDER / "python", status=1)
    assert "--json' fails: no device" in error, error
    checks.run(TOOL, "--batch", "0", status=2)


def without_pytorch_it_says_what_to_install():
    """Whatever PYTHONPATH names is found first: a torch that cannot be imported."""
    blocked = FOLDER / "blocked"
    blocked.mkdir()
    (blocked / "torch.py").write_text("raise ImportError('none')\n")
    _, error = checks.run("env", "PYTHONPATH=%s" % blocked, TOOL, status=1)
    assert "install PyTorch (Debian: python3-torch)" in error, error


try:
    checks.main((three_turns_as_json, a_gpu_meets_a_gpu, the_table_has_a_column_each,
                 what_is_missing_is_told, without_pytorch_it_says_what_to_install))
finally:
    shutil.rmtree(FOLDER)
