#!/usr/bin/env python3
"""Compare retort's U-Net with an independent one in PyTorch that loads the same weights: the logits, and
the weights after one Adam step.

usage: agree.py DUMP_PROGRAM      exits with 77 (skipped) where there is no PyTorch
"""
import json
import pathlib
import subprocess
import sys
import tempfile

try:
    import torch
    from torch.nn import functional as F
except ImportError:
    print("skipped: this Python has no PyTorch")
    sys.exit(77)

from network import Network, read_safetensors

BATCH, SIZE, CLASSES = 2, 64, 6


def compare(what, got, expected, tolerance):
    largest = (got - expected).abs().max().item()
    ok = largest <= tolerance
    print("[%s] %s: largest difference %.3g, tolerance %.3g"
          % ("       OK " if ok else "  FAILED  ", what, largest, tolerance))
    return ok


def check(program, width, depth, conv):
    network = "unet:%d,depth=%d,dropout=0" % (width, depth)
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        subprocess.run([program, name, network, conv], check=True)
        raw = {what: bytearray((folder / (what + ".raw")).read_bytes())
               for what in ("images", "labels", "logits")}
        before = read_safetensors(folder / "before.safetensors")
        after = read_safetensors(folder / "after.safetensors")
    images = torch.frombuffer(raw["images"], dtype=torch.float32).reshape(BATCH, 3, SIZE, SIZE)
    labels = torch.frombuffer(raw["labels"], dtype=torch.uint8).reshape(BATCH, SIZE, SIZE).long()
    logits = torch.frombuffer(raw["logits"], dtype=torch.float32)
    model = Network(width, depth, CLASSES)
    model.load_state_dict(before)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, eps=1e-3)
    output = model(images)
    ok = compare("%s, %s, logits" % (network, conv), logits, output.detach().flatten(),
                 1e-5 * max(1.0, output.abs().max().item()))
    F.cross_entropy(output, labels, ignore_index=255).backward()
    optimizer.step()
    for tensor, value in model.state_dict().items():
        what = "%s, %s, %s after one Adam step" % (network, conv, tensor)
        if conv == "direct":
            # a step moves a weight by at most the learning rate, 1e-3
            ok &= compare(what, after[tensor], value, 2e-6)
        else:
            # Winograd's last bits decide which of some ties a ReLU or a pool lets through, a few in
            # a million, and each is a whole term of the sum: the step as a whole must be the same
            step = (value - before[tensor]).norm()
            ok &= compare(what + ", of the step", (after[tensor] - value).norm() / step,
                          torch.zeros(()), 1e-2)
    return ok


def main():
    results = [check(sys.argv[1], width, depth, conv)
               for conv in ("direct", "auto") for width, depth in ((16, 4), (4, 2))]
    return 0 if all(results) else 1


sys.exit(main())
