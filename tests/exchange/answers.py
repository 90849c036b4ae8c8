"""What the tests of import and export share: running retort, a test image, and what a model says of it."""
import json
import os
import subprocess
import sys

import numpy as np

RETORT = os.environ["RETORT_PROGRAM"]
PROBABILITIES = sys.argv[1]
SIZE = 64


def retort(*arguments, fails=None):
    """What it says; with `fails`, it must end with that status."""
    run = subprocess.run([RETORT, *map(str, arguments)], capture_output=True, text=True)
    assert run.returncode == (fails or 0), (arguments, run.returncode, run.stdout, run.stderr)
    return run.stdout + run.stderr


def told(*arguments):
    """What it prints with --json, and nothing else."""
    run = subprocess.run([RETORT, *map(str, arguments), "--json", "--quiet"], capture_output=True, text=True)
    assert run.returncode == 0, (arguments, run.returncode, run.stdout, run.stderr)
    return json.loads(run.stdout)


def smooth_image(seed=5):
    """[SIZE, SIZE, 3] bytes, with regions and some noise."""
    random = np.random.default_rng(seed)
    coarse = random.random((9, 9, 3))
    at = np.linspace(0, 7.999, SIZE)
    whole, part = at.astype(int), (at % 1)[:, None]
    rows = coarse[whole] * (1 - part[..., None]) + coarse[whole + 1] * part[..., None]
    image = rows[:, whole] * (1 - part) + rows[:, whole + 1] * part
    return ((image * 0.8 + 0.2 * random.random((SIZE, SIZE, 3))) * 255).astype(np.uint8)


def answers(model, folder, pixels):
    """[classes, SIZE, SIZE] probabilities."""
    (folder / "image.raw").write_bytes(pixels.tobytes())
    subprocess.run([PROBABILITIES, model, str(SIZE), str(SIZE), folder / "image.raw",
                    folder / "answer.raw"], check=True)
    return np.fromfile(folder / "answer.raw", "<f4").reshape(-1, SIZE, SIZE)


def patch_scaled(x):
    low, high = x.min((0, 1)), x.max((0, 1))
    return (x - low) / (high - low)


def same(what, got, expected, tolerance=1e-4):
    spread = (expected.max((1, 2)) - expected.min((1, 2))).max()
    assert spread > 0.2, "%s: an answer that does not depend on the image" % what
    assert got.shape == expected.shape, (what, got.shape, expected.shape)
    largest = np.abs(got - expected).max()
    print("[%s] %s: largest difference %.3g" % ("       OK " if largest <= tolerance else
                                                "  FAILED  ", what, largest), flush=True)
    assert largest <= tolerance
