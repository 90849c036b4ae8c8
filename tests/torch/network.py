"""The U-Net in PyTorch, as it is published, and safetensors without the package of that name."""
import json
import struct

import torch
from torch import nn
from torch.nn import functional as F


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


TYPES = {torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16",
         torch.float64: "F64", torch.int64: "I64"}


def write_safetensors(path, tensors):
    """As safetensors.torch.save_file writes a state_dict."""
    header, blocks, offset = {}, [], 0
    for name, tensor in tensors.items():
        data = bytes(tensor.contiguous().reshape(-1).view(torch.uint8).tolist()) \
            if tensor.dim() else tensor.reshape(1).view(torch.uint8).numpy().tobytes()
        header[name] = {"dtype": TYPES[tensor.dtype], "shape": list(tensor.shape),
                        "data_offsets": [offset, offset + len(data)]}
        offset += len(data)
        blocks.append(data)
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + b"".join(blocks))


def two_convolutions(inputs, outputs, norm=False, bias=True):
    """Indices 0 and 3, as the published module has ReLU and dropout between them; with a
    normalisation 0, 1 and 4, 5."""
    def half(first):
        yield nn.Conv2d(first, outputs, 3, padding="same", bias=bias)
        if norm:
            yield nn.BatchNorm2d(outputs)
        yield nn.ReLU()
    return nn.Sequential(*half(inputs), nn.Identity(), *half(outputs))


class Enlarging(nn.Conv2d):
    """A convolution after an enlargement, which has no tensors."""

    def __init__(self, inputs, outputs, mode):
        super().__init__(inputs, outputs, 3, padding="same")
        self.mode = mode

    def forward(self, x):
        return super().forward(nn.Upsample(scale_factor=2, mode=self.mode)(x))


class Network(nn.Module):
    def __init__(self, width, depth, classes, norm=False, bias=True, up="transpose",
                 skip_first=False):
        super().__init__()
        widths = [width * 2 ** level for level in range(depth + 1)]
        inputs = [3] + widths[:-1]
        self.down = nn.ModuleList(two_convolutions(a, b, norm, bias)
                                  for a, b in zip(inputs, widths))
        self.up = nn.ModuleList(nn.ConvTranspose2d(b, a, 2, 2) if up == "transpose"
                                else Enlarging(b, a, up) for a, b in zip(widths, widths[1:]))
        self.dec = nn.ModuleList(two_convolutions(2 * a, a, norm, bias) for a in widths[:-1])
        self.head = nn.Conv2d(width, classes, 1)
        self.skip_first = skip_first

    def forward(self, x):
        kept = []
        for block in self.down[:-1]:
            kept.append(block(x))
            x = F.max_pool2d(kept[-1], 2)
        x = self.down[-1](x)
        for up, block, skip in reversed(list(zip(self.up, self.dec, kept))):
            both = (skip, up(x)) if self.skip_first else (up(x), skip)
            x = block(torch.cat(both, dim=1))
        return self.head(x)
