#!/usr/bin/env python3
"""Compare ONNX Runtime on what `retort export --onnx` writes with retort itself.

usage: tools/packages run onnx export.py DUMP_PROGRAM [DATA]

With DATA: a network that is trained on it for a moment, on all of its patches.
"""
import json
import os
import pathlib
import subprocess
import sys
import tempfile

import numpy
import onnx
import onnxruntime

sys.path.append(str(pathlib.Path(__file__).resolve().parent.parent))
import checks
from checks import run

RETORT = os.environ["RETORT_PROGRAM"]
DUMP = sys.argv[1]
DATA = sys.argv[2] if len(sys.argv) > 2 else None

LARGEST_DIFFERENCE = 1e-4  # of a probability

# Every kind of block, upsampling and scaling.
DRAWN = (
    ("unet:4,depth=2", "data"),
    ("unet:3,depth=1,up=nearest", "patch"),
    ("unet:3,depth=3,up=bilinear", "data"),
    ("unet:4,depth=2,norm=batch", "patch"),
    ("unet:3,depth=2,up=nearest,norm=batch", "data"),
    ("unet:3,depth=2,up=bilinear,norm=batch,dropout=0", "patch"),
    ("unet:4,norm=batch", "data"),
)


def export(model, name, *options):
    """The exported file, beside the model."""
    path = model.parent / name
    run(RETORT, "export", model, "--onnx", path, *options)
    return path


def session(path):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 2  # warnings, too
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def draw(folder, network, scaling):
    path = pathlib.Path(folder) / "model.safetensors"
    run(DUMP, "create", path, network, scaling)
    return path


def batches(model, *data):
    """What retort makes of images: pairs of bytes [n, h, w, 3] and probabilities [n, c, h, w]."""
    with subprocess.Popen([DUMP, "run", str(model), *data], stdout=subprocess.PIPE) as process:
        for line in iter(process.stdout.readline, b""):
            n, height, width, classes = map(int, line.split())
            read = process.stdout.read
            images = numpy.frombuffer(read(n * height * width * 3), numpy.uint8)
            values = numpy.frombuffer(read(n * classes * height * width * 4), "<f4")
            yield (images.reshape(n, height, width, 3), values.reshape(n, classes, height, width))
    assert process.returncode == 0, "dump ends with %d" % process.returncode


def from_0_to_1(images):
    return images.transpose(0, 3, 1, 2).astype(numpy.float32) / 255


class Agreement:
    """The largest difference of a probability, and that what is no tie has the same class."""
    def __init__(self):
        self.pixels, self.largest, self.ties = 0, 0, 0

    def add(self, got, expected):
        assert got.shape == expected.shape and got.dtype == numpy.float32, got.shape
        difference = float(numpy.abs(got - expected).max())
        assert difference <= LARGEST_DIFFERENCE, "a probability differs by %g" % difference
        two = numpy.sort(expected, axis=1)[:, -2:]
        tie = two[:, 1] - two[:, 0] <= 2 * LARGEST_DIFFERENCE
        differs = got.argmax(axis=1) != expected.argmax(axis=1)
        assert not (differs & ~tie).any(), "%d pixels differ" % (differs & ~tie).sum()
        self.pixels += tie.size
        self.ties += int(tie.sum())
        self.largest = max(self.largest, difference)

    def __str__(self):
        return "%d pixels, largest difference of a probability %.2g, %d ties" % (
            self.pixels, self.largest, self.ties)


def compare(what, model, path, *data):
    runtime, agreement = session(path), Agreement()
    for images, expected in batches(model, *data):
        agreement.add(runtime.run(None, {"image": from_0_to_1(images)})[0], expected)
    assert agreement.pixels and agreement.ties < agreement.pixels / 20, str(agreement)
    print("    %s: %s" % (what, agreement))


def expect_size(path, model):
    """Nothing but the tensors and some bytes for each node."""
    proto = onnx.load(path)
    header = int.from_bytes(model.read_bytes()[:8], "little")
    tensors = model.stat().st_size - 8 - header
    rest = path.stat().st_size - tensors
    assert 0 < rest < 4096 + 250 * len(proto.graph.node), "%d bytes beside the tensors" % rest


def every_variant_gives_the_same():
    for network, scaling in DRAWN:
        with tempfile.TemporaryDirectory() as folder:
            model = draw(folder, network, scaling)
            path = export(model, "model.onnx")
            onnx.checker.check_model(str(path), full_check=True)
            expect_size(path, model)
            compare("%s, %s" % (network, scaling), model, path)


def a_trained_network_gives_the_same():
    with tempfile.TemporaryDirectory() as folder:
        run(RETORT, "train", "--data", "synth:4", "--split", "patch", "--patch", "64", "--model",
            "unet:4,depth=2,norm=batch", "--epochs", "2", "--batch", "8", "--out", folder + "/run")
        model = pathlib.Path(folder) / "run" / "best.safetensors"
        path = export(model, "best.onnx")
        compare("trained", model, path)
        compare("trained, what it was trained on", model, path, "synth:4")


def logits_are_what_the_softmax_takes():
    with tempfile.TemporaryDirectory() as folder:
        model = draw(folder, "unet:3,depth=1", "data")
        logits = session(export(model, "logits.onnx", "--logits"))
        assert [value.name for value in logits.get_outputs()] == ["logits"]
        for images, expected in batches(model):
            values = logits.run(None, {"image": from_0_to_1(images)})[0].astype(numpy.float64)
            assert values.min() < 0
            powers = numpy.exp(values - values.max(axis=1, keepdims=True))
            probabilities = (powers / powers.sum(axis=1, keepdims=True)).astype(numpy.float32)
            Agreement().add(probabilities, expected)


def shapes(values):
    return [(value.name, value.shape) for value in values]


def sizes_are_free_or_a_tile():
    with tempfile.TemporaryDirectory() as folder:
        model = draw(folder, "unet:3,depth=2", "data")
        free = session(export(model, "free.onnx"))
        assert shapes(free.get_inputs()) == [("image", ["batch", 3, "height", "width"])]
        assert shapes(free.get_outputs()) == [("probabilities", ["batch", 6, "height", "width"])]
        tiled = session(export(model, "tiled.onnx", "--tile", "36"))
        assert shapes(tiled.get_inputs()) == [("image", ["batch", 3, 36, 36])]
        assert shapes(tiled.get_outputs()) == [("probabilities", ["batch", 6, 36, 36])]


def as_deepness_does(path, images):
    """Loads the file and segments images of bytes like QGIS's plug-in, of which this has the steps
    (model_base.py, segmentor.py, map_processor_segmentation.py)."""
    runtime = session(path)
    (image,), texts = runtime.get_inputs(), runtime.get_modelmeta().custom_metadata_map
    values = {key: json.loads(text) for key, text in texts.items()}
    assert isinstance(image.shape[0], str) and image.shape[2:] == [values["tile_size"]] * 2
    assert str(values["model_type"]).capitalize() == "Segmentor"
    names = sorted(values["class_names"].items(), key=lambda item: int(item[0]))
    assert [int(key) for key, _ in names] == list(range(runtime.get_outputs()[0].shape[1]))
    mean, deviation = (numpy.array([float(x) for x in values["standardization_" + name]],
                                   dtype=numpy.float32) for name in ("mean", "std"))
    scaled = (numpy.float32(images * 1. / 255.) - mean) / deviation
    result = runtime.run(None, {image.name: scaled.transpose(0, 3, 1, 2)})[0]
    result[result < float(values["seg_thresh"])] = 0
    return result.argmax(axis=1), values


def deepness_takes_it():
    with tempfile.TemporaryDirectory() as folder:
        model = draw(folder, "unet:4,depth=2", "data")
        path = model.parent / "qgis.onnx"
        said, error = run(RETORT, "export", model, "--onnx", path, "--deepness", "--resolution", "0.3",
                          "--json")
        told = json.loads(said)
        assert told["model"] == str(model) and told["warnings"] == [] and not error, (told, error)
        assert told["files"] == [{"format": "onnx", "file": str(path), "logits": False, "deepness": True,
                                  "tile": 64, "resolution": 0.3}], told
        images = numpy.random.default_rng(1).integers(0, 256, (2, 64, 64, 3), numpy.uint8)
        got, values = as_deepness_does(path, images)
        expected = session(export(model, "model.onnx")).run(None, {"image": from_0_to_1(images)})[0]
        assert (got == expected.argmax(axis=1)).mean() > 0.999  # but for ties
        assert values["resolution"] == 30 and values["tiles_size"] == 64
        assert values["seg_small_segment"] == 0 and 0 < values["tiles_overlap"] < 50
        assert values["class_names"]["4"] == "Water"
        assert values["class_colors"]["4"] == "#E2A929"
        assert values["retort"]["palette"] == told["palette"]
        assert values["retort"]["network"] == "unet:4,depth=2"


def what_it_is_stands_in_the_file():
    with tempfile.TemporaryDirectory() as folder:
        proto = onnx.load(export(draw(folder, "unet:3,depth=2", "patch"), "model.onnx"))
        assert proto.producer_name == "retort" and proto.ir_version == 7
        assert [(opset.domain, opset.version) for opset in proto.opset_import] == [("", 13)]
        for part in ("unet:3,depth=2", "multiples of 4", "64 x 64", "bytes / 255", "each channel of"):
            assert part in proto.doc_string, proto.doc_string
        names = [node.name for node in proto.graph.node]
        assert len(set(names)) == len(names) and "" not in names, names
        assert not [node for node in proto.graph.node if node.op_type == "Dropout"]


def what_makes_no_sense_is_refused():
    with tempfile.TemporaryDirectory() as folder:
        model = draw(folder, "unet:3,depth=2", "data")
        path = export(model, "model.onnx")
        before = path.read_bytes()
        for options, status, message in (
                (("--onnx", path), 2, "--force"),
                (("--onnx", path, "--force", "--tile", "30"), 2, "multiples of 4"),
                (("--onnx", path, "--force", "--deepness", "--logits"), 2, "--deepness"),
                (("--torch", path, "--force", "--logits"), 2, "for --onnx"),
                (("--onnx", "/nowhere/model.onnx"), 1, "cannot write /nowhere/model.onnx")):
            _, said = run(RETORT, "export", model, *options, status=status)
            assert message in said, said
        assert path.read_bytes() == before
        assert sorted(p.name for p in path.parent.iterdir()) == ["model.onnx", "model.safetensors"]


def real_images_give_the_same():
    with tempfile.TemporaryDirectory() as folder:
        run(RETORT, "train", "--data", DATA, "--model", "unet:8,norm=batch,dropout=0", "--epochs", "2",
            "--batch", "8", "--out", folder + "/run")
        model = pathlib.Path(folder) / "run" / "best.safetensors"
        path = export(model, "best.onnx")
        print("    %d bytes; the model %d" % (path.stat().st_size, model.stat().st_size))
        compare("unet:8 on real images", model, path, DATA)


checks.main([real_images_give_the_same] if DATA else [
    every_variant_gives_the_same,
    a_trained_network_gives_the_same,
    logits_are_what_the_softmax_takes,
    sizes_are_free_or_a_tile,
    deepness_takes_it,
    what_it_is_stands_in_the_file,
    what_makes_no_sense_is_refused,
])
