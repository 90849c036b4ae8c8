#!/usr/bin/env python3
"""Compare retort on networks that PyTorch exports as ONNX with PyTorch itself.

usage: torch_export.py DUMP_PROGRAM      exits with 77 (skipped) where there is no PyTorch
"""
import os
import pathlib
import subprocess
import sys
import tempfile
import warnings

try:
    import numpy
    import torch
    from torch import nn
    from torch.nn import functional as F
except ImportError:
    print("skipped: this Python has no PyTorch")
    sys.exit(77)

DUMP = sys.argv[1]
LARGEST_DIFFERENCE = 1e-4  # of a probability
CLASSES = 6


class Block(nn.Module):
    """He, Zhang, Ren, Sun, "Deep residual learning", arXiv 1512.03385."""
    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.inner = nn.Sequential(
            nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(),
            nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False), nn.BatchNorm2d(outputs))
        self.shortcut = nn.Sequential() if stride == 1 else nn.Sequential(
            nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x):
        return F.relu(self.inner(x) + self.shortcut(x))


class Residual(nn.Module):
    """A residual encoder whose decoder makes each image as large as the skip connection's."""
    def __init__(self, width=6):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, width, 7, 2, 3, bias=False), nn.BatchNorm2d(width),
                                  nn.ReLU(inplace=True))
        self.pool = nn.MaxPool2d(3, 2, 1)
        self.first, self.second = Block(width, width, 1), Block(width, 2 * width, 2)
        self.up = nn.ModuleList(nn.Conv2d(inputs, width, 3, padding=1)
                                for inputs in (3 * width, 2 * width, width))
        self.head = nn.Conv2d(width, CLASSES, 1)

    def forward(self, x):
        stem = self.stem(x)
        first = self.first(self.pool(stem))
        y = self.second(first)
        for conv, skip in zip(self.up, (first, stem, x)):
            y = F.interpolate(y, size=skip.shape[2:], mode="bilinear", align_corners=False)
            y = F.leaky_relu(conv(y if skip is x else torch.cat([y, skip], 1)), 0.1)
        return self.head(y)


class Plain(nn.Module):
    """A U-Net of one level, otherwise named and put together, with nearest neighbours."""
    def __init__(self):
        super().__init__()
        self.a = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU6(), nn.Dropout2d(0.5))
        self.b = nn.Sequential(nn.AvgPool2d(2), nn.Conv2d(4, 8, 5, padding=2), nn.Sigmoid(),
                               nn.ConvTranspose2d(8, 4, 2, 2), nn.ReLU())
        self.c = nn.Sequential(nn.MaxPool2d(2), nn.Conv2d(8, 8, 3, padding=1),
                               nn.Upsample(scale_factor=2), nn.Conv2d(8, CLASSES, 1))

    def forward(self, x):
        x = self.a(x)
        return self.c(torch.cat([x, self.b(x)], 1)).softmax(1)


def drawn(network):
    """As if it had been trained: with running statistics of its own."""
    torch.manual_seed(3)
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight)
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.running_mean, 0, 0.2)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
            nn.init.uniform_(module.weight, 0.5, 1.5)
    return network.eval()


def batches(path):
    rest = subprocess.run([DUMP, "run", str(path)], stdout=subprocess.PIPE, check=True,
                          env=dict(os.environ, SCALING="unit")).stdout
    while rest:
        line, rest = rest.split(b"\n", 1)
        n, height, width, classes = map(int, line.split())
        pixels, floats = n * height * width * 3, n * classes * height * width * 4
        yield (numpy.frombuffer(rest[:pixels], numpy.uint8).reshape(n, height, width, 3),
               numpy.frombuffer(rest[pixels:pixels + floats], "<f4").reshape(n, classes, height, width))
        rest = rest[pixels + floats:]


def check(name, network, **options):
    network = drawn(network)
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        path, largest = pathlib.Path(folder) / "network.onnx", 0
        if not options:
            any_size = {0: "batch", 2: "height", 3: "width"}
            options = dict(dynamic_axes={"x": any_size, "y": any_size})
        torch.onnx.export(network, torch.rand(2, 3, 64, 64), str(path), input_names=["x"],
                          output_names=["y"], **options)
        for images, got in batches(path):
            pixels = torch.from_numpy(numpy.float32(images.transpose(0, 3, 1, 2) / 255))
            with torch.no_grad():
                expected = network(pixels)
            if not isinstance(network, Plain):
                expected = expected.softmax(1)
            largest = max(largest, numpy.abs(expected.numpy() - got).max())
    ok = 0 <= largest <= LARGEST_DIFFERENCE
    print("[%s] %s: largest difference of a probability %.2g, tolerance %g"
          % ("       OK " if ok else "  FAILED  ", name, largest, LARGEST_DIFFERENCE))
    return ok


def main():
    fine = check("residual, PyTorch %s" % torch.__version__, Residual())
    fine &= check("plain", Plain())
    fine &= check("residual, opset 11", Residual(), opset_version=11,
                  dynamic_axes={"x": {0: "n", 2: "h", 3: "w"}})
    fine &= check("plain, as in training", Plain(), training=torch.onnx.TrainingMode.PRESERVE,
                  do_constant_folding=False, dynamic_axes={"x": {0: "n", 2: "h", 3: "w"}})
    sys.exit(0 if fine else 1)


main()
