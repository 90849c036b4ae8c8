#!/usr/bin/env python3
"""Compare retort on networks in ONNX files with ONNX Runtime.

usage: tools/packages run onnx import.py DUMP_PROGRAM
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
from onnx import helper

sys.path.append(str(pathlib.Path(__file__).resolve().parent.parent))
import checks
from checks import run
from networks import CLASSES, Network, inverted_residual, residual, unet

RETORT = os.environ["RETORT_PROGRAM"]
DUMP = sys.argv[1]
LARGEST_DIFFERENCE = 1e-4  # of a probability


def batches(path, **variables):
    """What retort makes of images: pairs of bytes [n, h, w, 3] and probabilities [n, c, h, w]."""
    out = subprocess.run([DUMP, "run", str(path)], capture_output=True, check=False,
                         env=dict(os.environ, **variables))
    assert out.returncode == 0, out.stderr.decode()
    rest = out.stdout
    while rest:
        line, rest = rest.split(b"\n", 1)
        n, height, width, classes = map(int, line.split())
        pixels, floats = n * height * width * 3, n * classes * height * width * 4
        yield (numpy.frombuffer(rest[:pixels], numpy.uint8).reshape(n, height, width, 3),
               numpy.frombuffer(rest[pixels:pixels + floats], "<f4").reshape(n, classes, height, width))
        rest = rest[pixels + floats:]


def compare(what, path, take=lambda images: images.transpose(0, 3, 1, 2) / 255, give=None, model=None,
            **variables):
    """`take` makes the file's input of bytes, `give` probabilities of its output."""
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    name, largest, pixels = session.get_inputs()[0].name, 0, 0
    for images, got in batches(model or path, **variables):
        values = numpy.ascontiguousarray(take(images), numpy.float32)
        expected = session.run(None, {name: values})[0]
        expected = give(expected) if give else expected
        assert got.shape == expected.shape, (got.shape, expected.shape)
        largest = max(largest, float(numpy.abs(got - expected).max()))
        pixels += got.shape[0] * got.shape[2] * got.shape[3]
    assert pixels and largest <= LARGEST_DIFFERENCE, "%s: a probability differs by %g" % (what, largest)
    print("    %s: %d pixels, largest difference of a probability %.2g" % (what, pixels, largest))


def softmax(logits, axis=1):
    powers = numpy.exp(logits - logits.max(axis=axis, keepdims=True))
    return powers / powers.sum(axis=axis, keepdims=True)


def tensors(path):
    """The tensors of a safetensors file, and its metadata."""
    data = path.read_bytes()
    size = int.from_bytes(data[:8], "little")
    header = json.loads(data[8:8 + size])
    return ({name: (what["shape"], data[8 + size + what["data_offsets"][0]:
                                        8 + size + what["data_offsets"][1]])
             for name, what in header.items() if name != "__metadata__"}, header["__metadata__"])


def residual_networks_are_run():
    with tempfile.TemporaryDirectory() as folder:
        n = Network()
        path = n.save(pathlib.Path(folder) / "residual.onnx", residual(n))
        compare("residual", path, SCALING="unit")
        compare("residual, of BGR images", path, BGR="1", SCALING="1,2,3/50,60,70",
                take=lambda images: ((images[..., ::-1] - [1, 2, 3]) / [50, 60, 70])
                .transpose(0, 3, 1, 2))


def groups_of_channels_are_run():
    """Depth-wise convolutions of stride 1 and 2; other groups, with several filters a channel."""
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        n = Network(seed=12)
        path = n.save(folder / "inverted.onnx", inverted_residual(n))
        compare("inverted residuals", path, SCALING="unit")
        n = Network(seed=13)
        x = n.conv(n.x, 12, group=3)
        x = n.relu(n.norm(n.conv(x, 24, kernel=5, stride=2, group=4)))
        x = n.add("Sum", [x, n.conv(x, 24, kernel=7, group=24, bias=False)])
        x = n.conv(n.twice(n.conv(x, 8, kernel=1, group=8)), CLASSES)
        path = n.save(folder / "groups.onnx", x)
        compare("groups", path, give=softmax, SCALING="unit")
        refused(path, "cannot take its channels as BGR", "reads them in groups",
                options=("--channels", "bgr", "--scaling", "unit"))


def all_operators_are_run():
    with tempfile.TemporaryDirectory() as folder:
        n = Network(seed=2)
        a = n.add("LeakyRelu", n.conv(n.x, 6, dtype=numpy.float64), alpha=0.2)
        a = n.conv(a, 6, dtype=numpy.float16, kernel=1)
        b = n.add("Clip", [n.conv(a, 4, kernel=5), n.tensor(0.0), n.tensor(0.5)])
        c = n.add("Sigmoid", n.pool(b, kernel=3, stride=2, pad=1, kind="AveragePool",
                                    count_include_pad=1))
        c = n.add("Mul", [n.tensor(numpy.arange(1, 5).reshape(1, 4, 1, 1)), c])
        c = n.add("Add", [n.add("Identity", c), n.tensor(-0.5)])
        d = n.relu(n.pool(c, kind="AveragePool"))
        d = n.pool(n.conv(d, 5, stride=2), kernel=3, stride=1, pad=1)
        d = n.add("Dropout", n.relu(n.transposed(d, 5, bias=False)))
        d = n.twice(n.norm(d, 1e-2), mode="linear", coordinate_transformation_mode="half_pixel")
        d = n.concat(d, c, n.add("Sum", [c, c]), d)
        d = n.add("Resize", [d, "", n.tensor([1, 1, 2, 2])], mode="nearest")
        d = n.concat(n.add("Cast", n.conv(d, 3), to=1), n.x)
        path = n.save(pathlib.Path(folder) / "operators.onnx", n.conv(d, CLASSES, kernel=1))
        compare("all operators", path, give=softmax, SCALING="symmetric",
                take=lambda images: images.transpose(0, 3, 1, 2) / 127.5 - 1)


def shapes_may_be_computed():
    """As PyTorch exports F.interpolate to a skip connection's size."""
    with tempfile.TemporaryDirectory() as folder:
        n = Network(seed=3)
        skip = n.relu(n.conv(n.x, 4))
        x = n.relu(n.conv(n.pool(skip), 4))
        start, end = n.tensor([2], numpy.int64), n.tensor([4], numpy.int64)
        sides = n.add("Slice", [n.add("Shape", skip), start, end])
        first = n.add("Slice", [n.add("Shape", x), n.tensor([0], numpy.int64), start])
        height = n.add("Gather", [sides, n.tensor(0, numpy.int64)])
        height = n.add("Unsqueeze", [n.add("Cast", height, to=7), n.tensor([0], numpy.int64)])
        width = n.add("Gather", [sides, n.tensor([1], numpy.int64)])
        sizes = n.add("Concat", [first, height, width], axis=0)
        x = n.add("Resize", [x, "", "", sizes], mode="linear",
                  coordinate_transformation_mode="pytorch_half_pixel", channels=4)
        path = n.save(pathlib.Path(folder) / "shapes.onnx",
                      n.add("Softmax", n.conv(n.concat(x, skip), CLASSES), axis=1))
        compare("computed shapes", path, SCALING="unit")


def old_and_new_versions_are_read():
    with tempfile.TemporaryDirectory() as folder:
        for opset in (9, 11, 13, 21):
            n = Network(seed=opset, opset=opset)
            x = n.relu(n.norm(n.conv(n.pool(n.x), 6)))
            if opset == 9:
                x = n.add("Upsample", [x, n.tensor([1, 1, 2, 2])], mode="nearest")
            else:
                x = n.twice(x)
            path = n.save(pathlib.Path(folder) / "version.onnx", n.conv(x, CLASSES))
            compare("opset %d" % opset, path, give=softmax, SCALING="unit")


def pixels_may_be_scaled_within():
    """The file's first nodes, or metadata for Deepness, tell the scaling in part or whole."""
    with tempfile.TemporaryDirectory() as folder:
        mean, deviation = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
        n = Network(seed=5)
        shape = (1, 3, 1, 1)
        x = n.add("Div", [n.x, n.tensor([255.0])])
        x = n.add("Sub", [x, n.tensor(numpy.reshape(mean, shape))])
        x = n.add("Mul", [x, n.tensor(1 / numpy.reshape(deviation, shape))])
        path = n.save(pathlib.Path(folder) / "scaled.onnx", n.conv(x, CLASSES))
        compare("scaled within", path, give=softmax, SCALING="none",
                take=lambda images: images.transpose(0, 3, 1, 2))
        n = Network(seed=6)
        path = n.save(pathlib.Path(folder) / "told.onnx", n.conv(n.x, CLASSES),
                      standardization_mean=json.dumps(mean), standardization_std=json.dumps(deviation))
        compare("told for Deepness", path, give=softmax,
                take=lambda images: ((images / 255 - mean) / deviation).transpose(0, 3, 1, 2))


def channels_may_come_last():
    """As TensorFlow's converter writes it."""
    with tempfile.TemporaryDirectory() as folder:
        n = Network(seed=7, last=True)
        x = n.conv(n.add("Transpose", n.x, perm=[0, 3, 1, 2]), CLASSES)
        x = n.add("Softmax", n.add("Transpose", x, perm=[0, 2, 3, 1]), axis=-1)
        path = n.save(pathlib.Path(folder) / "last.onnx", x)
        compare("channels last", path, take=lambda images: images / 255, SCALING="unit",
                give=lambda y: y.transpose(0, 3, 1, 2))


def what_retort_exports_comes_back():
    """Bit for bit: tensors, specification, palette, scaling."""
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        for network, scaling in (("unet:4,depth=2", "data"), ("unet:3,depth=1,up=nearest", "patch"),
                                 ("unet:3,depth=3,up=bilinear,norm=batch,dropout=0.1", "data"),
                                 ("unet:2,norm=batch", "patch")):
            first, path, back = folder / "a.safetensors", folder / "a.onnx", folder / "b.safetensors"
            run(DUMP, "create", first, network, scaling)
            for options in ((), ("--logits",)):
                run(RETORT, "export", first, "--onnx", path, "--force", *options)
                said, error = run(RETORT, "import", path, "--out", back, "--force", "--json")
                assert tensors(first) == tensors(back), network
                told = json.loads(said)
                assert (told["file"], told["format"], told["model"]) == (str(path), "onnx", str(back))
                own = json.loads(tensors(back)[1]["retort"])
                assert all(told[key] == own[key] for key in ("network", "patch", "palette")), told
                # What is said to people is told, too: that the softmax is not taken.
                assert error == "".join("retort: %s\n" % line for line in told["warnings"]), error
                assert len(told["warnings"]) == (not options), told


def others_unets_are_found():
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        for expected, options in (("unet:4,depth=2", {}),
                                  ("unet:4,depth=2", dict(skip_first=True)),
                                  ("unet:3,depth=3,up=bilinear", dict(width=3, depth=3, up="bilinear")),
                                  ("unet:4,depth=2,norm=batch",
                                   dict(norm=True, skip_first=True, epsilon=1e-3))):
            n = Network(seed=8, side=64)
            path = n.save(folder / "theirs.onnx", unet(n, **options))
            model = folder / "ours.safetensors"
            said, _ = run(RETORT, "import", path, "--out", model, "--force", "--scaling", "unit")
            assert "network     %s, " % expected in said and "64 x 64" in said, said
            session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
            n = Network(seed=8)  # the same, of any size
            free = n.save(folder / "free.onnx", unet(n, **options))
            compare("U-Net %s %s" % (expected, options), free, give=softmax, model=model)
            del session


def refused(path, *messages, options=(), status=1):
    _, said = run(RETORT, "import", path, "--out", path.parent / "no.safetensors", *options,
                  status=status)
    for message in messages:
        assert message in said, "%r lacks %r" % (said, message)


def all_that_is_not_supported_is_named():
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        n = Network(seed=9)
        x = n.conv(n.x, 6, dilations=[2, 2], pads=[2] * 4)
        y = n.conv(n.x, 6)
        node = n.nodes[-1]
        node.attribute.append(helper.make_attribute("group", 2))
        y = n.add("Softplus", y)
        z = n.twice(n.pool(n.conv(n.x, 6)), mode="linear",
                    coordinate_transformation_mode="align_corners")
        w = n.conv(n.x, 6, stride=2, pads=[0, 0, 1, 1])
        w = n.transposed(w, 6, kernel=4)
        path = n.save(folder / "not.onnx", n.conv(n.concat(x, y, z, w), CLASSES))
        refused(path, "6 of its 10 nodes are not supported",
                "Conv 'node/Conv_0': dilations are 2, 2",
                "Conv 'node/Conv_1': its filters are for 2 groups of 3 channels, its input has 3",
                "Softplus 'node/Softplus_2': this operator is not supported",
                "Resize 'node/Resize_5': this mode", "align_corners",
                "Conv 'node/Conv_6': pads differ from side to side",
                "ConvTranspose 'node/ConvTranspose_7': a 4 x 4 filter with strides 2")


def what_cannot_be_used_is_said():
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        n = Network(seed=10)
        path = n.save(folder / "plain.onnx", n.conv(n.x, CLASSES))
        refused(path, "does not tell how its images were scaled", status=2)
        refused(path, "is no U-Net of retort's, and only those can be written",
                options=("--scaling", "unit"))
        refused(n.save(folder / "half.onnx", n.conv(n.pool(n.x), CLASSES)),
                "its output has 8192 x 8192")
        refused(n.save(folder / "wide.onnx", n.conv(n.x, 40)), "its output has 40 channels")
        external = onnx.load(str(path))
        onnx.save(external, str(folder / "external.onnx"), save_as_external_data=True,
                  size_threshold=0, location="weights.bin")
        refused(folder / "external.onnx", "in another file", "whole.onnx")
        model = onnx.load(str(path))
        model.graph.node[0].input[1] = "nowhere"
        onnx.save(model, str(folder / "nowhere.onnx"))
        refused(folder / "nowhere.onnx", "takes 'nowhere', which no node before it gives")
        model = onnx.load(str(path))
        model.opset_import[0].version = 99
        onnx.save(model, str(folder / "future.onnx"))
        refused(folder / "future.onnx", "uses version 99 of ONNX's operators", "9 to 21")
        (folder / "cut.onnx").write_bytes(path.read_bytes()[:-7])
        refused(folder / "cut.onnx", "damaged or cut off")


def classes_are_compared_by_their_names():
    """Those that a file tells without their colours."""
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        own = ["Building", "Land", "Road", "Vegetation", "Water", "Unlabeled"]

        def said_of(names, status=0):
            n = Network(seed=12)
            path = n.save(folder / "named.onnx", n.conv(n.x, CLASSES),
                          tiles_size="64",
                          class_names=json.dumps({str(i): name for i, name in enumerate(names)}))
            return run(RETORT, "eval", "--model", path, "--data", "synth:1", "--split", "patch",
                       "--scaling", "unit", "--out", folder / "verdict", status=status)[1]

        assert "warning" not in said_of([name.upper() for name in own])
        assert "warning" not in said_of(["buildings", "soil", "roads", *own[3:]])
        said = said_of(["Land", "Building", *own[2:]], status=2)
        assert "class 0 of the model is Land, of the data class 1" in said, said
        said = said_of(["soil", "Buildigns", *own[2:]])
        assert "class 1 of the model is Buildigns, of the data Land; did you mean Building? Then" in said, said


def a_student_learns_from_a_residual_teacher():
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        n = Network(seed=11)
        teacher = n.save(folder / "teacher.onnx", residual(n, width=4))
        data = ("--data", "synth:4", "--split", "patch")
        options = (*data, "--patch", "64", "--model", "unet:2,depth=1", "--epochs", "1", "--batch", "8",
                   "--out", folder / "run", "--teacher", teacher)
        _, said = run(RETORT, "distill", *options, status=2)
        assert "does not tell how its images were scaled" in said and "teacher.onnx" in said, said
        said, _ = run(RETORT, "distill", *options, "--teacher-scaling", "imagenet")
        assert "onnx:teacher" in said and "student distilled" in said, said
        _, metadata = tensors(folder / "run" / "best.safetensors")
        assert [round(x, 3) for x in json.loads(metadata["retort"])["scaling"]["mean"]] == [
            123.675, 116.28, 103.53]
        config = json.loads((folder / "run" / "config.json").read_text())
        assert len(config["teacher_scaling"]) == 6, config
        _, said = run(RETORT, "distill", *options, "--teacher-scaling", "unit", "--resume", status=2)
        assert '"teacher_scaling" was' in said, said
        said, _ = run(RETORT, "eval", "--model", teacher, *data, "--scaling", "unit", "--out",
                      folder / "eval")
        assert "onnx:teacher" in said, said
        photo = next(pathlib.Path(__file__).parent.parent.glob("fuzz/corpus/jpeg/baseline"))
        run(RETORT, "predict", "--model", teacher, "--scaling", "unit", "--out", folder / "masks", photo)
        assert list((folder / "masks").glob("*.png"))


checks.main([
    residual_networks_are_run,
    groups_of_channels_are_run,
    all_operators_are_run,
    shapes_may_be_computed,
    old_and_new_versions_are_read,
    pixels_may_be_scaled_within,
    channels_may_come_last,
    what_retort_exports_comes_back,
    others_unets_are_found,
    all_that_is_not_supported_is_named,
    what_cannot_be_used_is_said,
    classes_are_compared_by_their_names,
    a_student_learns_from_a_residual_teacher,
])
