#!/usr/bin/env python3
"""retort import and export of Keras' HDF5 beside h5py: files in every way that h5py writes texts and
numbers answer as the same network in NumPy; damaged ones are refused with the reason.

usage: hdf5.py PROBABILITIES_PROGRAM      exits with 77 (skipped) where there is no h5py
"""
import os
import pathlib
import sys
import tempfile

try:
    import h5py
    import numpy as np
except ImportError:
    if os.environ.get("CI") == "true":
        sys.exit("this Python has no h5py: tools/setup test installs it")
    print("skipped: this Python has no h5py")
    sys.exit(77)

from answers import SIZE, answers, retort, same, smooth_image, told

WIDTH, DEPTH, CLASSES = 3, 2, 4


# --- the network, straight from its definition ----------------------------------------------------

def conv(x, kernel, bias):
    """[h, w, in] by [kh, kw, in, out], with zeros around."""
    size, (height, width) = kernel.shape[0], x.shape[:2]
    padded = np.pad(x, ((size // 2, size // 2), (size // 2, size // 2), (0, 0)))
    return bias + sum(padded[i:i + height, j:j + width] @ kernel[i, j]
                      for i in range(size) for j in range(size))


def enlarged(x, kernel, bias):
    """A transposed convolution of 2x2 with strides of 2: [kh, kw, out, in]."""
    y = np.zeros((2 * x.shape[0], 2 * x.shape[1], kernel.shape[2]))
    for i in range(2):
        for j in range(2):
            y[i::2, j::2] = x @ kernel[i, j].T
    return y + bias


def network(seed):
    """[(kind, kernel, bias)] in the order of the layers."""
    random, layers = np.random.default_rng(seed), []

    def add(kind, size, inputs, outputs):
        shape = (size, size, inputs, outputs) if kind == "conv2d" else (size, size, outputs, inputs)
        spread = (3 / (size * size * inputs if kind == "conv2d" else inputs)) ** 0.5
        layers.append((kind, random.normal(0, spread, shape).astype("f4"),
                       random.uniform(-0.3, 0.3, outputs).astype("f4")))

    widths = [WIDTH << level for level in range(DEPTH + 1)]
    for inputs, outputs in zip([3] + widths, widths):
        add("conv2d", 3, inputs, outputs)
        add("conv2d", 3, outputs, outputs)
    for outputs in reversed(widths[:-1]):
        add("conv2d_transpose", 2, 2 * outputs, outputs)
        add("conv2d", 3, 2 * outputs, outputs)
        add("conv2d", 3, outputs, outputs)
    add("conv2d", 1, WIDTH, CLASSES)
    return layers


def answer(layers, x):
    queue, skips = iter(layers), []

    def block(x):
        for _ in range(2):
            x = np.maximum(conv(x, *next(queue)[1:]), 0)
        return x

    for _ in range(DEPTH):
        skips.append(block(x))
        height, width, channels = skips[-1].shape
        x = skips[-1].reshape(height // 2, 2, width // 2, 2, channels).max((1, 3))
    x = block(x)
    for skip in reversed(skips):
        x = block(np.concatenate([enlarged(x, *next(queue)[1:]), skip], 2))
    x = np.exp(conv(x, *next(queue)[1:]))
    return (x / x.sum(2, keepdims=True)).transpose(2, 0, 1)


# --- files -----------------------------------------------------------------------------------------

def named(layers, title=str):
    """(name, kernel, bias), the names as Keras counts them."""
    counts = {}
    for kind, kernel, bias in layers:
        count = counts[kind] = counts.get(kind, -1) + 1
        yield title("%s_%d" % (kind, count) if count else kind), kernel, bias


def write_old(path, layers, texts=lambda names: np.array(names, "S"), cut=False, below=None,
              **how):
    with h5py.File(path, "w") as file:
        root = file.create_group(below) if below else file
        names = ["input_1"] + [name for name, _, _ in named(layers)]
        root.create_group("input_1").attrs["weight_names"] = np.zeros(0)
        if cut:
            root.attrs["layer_names0"] = texts(names[:5])
            root.attrs["layer_names1"] = texts(names[5:])
        else:
            root.attrs["layer_names"] = texts(names)
        for name, kernel, bias in named(layers):
            group = root.create_group(name)
            group.attrs["weight_names"] = texts(["%s/kernel:0" % name, "%s/bias:0" % name])
            group.create_dataset("%s/kernel:0" % name, data=kernel, **how)
            group.create_dataset("%s/bias:0" % name, data=bias, **how)


def write_new(path, layers, root="layers"):
    with h5py.File(path, "w") as file:
        file.create_group(root + "/max_pooling2d/vars")
        for name, kernel, bias in named(layers):
            file["%s/%s/vars/0" % (root, name)] = kernel
            file["%s/%s/vars/1" % (root, name)] = bias


def variable(names):
    return np.array(names, h5py.string_dtype())


WAYS = {
    "fixed texts": write_old,
    "variable texts": lambda path, layers: write_old(path, layers, variable),
    "lists cut": lambda path, layers: write_old(path, layers, cut=True),
    "below model_weights": lambda path, layers: write_old(path, layers, below="model_weights"),
    "deflated": lambda path, layers: write_old(path, layers, compression="gzip", shuffle=True,
                                               chunks=True),
    "double, big-endian": lambda path, layers: write_old(path, layers, dtype=">f8"),
    "layers/NAME/vars": write_new,
    "first Keras 3": lambda path, layers: write_new(path, layers, "_layer_checkpoint_dependencies"),
}


def check_imports(folder):
    layers, pixels = network(1), smooth_image()
    expected = answer(layers, pixels / 255)
    for what, write in WAYS.items():
        write(folder / "theirs.h5", layers)
        said = retort("import", folder / "theirs.h5", "--out", folder / "ours.safetensors",
                      "--scaling", "unit", "--patch", SIZE, "--force")
        assert "unet:3,depth=2, " in said, said
        same(what, answers(folder / "ours.safetensors", folder, pixels), expected)
    what = told("import", folder / "theirs.h5", "--out", folder / "ours.safetensors", "--scaling",
                "1,2,3/50,60,70", "--channels", "bgr", "--patch", SIZE, "--force")
    assert what["scaling"] == {"mode": "data", "mean": [3, 2, 1], "deviation": [70, 60, 50]}, what
    assert (what["file"], what["format"], what["channels"]) == (str(folder / "theirs.h5"), "keras", "bgr")
    what = told("import", folder / "theirs.h5", "--out", folder / "ours.safetensors", "--scaling",
                "unit", "--channels", "bgr", "--patch", SIZE, "--force")
    assert what["model"] == str(folder / "ours.safetensors") and what["patch"] == SIZE, what
    assert what["network"] == "unet:3,depth=2", what
    assert what["parameters"] == sum(k.size + b.size for _, k, b in layers), what
    assert [c["name"] for c in what["palette"]["classes"]] == ["class %d" % i for i in range(CLASSES)]
    assert "does not tell its classes" in what["warnings"][0] and len(what["warnings"]) == 1, what
    same("bgr", answers(folder / "ours.safetensors", folder, pixels[:, :, ::-1].copy()), expected)


# --- what is no such file -----------------------------------------------------------------------------

def without_group(file):
    del file["conv2d_3"]


def without_weight(file):
    del file["conv2d_3/conv2d_3/bias:0"]


def of_numbers(file):
    file.attrs["layer_names"] = np.arange(3)


def of_texts(file):
    del file["conv2d_3/conv2d_3/kernel:0"]
    file["conv2d_3/conv2d_3/kernel:0"] = variable(["none"])


def a_group(file):
    del file["conv2d_3/conv2d_3/kernel:0"]
    file.create_group("conv2d_3/conv2d_3/kernel:0")


def of_six_dimensions(file):
    del file["conv2d_3/conv2d_3/kernel:0"]
    file["conv2d_3/conv2d_3/kernel:0"] = np.zeros((1,) * 6)


def of_one_dimension(file):
    del file["conv2d_3/conv2d_3/kernel:0"]
    file["conv2d_3/conv2d_3/kernel:0"] = np.zeros(4)


def never_written(file):
    del file["conv2d_3/conv2d_3/kernel:0"]
    file.create_dataset("conv2d_3/conv2d_3/kernel:0", (1 << 20, 1 << 20, 4, 4), "f4",
                        chunks=(64, 64, 4, 4))


def elsewhere(file):
    del file["conv2d_3/conv2d_3/kernel:0"]
    file["conv2d_3/conv2d_3/kernel:0"] = h5py.ExternalLink("valid.h5", "conv2d_3/conv2d_3/kernel:0")


def round_in_circles(file):
    del file["conv2d_3"]
    file["conv2d_3"] = h5py.SoftLink("/conv2d_3")


def of_other_shape(file):
    for word, shape in (("kernel:0", (3, 3, 7, 6)), ("bias:0", (5,))):
        del file["conv2d_3/conv2d_3/" + word]
        file["conv2d_3/conv2d_3/" + word] = np.zeros(shape, "f4")


def not_finite(file):
    file["conv2d_3/conv2d_3/kernel:0"][0, 0, 0, 0] = np.nan


def one_more(file):
    file.attrs["layer_names"] = np.append(file.attrs["layer_names"], b"dense")
    file.create_group("dense").attrs["weight_names"] = np.array([b"w"])
    file["dense/w"] = np.zeros((3, 4), "f4")


def no_json(file):
    file.attrs["model_config"] = "{"


def no_layers(file):
    file.attrs["model_config"] = "[]"


DAMAGES = {
    without_group: "it lists a layer conv2d_3 that it lacks",
    without_weight: "layer conv2d_3: cannot read",
    of_numbers: "layer_names is an attribute that holds no text",
    of_texts: "conv2d_3/kernel:0 does not hold numbers",
    a_group: "is listed as a weight, but is none of its data sets",
    of_six_dimensions: "has no shape that can be read, or too many dimensions",
    of_one_dimension: "conv2d_3 (4, and more)",
    never_written: "is larger than the file, or its numbers lie elsewhere",
    elsewhere: "is listed as a weight, but is none of its data sets",
    round_in_circles: "it lists a layer conv2d_3 that it lacks",
    of_other_shape: "layer conv2d_3, weight conv2d_3/kernel:0 is 6x7x3x3, but "
                    "down.1.3.weight has to be 6x6x3x3",
    not_finite: "a number that is not finite",
    one_more: "dense (3x4)",
    no_json: "its model_config is no JSON",
    no_layers: "its model_config describes no layers",
}


def check_refusals(folder):
    path = folder / "damaged.h5"

    def refused(reason):
        said = retort("import", path, "--out", folder / "none", "--scaling", "unit", fails=1)
        assert reason in said, (reason, said)
        assert not (folder / "none").exists()

    write_old(folder / "valid.h5", network(1))
    for damage, reason in DAMAGES.items():
        write_old(path, network(1))
        with h5py.File(path, "a") as file:
            damage(file)
        refused(reason)
        print("[       OK ] refused: %s" % damage.__name__.replace("_", " "))
    whole = (folder / "valid.h5").read_bytes()
    for length in (8, 100, len(whole) // 2):
        path.write_bytes(whole[:length])
        refused("damaged, truncated, or still written to")
    with h5py.File(path, "w") as file:
        file["something"] = np.zeros(3)
    refused("not as Keras writes it")
    with h5py.File(path, "w") as file:
        file.create_group("layers/dropout/vars")
    refused("The layers are:\n  none that has weights")


def check_exports(folder):
    layers = network(2)
    write_old(folder / "theirs.h5", layers)
    retort("import", folder / "theirs.h5", "--out", folder / "ours.safetensors", "--scaling",
           "128,128,128/50,60,70", "--patch", SIZE, "--force")
    for way in ("away.h5", "away.weights.h5"):
        what = told("export", folder / "ours.safetensors", "--keras", folder / way)
        assert what["files"] == [{"format": "keras", "file": str(folder / way)}], what
        assert what["scaling"] == {"mode": "data", "mean": [128] * 3, "deviation": [50, 60, 70]}, what
        assert what["channels"] == "rgb" and what["warnings"] == [], what
        with h5py.File(folder / way) as file:
            new = way.endswith(".weights.h5")
            root = file["layers" if new else "model_weights"]
            for name, kernel, bias in named(layers):
                words = ["0", "1"] if new else ["kernel:0", "bias:0"]
                group = root[name]["vars" if new else name]
                assert np.array_equal(group[words[0]], kernel), (way, name)
                assert np.array_equal(group[words[1]], bias), (way, name)
            if not new:
                assert [x.decode() for x in root.attrs["layer_names"]] == \
                    [name for name, _, _ in named(layers)]
        retort("import", folder / way, "--out", folder / "again.safetensors", "--force")
        assert (folder / "again.safetensors").read_bytes() == \
            (folder / "ours.safetensors").read_bytes(), way
        print("[       OK ] export --keras %s" % way)


def main():
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        os.environ["RETORT_CACHE_DIR"] = name  # kernels are compiled once
        check_imports(folder)
        check_refusals(folder)
        check_exports(folder)
    return 0


sys.exit(main())
