#!/usr/bin/env python3
"""Compare retort's U-Net with an independent one in PyTorch that loads the same weights: the logits, and
the weights after one Adam step.

usage: agree.py DUMP_PROGRAM      exits with 77 (skipped) where there is no PyTorch
"""
import json
import pathlib
import struct
import subprocess
import sys
import tempfile

try:
    import torch
    from torch import nn
    from torch.nn import functional as F
except ImportError:
    print("skipped: this Python has no PyTorch")
    sys.exit(77)

BATCH, SIZE, CLASSES = 2, 64, 6


def read_safetensors(path):
    data = path.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8:8 + length])
    tensors = {}
    for name, entry in header.items():
        if name != "__metadata__":
            start, end = (8 + length + offset for offset in entry["data_offsets"])
            flat = torch.frombuffer(bytearray(data[start:end]), dtype=torch.float32)
            tensors[name] = flat.reshape(entry["shape"])
    return tensors


def two_convolutions(inputs, outputs):
    """Indices 0 and 3, as the published module has ReLU and dropout between them."""
    return nn.Sequential(nn.Conv2d(inputs, outputs, 3, padding="same"), nn.ReLU(), nn.Identity(),
                         nn.Conv2d(outputs, outputs, 3, padding="same"), nn.ReLU())


class Network(nn.Module):
    def __init__(self, width, depth):
        super().__init__()
        widths = [width * 2 ** level for level in range(depth + 1)]
        inputs = [3] + widths[:-1]
        self.down = nn.ModuleList(map(two_convolutions, inputs, widths))
        self.up = nn.ModuleList(nn.ConvTranspose2d(b, a, 2, 2) for a, b in zip(widths, widths[1:]))
        self.dec = nn.ModuleList(two_convolutions(2 * a, a) for a in widths[:-1])
        self.head = nn.Conv2d(width, CLASSES, 1)

    def forward(self, x):
        kept = []
        for block in self.down[:-1]:
            kept.append(block(x))
            x = F.max_pool2d(kept[-1], 2)
        x = self.down[-1](x)
        for up, block, skip in reversed(list(zip(self.up, self.dec, kept))):
            x = block(torch.cat((up(x), skip), dim=1))
        return self.head(x)


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
    model = Network(width, depth)
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
