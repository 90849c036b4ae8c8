#!/usr/bin/env python3
"""tools/bench-peers with the PyTorch there is, on the smallest patches: that its networks have as many
parameters as retort's, and that every case runs. No speed is judged.

usage: peers.py SOURCE_FOLDER      exits with 77 (skipped) where there is no PyTorch
"""
import json
import os
import pathlib
import subprocess
import sys

TOOL = pathlib.Path(sys.argv[1]) / "tools" / "bench-peers"


def main():
    try:
        import torch
    except ImportError:
        print("skipped: this Python has no PyTorch")
        return 77
    del torch
    run = subprocess.run([str(TOOL), "--retort", os.environ["RETORT_PROGRAM"], "--python",
                          sys.executable, "--batch", "1", "--patch", "16", "--steps", "1", "--json"],
                         capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    result = json.loads(run.stdout)
    names = [peer["layout"] for peer in result["peers"] if not peer["compiled"]]
    assert names == ["contiguous", "channels_last"], run.stdout + run.stderr
    for peer in result["peers"]:
        assert peer["parameters"] == {"teacher": 1941190, "student": 485862}, peer
        assert peer["peak_resident_bytes"] > 10 << 20, peer
    assert list(result["images_per_second"]) == [
        "teacher inference", "teacher training", "student inference", "student training",
        "distillation"], run.stdout
    for row in result["images_per_second"].values():
        assert row["retort"] > 0 and min(row["peers"]) > 0, row
        assert abs(row["ratio"] * max(row["peers"]) / row["retort"] - 1) < 1e-9, row
    print("[       OK ] peers")
    return 0


sys.exit(main())
